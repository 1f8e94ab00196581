"""Which QEMU runs the lab: the machine's own if it can do the job, else the one in the server's root file system."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hpcapvf.lab.process import run_ok
from hpcapvf.lab.qtest import vf_bar_works
from hpcapvf.lab.rootfs import LIBRARIES, tool
from hpcapvf.model.errors import HpcapvfError, LabFailed

PROGRAM = "qemu-system-x86_64"
OLDEST_VERSION = (10, 0)


@dataclass(frozen=True)
class Emulator:
    """How to start QEMU. argv: first words of the command line. program: path of the machine's own, or empty."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    program: str


@dataclass(frozen=True)
class Choice:
    """The chosen emulator, its version and why it was chosen."""

    emulator: Emulator
    version: str
    reason: str


def emulator_at(program: str, server_root: Path) -> Emulator:
    """The machine's QEMU at that path; for an empty path the one of the server's root file system.

    That one runs with the root's own loader, libraries, modules and firmware: no chroot, no mount, no privilege, and
    every path means the same inside and outside.
    """
    if program:
        return Emulator((program,), {}, program)
    argv = [*tool(server_root, f"usr/bin/{PROGRAM}")]
    argv += ["-L", str(server_root / "usr/share/qemu"), "-L", str(server_root / "usr/share/seabios")]
    return Emulator(tuple(argv), {"QEMU_MODULE_DIR": str(server_root / LIBRARIES / "qemu")}, "")


def parse_version(text: str) -> tuple[int, ...]:
    """(10, 0, 13) from what --version says; empty when it says something else."""
    match = re.search(r"QEMU emulator version (\d+)\.(\d+)\.(\d+)", text)
    return tuple(int(number) for number in match.groups()) if match else ()


def choose_emulator(server_root: Path) -> Choice:
    """Try the machine's QEMU, then the lab's own. Raises LabFailed when neither has a card with working VFs."""
    machines = shutil.which(PROGRAM)
    own = emulator_at("", server_root)
    candidates = [emulator_at(machines, server_root)] if machines else []
    return choose(
        [*candidates, own], version_of, lambda candidate: vf_bar_works(candidate.argv, environment(candidate))
    )


def choose(
    candidates: list[Emulator],
    version_of: Callable[[Emulator], tuple[int, ...]],
    vf_works: Callable[[Emulator], bool],
) -> Choice:
    """The first candidate that is new enough and maps VFs where it is told to; the reason names those passed over."""
    reasons = [] if any(candidate.program for candidate in candidates) else [f"this machine has no {PROGRAM}"]
    for candidate in candidates:
        where = f"this machine's {candidate.program}" if candidate.program else "the lab's own QEMU"
        try:
            version = version_of(candidate)
            name = f"{where} {'.'.join(map(str, version))}"
            if version < OLDEST_VERSION:
                reasons.append(f"{name} is too old for the igb card (needs 10.0)")
            elif not vf_works(candidate):
                reasons.append(f"{name} loses the upper half of 64-bit VF addresses")
            else:
                reasons.append(f"{name} maps VFs above 4 GiB correctly")
                return Choice(candidate, ".".join(map(str, version)), "; ".join(reasons))
        except HpcapvfError as error:
            reasons.append(f"{where}: {error.message}")
    raise LabFailed(
        "no QEMU can run the lab",
        hint="`hpcapvf lab build --refresh` builds the lab's own anew.",
        details=tuple(reasons),
    )


def version_of(candidate: Emulator) -> tuple[int, ...]:
    """Ask a QEMU for its version."""
    asked = run_ok([*candidate.argv, "--version"], doing="asking QEMU for its version", timeout_s=30, env=candidate.env)
    return parse_version(asked.text)


def environment(candidate: Emulator) -> dict[str, str]:
    """This process's environment with what a candidate needs."""
    return {**os.environ, **candidate.env}
