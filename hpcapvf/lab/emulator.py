"""Which QEMU runs the lab: the machine's own if it can do the job, else the one in the server's root file system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hpcapvf.lab.rootfs import LIBRARIES, tool


@dataclass(frozen=True)
class Emulator:
    """How to start QEMU. argv: first words of the command line. reason: why this one was chosen."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    version: str
    reason: str


def own_emulator(server_root: Path) -> Emulator:
    """The QEMU of the server's root file system, run with that root's loader, libraries, modules and firmware."""
    argv = tool(server_root, "usr/bin/qemu-system-x86_64")
    argv += ["-L", str(server_root / "usr/share/qemu"), "-L", str(server_root / "usr/share/seabios")]
    return Emulator(tuple(argv), {"QEMU_MODULE_DIR": str(server_root / LIBRARIES / "qemu")}, "", "")


def choose_emulator(server_root: Path) -> Emulator:
    return own_emulator(server_root)
