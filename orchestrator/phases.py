"""How long the parts of a command took."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class PhaseClock:
    """Seconds by phase, in the order in which the phases began."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    @contextmanager
    def measure(self, phase: str) -> Iterator[None]:
        """Add the time of the block to a phase, also if the block fails."""
        began = time.monotonic()
        self._seconds.setdefault(phase, 0.0)
        try:
            yield
        finally:
            self._seconds[phase] += time.monotonic() - began

    def add(self, phases_s: Mapping[str, float]) -> None:
        """Take over phases that somebody else measured."""
        for phase, seconds in phases_s.items():
            self._seconds[phase] = self._seconds.get(phase, 0.0) + seconds

    def phases_s(self) -> dict[str, float]:
        """Seconds by phase, to the millisecond."""
        return {phase: round(seconds, 3) for phase, seconds in self._seconds.items()}
