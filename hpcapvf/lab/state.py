"""What is remembered of a lab between commands: lab.json in its state folder."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hpcapvf.lab.cache import read_json, state_root, write_json
from hpcapvf.lab.machine import LabConfig
from hpcapvf.lab.process import ProcessId
from hpcapvf.lab.several import members
from hpcapvf.model.errors import BadSpec, LabFailed, NotFound

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
STATE_VERSION = 1


@dataclass(frozen=True)
class LabState:
    """A lab that was started at least once. Hashes name the images it was made from; their packages may have moved on.

    emulator: version. emulator_program: path of the machine's own QEMU, empty for the lab's.
    """

    config: LabConfig
    server_hash: str
    guest_hash: str
    builder_hash: str
    accel: str
    accel_reason: str
    emulator: str
    emulator_program: str
    emulator_reason: str
    ssh_port: int
    qemu: ProcessId | None
    wire: ProcessId | None


def lab_folder(name: str) -> Path:
    """The state folder of a lab; BadSpec when the name cannot be one."""
    if not NAME.fullmatch(name):
        raise BadSpec(f"{name!r} is not a lab's name", hint="Use lower-case letters, digits and hyphens, 31 at most.")
    return state_root() / "labs" / name


def lab_names() -> list[str]:
    """All labs that have a state folder with something in it."""
    folder = state_root() / "labs"
    return sorted(path.parent.name for path in folder.glob("*/lab.json"))


def save_state(state: LabState) -> None:
    """Write lab.json."""
    write_json(lab_folder(state.config.name) / "lab.json", {"version": STATE_VERSION, **asdict(state)})


def load_state(name: str) -> LabState:
    """Read lab.json. Raises NotFound when there is no such lab, LabFailed when another version wrote it."""
    path = lab_folder(name) / "lab.json"
    content = read_json(path)
    if content is None:
        names = lab_names()
        others = ", ".join(names) or "none"
        servers = [known for known in members(name, names) if known != name]
        if servers:
            raise NotFound(
                f"{name} is {len(servers)} servers", hint=f"Name one of them: --name {servers[0]}. Labs: {others}."
            )
        raise NotFound(
            f"there is no lab named {name}", hint=f"`hpcapvf lab up --name {name}` starts it. Labs: {others}."
        )
    if content.pop("version") != STATE_VERSION:
        raise LabFailed(
            f"{path} was written by another version", hint=f"`hpcapvf lab clean --name {name}` removes the lab."
        )
    content["config"] = LabConfig(**content["config"])
    for key in ("qemu", "wire"):
        content[key] = process_of(content[key])
    return LabState(**content)


def process_of(content: dict[str, Any] | None) -> ProcessId | None:
    """A recorded process, None when none was."""
    return ProcessId(**content) if content else None
