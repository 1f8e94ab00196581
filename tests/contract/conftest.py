"""The machine under test: the fake one always, the one this runs on only if it is a lab's server.

In the server, as root (devices are unbound, so nowhere else):
``HPCAPVF_CONTRACT=here python3 -m pytest --confcutdir tests/contract tests/contract``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hpcapvf.host.machine import local_machine
from hpcapvf.host.protocols import Machine
from tests.fakes.machine import fake_machine

HERE = os.environ.get("HPCAPVF_CONTRACT") == "here"
MACHINES = ["fake", *([pytest.param("real", marks=pytest.mark.lab)] if HERE else [])]


@dataclass(frozen=True)
class Bench:
    """A machine with an 82576 and a RAID controller; names as the machine's own files tell them."""

    machine: Machine
    pf: str
    controller: str
    interface: str
    real: bool

    @property
    def pf_folder(self) -> str:
        """The PF's folder."""
        return f"/sys/bus/pci/devices/{self.pf}"

    def read(self, path: str) -> str:
        """A file's text, which must be there."""
        text = self.machine.files.read_text(path)
        assert text is not None, path
        return text.strip()

    def write(self, path: str, text: str) -> None:
        """Write an attribute."""
        self.machine.files.write_text(path, f"{text}\n")

    def driver(self, address: str) -> str | None:
        """The driver of a function."""
        return self.machine.files.link_name(f"/sys/bus/pci/devices/{address}/driver")

    def rebind(self, address: str, driver: str) -> None:
        """By driver_override; an empty name gives the function back to its own driver."""
        folder = f"/sys/bus/pci/devices/{address}"
        self.write(f"{folder}/driver_override", driver)
        if self.driver(address) is not None:
            self.write(f"{folder}/driver/unbind", address)
        self.write("/sys/bus/pci/drivers_probe", address)

    def run(self, *argv: str) -> str:
        """A command that must succeed."""
        result = self.machine.commands.run(argv, timeout_s=60)
        assert result.returncode == 0, result
        return result.stdout

    def until(self, true: Callable[[], bool], what: str, timeout_s: float = 90) -> None:
        """Wait for something that the kernel does in its own time."""
        deadline = time.monotonic() + timeout_s
        while not true():
            assert self.real, f"the fake is never late: {what}"
            assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
            time.sleep(0.5)


@pytest.fixture(params=MACHINES)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """One machine, without VFs before and after."""
    real = request.param == "real"
    made = _bench(local_machine() if real else fake_machine(tmp_path).machine, real=real)
    made.run("modprobe", "vfio-pci")
    made.write(f"{made.pf_folder}/sriov_numvfs", "0")
    yield made
    made.write(f"{made.pf_folder}/sriov_numvfs", "0")
    made.write(f"{made.pf_folder}/sriov_drivers_autoprobe", "1")


@pytest.fixture
def vf(bench: Bench) -> str:
    """The first of two VFs, with the PF up, as its mailbox needs."""
    bench.run("ip", "link", "set", "dev", bench.interface, "up")
    bench.write(f"{bench.pf_folder}/sriov_numvfs", "2")
    return bench.machine.files.link_name(f"{bench.pf_folder}/virtfn0") or ""


def _bench(machine: Machine, *, real: bool) -> Bench:
    found: dict[tuple[str, str], str] = {}
    for address in machine.files.list("/sys/bus/pci/devices") or ():
        ids = [machine.files.read_text(f"/sys/bus/pci/devices/{address}/{name}") or "" for name in ("vendor", "device")]
        found.setdefault((ids[0].strip(), ids[1].strip()), address)
    pf, controller = found["0x8086", "0x10c9"], found["0x1000", "0x0079"]
    names = machine.files.list(f"/sys/bus/pci/devices/{pf}/net") or ("",)
    return Bench(machine, pf, controller, names[0], real)
