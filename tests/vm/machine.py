"""A small emulated machine: started with given devices, waited for within bounds, ended by its identity.

It has no disk and, but for its devices, no network. What its kernel and its init say is in a file.
"""

from __future__ import annotations

import re
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from hpcapvf.lab import images
from hpcapvf.lab.emulator import emulator_at, environment
from hpcapvf.lab.process import ProcessId, end, is_alive, start_detached, tail_of_file, wait_gone
from hpcapvf.lab.recipe import MODEL_VM
from hpcapvf.model.errors import LabFailed

# An emulated MWAIT never sleeps. Of an Intel CPU as new as this the kernel takes the time-stamp counter to be steady.
STEADY_CPU = "max,-monitor,vendor=GenuineIntel,family=6,model=94"
WORDS = (
    # Warnings and worse reach the console: it is where a kernel that dies has said why.
    # Lockups are looked for, but only after 120 s instead of 20: the clock is the host's time-stamp counter, so an
    # emulated CPU that others keep waiting looks stuck (40 s of waiting were told as a soft lockup), and on a busy host
    # the kernel measures the counter wrongly: 248 s of its time passed in 80 s.
    "console=ttyS0 loglevel=5 printk.time=1 panic=-1 oops=panic mitigations=off ipv6.disable=1 tsc=reliable "
    "watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=120"
)
COMPLAINT = re.compile(
    r"\[ *\d+\.\d{6}\].*(BUG|WARNING|Oops|Kernel panic|general protection|KASAN|UBSAN|DMA-API|refcount_t|"
    r"possible recursive|possible circular|inconsistent lock|suspicious RCU|blocked for more|detected stall|"
    r"self-detected stall)"
)


def obtain_image() -> images.Image:
    """Kernel, programs, compiler and QEMU of the small machines, built if it is missing."""
    name = images.recipe_hash(MODEL_VM, {})
    images.obtain(MODEL_VM, name)
    return images.load(name)


def complaints(console: str) -> tuple[str, ...]:
    """Lines in which a kernel tells of a mistake, each once; what a script found besides is marked KERNEL."""
    lines = [line.strip() for line in console.splitlines()]
    found = [line.removeprefix("KERNEL ") for line in lines if line.startswith("KERNEL ") or COMPLAINT.search(line)]
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True)
class Hardware:
    """What a machine is. kernel: image. words: more of its command line. devices: QEMU's words for them."""

    kernel: Path
    initrd: bytes
    words: str
    devices: tuple[str, ...]
    memory_mib: int
    cpu: str = STEADY_CPU


class Machine:
    """The running machine; a context manager, so that nothing is left behind. root: the file system that has QEMU."""

    def __init__(self, root: Path, folder: Path, hardware: Hardware) -> None:
        self.root = root
        self.folder = folder
        self.hardware = hardware
        self.console = folder / "console.log"
        self.qemu: ProcessId | None = None

    def __enter__(self) -> Machine:
        # SIGTERM ends this process as an interrupt does: with the machine, not without it
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        emulator = emulator_at("", self.root)
        self.folder.mkdir(parents=True, exist_ok=True)
        initrd = self.folder / "initrd"
        initrd.write_bytes(self.hardware.initrd)
        self.console.write_bytes(b"")
        argv = ["nice", "-n", "19", *emulator.argv, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
        argv += ["-machine", "q35,memory-backend=ram", "-accel", "tcg", "-cpu", self.hardware.cpu, "-smp", "1"]
        # shared, so that a device in another process may write into it
        argv += ["-object", f"memory-backend-memfd,id=ram,size={self.hardware.memory_mib}M,share=on"]
        argv += ["-m", str(self.hardware.memory_mib), "-kernel", str(self.hardware.kernel), "-initrd", str(initrd)]
        argv += ["-append", f"{WORDS} {self.hardware.words}", "-serial", f"file:{self.console}"]
        log = self.folder / "qemu.log"
        log.write_bytes(b"")
        self.qemu = start_detached(
            [*argv, *self.hardware.devices], marker=str(initrd), log=log, cwd=self.folder, env=environment(emulator)
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self.qemu is not None:
            end(self.qemu, timeout_s=5)

    @property
    def alive(self) -> bool:
        """Whether QEMU runs."""
        return self.qemu is not None and is_alive(self.qemu)

    def wait_end(self, timeout_s: float) -> bool:
        """Until the machine switched itself off; False if it did not within timeout_s seconds."""
        assert self.qemu is not None
        return wait_gone(self.qemu, timeout_s=timeout_s)

    def said(self) -> str:
        """The console so far. LabFailed if nothing came at all and QEMU is gone: it did not start."""
        text = self.console.read_text(encoding="utf-8", errors="replace")
        if not text and not self.alive:
            raise LabFailed("QEMU did not start", details=tail_of_file(self.folder / "qemu.log"))
        return text
