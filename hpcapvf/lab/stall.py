"""A start that stalled: what says so, and keeping its console.

Seen with QEMU 10.0.13 in 3 of 6 starts on one day and in 1 of 16 on another while the server used its interrupt
controllers through memory: the monitor's ``info lapic`` shows the timer's vector in service (ISR) on a CPU that is
halted, as if the end-of-interrupt write was lost, so every later interrupt of that priority stays pending. The emulated
IOMMU offers extended interrupt mode since (machine.py), with which the kernel reaches them through the CPU's registers.
The kernel notices a lost timer after 21 s and says so; nothing inside can mend it. A reset does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

MAX_RESETS = 2
SILENT_S = 150.0
_KERNEL_SAYS = b"kthread timer wakeup didn't happen for"


class Stalled(Exception):
    """This start will not come to an end. The text says why."""


class StallWatch:
    """Looks at a console's file again and again. silent_s: seconds without a new byte that count as a stall."""

    def __init__(
        self, console: Path, *, silent_s: float = SILENT_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.console, self.silent_s, self.clock = console, silent_s, clock
        self.size, self.since = -1, clock()

    def look(self) -> None:
        """Raise Stalled if the kernel says that a CPU's timer no longer comes, or if nothing was said for too long."""
        text = self.console.read_bytes() if self.console.exists() else b""
        if _KERNEL_SAYS in text:
            raise Stalled("an emulated CPU lost its timer")
        if len(text) != self.size:
            self.size, self.since = len(text), self.clock()
        elif self.clock() - self.since >= self.silent_s:
            raise Stalled(f"the console was silent for {self.silent_s:.0f} s")


def set_aside(console: Path, number: int) -> Path:
    """Keep the console's text as ``console-stalled-NUMBER.log`` beside it, and begin an empty one. Returns the copy.

    QEMU appends to the same open file, so it is emptied, not replaced.
    """
    kept = console.with_name(f"console-stalled-{number}.log")
    kept.write_bytes(console.read_bytes() if console.exists() else b"")
    with console.open("ab") as stream:
        stream.truncate(0)
    return kept
