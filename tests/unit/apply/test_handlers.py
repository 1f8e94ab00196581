"""What single handlers refuse, keep and put back; the way there and back of each stands in test_apply_plan."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpcapvf.apply.handler import Context, Json, Trace
from hpcapvf.apply.handlers import handler_of
from hpcapvf.model.errors import Conflict, NotFound, RegisterRefused, StepFailed, WaitTimedOut
from hpcapvf.model.progress import Silent
from hpcapvf.model.steps import (
    BindDriver,
    DefineDomain,
    InstallDriver,
    KeepClock,
    MakeDisk,
    MakeRaid,
    ProgramReceiveAll,
    ReserveHugepages,
    SetNumVfs,
    SetOffloads,
    StartCapture,
    StartDomain,
    StartNetwork,
    WaitGuest,
)
from tests.fakes import tree
from tests.unit.apply.guest_model import Disk
from tests.unit.apply.world import CONTROLLER, NAME, PF, UUID, VF, World, make_world

TOP = Path(__file__).resolve().parents[3]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def context(world: World, amended: list[Json] | None = None) -> Context:
    return Context(world.fake.machine, world.plan, Silent(), (amended if amended is not None else []).append)


def do(world: World, step: Any) -> Trace:
    handler = handler_of(step)
    before = handler.observe(step, context(world))
    return Trace(before, handler.do(step, before, context(world)))


def undo(world: World, step: Any, trace: Trace) -> tuple[str, ...]:
    return handler_of(step).undo(step, trace, context(world))


def up_to(world: World, kind: type[Any]) -> None:
    """Run the plan's steps before the first one of a kind."""
    for step in world.plan.steps:
        if isinstance(step, kind):
            return
        do(world, step)


# --- network card -------------------------------------------------------------------------------------------


def test_fixed_offloads_are_left_and_said(world: World) -> None:
    world.fake.commands.link(tree.PF_INTERFACE).features["rx-gro-hw"] = (True, True)
    step = SetOffloads(tree.PF_INTERFACE, ("rx-gro-hw", "generic-receive-offload"))
    assert do(world, step).after == {"left": ["rx-gro-hw"]}
    assert "rx-gro-hw" in (handler_of(step).satisfied(step, context(world)) or "")


def test_offload_that_stays_on_is_an_error(world: World) -> None:
    ethtool = world.fake.commands._handlers["ethtool"]
    world.fake.commands.on("ethtool", lambda a, i: (1, "", "Busy\n") if a[1] == "-K" else ethtool(a, i))
    with pytest.raises(StepFailed, match=r"generic-receive-offload did not go off \(Busy\)"):
        do(world, SetOffloads(tree.PF_INTERFACE, ("generic-receive-offload",)))


def test_other_number_of_vfs_is_never_changed(world: World) -> None:
    do(world, SetNumVfs(PF, 3))
    step = SetNumVfs(PF, 2)
    with pytest.raises(StepFailed, match="has 3 VFs"):
        do(world, step)
    undo(world, step, Trace({"count": 3}, None))
    assert world.fake.files.read_text(f"/sys/bus/pci/devices/{PF}/sriov_numvfs") == "3\n"


# --- passthrough --------------------------------------------------------------------------------------------


def test_shared_iommu_group_is_refused(world: World) -> None:
    group = world.fake.files.real_path(f"/sys/bus/pci/devices/{CONTROLLER}/iommu_group")
    world.fake.kernel.tree.link(f"{group}/devices/{tree.MANAGEMENT_NIC}", tree.device_folder(tree.MANAGEMENT_NIC))
    with pytest.raises(Conflict, match=r"shares IOMMU group .*virtio-pci"):
        do(world, BindDriver(CONTROLLER, "vfio-pci"))
    assert world.fake.kernel.driver(str(CONTROLLER)) == "megaraid_sas"


def test_without_iommu_nothing_is_unbound(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    world.fake.kernel.tree.at(f"{tree.device_folder(tree.CONTROLLER)}/iommu_group").unlink()
    with pytest.raises(StepFailed, match="no IOMMU group"):
        do(world, BindDriver(CONTROLLER, "vfio-pci"))
    assert world.fake.kernel.driver(str(CONTROLLER)) == "megaraid_sas"


@pytest.mark.parametrize("use", ["mounted", "swap", "array", "partition in array"])
def test_controller_with_a_disk_in_use_is_refused(world: World, use: str) -> None:
    host = world.fake.kernel.tree
    folder = world.fake.files.real_path("/sys/block/sdb") or ""
    if use == "mounted":
        host.write("/proc/mounts", "/dev/sdb /data xfs rw 0 0\n")
    elif use == "swap":
        host.write("/proc/swaps", "Filename Type\n/dev/sdb partition 1 0 -2\n")
    elif use == "array":
        host.write(f"{folder}/holders/md0/dev", "9:0")
    else:
        host.write(f"{folder}/sdb1/holders/md0/dev", "9:0")
    with pytest.raises(Conflict, match="/dev/sdb"):
        do(world, BindDriver(CONTROLLER, "vfio-pci"))
    assert world.fake.kernel.driver(str(CONTROLLER)) == "megaraid_sas"


def test_what_was_forced_is_not_refused_again(world: World) -> None:
    files, host = world.fake.files, world.fake.kernel.tree
    group = files.real_path(f"/sys/bus/pci/devices/{CONTROLLER}/iommu_group")
    host.link(f"{group}/devices/{tree.MANAGEMENT_NIC}", tree.device_folder(tree.MANAGEMENT_NIC))
    host.write(f"{files.real_path('/sys/block/sdb')}/holders/md0/dev", "9:0")
    step = BindDriver(CONTROLLER, "vfio-pci")
    for forced in (("iommu-group",), ("disk-held",)):
        world.plan = dataclasses.replace(world.plan, forced=forced)
        with pytest.raises(Conflict):
            do(world, step)
    world.plan = dataclasses.replace(world.plan, forced=("disk-held", "iommu-group"))
    host.write("/proc/mounts", "/dev/md0 /data xfs rw 0 0\n")
    with pytest.raises(Conflict, match="/proc/mounts"):
        do(world, step)
    host.write("/proc/mounts", "")
    do(world, step)
    assert world.fake.kernel.driver(str(CONTROLLER)) == "vfio-pci"


def test_controller_is_reset_before_its_disks_are_read(world: World) -> None:
    step = BindDriver(CONTROLLER, "vfio-pci")
    trace = do(world, step)
    begin = len(world.fake.faults.log)
    notes = undo(world, step, trace)
    log = [what for _, what in world.fake.faults.log[begin:]]
    reset = log.index(f"/sys/bus/pci/devices/{CONTROLLER}/reset = 1")
    assert reset < log.index(f"/sys/bus/pci/devices/{CONTROLLER}/driver/unbind = {CONTROLLER}")
    assert sum(what.startswith("dd ") for what in log) == 4
    assert notes == ("a sector of each of sda, sdb, sdc, sdd was read",)


def test_disks_that_do_not_answer_are_found_anew_on_the_bus(world: World) -> None:
    step = BindDriver(CONTROLLER, "vfio-pci")
    trace = do(world, step)
    dd = world.fake.commands._handlers["dd"]
    rescans = "/sys/bus/pci/rescan = 1"

    def sick(argv: tuple[str, ...], stdin: bytes) -> tuple[int, str, str]:
        found_anew = any(what == rescans for _, what in world.fake.faults.log)
        return dd(argv, stdin) if found_anew else (1, "", "Input/output error\n")

    world.fake.commands.on("dd", sick)
    notes = undo(world, step, trace)
    assert "removed from the bus and found again" in notes[0]
    assert world.fake.kernel.driver(str(CONTROLLER)) == "megaraid_sas"


def test_disks_that_never_answer_are_an_error(world: World) -> None:
    step = BindDriver(CONTROLLER, "vfio-pci")
    trace = do(world, step)
    world.fake.commands.on("dd", lambda _a, _i: (1, "", "Input/output error\n"))
    with pytest.raises(WaitTimedOut, match="a sector of /dev/sda"):
        undo(world, step, trace)


def test_former_override_and_absence_of_a_driver_come_back(world: World) -> None:
    up_to(world, BindDriver)
    override = f"/sys/bus/pci/devices/{VF}/driver_override"
    world.fake.files.write_text(override, "pci-stub")
    step = BindDriver(VF, "vfio-pci")
    trace = do(world, step)
    assert world.fake.kernel.driver(str(VF)) == "vfio-pci"
    undo(world, step, trace)
    assert world.fake.kernel.driver(str(VF)) is None
    assert world.fake.files.read_text(override) == "pci-stub\n"


# --- memory -------------------------------------------------------------------------------------------------

POOL = "/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages"


def test_pages_of_another_deployment_stay(world: World) -> None:
    first, second = ReserveHugepages(0, 2048, 8), ReserveHugepages(0, 2048, 20)
    trace = do(world, first)
    world.fake.kernel.used_pages[0, 2048] = 8
    world.fake.files.write_text(POOL, "8")
    later = do(world, second)
    world.fake.kernel.used_pages[0, 2048] = 20
    undo(world, first, trace)
    assert world.fake.files.read_text(POOL) == "20\n"
    world.fake.kernel.used_pages.clear()
    undo(world, second, later)
    assert world.fake.files.read_text(POOL) == "0\n"


def test_too_few_pages_say_how_many_came(world: World) -> None:
    with pytest.raises(StepFailed, match=r"gave \d+ free pages of 2048 KiB, 5000 are needed"):
        do(world, ReserveHugepages(0, 2048, 5000))


# --- guest files and domain ---------------------------------------------------------------------------------


def test_damaged_image_is_refused(world: World) -> None:
    step = MakeDisk("/var/lib/libvirt/images/x/disk.qcow2", tree.IMAGE, "0" * 64, 8)
    with pytest.raises(Conflict, match="has SHA-256"):
        do(world, step)
    with pytest.raises(NotFound, match="does not exist"):
        do(world, replace(step, image="/nowhere.qcow2"))
    assert not world.fake.files.exists(step.path)


def test_foreign_disk_is_not_overwritten(world: World) -> None:
    step = next(s for s in world.plan.steps if isinstance(s, MakeDisk))
    world.fake.kernel.tree.write(step.path, "precious")
    with pytest.raises(Conflict, match="not an overlay"):
        do(world, step)
    assert world.fake.kernel.tree.read(step.path) == "precious"


@pytest.mark.parametrize("uuid", [UUID, "87654321-4321-8765-4321-876543218765"])
def test_existing_domain_is_neither_redefined_nor_removed(world: World, uuid: str) -> None:
    world.fake.hypervisor.define(f"<domain><name>{NAME}</name><uuid>{uuid}</uuid></domain>")
    step = next(s for s in world.plan.steps if isinstance(s, DefineDomain))
    with pytest.raises(Conflict):
        handler_of(step).satisfied(step, context(world))
        do(world, step)
    assert uuid in (world.fake.hypervisor.xml(NAME) or "")


def test_network_that_others_use_is_left_active(world: World) -> None:
    step = StartNetwork("default")
    trace = do(world, step)
    world.fake.hypervisor.define("<domain><name>other</name><uuid>1</uuid></domain>")
    world.fake.hypervisor.start("other")
    assert "other" in undo(world, step, trace)[0]
    assert world.fake.hypervisor.networks["default"]


def test_guest_that_does_not_power_off_is_said(world: World) -> None:
    up_to(world, StartDomain)
    step = StartDomain(NAME)
    trace = do(world, step)
    world.fake.hypervisor.shuts_down = False
    assert "was switched off" in undo(world, step, trace)[0]


# --- in the guest -------------------------------------------------------------------------------------------


def test_failed_cloud_init_is_told(world: World) -> None:
    up_to(world, WaitGuest)
    world.guest.guest.on("cloud-init", lambda _a, _i: (1, "status: error\n", ""))
    with pytest.raises(StepFailed, match="cloud-init failed"):
        do(world, next(s for s in world.plan.steps if isinstance(s, WaitGuest)))


def test_chrony_follows_the_hosts_clock_where_there_is_one(world: World) -> None:
    up_to(world, KeepClock)
    step = next(s for s in world.plan.steps if isinstance(s, KeepClock))
    assert (do(world, step).after or {})["kept"] is True
    guest = world.guest.guest
    assert b"refclock PHC /dev/ptp_kvm " in guest.files["/etc/chrony/conf.d/hpcapvf.conf"][1]
    assert guest.files["/etc/modules-load.d/hpcapvf-clock.conf"][1] == b"ptp_kvm\n"
    assert "chrony.service" in guest.units


@pytest.mark.parametrize("missing", ["clock", "link", "chronyd", "folder"])
def test_a_guest_that_lacks_something_keeps_its_clock_as_it_was(world: World, missing: str) -> None:
    up_to(world, KeepClock)
    world.guest.has.discard(missing)
    after = do(world, next(s for s in world.plan.steps if isinstance(s, KeepClock))).after or {}
    assert after["kept"] is False
    assert "left to itself" in after["notes"][0]
    assert not any("chrony" in path for path in world.guest.guest.files)
    assert "chrony.service" not in world.guest.guest.units


def test_all_tools_are_installed_and_the_group_exists_before_the_device_node(world: World) -> None:
    up_to(world, InstallDriver)
    do(world, next(s for s in world.plan.steps if isinstance(s, InstallDriver)))
    guest = world.guest.guest
    tools = {f"/usr/local/bin/{path.name}" for path in (TOP / "driver/tools").iterdir() if path.is_dir()}
    assert {path for path in guest.files if path.startswith("/usr/local/bin/")} == tools
    assert "/etc/udev/rules.d/60-hpcapvf.rules" in guest.files
    words = "systemd-sysusers /etc/sysusers.d/hpcapvf.conf", "touch /etc/udev/rules.d", "udevadm control --reload"
    ready = tuple(tuple(command.split()) for command in words)
    bound = guest.calls.index(("tee", "/sys/bus/pci/drivers_probe"))
    assert all(guest.calls.index(call) < bound for call in ready)


def test_missing_module_names_the_kernel(world: World) -> None:
    up_to(world, InstallDriver)
    world.guest.guest.on("uname", lambda _a, _i: (0, "9.9.9-odd\n", ""))
    with pytest.raises(NotFound, match=r"runs kernel 9\.9\.9-odd, and .*it has those for: 6") as caught:
        do(world, next(s for s in world.plan.steps if isinstance(s, InstallDriver)))
    assert "9.9.9-odd" in caught.value.hint


def test_capture_service_that_does_not_listen_is_told_with_its_log(world: World) -> None:
    up_to(world, StartCapture)
    systemctl = world.guest._systemctl

    def never_listens(argv: tuple[str, ...], stdin: bytes) -> tuple[int, str, str]:
        answer = systemctl(argv, stdin)
        world.guest.guest.units.discard("hpcapvf-capture.service")
        return answer

    world.guest.guest.on("systemctl", never_listens)
    with pytest.raises(WaitTimedOut, match="listen") as caught:
        do(world, next(s for s in world.plan.steps if isinstance(s, StartCapture)))
    assert caught.value.details == ("a line",)


def raid(wipe: tuple[str, ...] = ()) -> MakeRaid:
    return MakeRaid(NAME, NAME, 1024, "xfs", "/capture", wipe)


def test_disk_that_carries_something_is_refused_unless_named(world: World) -> None:
    up_to(world, MakeRaid)
    world.guest.disks["sdc"].signatures = ["ext4"]
    with pytest.raises(Conflict, match="1 of 4 disks") as caught:
        do(world, raid())
    assert caught.value.details == ("serial SERIAL-c, 4096 MiB: ext4",)
    with pytest.raises(Conflict):
        do(world, raid(("SERIAL-b",)))
    assert world.guest.formatted == 0
    assert do(world, raid(("SERIAL-c",))).after == {
        "device": "/dev/md127",
        "kept": False,
        "chunk_kib": 1024,
        "filesystem": "xfs",
    }


def test_own_array_is_kept_with_what_is_on_it(world: World) -> None:
    up_to(world, MakeRaid)
    undo(world, raid(), do(world, raid()))
    assert (world.guest.arrays, world.guest.mounts) == ({}, {})
    again = do(world, raid()).after
    assert again is not None
    assert again["kept"] is True
    assert world.guest.formatted == 1


def test_half_an_array_is_never_overwritten(world: World) -> None:
    up_to(world, MakeRaid)
    do(world, raid())
    world.guest.mounts.clear()
    world.guest.arrays.clear()
    world.guest.disks["sdd"] = Disk("SERIAL-new")
    with pytest.raises(StepFailed, match="3 disks bear the array name"):
        do(world, raid())
    assert world.guest.formatted == 1


# --- registers ----------------------------------------------------------------------------------------------


def test_registers_come_back_bit_by_bit(world: World) -> None:
    """What the PF driver changed meanwhile in other bits of the same registers is its own and stays."""
    card = world.fake.registers
    card.set("MTA", 3, 0x10)
    before = dict(card.values)
    step = ProgramReceiveAll(PF, "82576", 0)
    trace = do(world, step)
    assert card.get("MTA", 3) == 0xFFFF_FFFF
    card.wipe()
    card.set("VMOLR", 0, card.get("VMOLR", 0) | 1 << 16)
    undo(world, step, trace)
    card.set("VMOLR", 0, card.get("VMOLR", 0) & ~(1 << 16))
    assert {k: v for k, v in card.values.items() if v} == {k: v for k, v in before.items() if v}


def test_register_that_does_not_keep_its_bits_is_refused(world: World) -> None:
    class Stubborn(dict[int, int]):
        def __setitem__(self, offset: int, value: int) -> None:
            super().__setitem__(offset, 0 if offset == 0x5200 else value)

    world.fake.registers.values = Stubborn(world.fake.registers.values)
    with pytest.raises(RegisterRefused, match=r"MTA\[0\] did not keep"):
        do(world, ProgramReceiveAll(PF, "82576", 0))
