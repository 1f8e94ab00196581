"""The receive-all programme, proven on the model of the switch, and its guard and undo."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcapvf.model.address import Mac
from hpcapvf.model.errors import RegisterRefused
from hpcapvf.nic.receive import RegisterWant, drift, held_before, receive_all, undo_writes
from hpcapvf.nic.registers_1g import TABLE_82576, TABLE_I350, TABLES_1G
from hpcapvf.nic.switch import Frame, deliver
from tests.unit.nic.registers_in_memory import Registers

PROBE, OTHER_VF, PF_POOL = 0, 1, 7
PF_MAC = Mac.parse("52:54:00:00:00:01")
PROBE_MAC = Mac.parse("02:00:00:00:00:10")
OTHER_MAC = Mac.parse("02:00:00:00:00:20")
JOINED_VLAN = 5


def card_as_the_driver_leaves_it() -> Registers:
    """VMDq mode with a PF and two VFs: what Linux' igb sets up when VFs are enabled, as far as the switch looks."""
    card = Registers(TABLE_82576)
    card.hold("MRQC", MODE=3)
    card.hold("RCTL", RXEN=1, LPE=1, BAM=1, VFE=1)
    card.hold("RLPML", LENGTH=9728)
    card.hold("VT_CTL", DEFAULT_POOL=PF_POOL, REPLICATION=1)
    card.hold("VFRE", POOLS=1 << PROBE | 1 << OTHER_VF | 1 << PF_POOL)
    card.hold("RPLOLR", STRVLAN=1)
    for pool in (PROBE, OTHER_VF, PF_POOL):
        card.hold("VMOLR", pool, AUPE=1, BAM=1, LPE=1, RLPML=1522, STRVLAN=1)
    card.hold("VMOLR", PF_POOL, ROMPE=1)
    card.hold_mac(0, PF_MAC, pools=1 << PF_POOL)
    card.hold_mac(1, PROBE_MAC, pools=1 << PROBE)
    card.hold_mac(17, OTHER_MAC, pools=1 << OTHER_VF)
    card.hold("VLVF", 0, VLAN=JOINED_VLAN, POOLS=1 << PF_POOL, VALID=1)
    card.held["VFTA", 0] = 1 << JOINED_VLAN
    return card


FRAMES = {
    "unknown unicast": Mac.parse("00:de:ad:be:ef:00"),
    "unicast of the PF": PF_MAC,
    "unicast of another VF": OTHER_MAC,
    "own unicast": PROBE_MAC,
    "multicast": Mac.parse("01:00:5e:01:02:03"),
    "IPv6 multicast": Mac.parse("33:33:00:00:00:fb"),
    "broadcast": Mac.parse("ff:ff:ff:ff:ff:ff"),
}


@pytest.mark.parametrize("vlan", [None, 0, JOINED_VLAN, 100, 4095])
@pytest.mark.parametrize("kind", FRAMES)
def test_the_probe_gets_every_frame_untouched(kind: str, vlan: int | None) -> None:
    card = card_as_the_driver_leaves_it()
    card.write(receive_all("82576", PROBE, card.read))
    for length in (60, 1514 if vlan is None else 1518):
        delivery = deliver(card.inside, Frame(FRAMES[kind], length, vlan))
        assert PROBE in delivery.pools
        assert PROBE not in delivery.stripped


@pytest.mark.parametrize(
    ("kind", "vlan", "pools"),
    [
        ("unknown unicast", None, {PF_POOL}),
        ("unicast of the PF", None, {PF_POOL}),
        ("unicast of another VF", None, {OTHER_VF}),
        ("own unicast", None, {PROBE}),
        ("multicast", None, set()),
        ("broadcast", None, {PROBE, OTHER_VF, PF_POOL}),
        ("broadcast", JOINED_VLAN, {PF_POOL}),
        ("own unicast", 100, set()),
    ],
)
def test_without_the_programme_it_does_not(kind: str, vlan: int | None, pools: set[int]) -> None:
    """The proof above can fail: on the card as the driver leaves it the probe misses most of it."""
    assert deliver(card_as_the_driver_leaves_it().inside, Frame(FRAMES[kind], 60, vlan)).pools == pools


@given(st.integers(0, (1 << 48) - 1), st.none() | st.integers(0, 4095), st.integers(60, 1514))
def test_any_destination_reaches_the_probe(destination: int, vlan: int | None, length: int) -> None:
    card = card_as_the_driver_leaves_it()
    card.write(receive_all("82576", PROBE, card.read))
    delivery = deliver(card.inside, Frame(Mac(destination), length, vlan))
    assert PROBE in delivery.pools
    assert PROBE not in delivery.stripped


@pytest.mark.parametrize("dropped", ["RAH", "MTA", "RPLOLR", "RCTL", "VMOLR", "UTA+VT_CTL"])
def test_no_part_of_the_programme_is_idle(dropped: str) -> None:
    """Without any one register some frame is missed or loses its tag. Unknown unicast has two ways in."""
    card = card_as_the_driver_leaves_it()
    card.write(w for w in receive_all("82576", PROBE, card.read) if w.register not in dropped.split("+"))
    deliveries = [deliver(card.inside, Frame(mac, 60, vlan)) for mac in FRAMES.values() for vlan in (None, 100)]
    assert any(PROBE not in d.pools or PROBE in d.stripped for d in deliveries)


def test_others_keep_what_they_had() -> None:
    card = card_as_the_driver_leaves_it()
    card.write(receive_all("82576", PROBE, card.read))
    assert deliver(card.inside, Frame(PF_MAC)).pools == {PF_POOL, PROBE}
    assert deliver(card.inside, Frame(OTHER_MAC)).pools == {OTHER_VF, PROBE}


@pytest.mark.parametrize("vlan", [None, JOINED_VLAN, 100])
@pytest.mark.parametrize("kind", FRAMES)
def test_a_second_probe_gets_every_frame_as_well(kind: str, vlan: int | None) -> None:
    card = card_as_the_driver_leaves_it()
    card.write(receive_all("82576", PROBE, card.read))
    card.write(receive_all("82576", OTHER_VF, card.read, default_pool=False))
    delivery = deliver(card.inside, Frame(FRAMES[kind], 60, vlan))
    assert {PROBE, OTHER_VF} <= delivery.pools
    assert not {PROBE, OTHER_VF} & delivery.stripped
    assert not drift(receive_all("82576", PROBE, card.read, default_pool=True), card.read)


@pytest.mark.parametrize("table", TABLES_1G, ids=lambda t: t.family)
def test_wants_stay_inside_the_allow_list_and_name_each_register_once(table) -> None:  # type: ignore[no-untyped-def]
    card = Registers(table)
    card.hold_mac(20, PF_MAC, pools=0)
    wants = receive_all(table.family, 3, card.read)
    for want in wants:
        offset = table.register(want.register).offset(want.index)
        assert not want.mask & ~table.writable_mask(offset)
        assert not want.value & ~want.mask
        assert want.describe()
    places = [(w.register, w.index) for w in wants]
    assert len(places) == len(set(places))
    assert [(w.index, w.mask) for w in wants if w.register == "RAH"] == [(20, 1 << 21)]


def test_the_i350_keeps_tags_by_its_own_register() -> None:
    card = Registers(TABLE_I350)
    wants = {(w.register, w.index): w for w in receive_all("i350", 2, card.read)}
    assert wants["DVMOLR", 2] == RegisterWant("DVMOLR", 2, 0x6000_0000, 0)
    assert not wants["VMOLR", 2].mask & 1 << 30


def test_unknown_families_and_pools_are_refused() -> None:
    card = Registers(TABLE_82576)
    for family in ("82598", "i40e", ""):
        with pytest.raises(RegisterRefused, match="is not in the register tables"):
            receive_all(family, 0, card.read)
    for pool in (-1, 8):
        with pytest.raises(RegisterRefused, match="no pool"):
            receive_all("82576", pool, card.read)


def test_drift_is_what_the_driver_wiped() -> None:
    card = card_as_the_driver_leaves_it()
    wants = receive_all("82576", PROBE, card.read)
    assert {w.register for w in drift(wants, card.read)} >= {"MTA", "VMOLR", "RCTL", "VT_CTL", "RAH"}
    card.write(wants)
    assert drift(wants, card.read) == ()
    card.hold("VMOLR", PROBE, ROMPE=0, MPME=0)
    card.hold("RCTL", VFE=1)
    card.held["MTA", 3] = 0
    assert [(w.register, w.index) for w in drift(wants, card.read)] == [("MTA", 3), ("RCTL", 0), ("VMOLR", PROBE)]
    card.write(drift(wants, card.read))
    assert drift(wants, card.read) == ()


def test_a_register_that_cannot_be_read_is_no_drift() -> None:
    card = card_as_the_driver_leaves_it()
    wants = receive_all("82576", PROBE, card.read)
    card.write(wants)
    assert card.inside("UTA", 0) == 0xFFFF_FFFF
    assert card.read("UTA", 0) == 0
    assert drift(wants, card.read) == ()


def test_a_new_mac_filter_is_drift_of_a_fresh_programme() -> None:
    card = card_as_the_driver_leaves_it()
    card.write(receive_all("82576", PROBE, card.read))
    card.hold_mac(5, Mac(0x020000000099), pools=1 << PF_POOL)
    assert [w.index for w in drift(receive_all("82576", PROBE, card.read), card.read)] == [5]


def test_a_filter_that_is_not_in_use_is_left_alone() -> None:
    card = card_as_the_driver_leaves_it()
    card.hold("RAH", 9, ADDRESS_HIGH=0x1234, POOLS=0x80)
    assert 9 not in [w.index for w in receive_all("82576", PROBE, card.read) if w.register == "RAH"]


def test_undo_puts_everything_back() -> None:
    card = card_as_the_driver_leaves_it()
    original = {k: v for k, v in card.held.items() if v}
    wants = receive_all("82576", PROBE, card.read)
    before = held_before(wants, card.read)
    card.write(wants)
    card.write(undo_writes(before, wants, card.read))
    assert {k: v for k, v in card.held.items() if v} == original
    assert [w for w in undo_writes(before, wants, card.read) if w.reads_back] == []


def test_undo_leaves_alone_what_the_driver_rewrote() -> None:
    card = card_as_the_driver_leaves_it()
    card.held["MTA", 9] = 0x10
    wants = receive_all("82576", PROBE, card.read)
    before = held_before(wants, card.read)
    card.write(wants)
    card.held["MTA", 9] = 0x20
    undone = undo_writes(before, wants, card.read)
    card.write(undone)
    assert card.inside("MTA", 9) == 0x20
    assert card.inside("MTA", 8) == 0
