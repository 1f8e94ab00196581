"""One small virtual machine with one function of every card of the family, each a process of the model."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpcapvf.lab.process import end, is_alive, start_detached, tail_of_file
from hpcapvf.lab.qmp import connect_unix
from hpcapvf.lab.rootfs import LIBRARIES, LOADER
from hpcapvf.model.errors import LabFailed, WaitTimedOut
from tests.vm.shell_machine import ShellMachine

MODEL_S = 10.0
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


class Machine(ShellMachine):
    """The machine and its cards' models."""

    # Its time-stamp counter is not taken to be steady: the driver asks the kernel's clock, as nowhere else.
    cpu = "max,-monitor"

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit.root, kit.release, kit.folder)
        self.kit = kit
        self.models: dict[str, Model] = {}

    def prepare(self) -> None:
        """Our module and tools in the share, and the models."""
        shutil.copy(self.kit.module, self.share)
        shutil.copytree(self.kit.tools, self.share / "bin")
        for card in CARDS:
            model = Model(self.kit, card)
            self.models[card] = model
            self.parts.callback(end, model.process, timeout_s=5)

    def devices(self) -> list[str]:
        """The cards."""
        words = []
        for card, model in self.models.items():
            device = {"driver": "vfio-user-pci", "socket": {"path": str(model.device), "type": "unix"}}
            words += ["-device", json.dumps({**device, "addr": f"{CARDS[card][1]:x}"})]
        return words
