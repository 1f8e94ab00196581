"""The real commands on a fake machine, from a command line to the envelope: parsed, planned, applied, proved.

What is put in the place of the real thing: the machine, its bindings, and the frames' source, whose far end is a guest
that captures.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hpcapvf.host.protocols import SendReport
from hpcapvf.model.paths import guard_path
from orchestrator.commands.deploy import deploy_vnma_parser, deploy_vnp_parser
from orchestrator.main import MODULES, hpcapvf_parser
from orchestrator.runner import run
from tests.fakes import tree
from tests.unit.apply.world import NAME, World
from tests.unit.verify.capture_guest import CaptureGuest
from tests.unit.verify.test_checks import FACTS

SPEC = f"""version: 1
guest: {{name: probe1, image: {tree.IMAGE}, vcpus: 2, memory_mib: 512}}
network: {{pf: {tree.PF_INTERFACE}, receive: all}}
storage: {{mode: passthrough, controller: "{tree.CONTROLLER}", raid: {{mount: /capture}}}}
"""
# What the checks ask a guest, as one that is as planned answers.
CHECKED = (*(f"{name}={value}" for name, value in (FACTS | {"reader_cpus": "0"}).items()), "node=/dev/hpcap_p5s16_0")


@dataclass
class Wire:
    """A source whose far end is the guest. loses: how many of the last frames never arrive. guard: called with each."""

    guest: CaptureGuest
    guard: Callable[[], None]
    name: str = "wire"
    loses: int = 0

    def send(self, frames: Sequence[bytes], *, timeout_s: float) -> SendReport:
        """All of them; meanwhile the guard looks."""
        self.guard()
        self.guest.receive(frames[: len(frames) - self.loses])
        return SendReport(len(frames), 1.5)


@dataclass
class Console:
    """Runs commands on a world, and keeps what they printed."""

    world: World
    capsys: pytest.CaptureFixture[str]
    wire: Wire

    def run(self, *words: str) -> dict[str, Any]:
        """The envelope of a command line with ``--json``."""
        self.show(*words, "--json", "--progress", "none")
        found: dict[str, Any] = json.loads(self.capsys.readouterr().out)
        return found

    def show(self, *words: str) -> int:
        """Run a command line as it is; its exit code."""
        name, *rest = words
        parsers = {"deploy-vnp": deploy_vnp_parser, "deploy-vnma": deploy_vnma_parser}
        return run(parsers[name]() if name in parsers else hpcapvf_parser(rest), rest)


def console_on(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Console:
    """All commands on that world from now on."""
    guest = CaptureGuest(folder="/capture")
    guest.counters["cpu"] = 1  # of the polling thread
    console = Console(world, capsys, Wire(guest, lambda: _guard_looks(world)))
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    for module in ("orchestrator.deployment", *MODULES):
        monkeypatch.setattr(f"{module}.local_machine", lambda: world.fake.machine, raising=False)
    monkeypatch.setattr("orchestrator.commands.deploy.LocalFiles", lambda: world.fake.machine.files)
    monkeypatch.setattr("orchestrator.deployment.require_bindings", lambda: None)
    monkeypatch.setattr("orchestrator.proofs.open_source", lambda text, *_: console.wire)
    image = world.fake.root / tree.IMAGE.lstrip("/")
    image.with_name(f"{image.name}.sha256").write_text(hashlib.sha256(image.read_bytes()).hexdigest())
    _capture(world, guest)
    return console


def _guard_looks(world: World) -> None:
    files = world.fake.machine.files
    counts = {"checks": 0, "drifts": 0, "error": ""} | json.loads(files.read_text(guard_path(NAME)) or "{}")
    files.replace(guard_path(NAME), json.dumps(counts | {"checks": counts["checks"] + 7}).encode())


def _capture(world: World, captures: CaptureGuest) -> None:
    """What a proof asks of a guest is answered by one that captures, all else by the model as before."""
    guest = world.fake.guest
    before = dict(guest._handlers)

    def answer(argv: tuple[str, ...], stdin: bytes) -> tuple[int, str, str]:
        if argv[0] == "sh" and "findmnt" in argv[2]:
            return 0, "".join(f"{line}\n" for line in CHECKED), ""
        try:
            code, text = captures._answer(list(argv))
        except AssertionError:
            return before[argv[0]](argv, stdin) if argv[0] in before else (127, "", "not found")
        for path, data in captures.files.items():
            guest.files[path] = (0o644, data)
        return code, text, ""

    for program in ("stat", "tail", "systemctl", "sh"):
        guest.on(program, answer)


def spec_file(folder: Path, text: str = SPEC) -> str:
    """The path of a spec."""
    path = folder / "spec.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)
