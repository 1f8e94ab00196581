"""A register's element by name, over a window of offsets: those behind a selector are asked for by number."""

from __future__ import annotations

from typing import Protocol

from hpcapvf.model.errors import RegisterRefused
from hpcapvf.nic.registers import RegisterTable

_TRIES = 3  # the PF's driver may select another element between our write and our look


class Window(Protocol):
    """32-bit registers of a PF by byte offset."""

    def read(self, offset: int) -> int:
        """Current value."""

    def write(self, offset: int, value: int) -> None:
        """RegisterRefused if it may not be written."""


def read_register(window: Window, table: RegisterTable, name: str, index: int) -> int:
    """What the element holds. RegisterRefused if there is none, or the card does not answer for it."""
    register = table.register(name)
    offset, selector = register.offset(index), register.selector
    if selector is None:
        return window.read(offset)
    for _ in range(_TRIES):
        window.write(offset, selector.index.insert(index) | selector.read.mask)
        value = window.read(offset)
        if selector.index.extract(value) == index:
            return value & ~selector.mask
    raise RegisterRefused(
        f"{name} of {table.family} does not answer for element {index}: it reads {value:#010x}",
        hint="this card does not implement reading it, or its driver writes it all the time",
    )


def write_register(window: Window, table: RegisterTable, name: str, index: int, value: int) -> None:
    """Write the whole element; reading back is the caller's."""
    register = table.register(name)
    selector = register.selector
    chosen = selector.index.insert(index) | selector.write.mask if selector else 0
    window.write(register.offset(index), value | chosen)
