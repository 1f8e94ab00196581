"""Starting such a machine, running shell scripts in it, ending it. What cards it has is a subclass's business."""

from __future__ import annotations

import shutil
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from hpcapvf.lab.emulator import emulator_at, environment
from hpcapvf.lab.process import ProcessId, end, is_alive, start_detached, tail_of_file
from hpcapvf.lab.qmp import connect_unix
from hpcapvf.model.errors import LabFailed, WaitTimedOut
from tests.small_vm.initrd import make_initrd

# Boots in 25 s on an idle machine, in 140 s on a busy one.
BOOT_S = 400.0
STEP_S = 180.0
START_S = 10.0
MEMORY_MIB = 768


class SmallMachine:
    """The running machine; a context manager, so that nothing is left behind.

    root: its root file system, with a kernel of that release. folder: for sockets, logs and the share.
    """

    def __init__(self, root: Path, release: str, folder: Path) -> None:
        self.root = root
        self.release = release
        self.folder = folder
        self.share = folder / "share"
        self.qemu: ProcessId | None = None
        self.port: socket.socket | None = None
        self.steps = 0

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.stop()

    def prepare(self) -> None:
        """What must be there before QEMU starts; the share is empty."""

    def hardware(self) -> list[str]:
        """QEMU's arguments for what only this machine has."""
        return []

    def others(self) -> list[ProcessId]:
        """Processes that end after QEMU."""
        return []

    def start(self) -> None:
        """What it needs, QEMU, and the guest's word that it is ready."""
        folder = self.folder
        shutil.rmtree(folder, ignore_errors=True)
        self.share.mkdir(parents=True)
        (folder / "initrd").write_bytes(make_initrd(self.root, self.release))
        self.prepare()
        emulator = emulator_at("", self.root)
        argv = ["nice", "-n", "19", *emulator.argv, *self.arguments()]
        self.qemu = start_detached(
            argv, marker=str(folder), log=folder / "qemu.log", cwd=folder, env=environment(emulator)
        )
        deadline = time.monotonic() + START_S
        while not (folder / "steps").exists():
            if time.monotonic() > deadline or not is_alive(self.qemu):
                raise LabFailed("QEMU did not start", details=tail_of_file(folder / "qemu.log"))
            time.sleep(0.05)
        self.port = connect_unix(folder / "steps", BOOT_S)
        self.expect("ready", BOOT_S)

    def arguments(self) -> list[str]:
        """QEMU's command line. Guest memory is a shared file: a model of a card writes frames straight into it."""
        words = ["-machine", "q35,accel=tcg,memory-backend=ram", "-cpu", "max", "-smp", "1", "-m", str(MEMORY_MIB)]
        words += ["-object", f"memory-backend-memfd,id=ram,size={MEMORY_MIB}M,share=on"]
        words += ["-nodefaults", "-display", "none", "-no-reboot"]
        words += ["-kernel", str(self.root / f"boot/vmlinuz-{self.release}"), "-initrd", "initrd"]
        words += ["-append", "console=ttyS0 panic=-1 hugepages=64 tsc=reliable"]
        words += ["-serial", f"file:{self.folder / 'console.log'}"]
        words += ["-chardev", "socket,id=steps,path=steps,server=on,wait=off", "-device", "isa-serial,chardev=steps"]
        for tag, folder, more in (("root", self.root, ",readonly=on"), ("share", self.share, "")):
            words += ["-fsdev", f"local,id={tag},path={folder},security_model=none{more}"]
            words += ["-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
        return words + self.hardware()

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
                    details=tail_of_file(self.folder / "console.log"),
                )
            self.port.settimeout(left)
            try:
                chunk = self.port.recv(4096)
            except TimeoutError:
                continue
            if not chunk:
                raise LabFailed("the machine ended", details=tail_of_file(self.folder / "console.log"))
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

    def stop(self) -> None:
        """End QEMU and the others, each by its recorded identity."""
        if self.port is not None:
            self.port.close()
        for process in [self.qemu, *self.others()]:
            if process is not None:
                end(process, timeout_s=5)
