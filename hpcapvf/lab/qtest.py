"""Does a QEMU map an igb VF's 64-bit BAR where it was told to? Asked of the devices themselves, without a guest.

QEMU's qtest mode (docs/devel/testing/qtest) executes single register accesses (on a paused machine: Debian
builds QEMU without the accelerator of that name); the steps below are what a firmware and
an operating system do to reach a VF behind a PCIe root port (PCI Express Base Specification 5.0, sections 7.5.1.3 and
9.3.3). QEMU 10.0.2 fails here: it drops the upper half of the VF's address.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import IO

from hpcapvf.model.errors import LabFailed

TIMEOUT_S = 20.0
MACHINE = (
    *(
        "-machine",
        "q35",
        "-accel",
        "tcg",
        "-S",
        "-qtest",
        "stdio",
        "-qtest-log",
        "/dev/null",
        "-display",
        "none",
        "-nodefaults",
    ),
    *("-m", "64M", "-device", "pcie-root-port,id=behind,bus=pcie.0,addr=1.0,chassis=1"),
    *("-device", "igb,bus=behind,romfile="),
)
ECAM = 0xB0000000
BUS = 1
BELOW_4G = 0xE0000000
ABOVE_4G = 0x8_0000_0000
SRIOV_CAPABILITY = 0x0010
VF_BYTES_AT = {"control": 0x08, "num_vfs": 0x10, "first_vf": 0x14, "bar0_low": 0x24, "bar0_high": 0x28}
VF_STATUS_REGISTER = 0x0008


class Qtest:
    """A QEMU in qtest mode: one line per access, one line per answer."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin and process.stdout  # noqa: S101 - both are pipes
        self.to_qemu: IO[bytes] = process.stdin
        self.from_qemu: IO[bytes] = process.stdout

    def ask(self, words: str) -> str:
        """One access; what follows OK."""
        self.to_qemu.write(words.encode() + b"\n")
        self.to_qemu.flush()
        while line := self.from_qemu.readline().decode("ascii", "replace"):
            if line.startswith("OK"):
                return line[2:].strip()
            if not line.startswith("IRQ"):
                break
        raise LabFailed(f"QEMU's qtest mode answered {line.strip()!r} to {words!r}")

    def config_write(self, bus: int, device: int, offset: int, value: int) -> None:
        """Write 32 bits of a device's configuration space."""
        self.ask(f"writel {ECAM + (bus << 20) + (device << 15) + offset:#x} {value:#x}")

    def config_read(self, bus: int, device: int, offset: int) -> int:
        """Read 32 bits of a device's configuration space."""
        return int(self.ask(f"readl {ECAM + (bus << 20) + (device << 15) + offset:#x}"), 16)


def vf_bar_works(argv: Sequence[str], env: Mapping[str, str]) -> bool:
    """Start a QEMU (argv: its first words) and map a VF above 4 GiB. Raises LabFailed when it cannot be asked."""
    process = subprocess.Popen(
        [*argv, *MACHINE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**env}
    )
    watchdog = threading.Timer(TIMEOUT_S, process.kill)
    watchdog.start()
    try:
        return map_vf(Qtest(process))
    except (OSError, ValueError, LabFailed) as error:
        process.kill()
        said = (process.stderr.read() if process.stderr else b"").decode("utf-8", "replace").strip()
        raise LabFailed(f"QEMU's card cannot be tried out: {error}", details=tuple(said.splitlines()[-5:])) from error
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()


def map_vf(qtest: Qtest) -> bool:
    """Map VF 0 at an address above 4 GiB; whether its status register then answers there and nowhere else."""
    # Q35's PCIEXBAR (register 0x60 of device 0): the enhanced configuration window.
    for register, value in ((0x64, 0), (0x60, ECAM | 1)):
        qtest.ask(f"outl 0xcf8 {0x80000000 | register:#x}")
        qtest.ask(f"outl 0xcfc {value:#x}")
    # The root port: bus numbers, both windows, memory decoding.
    qtest.config_write(0, 1, 0x18, BUS << 16 | BUS << 8)
    qtest.config_write(0, 1, 0x20, (BELOW_4G >> 16) | ((BELOW_4G + 0xFFFFF) & 0xFFF00000))
    qtest.config_write(0, 1, 0x24, 0xFFF10001)
    qtest.config_write(0, 1, 0x28, ABOVE_4G >> 32)
    qtest.config_write(0, 1, 0x2C, ABOVE_4G >> 32)
    qtest.config_write(0, 1, 0x04, 0x6)
    capability = find_sriov(qtest)
    at = {name: capability + offset for name, offset in VF_BYTES_AT.items()}
    qtest.config_write(BUS, 0, at["bar0_low"], 0)
    qtest.config_write(BUS, 0, at["bar0_high"], ABOVE_4G >> 32)
    qtest.config_write(BUS, 0, at["num_vfs"], 1)
    qtest.config_write(BUS, 0, at["control"], 0x9)
    first_vf = qtest.config_read(BUS, 0, at["first_vf"]) & 0xFFFF
    qtest.config_write(BUS, first_vf >> 3, 0x04, 0x6)
    kept = qtest.config_read(BUS, 0, at["bar0_high"]) == ABOVE_4G >> 32
    answer = int(qtest.ask(f"readl {ABOVE_4G + VF_STATUS_REGISTER:#x}"), 16)
    return kept and answer not in (0, 0xFFFFFFFF)


def find_sriov(qtest: Qtest) -> int:
    """Offset of the card's SR-IOV capability."""
    offset = 0x100
    while offset:
        header = qtest.config_read(BUS, 0, offset)
        if header & 0xFFFF == SRIOV_CAPABILITY:
            return offset
        offset = header >> 20
    raise LabFailed("the emulated card has no SR-IOV capability")
