"""A plan as a diff: every place that its steps change, with what is there now as far as the host says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import singledispatch
from itertools import groupby

from hpcapvf.model import paths
from hpcapvf.model.changes import Area, Change
from hpcapvf.model.host import Host, HugepagePool
from hpcapvf.model.paths import (
    CAPTURE_UNIT,
    INTERFACE_FILE,
    PORT_UNIT,
    SYSTEMD_UNITS,
    end_service,
    end_timer,
    guard_unit,
    port_unit,
)
from hpcapvf.model.plan import Plan
from hpcapvf.model.steps import (
    BindDriver,
    DefineDomain,
    FreeNvmeQueues,
    HoldFunction,
    HoldPort,
    InstallDriver,
    KeepClock,
    LendDisks,
    MakeDisk,
    MakeRaid,
    MakeSeed,
    MakeVolume,
    MirrorByFiles,
    MirrorByTc,
    MountExisting,
    PrepareEnd,
    ProgramReceiveAll,
    ReserveHugepages,
    SetAutoprobe,
    SetLink,
    SetModuleParameter,
    SetNumVfs,
    SetOffloads,
    SetPause,
    SetPrivateFlag,
    SetTestpmdModes,
    SetVfMac,
    StartCapture,
    StartDomain,
    StartGuard,
    StartNetwork,
    StartNvmeVf,
    Step,
    TrustVf,
    UseInterface,
    WaitGuest,
)
from hpcapvf.nic.receive import ReadRegister, RegisterWant, programme_of

_PCI = "/sys/bus/pci/devices"
_MODPROBE = "/etc/modprobe.d/hpcapvf.conf"
_NO_ARGUMENTS = "no step changes them; the playbook role prepare_host does"


class _Now:
    """What is there now: the host, and the card's registers if they can be read."""

    def __init__(self, host: Host, read: ReadRegister | None) -> None:
        self.host = host
        self.read = read

    def link_up(self, name: str) -> str | None:
        up = next((i.up for i in self.host.interfaces if i.name == name), None)
        return None if up is None else "up" if up else "down"

    def pool(self, node: int, size_kib: int) -> HugepagePool | None:
        pools = (pool for n in self.host.nodes if n.index == node for pool in n.hugepages)
        return next((pool for pool in pools if pool.size_kib == size_kib), None)

    def domain(self, name: str) -> str | None:
        """ "" if there is none, None if libvirt was not asked."""
        if self.host.domains is None:
            return None
        found = next((d for d in self.host.domains if d.name == name), None)
        return "" if found is None else "running" if found.running else "off"


def changes_of(plan: Plan, host: Host, read: ReadRegister | None = None) -> tuple[Change, ...]:
    """Every change in the order of the steps; kernel arguments last. read: the card's registers as they are now.

    Pure but for read. A step of a kind that is not described here is one change whose before is unknown. What a PF's
    driver writes between now and the step (VFs are made, the guest's driver starts) is not foreseen.
    """
    now = _Now(host, read)
    found: list[Change] = []
    for index, step in enumerate(plan.steps):
        found += [replace(change, step=index, reversible=step.reversible) for change in _changes(step, now)]
    arguments = None if host.kernel_arguments is None else " ".join(host.kernel_arguments)
    return (*found, Change(None, Area.KERNEL, "/proc/cmdline", arguments, arguments or "unchanged", note=_NO_ARGUMENTS))


def _one(area: Area, place: str, before: str | None, after: str, *, is_text: bool = False, note: str = "") -> Change:
    return Change(None, area, place, before, after, is_text=is_text, note=note)


@singledispatch
def _changes(step: Step, now: _Now) -> Iterable[Change]:
    return (_one(Area.GUEST, step.kind, None, step.describe()),)


@_changes.register
def _(step: SetLink, now: _Now) -> Iterable[Change]:
    yield _one(Area.LINK, f"{step.interface}: link", now.link_up(step.interface), "up" if step.up else "down")


@_changes.register
def _(step: SetPause, now: _Now) -> Iterable[Change]:
    after = f"autoneg off, rx {'on' if step.rx else 'off'}, tx {'on' if step.tx else 'off'}"
    yield _one(Area.LINK, f"{step.interface}: pause frames", None, after, note="fixed settings stay")


@_changes.register
def _(step: SetOffloads, now: _Now) -> Iterable[Change]:
    for feature in step.features_off:
        yield _one(Area.LINK, f"{step.interface}: {feature}", None, "off", note="stays if the card fixes it")


@_changes.register
def _(step: SetAutoprobe, now: _Now) -> Iterable[Change]:
    device = now.host.device(step.pf)
    probed = device.sriov.autoprobe if device is not None and device.sriov is not None else None
    before = None if probed is None else str(int(probed))
    yield _one(Area.SYSFS, f"{_PCI}/{step.pf}/sriov_drivers_autoprobe", before, str(int(step.enabled)))


@_changes.register
def _(step: SetNumVfs, now: _Now) -> Iterable[Change]:
    device = now.host.device(step.pf)
    before = str(device.sriov.num_vfs) if device is not None and device.sriov is not None else None
    yield _one(Area.SYSFS, f"{_PCI}/{step.pf}/sriov_numvfs", before, str(step.count))


@_changes.register
def _(step: SetVfMac, now: _Now) -> Iterable[Change]:
    yield _one(Area.LINK, f"{step.interface}: MAC of VF {step.vf_index}", None, str(step.mac))


@_changes.register
def _(step: TrustVf, now: _Now) -> Iterable[Change]:
    yield _one(Area.LINK, f"{step.interface}: trust in VF {step.vf_index}", None, "on")


@_changes.register
def _(step: SetPrivateFlag, now: _Now) -> Iterable[Change]:
    yield _one(Area.LINK, f"{step.interface}: {step.flag}", None, "on", note="for every VF of the card")


@_changes.register
def _(step: SetTestpmdModes, now: _Now) -> Iterable[Change]:
    modes = f"VF {step.vf_index}: AUPE, ROPE, BAM, MPE on; UTA all on"
    yield _one(Area.REGISTERS, f"{port_unit(step.deployment)}: receive modes", None, modes, note="not read back")


@_changes.register
def _(step: MirrorByFiles, now: _Now) -> Iterable[Change]:
    for watched in step.watched:
        for direction in step.directions:
            way = paths.MIRROR_WAYS[direction]
            yield _one(Area.SYSFS, paths.mirror_file(step.pf, watched.pool, way), None, str(step.pool))


@_changes.register
def _(step: MirrorByTc, now: _Now) -> Iterable[Change]:
    for interface in step.representors:
        what = f"{interface}: tc filters, frames {' and '.join(step.directions)} its VF"
        yield _one(Area.LINK, what, None, f"mirror to {step.to_interface}")


@_changes.register
def _(step: BindDriver, now: _Now) -> Iterable[Change]:
    device = now.host.device(step.device)
    note = "" if device is not None else "the VF is made by a step before"
    before = device.driver or "" if device is not None else "" if now.host.pci else None
    yield _one(Area.SYSFS, f"{_PCI}/{step.device}/driver_override", None, step.driver, note=note)
    yield _one(Area.SYSFS, f"{_PCI}/{step.device}/driver", before, step.driver, note=note)


@_changes.register
def _(step: ReserveHugepages, now: _Now) -> Iterable[Change]:
    place = f"/sys/devices/system/node/node{step.node}/hugepages/hugepages-{step.size_kib}kB/nr_hugepages"
    pool = now.pool(step.node, step.size_kib)
    if pool is None or pool.free is None:
        yield _one(Area.SYSFS, place, None, f"as many as leave {step.free_pages} free")
        return
    yield _one(Area.SYSFS, place, str(pool.total), str(pool.total + max(0, step.free_pages - pool.free)))


@_changes.register
def _(step: StartNetwork, now: _Now) -> Iterable[Change]:
    yield _one(Area.LIBVIRT, f"network {step.network}", None, "active")


@_changes.register
def _(step: MakeDisk, now: _Now) -> Iterable[Change]:
    after = f"qcow2 of {step.size_gib} GiB over {step.image} (SHA-256 {step.sha256[:12]}…, verified first)"
    yield _one(Area.FILE, step.path, None, after)


@_changes.register
def _(step: MakeSeed, now: _Now) -> Iterable[Change]:
    yield _one(Area.FILE, step.key_path, None, "a new private key, root only; its public half beside it")
    texts = (("user-data", step.user_data), ("meta-data", step.meta_data), ("network-config", step.network_config))
    for name, text in texts:
        if text:
            yield _one(Area.FILE, f"{step.path}: {name}", None, text, is_text=True)


@_changes.register
def _(step: DefineDomain, now: _Now) -> Iterable[Change]:
    before = "" if now.domain(step.domain) == "" else None
    yield _one(Area.LIBVIRT, f"domain {step.domain}", before, step.xml, is_text=True)


@_changes.register
def _(step: StartDomain, now: _Now) -> Iterable[Change]:
    state = now.domain(step.domain)
    yield _one(Area.LIBVIRT, f"state of domain {step.domain}", "absent" if state == "" else state, "running")


@_changes.register
def _(step: WaitGuest, now: _Now) -> Iterable[Change]:
    return ()


@_changes.register
def _(step: KeepClock, now: _Now) -> Iterable[Change]:
    yield _one(Area.GUEST, "clock", None, "chrony follows the host's, if the guest's kernel can read it")


@_changes.register
def _(step: InstallDriver, now: _Now) -> Iterable[Change]:
    function = f"{step.vendor:04x}:{step.device:04x}"
    yield _one(Area.GUEST, "module and programs", None, "hpcapvf.ko for the guest's kernel, the tools, a udev rule")
    yield _one(Area.GUEST, _MODPROBE, None, step.modprobe_conf, is_text=True)
    if step.by_interface:
        yield _one(Area.GUEST, "/sys/module/hpcapvf/parameters/interfaces", "", f"the interface of {function}")
    else:
        yield _one(Area.GUEST, f"driver of {function}", None, "hpcapvf")


@_changes.register
def _(step: UseInterface, now: _Now) -> Iterable[Change]:
    function = f"{step.vendor:04x}:{step.device:04x}"
    yield _one(Area.GUEST, INTERFACE_FILE, None, f"INTERFACE=that of {function}")


@_changes.register
def _(step: HoldFunction, now: _Now) -> Iterable[Change]:
    function = f"{step.vendor:04x}:{step.device:04x}"
    yield _one(Area.GUEST, f"driver of {function}", None, "vfio-pci")
    yield _one(Area.GUEST, "/proc/sys/vm/nr_hugepages", "0", f"{step.memory_mib} MiB")
    yield _one(Area.GUEST, f"{SYSTEMD_UNITS}/{PORT_UNIT}", None, step.unit, is_text=True)


@_changes.register
def _(step: ProgramReceiveAll, now: _Now) -> Iterable[Change]:
    read = now.read
    wants = programme_of(step, read or (lambda _name, _index: 0))
    yield from _registers(str(step.pf), wants, read)
    if read is None and step.owned:
        yield _one(Area.REGISTERS, f"{step.pf} RAH[each valid]", None, f"pool {step.pool} added to the MAC's pools")


def _registers(pf: str, wants: Iterable[RegisterWant], read: ReadRegister | None) -> Iterator[Change]:
    """Neighbours in an array that change alike are one change; what holds already is left out."""

    def before_of(want: RegisterWant) -> str | None:
        known = read is not None and want.reads_back
        return f"{read(want.register, want.index) & want.mask:#010x}" if read is not None and known else None

    def alike(want: RegisterWant) -> tuple[str, int, int, str | None]:
        return want.register, want.mask, want.value, before_of(want)

    for (name, mask, value, before), group in groupby(wants, key=alike):
        after = f"{value:#010x}"
        indexes = [want.index for want in group]
        span = str(indexes[0]) if len(indexes) == 1 else f"{indexes[0]}-{indexes[-1]}"
        if before != after:
            yield _one(Area.REGISTERS, f"{pf} {name}[{span}] bits {mask:#010x}", before, after)


@_changes.register
def _(step: PrepareEnd, now: _Now) -> Iterable[Change]:
    yield _one(Area.SERVICE, end_service(step.deployment), "absent", "there, started when its guest dies")
    if step.ttl_s is not None:
        yield _one(Area.SERVICE, end_timer(step.deployment), "absent", f"starts it after {step.ttl_s} s")


@_changes.register
def _(step: StartGuard, now: _Now) -> Iterable[Change]:
    yield _one(Area.SERVICE, guard_unit(step.deployment), None, f"active, looks every {step.interval_ms} ms")


@_changes.register
def _(step: SetModuleParameter, now: _Now) -> Iterable[Change]:
    yield _one(Area.SYSFS, f"/sys/module/{step.module}/parameters/{step.parameter}", None, step.value)


@_changes.register
def _(step: HoldPort, now: _Now) -> Iterable[Change]:
    yield _one(Area.FILE, step.token_path, "absent", "a new token that only root may read")
    yield _one(Area.SERVICE, port_unit(step.deployment), None, f"active, dpdk-testpmd with {step.pf}")


@_changes.register
def _(step: MakeRaid, now: _Now) -> Iterable[Change]:
    form = f"RAID-0 {step.array}, {step.chunk_kib} KiB chunk, {step.filesystem} on {step.mount}"
    allowed = ", ".join(step.wipe) if step.wipe else "blank disks only"
    note = f"an array of this name is kept as it is; may be formatted: {allowed}"
    yield _one(Area.GUEST, "disks of the controller", None, form, note=note)


@_changes.register
def _(step: MakeVolume, now: _Now) -> Iterable[Change]:
    allowed = ", ".join(step.wipe) if step.wipe else "only if it is blank"
    form = f"{step.filesystem} on {step.mount}"
    yield _one(Area.GUEST, "volume of the controller", None, form, note=f"may be formatted: {allowed}")


@_changes.register
def _(step: MountExisting, now: _Now) -> Iterable[Change]:
    yield _one(Area.GUEST, step.mount, None, f"the {step.filesystem} that is there, mounted")


@_changes.register
def _(step: LendDisks, now: _Now) -> Iterable[Change]:
    for disk in step.disks:
        yield _one(Area.LIBVIRT, f"who uses {disk.path}", "nobody", "the guest")


@_changes.register
def _(step: FreeNvmeQueues, now: _Now) -> Iterable[Change]:
    what = f"{step.queues} queues and {step.interrupts} interrupts for VFs"
    yield _one(Area.SYSFS, f"flexible resources of {step.pf}", None, what)


@_changes.register
def _(step: StartNvmeVf, now: _Now) -> Iterable[Change]:
    yield _one(Area.SYSFS, f"VF {step.vf_index} of {step.pf}", None, f"online with {step.queues} queues")


@_changes.register
def _(step: StartCapture, now: _Now) -> Iterable[Change]:
    yield _one(Area.GUEST, f"{SYSTEMD_UNITS}/{CAPTURE_UNIT}", None, step.unit, is_text=True)
    yield _one(Area.GUEST, "capture service", None, f"active, writes into {step.directory}")


def is_described(kind: type) -> bool:
    """Whether a kind of step has a description of its own here."""
    return _changes.dispatch(kind) is not _changes.dispatch(object)
