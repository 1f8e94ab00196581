"""A start that stalled because an emulated CPU lost its timer.

Seen with QEMU 10.0.13 in three of six starts without an active IOMMU and in none of some twenty with one: the
monitor's ``info lapic`` shows the timer's vector in service (ISR) on a CPU that is halted, so every later interrupt of
that priority stays pending. The kernel notices after 21 s and says so; nothing inside can mend it. A reset does.
"""

from __future__ import annotations

from pathlib import Path

MAX_RESETS = 2
_KERNEL_SAYS = b"kthread timer wakeup didn't happen for"


def has_stalled(console: Path) -> bool:
    """Whether the kernel says on the console that a CPU's timer no longer comes."""
    return console.exists() and _KERNEL_SAYS in console.read_bytes()


def set_aside(console: Path, number: int) -> Path:
    """Keep the console's text as ``console-stalled-NUMBER.log`` beside it, and begin an empty one. Returns the copy.

    QEMU appends to the same open file, so it is emptied, not replaced.
    """
    kept = console.with_name(f"console-stalled-{number}.log")
    kept.write_bytes(console.read_bytes())
    with console.open("r+b") as stream:
        stream.truncate()
    return kept
