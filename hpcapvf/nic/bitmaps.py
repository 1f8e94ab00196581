"""Where a card keeps its bitmaps of pools: in a field of one register (82576, I350), or in two registers, low half
first (82599 and later), which may be another register than the filter's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hpcapvf.nic.registers import RegisterTable

MAC, VLAN, RULE, RULE_VLANS, RECEIVES, SENDS = "MAC filter", "VLAN filter", "rule", "rule's VLANs", "receives", "sends"
_HALF_BITS = 32


@dataclass(frozen=True)
class Place:
    """A field; that of thing number n stands in the register's element ``stride * n + first``."""

    register: str
    field: str = "POOLS"
    stride: int = 1
    first: int = 0


_OF_1G = {
    MAC: (Place("RAH"),),
    VLAN: (Place("VLVF"),),
    RULE: (Place("VMRVM"),),
    RULE_VLANS: (Place("VMRVLAN", "VLVF"),),
    RECEIVES: (Place("VFRE"),),
    SENDS: (Place("VFTE"),),
}
_OF_10G = {
    MAC: (Place("MPSAR_LO"), Place("MPSAR_HI")),
    VLAN: (Place("VLVFB", stride=2), Place("VLVFB", stride=2, first=1)),
    RULE: (Place("VMRVM"), Place("VMRVM", first=4)),
    RULE_VLANS: (Place("VMRVLAN", "VLVF"), Place("VMRVLAN", "VLVF", first=4)),
    RECEIVES: (Place("VFRE"), Place("VFRE", first=1)),
    SENDS: (Place("VFTE"), Place("VFTE", first=1)),
}


def places(table: RegisterTable, what: str, number: int = 0) -> tuple[tuple[str, int, str], ...]:
    """Register, index and field of each part of a bitmap, that of the lowest pools first."""
    layout = _OF_10G if table.has("VLVFB") else _OF_1G
    return tuple((place.register, place.stride * number + place.first, place.field) for place in layout[what])


def bitmap(table: RegisterTable, read: Callable[[str, int], int], what: str, number: int = 0) -> int:
    """The whole bitmap, bit 0 for pool (or VLAN filter) 0."""
    found = 0
    for part, (register, index, field) in enumerate(places(table, what, number)):
        found |= table.register(register).field(field).extract(read(register, index)) << _HALF_BITS * part
    return found


def part_of(table: RegisterTable, what: str, number: int, pool: int) -> tuple[str, int, int]:
    """Register and index where a pool's bit of a bitmap stands, and the bit in its place."""
    part, bit = divmod(pool, _HALF_BITS)
    register, index, field = places(table, what, number)[part]
    return register, index, table.register(register).field(field).insert(1 << bit)


def numbers(bits: int) -> tuple[int, ...]:
    """The bits that are set, by number."""
    return tuple(n for n in range(bits.bit_length()) if bits >> n & 1)
