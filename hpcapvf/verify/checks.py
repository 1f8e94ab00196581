"""Is the machine as the plan says? Each demand is a finding. Decisions on what ``readings`` read; no effects here
but in ``verify_plan``, which reads and turns an unreadable part into a finding that failed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from hpcapvf.host.protocols import Machine, guest_access
from hpcapvf.model.address import CpuSet, PciAddress
from hpcapvf.model.errors import HpcapvfError
from hpcapvf.model.host import Host, PciDevice
from hpcapvf.model.paths import guard_unit, port_unit
from hpcapvf.model.plan import Finding, Plan
from hpcapvf.model.steps import (
    InstallDriver,
    MakeRaid,
    ProgramReceiveAll,
    ReplicateTraffic,
    SetOffloads,
    SetPause,
    StartCapture,
    StartGuard,
)
from hpcapvf.model.storage_steps import LendDisks, MakeVolume, MountExisting
from hpcapvf.nic.receive import RegisterWant
from hpcapvf.verify.capture import COMMAND_TIMEOUT_S
from hpcapvf.verify.copies import check_copies
from hpcapvf.verify.judgement import demand
from hpcapvf.verify.mirrors import moved_away, read_mirror
from hpcapvf.verify.readings import (
    GuestReading,
    InterfaceReading,
    QemuReading,
    is_io_thread,
    read_drift,
    read_guard,
    read_guest,
    read_interface,
    read_qemu,
)

S = TypeVar("S")
GUEST_ANSWER_TIMEOUT_S = 120.0
_BRIDGE_CLASS = 0x06
_PROGRAMS = {"hpcapvf": "hpcapdd", "tcpdump": "tcpdump", "dpdk": "dpdk-dumpcap"}  # of the capture service, by engine
_LISTED = 4


def verify_plan(plan: Plan, host: Host, machine: Machine) -> tuple[Finding, ...]:
    """Every check of a deployed machine against its plan. host: probed afresh. Raises nothing that a check can say."""
    findings = [*check_card(plan, host), *check_lent_disks(plan, host), *check_domain(plan, host)]
    if plan.vf_index is not None and plan.request.network.generator == "kernel":
        findings += _attempt(
            "PF's interface", lambda: check_interface(plan, read_interface(plan.pf_interface, machine))
        )
    findings += _attempt("QEMU", lambda: check_qemu(plan, read_qemu(plan, machine.files)))
    if _step(plan, ProgramReceiveAll):
        findings += _attempt("registers for receiving everything", lambda: check_registers(read_drift(plan, machine)))
    replicate = _step(plan, ReplicateTraffic)
    if replicate:
        findings += _attempt("registers that copy traffic", lambda: check_mirror(replicate, host, machine))
    findings += _attempt("copies without registers", lambda: check_copies(plan, host, machine))
    if _step(plan, StartGuard):
        findings += _attempt("register guard", lambda: _guard(plan, machine))
    findings += _attempt("guest", lambda: _guest(plan, machine))
    return tuple(findings)


def _attempt(what: str, check: Callable[[], Iterable[Finding]]) -> list[Finding]:
    try:
        return list(check())
    except HpcapvfError as error:
        return [demand(f"{what} can be read", False, "an answer", error.message, error.hint)]


def _step(plan: Plan, kind: type[S]) -> S | None:
    return next((step for step in plan.steps if isinstance(step, kind)), None)


def _equal(check: str, expected: object, found: object, hint: str = "") -> Finding:
    text = "unknown" if found is None else str(found)
    return demand(check, str(expected) == text, str(expected), text, hint)


def check_card(plan: Plan, host: Host) -> list[Finding]:
    """PF up, VF there, VF (or the PF itself) and controller on vfio-pci, each alone in its IOMMU group."""
    findings = [*_check_vf(plan, host, plan.vf_index)] if plan.vf_index is not None else []
    findings += _check_passed("network card" if plan.vf_index is None else "VF", plan.function, host)
    if plan.controller is not None:
        findings += _check_passed("storage controller", plan.controller, host)
    return findings


def _check_vf(plan: Plan, host: Host, index: int) -> list[Finding]:
    pf = host.device(plan.pf)
    vfs = pf.sriov.vfs if pf is not None and pf.sriov is not None else ()
    vf = vfs[index] if index < len(vfs) else None
    return [
        _check_pf(plan, host, pf),
        _equal(f"VF {index} of {plan.pf}", plan.function, vf, "were the VFs removed? see sriov_numvfs of the PF"),
    ]


def _check_pf(plan: Plan, host: Host, pf: PciDevice | None) -> Finding:
    """The PF can answer its VFs: DPDK has it, or its link is up."""
    if plan.request.network.generator == "dpdk":
        hint = f"systemctl status {port_unit(plan.request.name)}"
        return _equal(f"driver of {plan.pf}, for DPDK", "vfio-pci", pf.driver if pf else None, hint)
    interface = next((i for i in host.interfaces if i.name == plan.pf_interface), None)
    hint = "a PF that is down never answers its VFs: ip link set it up"
    return _equal(f"link of {plan.pf_interface}", "up", _updown(interface.up if interface else None), hint)


def check_lent_disks(plan: Plan, host: Host) -> list[Finding]:
    """Nothing of the host uses a disk that the guest writes to, an array least of all."""
    step = _step(plan, LendDisks)
    findings = []
    for lent in step.disks if step else ():
        disk = next((d for d in host.disks if d.path == lent.path), None)
        found = None if disk is None or disk.in_use is None else ", ".join(disk.in_use) or "nothing"
        hint = "take it out of use on the host at once: two writers destroy what is on it"
        findings.append(_equal(f"what the host uses {lent.path} for", "nothing", found, hint))
    return findings


def _updown(up: bool | None) -> str | None:
    return None if up is None else "up" if up else "down"


def _check_passed(what: str, address: PciAddress, host: Host) -> list[Finding]:
    device = host.device(address)
    driver = device.driver if device is not None else None
    findings = [_equal(f"driver of {what} {address}", "vfio-pci", driver, "was it bound to something else since?")]
    if device is None or device.iommu_group is None:
        return [*findings, demand(f"IOMMU group of {what} {address}", False, "a group of its own", "unknown")]
    members = host.group_members(device.iommu_group)
    others = [str(m.address) for m in members if m.address != address and m.class_code >> 16 != _BRIDGE_CLASS]
    found = f"shared with {', '.join(others)}" if others else "a group of its own"
    return [*findings, _equal(f"IOMMU group of {what} {address}", "a group of its own", found)]


def check_domain(plan: Plan, host: Host) -> list[Finding]:
    """The domain runs, and it is ours."""
    name = plan.request.name
    domain = next((d for d in host.domains or () if d.name == name), None)
    state = None if host.domains is None else "absent" if domain is None else "running" if domain.running else "off"
    return [
        _equal(f"domain {name}", "running", state, f"virsh start {name}, and see its log in /var/log/libvirt/qemu"),
        _equal(f"UUID of domain {name}", plan.domain_uuid, domain.uuid if domain else None),
    ]


def check_interface(plan: Plan, reading: InterfaceReading) -> list[Finding]:
    """Pause frames and offloads as the plan's steps set them; what the card cannot change is not held against it."""
    findings = []
    pause, offloads = _step(plan, SetPause), _step(plan, SetOffloads)
    if pause is not None and reading.pause is not None:
        wanted = f"rx {'on' if pause.rx else 'off'}, tx {'on' if pause.tx else 'off'}"
        found = f"rx {reading.pause.get('rx', 'unknown')}, tx {reading.pause.get('tx', 'unknown')}"
        findings.append(_equal(f"pause frames of {plan.pf_interface}", wanted, found, "ethtool -A sets them"))
    if offloads is not None:
        on = [name for name in offloads.features_off if reading.features.get(name) == "on"]
        findings.append(
            _equal(f"offloads of {plan.pf_interface}", "off", f"on: {', '.join(on)}" if on else "off", "ethtool -K")
        )
    return findings


def check_qemu(plan: Plan, reading: QemuReading | None) -> list[Finding]:
    """vCPUs and other threads on their CPUs, memory in hugepages of the planned node only."""
    if reading is None:
        return [demand("QEMU process", False, "running", "not found", "see virsh list and its log")]
    placement = plan.placement
    hint = "virsh vcpupin and emulatorpin show and set it"
    findings = [
        _equal(f"CPUs of vCPU {index}", pins, reading.vcpus.get(index), hint)
        for index, pins in enumerate(placement.vcpu_pins)
    ]
    io_threads = [(name, cpus) for name, cpus in reading.others if is_io_thread(name)] if placement.io_pins else []
    others = [thread for thread in reading.others if thread not in io_threads]
    astray = [f"{name} on {cpus}" for name, cpus in others if not _inside(cpus, placement.emulator_pins)]
    where = f"on {placement.emulator_pins}"
    found = "no threads" if not others else "; ".join(astray[:_LISTED]) or where
    findings.append(_equal("QEMU's other threads", where, found, hint))
    if placement.io_pins:
        told = "; ".join(str(cpus) for _, cpus in io_threads) or "no such thread"
        findings.append(_equal("CPUs of the IO thread", placement.io_pins, told, "virsh iothreadinfo shows it"))
    elsewhere = {node: pages for node, pages in reading.hugepages.items() if node != placement.node and pages}
    pages = reading.hugepages.get(placement.node, 0)
    text = ", ".join(f"{count} on node {node}" for node, count in sorted(reading.hugepages.items())) or "none"
    findings.append(
        demand(
            f"hugepages of {placement.hugepage_kib} KiB in use",
            pages >= placement.hugepages and not elsewhere,
            f"{placement.hugepages} on node {placement.node}",
            text,
            "memory of another node costs speed: numatune strict and enough free pages on the node",
        )
    )
    return findings


def _inside(cpus: CpuSet, allowed: CpuSet) -> bool:
    return len(cpus) > 0 and len(cpus - allowed) == 0


_REWRITTEN = "the PF driver rewrote them; the guard should put them back within its interval"


def check_registers(drifted: tuple[RegisterWant, ...]) -> list[Finding]:
    """The card holds everything that the programme wants."""
    found = _differ(drifted) if drifted else "as wanted"
    return [_equal("registers for receiving everything", "as wanted", found, _REWRITTEN)]


def _differ(drifted: tuple[RegisterWant, ...]) -> str:
    shown = "; ".join(want.describe() for want in drifted[:_LISTED])
    more = f" and {len(drifted) - _LISTED} more" if len(drifted) > _LISTED else ""
    return f"{len(drifted)} differ: {shown}{more}"


def check_mirror(step: ReplicateTraffic, host: Host, machine: Machine) -> list[Finding]:
    """The card copies now, and each watched VM still is where the plan found it."""
    state = read_mirror(step, machine)
    nothing = "no MAC filter names a watched pool"
    hint = _REWRITTEN if state.drifted else "is the watched VM's network interface up?"
    found = state.backend or (_differ(state.drifted) if state.drifted else nothing)
    findings = [demand("registers that copy traffic", state.backend is not None, "as wanted", found, hint)]
    for watched in step.watched:
        place = f"running with VF {watched.vf}"
        away = moved_away(watched, host)
        findings.append(_equal(f"watched VM {watched.domain}", place, away or place, "destroy and deploy the agent"))
    return findings


def _guard(plan: Plan, machine: Machine) -> list[Finding]:
    name = plan.request.name
    argv = ["systemctl", "is-active", guard_unit(name)]
    state = machine.commands.run(argv, timeout_s=COMMAND_TIMEOUT_S).stdout.strip()
    return check_guard(name, state, read_guard(name, machine.files))


def check_guard(name: str, state: str, counts: dict[str, object] | None) -> list[Finding]:
    """The guard's unit runs, looks, and has no complaint. How often it re-applied is told, not judged."""
    unit = guard_unit(name)
    hint = f"journalctl -u {unit}"
    findings = [_equal(f"unit {unit}", "active", state, hint)]
    if counts is None:
        return [*findings, demand("register guard's counts", False, "at least 1 check", "none", hint)]
    checks, error = counts.get("checks"), counts.get("error")
    text = f"{checks} checks, {counts.get('drifts')} found registers rewritten" + (f"; {error}" if error else "")
    good = isinstance(checks, int) and checks > 0 and not error
    return [*findings, demand("register guard's counts", good, "checks without an error", text, hint)]


def _guest(plan: Plan, machine: Machine) -> list[Finding]:
    guest = machine.guests.connect(guest_access(plan), timeout_s=GUEST_ANSWER_TIMEOUT_S)
    raid = _step(plan, MakeRaid) or _volume(plan)
    capture = _step(plan, StartCapture)
    mount = raid.mount if raid else capture.directory if capture else "/"
    return check_guest(plan, read_guest(guest, mount))


def _volume(plan: Plan) -> MakeVolume | MountExisting | None:
    return _step(plan, MakeVolume) or _step(plan, MountExisting)


def check_guest(plan: Plan, reading: GuestReading) -> list[Finding]:
    """Driver, storage and capture service in the guest."""
    facts = reading.facts
    ours = _step(plan, InstallDriver)
    findings = _check_driver(plan, reading) if ours else []
    raid = _step(plan, MakeRaid)
    if raid is not None:
        chunk = facts.get("chunk_bytes", "")
        kib = int(chunk) // 1024 if chunk.isdecimal() else None
        level = facts.get("level") or None
        findings += [
            _equal(f"array behind {raid.mount}", "raid0", level, "cat /proc/mdstat in the guest"),
            _equal("chunk of the array", f"{raid.chunk_kib} KiB", None if kib is None else f"{kib} KiB"),
            _equal(f"file system on {raid.mount}", raid.filesystem, facts.get("filesystem") or None),
        ]
    volume = _volume(plan)
    if volume is not None:
        found = facts.get("filesystem") or None
        findings.append(_equal(f"file system on {volume.mount}", volume.filesystem, found, "findmnt in the guest"))
    capture = _step(plan, StartCapture)
    if capture is not None:
        journal = "journalctl -u hpcapvf-capture in the guest"
        findings += [
            _equal("capture service", "active", facts.get("unit") or None, journal),
            _equal("program of the capture service", _PROGRAMS[capture.engine], facts.get("program") or None, journal),
            _equal("CPU of the reader", capture.reader_cpu, facts.get("reader_cpus") or None, journal),
        ]
    return findings


def _check_driver(plan: Plan, reading: GuestReading) -> list[Finding]:
    """HPCAPvf has its device, and somebody reads it."""
    driver, nodes = reading.driver, reading.nodes
    hint = "see dmesg in the guest"
    listeners = driver.get("listeners", "")
    heard = listeners.isdecimal() and int(listeners) > 0
    journal = "journalctl -u hpcapvf-capture in the guest"
    return [
        _equal("module hpcapvf in the guest", "live", reading.facts.get("module") or None, hint),
        _equal("device captured by hpcapvf", "one", "one" if driver else reading.driver_problem, hint),
        _equal("link in the guest", "1", driver.get("link"), "is the PF's link up?"),
        _equal("CPU of the polling thread", plan.placement.polling_vcpu, driver.get("cpu"), hint),
        _equal("device node", "one", "one" if len(nodes) == 1 else ", ".join(nodes) or "none", hint),
        demand("listeners of the driver", heard, "at least 1", listeners or "unknown", journal),
    ]
