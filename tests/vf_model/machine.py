"""One small virtual machine with one function of every card of the family, each a process of the model."""

from __future__ import annotations

import json
import shutil
import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from hpcapvf.lab.process import end, is_alive, start_detached, tail_of_file
from hpcapvf.lab.qmp import connect_unix
from hpcapvf.lab.rootfs import LIBRARIES, LOADER
from hpcapvf.model.errors import LabFailed, WaitTimedOut
from tests.vm import machine as small
from tests.vm.archive import File, archive, busybox, kernel_modules

# Boots in 25 s on an idle machine, in 140 s on a busy one.
BOOT_S = 400.0
STEP_S = 180.0
MODEL_S = 10.0
MEMORY_MIB = 768
# Its time-stamp counter is not taken to be steady: the driver asks the kernel's clock, as it does not in other suites.
CPU = "max,-monitor"
MODULES = ("9p", "9pnet_virtio")
# Device IDs of the family, and the slot of each in the machine.
CARDS = {"82599": ("10ed", 0x10), "X540": ("1515", 0x11), "X550": ("1565", 0x12), "X550EM": ("15a8", 0x13),
         "X553": ("15c5", 0x14)}  # fmt: skip


@dataclass(frozen=True)
class Kit:
    """What a machine is made of. root: file system. folder: for sockets, logs and the share. module, model: files."""

    root: Path
    release: str
    module: Path
    tools: Path
    model: Path
    folder: Path


class Model:
    """One process of the model, spoken to through its control socket (driver/tests/model/control.h)."""

    def __init__(self, kit: Kit, card: str) -> None:
        device_id, slot = CARDS[card]
        self.address = f"0000:00:{slot:02x}.0"
        self.device = kit.folder / f"{card}.device"
        self.control = kit.folder / f"{card}.control"
        self.log = kit.folder / f"{card}.log"
        # built in the root file system, so it runs with that one's loader and libraries
        loader = [str(kit.root / LOADER), "--library-path", str(kit.root / LIBRARIES)]
        argv = ["nice", "-n", "19", *loader, str(kit.model), device_id, str(self.device), str(self.control)]
        self.process = start_detached(argv, marker=str(self.device), log=self.log, cwd=kit.folder)
        deadline = time.monotonic() + MODEL_S
        while not self.control.exists():
            if time.monotonic() > deadline or not is_alive(self.process):
                raise LabFailed(f"the model of the {card} did not start", details=tail_of_file(self.log))
            time.sleep(0.05)

    def say(self, line: str) -> dict[str, Any]:
        """One command; LabFailed when the model refuses it."""
        with connect_unix(self.control, MODEL_S) as connection, connection.makefile("rwb") as stream:
            stream.write(line.encode() + b"\n")
            stream.flush()
            answer: dict[str, Any] = json.loads(stream.readline())
        if "error" in answer:
            raise LabFailed(f"the model says to `{line}`: {answer['error']}")
        return answer

    def status(self) -> dict[str, Any]:
        """Everything that the model counts."""
        return self.say("status")

    def wait_sent(self, timeout_s: float) -> None:
        """Until nothing more is on the wire."""
        deadline = time.monotonic() + timeout_s
        while self.status()["sending"]:
            if time.monotonic() > deadline:
                raise WaitTimedOut(f"frames are still being sent after {timeout_s:.0f} s")
            time.sleep(0.2)


class Machine:
    """The running machine and its cards' models; a context manager, so that nothing is left behind."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self.share = kit.folder / "share"
        self.models: dict[str, Model] = {}
        self.parts = ExitStack()
        self.port: socket.socket | None = None
        self.steps = 0

    def __enter__(self) -> Machine:
        with self.parts:
            self.start()
            self.parts = self.parts.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.parts.close()

    def start(self) -> None:
        """Models, QEMU, and the guest's word that it is ready."""
        kit = self.kit
        shutil.rmtree(kit.folder, ignore_errors=True)
        self.share.mkdir(parents=True)
        shutil.copy(kit.module, self.share)
        shutil.copytree(kit.tools, self.share / "bin")
        for card in CARDS:
            model = Model(kit, card)
            self.models[card] = model
            self.parts.callback(end, model.process, timeout_s=5)
        self.machine = self.parts.enter_context(small.Machine(kit.root, kit.folder, self.hardware()))
        deadline = time.monotonic() + MODEL_S
        while not (kit.folder / "steps").exists():
            if time.monotonic() > deadline or not self.machine.alive:
                raise LabFailed("QEMU did not start", details=tail_of_file(kit.folder / "qemu.log"))
            time.sleep(0.05)
        self.port = self.parts.enter_context(connect_unix(kit.folder / "steps", BOOT_S))
        self.expect("ready", BOOT_S)

    def hardware(self) -> small.Hardware:
        """The cards, a serial port for steps, and by 9p the root file system and a folder that both sides write."""
        kit = self.kit
        files = {**busybox(kit.root), **kernel_modules(kit.root / f"usr/lib/modules/{kit.release}", MODULES)}
        files["init"] = File(Path(__file__).with_name("init.sh").read_bytes(), executable=True)
        words = ["-chardev", "socket,id=steps,path=steps,server=on,wait=off", "-device", "isa-serial,chardev=steps"]
        for tag, folder, more in (("root", kit.root, ",readonly=on"), ("share", self.share, "")):
            words += ["-fsdev", f"local,id={tag},path={folder},security_model=none{more}"]
            words += ["-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
        for card, model in self.models.items():
            device = {"driver": "vfio-user-pci", "socket": {"path": str(model.device), "type": "unix"}}
            words += ["-device", json.dumps({**device, "addr": f"{CARDS[card][1]:x}"})]
        kernel = kit.root / f"boot/vmlinuz-{kit.release}"
        return small.Hardware(kernel, archive(files), "hugepages=64", tuple(words), MEMORY_MIB, CPU)

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
        return small.complaints(self.machine.said())
