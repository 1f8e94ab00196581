"""How long work reports where it is, without anyone but the orchestrator printing."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives phases of long work. Implementations must not raise."""

    def phase(self, name: str, detail: str = "") -> None:
        """A new phase begins (and the previous one ends)."""

    def advance(self, done: int, total: int, unit: str = "") -> None:
        """How far the current phase is; total 0 means unknown."""


class Silent:
    """Progress that goes nowhere."""

    def phase(self, name: str, detail: str = "") -> None:
        """Ignore."""

    def advance(self, done: int, total: int, unit: str = "") -> None:
        """Ignore."""
