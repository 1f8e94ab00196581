"""A switch's registers in words."""

from __future__ import annotations

import pytest

from hpcapvf.nic.decode import MacFilter, MirrorRule, VlanFilter, decode_switch
from hpcapvf.nic.registers_1g import TABLE_82576
from hpcapvf.nic.switch import hash_slot
from hpcapvf.nic.tables import register_table
from tests.unit.nic.registers_in_memory import Registers
from tests.unit.nic.test_mirror import (
    GROUP,
    MONITOR,
    MONITOR_MAC,
    OTHER_MAC,
    PF_MAC,
    SECOND_MAC,
    WATCHED_MAC,
    card,
    replication,
    rules,
)


def test_filters_name_the_pools_that_they_feed() -> None:
    registers = card()
    registers.write(replication().wants(registers.read))
    state = decode_switch(TABLE_82576, registers.read)
    assert state.macs == (
        MacFilter(0, PF_MAC, (7,)),
        MacFilter(1, WATCHED_MAC, (0, 1)),
        MacFilter(2, MONITOR_MAC, (1,)),
        MacFilter(3, OTHER_MAC, (2,)),
        MacFilter(23, SECOND_MAC, (0, 1)),
    )
    assert state.vlans == (VlanFilter(0, 100, (0, 1)), VlanFilter(1, 200, (2,)))
    assert (state.default_pool, state.replication, state.vlan_filtering) == (7, True, True)
    assert state.rules == ()
    assert state.hash_bits == 1
    assert hash_slot(GROUP, 0) < 4096


def test_pools_say_what_they_take() -> None:
    registers = card()
    registers.hold("VFRE", POOLS=0)
    registers.hold("VFRE", POOLS=0b11)
    registers.hold("VMOLR", 0, MPME=1, STRVLAN=0)
    first, *others = decode_switch(TABLE_82576, registers.read).pools
    assert first.takes == ("long frames", "untagged frames", "multicast by hash", "broadcast", "all multicast")
    assert [p.receives for p in (first, *others)] == [True, True] + [False] * 6
    assert "VLAN tags taken out" in others[0].takes


def test_port_wide_bits() -> None:
    registers = card()
    registers.hold("RCTL", UPE=1, MPE=0, VFE=0)
    registers.hold("VT_CTL", DISABLE_DEFAULT_POOL=1, REPLICATION=0)
    state = decode_switch(TABLE_82576, registers.read)
    assert (state.promiscuous_unicast, state.promiscuous_multicast) == (True, False)
    assert (state.default_pool, state.replication, state.vlan_filtering) == (None, False, False)


def test_mirror_rules_that_are_on() -> None:
    registers = card()
    registers.hold("VMRCTL", 3, UPLINK=1, DOWNLINK=1, TO_POOL=5)
    registers.hold("VMRVLAN", 3, VLVF=0b101)
    registers.write(rules().wants(registers.read))
    assert decode_switch(TABLE_82576, registers.read).rules == (
        MirrorRule(0, ("pools",), (0,), (), MONITOR),
        MirrorRule(3, ("from the network", "to the network"), (), (0, 2), 5),
    )


@pytest.mark.parametrize(
    ("family", "switch", "pool"), [("82576", "DTXSWC", 5), ("i350", "TXSWC", 5), ("82599", "PFDTXGSWC", 40)]
)
def test_who_sends_and_whether_it_stays_on_the_card(family: str, switch: str, pool: int) -> None:
    registers = Registers(register_table(family))
    state = decode_switch(registers.table, registers.read)
    assert not state.loopback and not any(p.sends for p in state.pools)
    half, bit = divmod(pool, 32)
    registers.held["VFTE", half] = 1 << bit
    registers.hold(switch, LOOPBACK_ENABLE=1)
    state = decode_switch(registers.table, registers.read)
    assert state.loopback and [p.pool for p in state.pools if p.sends] == [pool]
