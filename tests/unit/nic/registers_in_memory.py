"""Registers as a dictionary, for tests of programmes and of the switch model."""

from __future__ import annotations

from collections.abc import Iterable

from hpcapvf.model.address import Mac
from hpcapvf.nic.receive import RegisterWant
from hpcapvf.nic.registers import RegisterTable


class Registers:
    """32-bit registers by name and index, 0 at first; those that do not read back give 0."""

    def __init__(self, table: RegisterTable) -> None:
        self.table = table
        self.held: dict[tuple[str, int], int] = {}

    def hold(self, name: str, index: int = 0, **fields: int) -> None:
        """Set fields, leave the others."""
        register = self.table.register(name)
        register.offset(index)
        value = self.held.get((name, index), 0)
        for field_name, number in fields.items():
            field = register.field(field_name)
            value = value & ~field.mask | field.insert(number)
        self.held[name, index] = value

    def hold_mac(self, index: int, mac: Mac, pools: int) -> None:
        """A valid MAC filter."""
        octets = mac.value.to_bytes(6, "big")
        self.held["RAL", index] = int.from_bytes(octets[:4], "little")
        self.hold("RAH", index, ADDRESS_HIGH=int.from_bytes(octets[4:], "little"), POOLS=pools, VALID=1)

    def read(self, name: str, index: int) -> int:
        """What software sees."""
        register = self.table.register(name)
        register.offset(index)
        return self.held.get((name, index), 0) if register.checked else 0

    def inside(self, name: str, index: int) -> int:
        """What the card's own logic sees."""
        return self.held.get((name, index), 0)

    def write(self, wants: Iterable[RegisterWant]) -> None:
        """Write as a host would: read, merge, write; only allowed bits may change."""
        for want in wants:
            offset = self.table.register(want.register).offset(want.index)
            assert not want.mask & ~self.table.writable_mask(offset), want
            self.held[want.register, want.index] = want.applied_to(self.read(want.register, want.index))
