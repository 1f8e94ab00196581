"""Kill configurations that differ in how a probe stores: disks lent as virtio devices, an NVMe controller's VF, none.

The VF of the NVMe controller is made and bound by the steps that make and bind network VFs, which every other
configuration has: here are the steps that divide its queues.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hpcapvf.model.plan import Plan
from hpcapvf.model.request import StorageRequest
from hpcapvf.model.steps import BindDriver, DefineDomain, MakeRaid, Step
from hpcapvf.model.storage_steps import FreeNvmeQueues, HostDisk, LendDisks, StartNvmeVf
from tests.fakes import tree
from tests.fakes.kernel import FakeKernel
from tests.unit.apply.guest_model import GuestModel
from tests.unit.apply.test_storage_steps import NVME, NvmeCli
from tests.unit.apply.world import CONTROLLER, NAME, UUID, VF, World, domain_xml, make_world

_DISK_BYTES = 8 << 30


def virtio(root: Path) -> World:
    """The RAID controller's disks stay the host's and are lent to the guest, which makes md RAID-0 of them."""
    world = make_world(root)
    disks = tuple(HostDisk(f"/dev/disk/by-id/scsi-{n}", f"SERIAL-{n}", _DISK_BYTES) for n in "abcd")
    for disk in disks:
        name = f"/dev/sd{disk.path[-1]}"
        world.fake.kernel.tree.write(name, "")
        world.fake.kernel.tree.link(disk.path, name)
    world.guest = GuestModel(world.fake, "vd")
    lend: Step = LendDisks(CONTROLLER, disks)
    plan = _without_controller(world, lend)
    request = replace(plan.request, storage=StorageRequest(mode="virtio", controller=str(CONTROLLER)))
    world.plan = replace(plan, request=request, block_devices=disks)
    return world


def nothing_stored(root: Path) -> World:
    """Frames are counted and dropped."""
    world = make_world(root)
    plan = _without_controller(world, None)
    steps = tuple(step for step in plan.steps if not isinstance(step, MakeRaid))
    world.plan = replace(plan, steps=steps, request=replace(plan.request, storage=StorageRequest(mode="none")))
    return world


def nvme_vf(root: Path) -> World:
    """An NVMe controller that keeps all its queues gives some to a VF, which goes online."""
    world = make_world(root)
    controller = NvmeController(world)
    world.others = controller.power_on
    steps: list[Step] = []
    for step in world.plan.steps:
        if isinstance(step, BindDriver) and step.device == CONTROLLER:
            steps += [FreeNvmeQueues(NVME, 3, 3), StartNvmeVf(NVME, 0, 3, 3)]
        steps.append(step)
    world.plan = replace(world.plan, steps=tuple(steps))
    return world


class NvmeController(NvmeCli):
    """One whose state is seen in the host's snapshot. Off and on, it has what was assigned and attached, and no
    secondary controller is online."""

    def __init__(self, world: World) -> None:
        super().__init__(world, kept=(4, 2))
        self._show()

    def power_on(self) -> None:
        """After a reboot of the host."""
        self.kept = list(self.wanted)
        self.online.clear()
        folder = tree.device_folder(str(NVME))
        for name, text in {"nvme/nvme0/cntlid": "0", "nvme/nvme0/state": "live", "reset": ""}.items():
            self.fake.kernel.tree.write(f"{folder}/{name}", text)
        self.fake.kernel.tree.link(f"/sys/bus/pci/devices/{NVME}", folder)
        self._show()

    def _reset(self, address: str) -> None:
        if address == str(NVME):
            super()._reset(address)
            self._show()
        else:
            FakeKernel.reset(self.fake.kernel, address)

    def _run(self, argv: tuple[str, ...], stdin: bytes) -> tuple[int, str, str]:
        answer = super()._run(argv, stdin)
        self._show()
        return answer

    def _show(self) -> None:
        told = f"kept {self.kept}, lent {self.given}, online {self.online}, attached {sorted(self.attached)}"
        self.fake.kernel.tree.write(f"{tree.device_folder(str(NVME))}/divided", told)


def _without_controller(world: World, instead: Step | None) -> Plan:
    steps: list[Step] = []
    for step in world.plan.steps:
        if isinstance(step, BindDriver) and step.device == CONTROLLER:
            steps += [instead] if instead is not None else []
        elif isinstance(step, DefineDomain):
            steps.append(replace(step, xml=domain_xml(NAME, UUID, (VF,))))
        else:
            steps.append(step)
    return replace(world.plan, steps=tuple(steps), controller=None)
