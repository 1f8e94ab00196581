"""The whole fake machine. ``fake_machine(tmp_path)`` gives one; its parts can be looked at and changed.

fake = fake_machine(tmp_path)
apply_plan(plan, fake.machine, Silent())
fake.faults.fail_at("any", 7)          # the 7th effect from now on fails
before = fake.snapshot()               # everything that a destroy must put back
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpcapvf.host.protocols import Machine
from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import WaitTimedOut
from tests.fakes.commands import FakeCommands
from tests.fakes.faults import Faults
from tests.fakes.files import FakeFiles
from tests.fakes.guest import FakeGuest, FakeGuests
from tests.fakes.hypervisor import FakeHypervisor
from tests.fakes.kernel import FakeKernel
from tests.fakes.registers import FakeRegisters, FakeRegisters10g, wiper
from tests.fakes.tree import Shape, build, device_folder

_STATE_FOLDERS = (
    "/sys/bus/pci",
    "/sys/module",
    "/sys/devices/pci0000:00",
    "/sys/devices/system/node",
    "/sys/class/net",
    "/sys/block",
)


class FakeClock:
    """Time that passes only by sleeping. What is to happen soon happens as soon as it passes."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._soon: list[Callable[[], None]] = []

    def monotonic(self) -> float:
        """Seconds."""
        return self.now

    def wall(self) -> float:
        """Seconds since the epoch."""
        return 1_700_000_000.0 + self.now

    def soon(self, happen: Callable[[], None]) -> None:
        """Have something happen by itself."""
        self._soon.append(happen)

    def sleep(self, seconds: float) -> None:
        """Passes at once."""
        self.now += max(0.0, seconds)
        due, self._soon = self._soon, []
        for happen in due:
            happen()


class FakeUdev:
    """Knows what the fake tree shows."""

    def __init__(self, kernel: FakeKernel) -> None:
        self.properties: dict[str, dict[str, str]] = {}
        self._kernel = kernel

    def wait_for_vfs(self, pf: PciAddress, count: int, *, timeout_s: float) -> None:
        """The fake kernel is done at once."""
        folder = self._kernel.tree.at(device_folder(str(pf)))
        found = len(list(folder.glob("virtfn*")))
        if found != count:
            raise WaitTimedOut(f"the {count} VF(s) of {pf} were not all there after {timeout_s:g} s: {found}")

    def disk_properties(self, disk: str) -> dict[str, str] | None:
        """What a test put there, for disks that are there."""
        present = self._kernel.tree.at(f"/sys/block/{disk}").exists()
        return self.properties.get(disk, {}) if present else None


@dataclass
class FakeMachine:
    """machine is what the code under test is given; the other parts are the test's handles on it."""

    machine: Machine
    root: Path
    faults: Faults
    kernel: FakeKernel
    files: FakeFiles
    commands: FakeCommands
    hypervisor: FakeHypervisor
    registers: FakeRegisters
    guest: FakeGuest
    guests: FakeGuests
    clock: FakeClock
    udev: FakeUdev

    def snapshot(self) -> dict[str, Any]:
        """Everything that a deployment may change on the host and must put back: sysfs, domains, networks, links,
        units, registers. The state folder and the images are not in it. What happens by itself has happened."""
        self.clock.sleep(0)
        return {
            "sysfs": {path: self._entry(path) for folder in _STATE_FOLDERS for path in self._below(folder)},
            "vf_macs": dict(self.kernel.vf_macs),
            "trusted": sorted(self.kernel.trusted),
            "private_flags": {name: dict(flags) for name, flags in self.commands.private_flags.items()},
            "tc": self.commands.tc.snapshot(),
            "held": sorted(self.kernel.held),
            "domains": [(info.name, info.running) for info in self.hypervisor.domains()],
            "networks": dict(self.hypervisor.networks),
            "links": {
                name: (dict(link.pause), dict(link.features)) for name, link in sorted(self.commands.links.items())
            },
            "units": sorted(self.commands.units),
            "enabled": sorted(self.commands.enabled),
            "registers": {offset: value for offset, value in sorted(self.registers.values.items()) if value},
            "drop_enable": list(self.registers.drop_enable.elements),
        }

    def reboot(self) -> None:
        """The host starts again: sysfs as the kernel makes it, no registers programmed, nothing runs, /run is empty."""
        for folder in ("sys", "proc", "run"):
            shutil.rmtree(self.root / folder, ignore_errors=True)
        self.kernel.shape.boot += 1
        build(self.root, self.kernel.shape)
        self.kernel.held.clear()
        self.kernel.used_pages.clear()
        self.kernel.vf_macs.clear()
        self.kernel.trusted.clear()
        self.kernel.removed.clear()
        self.hypervisor.reboot()
        self.commands.reboot()
        self.registers.power_on()

    def _below(self, folder: str) -> list[str]:
        base = self.root / folder.lstrip("/")
        return sorted(str(path.relative_to(self.root)) for path in base.rglob("*"))

    def _entry(self, path: str) -> str:
        place = self.root / path
        if place.is_symlink():
            return f"-> {place.readlink().name}"
        return "folder" if place.is_dir() else place.read_bytes()[:4096].decode(errors="replace").strip("\n\0")


def fake_machine(root: Path, shape: Shape | None = None, family: str = "82576") -> FakeMachine:
    """A two-node server with a 82576, a RAID controller with four disks, libvirt and one guest."""
    shape = shape or Shape()
    faults = Faults()
    kernel = FakeKernel(build(root, shape), shape)
    files = FakeFiles(str(root), kernel, faults)
    commands = FakeCommands(kernel, faults)
    hypervisor = FakeHypervisor(kernel, faults)
    registers = FakeRegisters(faults) if family == "82576" else FakeRegisters10g(faults, family)
    kernel.on_reset = wiper(registers)
    guest = FakeGuest(faults)
    guest.on_bind = registers.wipe
    guests = FakeGuests(guest, hypervisor, faults)
    clock = FakeClock()
    kernel.later = clock.soon
    udev = FakeUdev(kernel)
    machine = Machine(files, commands, hypervisor, registers, guests, clock, udev)
    return FakeMachine(
        machine, root, faults, kernel, files, commands, hypervisor, registers, guest, guests, clock, udev
    )
