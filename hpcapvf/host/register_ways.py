"""The registers of a PF by the first way that opens; if none does, why each did not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hpcapvf.host.protocols import RegisterWindow
from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import RegisterRefused
from hpcapvf.nic.tables import register_table


class RegisterWay(Protocol):
    """One way to a PF's registers."""

    @property
    def name(self) -> str:
        """As the table of ways names it (``nic.backends``)."""

    def open(self, pf: PciAddress, family: str) -> RegisterWindow:
        """RegisterRefused with the reason."""


class ChosenRegisters:
    """Opens windows, trying the ways in order. main: the name of the way whose refusal is told first, since every host
    could have it."""

    def __init__(self, ways: Sequence[RegisterWay], main: str) -> None:
        self._ways = tuple(ways)
        self._main = main

    def open(self, pf: PciAddress, family: str) -> RegisterWindow:
        """The first that opens. RegisterRefused with the main way's reason and hint, the others' among its details."""
        register_table(family)  # a family in no table is refused whatever the way
        refused: dict[str, RegisterRefused] = {}
        for way in self._ways:
            try:
                return way.open(pf, family)
            except RegisterRefused as error:
                refused[way.name] = error
        main = refused[self._main]
        others = tuple(f"{name}: {error.message}" for name, error in refused.items() if name != self._main)
        raise RegisterRefused(main.message, hint=main.hint, details=(*main.details, *others)) from main
