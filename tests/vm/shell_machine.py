"""A small machine that takes shell scripts: its root is a whole root file system, read-only, and a folder is shared.

What cards it has is a subclass's business.
"""

from __future__ import annotations

import shutil
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from hpcapvf.lab.process import tail_of_file
from hpcapvf.lab.qmp import connect_unix
from hpcapvf.model.errors import LabFailed, WaitTimedOut
from tests.vm.archive import File, archive, busybox, kernel_modules
from tests.vm.machine import STEADY_CPU, Hardware, Machine, complaints

# Boots in 25 s on an idle machine, in 140 s on a busy one.
BOOT_S = 400.0
STEP_S = 180.0
START_S = 10.0
MEMORY_MIB = 768
MODULES = ("9p", "9pnet_virtio")
INIT = Path(__file__).with_name("shell_init.sh")


class ShellMachine:
    """The running machine; a context manager, so that nothing is left behind.

    root: its root file system, with a kernel of that release. folder: for sockets, logs and the share. parts: what a
    subclass starts beside the machine ends by it, after the machine.
    """

    cpu = STEADY_CPU

    def __init__(self, root: Path, release: str, folder: Path) -> None:
        self.root = root
        self.release = release
        self.folder = folder
        self.share = folder / "share"
        self.parts = ExitStack()
        self.port: socket.socket | None = None
        self.steps = 0

    def __enter__(self) -> Self:
        with self.parts:
            self.start()
            self.parts = self.parts.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.parts.close()

    def prepare(self) -> None:
        """What must be there before QEMU starts; the share is empty."""

    def devices(self) -> list[str]:
        """QEMU's arguments for what only this machine has."""
        return []

    def start(self) -> None:
        """What it needs, QEMU, and the guest's word that it is ready."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.share.mkdir(parents=True)
        self.prepare()
        self.machine = self.parts.enter_context(Machine(self.root, self.folder, self.hardware()))
        steps = self.folder / "steps"
        deadline = time.monotonic() + START_S
        while not steps.exists():
            if time.monotonic() > deadline or not self.machine.alive:
                raise LabFailed("QEMU did not start", details=tail_of_file(self.folder / "qemu.log"))
            time.sleep(0.05)
        self.port = self.parts.enter_context(connect_unix(steps, BOOT_S))
        self.expect("ready", BOOT_S)

    def hardware(self) -> Hardware:
        """A serial port for steps, by 9p the root file system and the share, and the subclass's devices."""
        files = {**busybox(self.root), **kernel_modules(self.root / f"usr/lib/modules/{self.release}", MODULES)}
        files["init"] = File(INIT.read_bytes(), executable=True)
        words = ["-chardev", "socket,id=steps,path=steps,server=on,wait=off", "-device", "isa-serial,chardev=steps"]
        for tag, folder, more in (("root", self.root, ",readonly=on"), ("share", self.share, "")):
            words += ["-fsdev", f"local,id={tag},path={folder},security_model=none{more}"]
            words += ["-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
        words += self.devices()
        kernel = self.root / f"boot/vmlinuz-{self.release}"
        return Hardware(kernel, archive(files), "hugepages=64", tuple(words), MEMORY_MIB, self.cpu)

    def expect(self, text: str, timeout_s: float) -> str:
        """Read the serial port until a line begins with text; returns its rest."""
        assert self.port is not None
        deadline = time.monotonic() + timeout_s
        received = b""
        while not received.endswith(b"\n") or text.encode() not in received:
            left = deadline - time.monotonic()
            if left <= 0:
                raise WaitTimedOut(
                    f"the machine did not say `{text}` within {timeout_s:.0f} s",
                    details=tail_of_file(self.machine.console),
                )
            self.port.settimeout(left)
            try:
                chunk = self.port.recv(4096)
            except TimeoutError:
                continue
            if not chunk:
                raise LabFailed("the machine ended", details=tail_of_file(self.machine.console))
            received += chunk
        return received.decode().partition(text)[2].strip()

    def run(self, script: str, *, timeout_s: float = STEP_S, may_fail: bool = False) -> str:
        """Run a shell script in the machine, with the share as its folder; returns both its outputs."""
        assert self.port is not None
        self.steps += 1
        name = f"step{self.steps}"
        (self.share / "step.sh").write_text(f"cd /tmp/share\n{script}\n")
        self.port.sendall(name.encode() + b"\n")
        status = self.expect(name, timeout_s)
        output = (self.share / "output").read_text(errors="replace")
        if status != "0" and not may_fail:
            raise LabFailed(f"exit status {status} of: {script}", details=tuple(output.splitlines()[-15:]))
        return output

    def wait_for(self, script: str, *, timeout_s: float = STEP_S, what: str) -> None:
        """Until a script ends well."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                self.run(script)
                return
            except LabFailed as error:
                if time.monotonic() > deadline:
                    raise WaitTimedOut(f"{what}: not within {timeout_s:.0f} s", details=error.details) from error
            time.sleep(0.3)

    def complaints(self) -> tuple[str, ...]:
        """What the kernel complained of so far."""
        return complaints(self.machine.said())
