"""Whether hardware virtualisation can be used, found out by starting a guest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hpcapvf.lab.emulator import Emulator


@dataclass(frozen=True)
class Accel:
    """tcg or kvm, and why."""

    name: str
    reason: str


def choose_accel(wanted: str, emulator: Emulator, server_root: Path) -> Accel:
    return Accel("tcg", "not probed yet")
