"""What the registers must hold so that a pool is given a copy of what other pools receive.

Two ways, both functions of data like ``nic.receive``: the card's mirror rules, and filters that name a second pool.
Which of them a card implements is found by writing and reading back, which is the host's work. A guard computes the
wants anew each time, because the filters of a watched VM come and go with its MACs and VLANs.

Sources: 82576 register names and bits as in Intel's base driver (``e1000_regs.h``, ``e1000_82575.h``); pool bitmaps in
RAH 25:18 and VLVF 19:12 and the VMOLR bits also as QEMU's ``hw/net/igb_core.c`` reads them (RAH tried in the lab).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hpcapvf.model.address import Mac
from hpcapvf.model.errors import RegisterRefused
from hpcapvf.nic.bitmaps import MAC, RULE, RULE_VLANS, VLAN, bitmap, part_of, places
from hpcapvf.nic.receive import (
    ReadRegister,
    RegisterWant,
    check_pool,
    drift,
    drops_when_full,
    filter_mac,
    keep_tags,
    want,
)
from hpcapvf.nic.registers import ALL_BITS, RegisterTable
from hpcapvf.nic.tables import register_table

# A pool that the watched one may receive broadcast and untagged frames through as well as by its own.
_ALSO = ("BAM", "AUPE")
# Given and taken away with the watched pools' own: multicast by hash table, and all multicast.
_SAME = ("ROMPE", "MPME")


class Mirror(Protocol):
    """One way to copy traffic on a card."""

    @property
    def name(self) -> str:
        """How people and journals name it."""

    def wants(self, read: ReadRegister) -> tuple[RegisterWant, ...]:
        """All bits that make the copy, from what the card holds now; RegisterRefused if there is no room for it.

        The mask of a register's want is the same at each call, so that bits once journalled are never journalled anew.
        """

    def holds(self, read: ReadRegister) -> bool:
        """Whether the card makes the copy in this way now: something is copied, and nothing drifted."""


@dataclass(frozen=True)
class MirrorRules:
    """One rule of type "pool": every frame whose pools meet ``sources`` is given to ``pool`` too.

    Takes the rule that says so already, else the first that is off.
    """

    table: RegisterTable
    sources: frozenset[int]
    pool: int

    name = "mirror rules"

    def wants(self, read: ReadRegister) -> tuple[RegisterWant, ...]:
        """The rule is switched on last of all, when the rest of it stands."""
        rule = self._rule(read)
        return (
            *drops_when_full(self.table, self.pool, read),
            want(self.table, "VT_CTL", 0, REPLICATION=1),
            *keep_tags(self.table, self.pool),
            *self._whole(RULE_VLANS, rule, 0),
            *self._whole(RULE, rule, _bitmap(self.sources)),
            want(self.table, "VMRCTL", rule, POOL=1, UPLINK=0, DOWNLINK=0, VLAN=0, TO_POOL=self.pool),
        )

    def holds(self, read: ReadRegister) -> bool:
        """The rule is on, and looks at the sources."""
        try:
            return not drift(self.wants(read), read)
        except RegisterRefused:
            return False

    def _whole(self, what: str, rule: int, bits: int) -> list[RegisterWant]:
        """A rule's bitmap, all parts of it."""
        found = places(self.table, what, rule)
        return [
            want(self.table, register, index, **{field: bits >> 32 * part & ALL_BITS})
            for part, (register, index, field) in enumerate(found)
        ]

    def _rule(self, read: ReadRegister) -> int:
        control = self.table.register("VMRCTL")
        types = sum(control.field(name).mask for name in ("POOL", "UPLINK", "DOWNLINK", "VLAN"))
        held = [read("VMRCTL", index) for index in range(control.count)]
        ours = control.field("TO_POOL").insert(self.pool) | control.field("POOL").mask
        for index, value in enumerate(held):
            if value & (types | control.field("TO_POOL").mask) == ours:
                return index
        for index, value in enumerate(held):
            if not value & types:
                return index
        raise RegisterRefused(f"all {control.count} mirror rules are in use")


@dataclass(frozen=True)
class Replication:
    """Each MAC and VLAN filter of ``sources`` names ``pool`` as well, and the pool takes the same kinds of multicast.

    Bits follow the watched pools in both directions: a filter that no longer names one of them loses the pool again.
    The filter of ``own_mac`` is left alone. Bits for broadcast and untagged frames are only given, never taken.
    """

    table: RegisterTable
    sources: frozenset[int]
    pool: int
    own_mac: Mac

    name = "replication"

    def wants(self, read: ReadRegister) -> tuple[RegisterWant, ...]:
        """The pool's own switches, VLAN filters, then MAC filters: no frame comes before it is allowed to."""
        return (
            *drops_when_full(self.table, self.pool, read),
            want(self.table, "VT_CTL", 0, REPLICATION=1),
            *keep_tags(self.table, self.pool),
            *self._pool_switches(read),
            *self._follow(VLAN, "VLVF", read),
            *self._follow(MAC, "RAH", read),
        )

    def holds(self, read: ReadRegister) -> bool:
        """At least one MAC filter of a source names the pool as well, and all that must do so do."""
        copied = any(w.value for w in self._follow(MAC, "RAH", read))
        return copied and not drift(self.wants(read), read)

    def _pool_switches(self, read: ReadRegister) -> list[RegisterWant]:
        fields = self.table.register("VMOLR").fields
        held = [read("VMOLR", source) for source in sorted(self.sources)]
        on = {f.name: int(any(f.extract(value) for value in held)) for f in fields if f.name in _ALSO + _SAME}
        return [want(self.table, "VMOLR", self.pool, **{n: bit}) for n, bit in on.items() if bit or n in _SAME]

    def _follow(self, what: str, name: str, read: ReadRegister) -> list[RegisterWant]:
        """One bit beside each filter that names a watched pool, and none of it beside those that do not.

        name: the register that says whether the filter is in use.
        """
        filters = self.table.register(name)
        found: list[RegisterWant] = []
        for number in range(filters.count):
            used = filters.field("VALID").extract(read(name, number))
            watched = bool(used and bitmap(self.table, read, what, number) & _bitmap(self.sources))
            register, index, ours = part_of(self.table, what, number, self.pool)
            if not watched and not read(register, index) & ours:
                continue
            if what == MAC and filter_mac(self.table, read, number) == self.own_mac:
                continue
            found.append(RegisterWant(register, index, ours, ours if watched else 0))
        return found


def mirrors_for(family: str, sources: Sequence[int], pool: int, own_mac: Mac) -> tuple[Mirror, ...]:
    """Every way for a card family, the one to try first first.

    sources: pools to copy; pool: where to. RegisterRefused if the family is in no table, has no such pools, or the
    pool is among the sources.
    """
    table = register_table(family)
    for number in (*sources, pool):
        check_pool(table, number)
    if pool in sources or not sources:
        raise RegisterRefused(f"pool {pool} cannot be given a copy of pools {sorted(sources)}")
    return MirrorRules(table, frozenset(sources), pool), Replication(table, frozenset(sources), pool, own_mac)


def _bitmap(pools: frozenset[int]) -> int:
    return sum(1 << pool for pool in pools)
