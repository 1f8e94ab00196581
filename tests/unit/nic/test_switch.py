"""The switch model against facts that were tried on the emulated card."""

from __future__ import annotations

import pytest

from hpcapvf.model.address import Mac
from hpcapvf.nic.registers_1g import TABLE_82576
from hpcapvf.nic.switch import Delivery, Frame, deliver, hash_slot
from tests.unit.nic.registers_in_memory import Registers

SOMEBODY = Mac.parse("00:de:ad:be:ef:00")
GROUP = Mac.parse("01:00:5e:7f:00:01")


def card() -> Registers:
    """Pools 0 and 1 receive, nothing else is set."""
    registers = Registers(TABLE_82576)
    registers.hold("MRQC", MODE=3)
    registers.hold("VFRE", POOLS=0b11)
    registers.hold("VT_CTL", DISABLE_DEFAULT_POOL=1)
    return registers


def pools(registers: Registers, frame: Frame) -> set[int]:
    return set(deliver(registers.inside, frame).pools)


def test_outside_vmdq_mode_the_model_says_so() -> None:
    with pytest.raises(ValueError, match="VMDq"):
        deliver(Registers(TABLE_82576).inside, Frame(SOMEBODY))


def test_one_filter_for_two_pools_replicates() -> None:
    registers = card()
    registers.hold_mac(0, SOMEBODY, pools=0b11)
    assert pools(registers, Frame(SOMEBODY)) == {0, 1}


def test_the_second_range_of_filters_counts() -> None:
    registers = card()
    registers.hold_mac(23, SOMEBODY, pools=0b10)
    assert pools(registers, Frame(SOMEBODY)) == {1}


def test_rompe_gates_both_hash_tables_and_rope_none() -> None:
    registers = card()
    slot = hash_slot(GROUP, 0)
    registers.held["MTA", slot >> 5] = 1 << (slot & 31)
    slot = hash_slot(SOMEBODY, 0)
    registers.held["UTA", slot >> 5] = 1 << (slot & 31)
    registers.hold("VMOLR", 0, ROPE=1, MPME=1)
    assert pools(registers, Frame(GROUP)) == set()
    assert pools(registers, Frame(SOMEBODY)) == set()
    registers.hold("VMOLR", 0, ROMPE=1)
    assert pools(registers, Frame(GROUP)) == {0}
    assert pools(registers, Frame(SOMEBODY)) == {0}
    assert pools(registers, Frame(Mac(GROUP.value ^ 0x10))) == set()


def test_the_default_pool_takes_unmatched_unicast_only() -> None:
    registers = card()
    registers.hold("VT_CTL", DEFAULT_POOL=1, DISABLE_DEFAULT_POOL=0)
    assert pools(registers, Frame(SOMEBODY)) == {1}
    assert pools(registers, Frame(GROUP)) == set()


def test_a_pool_that_does_not_receive_gets_nothing() -> None:
    registers = card()
    registers.hold_mac(0, SOMEBODY, pools=0b101)
    assert pools(registers, Frame(SOMEBODY)) == {0}


def test_vlan_filter() -> None:
    registers = card()
    registers.hold_mac(0, SOMEBODY, pools=0b11)
    registers.hold("RCTL", VFE=1)
    registers.hold("VMOLR", 1, AUPE=1)
    assert pools(registers, Frame(SOMEBODY)) == {1}
    assert pools(registers, Frame(SOMEBODY, vlan=40)) == set()
    registers.held["VFTA", 1] = 1 << 8
    assert pools(registers, Frame(SOMEBODY, vlan=40)) == set()
    registers.hold("VLVF", 31, VLAN=40, POOLS=0b01, VALID=1)
    assert pools(registers, Frame(SOMEBODY, vlan=40)) == {0}


def test_length_limits() -> None:
    registers = card()
    registers.hold_mac(0, SOMEBODY, pools=0b11)
    assert pools(registers, Frame(SOMEBODY, 1514)) == {0, 1}
    assert pools(registers, Frame(SOMEBODY, 1518, vlan=1)) == {0, 1}
    assert pools(registers, Frame(SOMEBODY, 1515)) == set()
    registers.hold("RCTL", LPE=1)
    registers.hold("RLPML", LENGTH=9000)
    assert pools(registers, Frame(SOMEBODY, 2000)) == set()
    registers.hold("VMOLR", 1, LPE=1, RLPML=2004)
    assert pools(registers, Frame(SOMEBODY, 2000)) == {1}
    assert pools(registers, Frame(SOMEBODY, 2001)) == set()


def test_multicast_is_stripped_by_the_replication_register() -> None:
    registers = card()
    registers.held["MTA", hash_slot(GROUP, 0) >> 5] = 0xFFFF_FFFF
    registers.hold("VMOLR", 0, ROMPE=1, BAM=1)
    registers.hold("RPLOLR", STRVLAN=1)
    broadcast = Mac((1 << 48) - 1)
    assert deliver(registers.inside, Frame(GROUP, vlan=7)).stripped == {0}
    assert deliver(registers.inside, Frame(GROUP)).stripped == set()
    assert deliver(registers.inside, Frame(broadcast, vlan=7)).stripped == set()
    registers.hold("RPLOLR", STRVLAN=0)
    registers.hold("VMOLR", 0, STRVLAN=1)
    assert deliver(registers.inside, Frame(GROUP, vlan=7)).stripped == set()
    assert deliver(registers.inside, Frame(broadcast, vlan=7)).stripped == {0}


@pytest.mark.parametrize(("mode", "slot"), [(0, 0x563), (1, 0xAC6), (2, 0x58D), (3, 0x634)])
def test_hash_slots(mode: int, slot: int) -> None:
    """12 of the 16 bits 0x5634, by RCTL.MO; the address is the example of the public e1000 drivers, worked by hand."""
    assert hash_slot(Mac.parse("01:aa:00:12:34:56"), mode) == slot


def test_frames_between_pools_and_to_the_wire() -> None:
    registers = card()
    registers.hold_mac(0, SOMEBODY, pools=0b10)
    registers.hold("VT_CTL", DEFAULT_POOL=1, DISABLE_DEFAULT_POOL=0)
    inside, stranger = Frame(SOMEBODY), Frame(Mac(SOMEBODY.value ^ 1))
    assert deliver(registers.inside, inside, sender=0) == Delivery(frozenset())  # pool 0 may not send
    registers.hold("VFTE", POOLS=0b11)
    assert deliver(registers.inside, inside, sender=0) == Delivery(frozenset(), wire=True)  # no loopback
    registers.hold("DTXSWC", LOOPBACK_ENABLE=1)
    assert deliver(registers.inside, inside, sender=0) == Delivery(frozenset({1}))
    assert deliver(registers.inside, stranger, sender=0) == Delivery(frozenset(), wire=True)  # no default pool
    registers.hold("VMOLR", 0, BAM=1)
    everybody = Frame(Mac.parse("ff:ff:ff:ff:ff:ff"))
    assert deliver(registers.inside, everybody, sender=0) == Delivery(frozenset({0}), wire=True)  # its own comes back


def test_a_filter_keeps_a_frame_off_the_wire_even_if_no_pool_may_take_it() -> None:
    registers = card()
    registers.hold("VFTE", POOLS=0b11)
    registers.hold("DTXSWC", LOOPBACK_ENABLE=1)
    registers.hold_mac(0, SOMEBODY, pools=0b10)
    registers.hold("RCTL", VFE=1)
    assert deliver(registers.inside, Frame(SOMEBODY), sender=0) == Delivery(frozenset())  # AUPE is off
    # A VLAN that the card refuses is not even looked up, so the frame leaves.
    assert deliver(registers.inside, Frame(SOMEBODY, vlan=40), sender=0) == Delivery(frozenset(), wire=True)


def test_the_hash_gives_a_copy_to_pools_and_the_frame_still_leaves() -> None:
    registers = card()
    registers.hold("VFTE", POOLS=0b11)
    registers.hold("DTXSWC", LOOPBACK_ENABLE=1)
    slot = hash_slot(SOMEBODY, 0)
    registers.held["UTA", slot >> 5] = 1 << (slot & 31)
    registers.hold("VMOLR", 1, ROMPE=1)
    assert deliver(registers.inside, Frame(SOMEBODY), sender=0) == Delivery(frozenset({1}), wire=True)


def test_a_frame_that_the_card_refuses_does_not_reach_the_default_pool() -> None:
    registers = card()
    registers.hold("VT_CTL", DEFAULT_POOL=1, DISABLE_DEFAULT_POOL=0)
    registers.hold("RCTL", VFE=1)
    assert pools(registers, Frame(SOMEBODY, vlan=40)) == set()
    assert pools(registers, Frame(SOMEBODY, length=1515)) == set()
