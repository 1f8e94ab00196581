"""What the registers of an 82599, X540 or X550 must hold for a pool to receive every frame, or a copy of others'.

Functions of data as in ``nic.receive`` and ``nic.mirror``; proven on ``nic.switch_10g``, not on hardware.
"""

from __future__ import annotations

from collections.abc import Iterable

from hpcapvf.model.errors import RegisterRefused
from hpcapvf.nic.receive import ReadRegister, RegisterWant, want
from hpcapvf.nic.registers import ALL_BITS, RegisterTable
from hpcapvf.nic.registers_10g import POOLS, has_promiscuous_pools, table_10g

_RULE_UPPER_HALF = 4


def receive_all_10g(
    family: str, pool: int, read: ReadRegister, *, default_pool: bool = True
) -> tuple[RegisterWant, ...]:
    """Everything that must be set for ``pool`` to receive each frame on the wire, in the order to write it.

    Unknown unicast comes by the unicast hash table (all ones) with ROPE, and by the default pool; unicast that
    somebody owns by adding the pool to its MAC filter, and on the X550 by UPE; multicast by MPE and an all-ones hash
    table; broadcast by BAM; tagged frames because the VLAN filter is off. An 82599 and an X540 cannot be told to give
    a pool every owned unicast: a filter that is added later is missed until the wants are computed anew.
    RegisterRefused if the family is in no table or has no such pool.
    """
    table = table_10g(family)
    _check_pool(table, pool)
    default = {"DEFAULT_POOL": pool, "DISABLE_DEFAULT_POOL": 0} if default_pool else {}
    promiscuous = {"UPE": 1, "VPE": 1} if has_promiscuous_pools(table) else {}
    return (
        *_in_every_filter(table, pool, read),
        *(RegisterWant("MTA", i, ALL_BITS, ALL_BITS) for i in range(table.register("MTA").count)),
        *(RegisterWant("UTA", i, ALL_BITS, ALL_BITS) for i in range(table.register("UTA").count)),
        want(table, "MCSTCTRL", 0, MFE=1),
        want(table, "VLNCTRL", 0, VFE=0),
        want(table, "VMOLR", pool, AUPE=1, ROMPE=1, ROPE=1, BAM=1, MPE=1, **promiscuous),
        want(table, "VT_CTL", 0, **default, REPLICATION=1),
    )


def mirror_rule_10g(
    family: str, rule: int, sources: Iterable[int], pool: int, *, kind: str = "POOL"
) -> tuple[RegisterWant, ...]:
    """One mirror rule, switched on last. kind: POOL (what ``sources`` get), UPLINK (from the network, as far as any
    pool gets it) or DOWNLINK (to the network); one type a rule. RegisterRefused if the rule cannot be."""
    table = table_10g(family)
    watched = sorted(set(sources))
    for number in (*watched, pool):
        _check_pool(table, number)
    table.register("MRCTL").offset(rule)  # else rule 4 would be the upper half of rule 0's pools
    if pool in watched or bool(watched) != (kind == "POOL"):
        raise RegisterRefused(f"a rule of type {kind} cannot give pool {pool} a copy of pools {watched}")
    bitmap = sum(1 << source for source in watched)
    types = {name: int(name == kind) for name in ("POOL", "UPLINK", "DOWNLINK", "VLAN")}
    return (
        want(table, "VT_CTL", 0, REPLICATION=1),
        want(table, "VMRVLAN", rule, VLVF=0),
        want(table, "VMRVLAN", rule + _RULE_UPPER_HALF, VLVF=0),
        want(table, "VMRVM", rule, POOLS=bitmap & ALL_BITS),
        want(table, "VMRVM", rule + _RULE_UPPER_HALF, POOLS=bitmap >> 32),
        want(table, "MRCTL", rule, **types, TO_POOL=pool),
    )


def _check_pool(table: RegisterTable, pool: int) -> None:
    if not 0 <= pool < POOLS:
        raise RegisterRefused(f"{table.family} has no pool {pool}: pools are 0 to {POOLS - 1}")


def _in_every_filter(table: RegisterTable, pool: int, read: ReadRegister) -> list[RegisterWant]:
    """The pool's bit beside each valid MAC filter; filters that are not in use stay as they are."""
    rah = table.register("RAH")
    half, bit = ("MPSAR_LO", 1 << pool) if pool < 32 else ("MPSAR_HI", 1 << pool - 32)
    return [
        RegisterWant(half, index, bit, bit)
        for index in range(rah.count)
        if rah.field("VALID").extract(read("RAH", index))
    ]
