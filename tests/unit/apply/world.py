"""A fake server with the plan of a probe (of a VF or of the whole card), or of an agent that watches a running VM:
together every kind of step."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hpcapvf.model import paths
from hpcapvf.model.address import CpuSet, Mac, PciAddress
from hpcapvf.model.plan import Placement, Plan
from hpcapvf.model.request import EngineRequest, GuestRequest, NetworkRequest, Request, StorageRequest
from hpcapvf.model.steps import (
    BindDriver,
    DefineDomain,
    HoldFunction,
    HoldPort,
    InstallDriver,
    KeepClock,
    MakeDisk,
    MakeRaid,
    MakeSeed,
    PrepareEnd,
    ProgramReceiveAll,
    ReplicateTraffic,
    ReserveHugepages,
    SetAutoprobe,
    SetLink,
    SetModuleParameter,
    SetNumVfs,
    SetOffloads,
    SetPause,
    SetVfMac,
    StartCapture,
    StartDomain,
    StartGuard,
    StartNetwork,
    Step,
    UseInterface,
    WaitGuest,
    WatchedVf,
)
from tests.fakes import tree
from tests.fakes.kernel import vf_address
from tests.fakes.machine import FakeMachine, fake_machine
from tests.unit.apply import guest_model
from tests.unit.apply.guest_model import GuestModel

NAME = "probe1"
UUID = "12345678-1234-5678-1234-567812345678"
PF = PciAddress.parse(tree.PF)
VF = PciAddress.parse(vf_address(0))
CONTROLLER = PciAddress.parse(tree.CONTROLLER)
VF_MAC = Mac.parse("02:00:00:00:00:01")
MANAGEMENT_MAC = Mac.parse("02:00:00:00:00:02")
WATCHED, WATCHED_UUID = "web1", "87654321-1234-5678-1234-567812345678"
WATCHED_MAC, WATCHED_VLAN = Mac.parse("02:00:00:00:00:03"), 100
MONITOR_VF, MONITOR_MAC = PciAddress.parse(vf_address(1)), Mac.parse("02:00:00:00:00:04")
TTL_S = 7 * 86400  # longer than any test's clock runs
_KEPT_FOLDERS = (paths.DEPLOYMENTS, paths.IMAGES, "/run/hpcapvf", "/etc/systemd/system")


@dataclass
class World:
    """The fake machine, the guest behind it, and a plan for both. others: what other people do at every boot."""

    fake: FakeMachine
    guest: GuestModel
    plan: Plan
    others: Callable[[], None] = lambda: None

    def fresh_guest(self) -> None:
        """A guest that nobody was in yet, with blank disks; effects are counted anew."""
        guest = self.fake.guest
        for state_of_old in (guest.files, guest.modules, guest.units, guest.enabled):
            state_of_old.clear()
        functions = self.guest.ids, self.guest.stock
        self.guest = GuestModel(self.fake, self.guest.disk_names)
        self.guest.ids, self.guest.stock = functions
        self.guest.power_off()
        self.fake.faults.log.clear()
        self.fake.faults.clear()

    def reboot(self) -> None:
        """The host starts again, which takes its time: what is named by the time has another name after."""
        self.fake.clock.now += 60.0
        self.fake.reboot()
        self.fake.commands.link(tree.PF_INTERFACE)
        self.fake.kernel.tree.write("/usr/bin/genisoimage", "")
        self.guest.power_off()
        self.others()

    def snapshot(self) -> dict[str, Any]:
        """Everything that must be as before: the fake's own snapshot, and files that a deployment makes."""
        return self.fake.snapshot() | {"files": {folder: self._files(folder) for folder in _KEPT_FOLDERS}}

    def _files(self, folder: str) -> dict[str, str]:
        base = self.fake.root / folder.lstrip("/")
        return {str(path.relative_to(base)): _content(path) for path in base.rglob("*")}


def _content(path: Path) -> str:
    """Of a file that is another one each time, only that it is there."""
    if path.suffix == ".timer":
        return "some time"
    if path.is_file():
        return "some token" if path.name == "vf-token" else path.read_text()
    return "folder"


def make_world(root: Path, *, hugepages: int = 0, family: str = "82576") -> World:
    """A fresh one. hugepages: those of 2 MiB that node 0 has from boot on; family: of the card's registers."""
    shape = tree.Shape(vfio_loaded=True, hugepages=hugepages)  # a module that was loaded stays loaded
    fake = fake_machine(root, shape, family)
    fake.commands.link(tree.PF_INTERFACE)
    _add_host_programs(fake)
    digest = hashlib.sha256((root / tree.IMAGE.lstrip("/")).read_bytes()).hexdigest()
    return World(fake, GuestModel(fake), of_family(make_plan(digest), family))


def make_monitor_world(root: Path, *, mirror_rules: bool = False, mirror_files: bool = False) -> World:
    """A fresh one in which VM web1 runs with VF 0, in a multicast group and a VLAN, and a plan to watch it from VF 1.

    mirror_rules: whether the card has them; mirror_files: whether the driver has files for them (out-of-tree i40e).
    """
    world = make_world(root)
    world.fake.kernel.mirror_files = mirror_files
    if mirror_rules:
        world.fake.registers.missing = frozenset()
    _start_watched(world.fake)
    plan = make_monitor_plan(world.plan)
    world.fake.faults.log.clear()
    return World(world.fake, world.guest, plan, lambda: _start_watched(world.fake))


def of_family(plan: Plan, family: str) -> Plan:
    """The same plan for a card of another family."""
    steps = tuple(
        replace(s, family=family) if isinstance(s, ProgramReceiveAll | ReplicateTraffic) else s for s in plan.steps
    )
    return replace(plan, family=family, steps=steps)


def make_vfs(fake: FakeMachine) -> None:
    """Two VFs without drivers, as somebody else makes them."""
    fake.machine.files.write_text(f"/sys/bus/pci/devices/{PF}/sriov_drivers_autoprobe", "0")
    fake.machine.files.write_text(f"/sys/bus/pci/devices/{PF}/sriov_numvfs", "2")


def _start_watched(fake: FakeMachine) -> None:
    make_vfs(fake)
    fake.machine.files.write_text(f"/sys/bus/pci/devices/{VF}/driver_override", "vfio-pci")
    fake.machine.files.write_text("/sys/bus/pci/drivers_probe", str(VF))
    fake.hypervisor.networks["default"] = True  # it stays active while any other VM runs
    fake.hypervisor.define(domain_xml(WATCHED, WATCHED_UUID, (VF,), network=False))
    fake.hypervisor.start(WATCHED)
    fake.registers.vf_filters = {1: (WATCHED_MAC, 0), 2: (MONITOR_MAC, 1)}
    fake.registers.joined = {0}
    fake.registers.set("VLVF", 3, 1 << 31 | 1 << 12 | WATCHED_VLAN)
    fake.registers.wipe()


def make_monitor_plan(probe: Plan) -> Plan:
    """The steps of a monitoring agent, in the planner's order."""
    image = next(step.sha256 for step in probe.steps if isinstance(step, MakeDisk))
    old = [s for s in _host_steps(image) if isinstance(s, ReserveHugepages | StartNetwork | MakeDisk | MakeSeed)]
    wait, clock, install, *_ = _guest_steps()
    steps: tuple[Step, ...] = (
        SetLink(tree.PF_INTERFACE),
        SetVfMac(tree.PF_INTERFACE, 1, MONITOR_MAC),
        BindDriver(MONITOR_VF, "vfio-pci"),
        *old,
        DefineDomain(NAME, UUID, domain_xml(NAME, UUID, (MONITOR_VF,))),
        StartDomain(NAME),
        wait,
        clock,
        install,
        StartCapture(NAME, "/capture", 1, "[Service]\nExecStart=/usr/local/bin/hpcapdd\n"),
        PrepareEnd(NAME, TTL_S),
        ReplicateTraffic(PF, "82576", 1, MONITOR_MAC, (WatchedVf(WATCHED, VF, 0),)),
        StartGuard(NAME),
    )
    request = replace(
        probe.request,
        network=replace(probe.request.network, receive="own"),
        storage=StorageRequest(mode="guest-disk"),
        watch=(WATCHED,),
        ttl_s=TTL_S,
    )
    changes = {"function": MONITOR_VF, "vf_index": 1, "function_mac": MONITOR_MAC, "controller": None}
    return replace(probe, request=request, steps=steps, **changes)  # type: ignore[arg-type]


def make_whole_card_world(root: Path, engine: str) -> World:
    """A fresh one with a plan that gives the whole card to the guest, captured by hpcapvf or tcpdump."""
    world = make_world(root)
    autoprobe = f"/sys/bus/pci/devices/{PF}/sriov_drivers_autoprobe"
    world.others = lambda: world.fake.machine.files.write_text(autoprobe, "0")
    world.others()
    world.guest.ids[guest_model.VF] = ("0x8086", "0x10c9")
    world.guest.stock[guest_model.VF] = "igb"
    world.guest.power_off()
    world.fake.faults.log.clear()
    return replace(world, plan=make_whole_card_plan(world.plan, engine))


def make_whole_card_plan(probe: Plan, engine: str) -> Plan:
    """The steps of a probe that has the whole card, in the planner's order."""
    kept = (ReserveHugepages, BindDriver, StartNetwork, MakeDisk, MakeSeed, StartDomain, WaitGuest, MakeRaid)
    old = {type(s): s for s in probe.steps if isinstance(s, kept)}
    attach = InstallDriver(NAME, 0x8086, 0x10C9, 1, "", by_interface=True)
    unit = f"[Service]\nExecStart=/usr/bin/{'hpcapdd' if engine == 'hpcapvf' else 'tcpdump'}\n"
    steps: tuple[Step, ...] = (
        SetLink(tree.PF_INTERFACE, up=False),
        old[ReserveHugepages],
        BindDriver(PF, "vfio-pci"),
        BindDriver(CONTROLLER, "vfio-pci"),
        *(old[kind] for kind in (StartNetwork, MakeDisk, MakeSeed)),
        DefineDomain(NAME, UUID, domain_xml(NAME, UUID, (PF, CONTROLLER))),
        *(old[kind] for kind in (StartDomain, WaitGuest)),
        attach if engine == "hpcapvf" else UseInterface(NAME, 0x8086, 0x10C9),
        old[MakeRaid],
        StartCapture(NAME, "/capture", 1, unit, engine),
    )
    network = replace(probe.request.network, mode="passthrough")
    request = replace(probe.request, network=network, engine=EngineRequest(kind=engine))
    return replace(probe, request=request, steps=steps, function=PF, vf_index=None)


def make_dpdk_world(root: Path) -> World:
    """A fresh one with a plan whose VFs are made and answered by DPDK."""
    world = make_world(root)

    def journalctl(argv: tuple[str, ...], _stdin: bytes) -> tuple[int, str, str]:
        return 0, "Checking link statuses...\n" if argv[-1] in world.fake.commands.units else "", ""

    world.fake.commands.on("journalctl", journalctl)
    return replace(world, plan=make_dpdk_plan(world.plan))


def make_dpdk_plan(probe: Plan) -> Plan:
    """The steps of a probe whose PF DPDK holds, in the planner's order."""
    token = paths.token_path(NAME)
    index = next(i for i, step in enumerate(probe.steps) if isinstance(step, ReserveHugepages))
    host: tuple[Step, ...] = (
        SetLink(tree.PF_INTERFACE, up=False),
        SetModuleParameter("vfio_pci", "enable_sriov", "Y"),
        BindDriver(PF, "vfio-pci"),
        SetNumVfs(PF, 1),
        HoldPort(PF, NAME, token, CpuSet.of([3])),
    )
    rest = [
        replace(s, xml=s.xml.replace("<name>", "<title>@VF_TOKEN@</title><name>"), token_path=token)
        if isinstance(s, DefineDomain)
        else s
        for s in probe.steps[index:]
    ]
    network = replace(probe.request.network, generator="dpdk")
    return replace(probe, request=replace(probe.request, network=network), steps=(*host, *rest))


def make_dpdk_engine_plan(probe: Plan) -> Plan:
    """The steps of a probe whose frames DPDK takes and stores in the guest, in the planner's order."""
    port, capture = (f"[Service]\nExecStart=/usr/bin/dpdk-{name}\n" for name in ("testpmd", "dumpcap"))
    hold = HoldFunction(NAME, 0x8086, 0x10CA, 128, 1, port)
    replaced: dict[type[Any], Step] = {
        InstallDriver: hold,
        StartCapture: StartCapture(NAME, "/capture", 1, capture, "dpdk"),
    }
    steps = tuple(replaced.get(type(step), step) for step in probe.steps)
    return replace(probe, steps=steps, request=replace(probe.request, engine=EngineRequest(kind="dpdk")))


def make_plan(image_sha256: str) -> Plan:
    """All steps, in the planner's order."""
    request = Request(
        version=1,
        guest=GuestRequest(NAME, tree.IMAGE),
        network=NetworkRequest(tree.PF_INTERFACE),
        storage=StorageRequest(controller=tree.CONTROLLER),
    )
    placement = Placement(0, (CpuSet.of([1]), CpuSet.of([2])), CpuSet.of([3]), 0, 1, 2048, 8)
    return Plan(
        request=request,
        spec_sha256="f" * 64,
        pf=PF,
        pf_interface=tree.PF_INTERFACE,
        family="82576",
        function=VF,
        vf_index=0,
        function_mac=VF_MAC,
        management_mac=MANAGEMENT_MAC,
        controller=CONTROLLER,
        placement=placement,
        domain_uuid=UUID,
        steps=(*_host_steps(image_sha256), *_guest_steps()),
    )


def _host_steps(image_sha256: str) -> tuple[Step, ...]:
    key = paths.key_path(NAME)
    return (
        SetLink(tree.PF_INTERFACE),
        SetPause(tree.PF_INTERFACE, rx=False, tx=False),
        SetOffloads(tree.PF_INTERFACE, ("generic-receive-offload", "large-receive-offload")),
        SetAutoprobe(PF, enabled=False),
        SetNumVfs(PF, 2),
        SetVfMac(tree.PF_INTERFACE, 0, VF_MAC),
        ReserveHugepages(0, 2048, 8),
        BindDriver(VF, "vfio-pci"),
        BindDriver(CONTROLLER, "vfio-pci"),
        StartNetwork("default"),
        MakeDisk(paths.disk_path(NAME), tree.IMAGE, image_sha256, 8),
        MakeSeed(paths.seed_path(NAME), key, "keys: @PUBLIC_KEY@", "instance-id: probe1", ""),
        DefineDomain(NAME, UUID, domain_xml(NAME, UUID, (VF, CONTROLLER))),
        StartDomain(NAME),
    )


def _guest_steps() -> tuple[Step, ...]:
    return (
        WaitGuest(NAME, MANAGEMENT_MAC, "probe", paths.key_path(NAME), 600),
        KeepClock(NAME),
        InstallDriver(NAME, 0x8086, 0x10CA, 1, "options hpcapvf cpu=1\n"),
        ProgramReceiveAll(PF, "82576", 0),
        StartGuard(NAME),
        MakeRaid(NAME, NAME, 1024, "xfs", "/capture", ()),
        StartCapture(NAME, "/capture", 1, "[Service]\nExecStart=/usr/local/bin/hpcapdd\n"),
    )


def domain_xml(name: str, uuid: str, taken: tuple[PciAddress, ...], *, network: bool = True) -> str:
    """A definition that takes these PCI functions, and with network has the management interface."""
    functions = "".join(
        f"<hostdev type='pci' managed='no'><source><address domain='{a.domain:#x}' bus='{a.bus:#x}' "
        f"slot='{a.device:#x}' function='{a.function:#x}'/></source></hostdev>"
        for a in taken
    )
    interface = f"<interface type='network'><mac address='{MANAGEMENT_MAC}'/><source network='default'/></interface>"
    devices = functions + (interface if network else "")
    return f"<domain><name>{name}</name><uuid>{uuid}</uuid><devices>{devices}</devices></domain>"


def _add_host_programs(fake: FakeMachine) -> None:
    """Programs that the shared fake does not have, and a guard that reports its first check."""

    def exists(argv: tuple[str, ...], _stdin: bytes) -> tuple[int, str, str]:
        return (0, "", "") if (fake.root / argv[-1].lstrip("/")).exists() else (1, "", f"{argv[-1]}: not there\n")

    make_overlay = fake.commands._handlers["qemu-img"]

    def qemu_img(argv: tuple[str, ...], stdin: bytes) -> tuple[int, str, str]:
        if argv[1] == "info":
            text = (fake.root / argv[-1].lstrip("/")).read_text()
            return 0, json.dumps({"backing-filename": text.partition("overlay of ")[2].partition(",")[0]}), ""
        return make_overlay(argv, stdin)

    start_unit = fake.commands._handlers["systemd-run"]

    def systemd_run(argv: tuple[str, ...], stdin: bytes) -> tuple[int, str, str]:
        answer = start_unit(argv, stdin)
        if "guard" in argv:
            fake.kernel.tree.write(paths.guard_path(argv[-1]), '{"checks": 1}')
        return answer

    fake.kernel.tree.write("/usr/bin/genisoimage", "")

    def find_same(argv: tuple[str, ...], _stdin: bytes) -> tuple[int, str, str]:
        folder, disk = (fake.root / argv[n].lstrip("/") for n in (1, 3))
        return 0, "".join(f"{argv[1]}/{file.name}\n" for file in folder.iterdir() if file.samefile(disk)), ""

    def link(argv: tuple[str, ...], _stdin: bytes) -> tuple[int, str, str]:
        (fake.root / argv[-1].lstrip("/")).hardlink_to(fake.root / argv[-2].lstrip("/"))
        return 0, "", ""

    fake.commands.on("ln", link)
    fake.commands.on("find", find_same)
    fake.commands.on("chmod", exists)
    fake.commands.on("id", lambda _a, _i: (0, "64055\n", ""))
    fake.commands.on("qemu-img", qemu_img)
    fake.commands.on("systemd-run", systemd_run)
    fake.commands.on("journalctl", lambda _a, _i: (0, "", ""))
