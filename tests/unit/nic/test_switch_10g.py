"""The 10 Gb/s register tables, the model of their switch, and the programmes that are proven on it."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpcapvf.model.address import Mac
from hpcapvf.model.errors import RegisterRefused
from hpcapvf.nic.mirror import mirrors_for
from hpcapvf.nic.receive import drift, drops_when_full, receive_all
from hpcapvf.nic.registers_10g import TABLES_10G
from hpcapvf.nic.switch import Frame
from hpcapvf.nic.switch_10g import Switch10g
from hpcapvf.nic.tables import register_table
from tests.unit.nic.registers_in_memory import Registers

FAMILIES = [table.family for table in TABLES_10G]
PROBE, OTHER, HIGH, PF_POOL = 0, 1, 40, 63
PF_MAC = Mac.parse("52:54:00:00:00:01")
PROBE_MAC = Mac.parse("02:00:00:00:00:10")
OTHER_MAC = Mac.parse("02:00:00:00:00:20")
HIGH_MAC = Mac.parse("02:00:00:00:00:40")
FRAMES = {
    "unknown unicast": Mac.parse("00:de:ad:be:ef:00"),
    "unicast of the PF": PF_MAC,
    "unicast of another VF": OTHER_MAC,
    "multicast": Mac.parse("01:00:5e:01:02:03"),
    "IPv6 multicast": Mac.parse("33:33:00:00:00:fb"),
    "broadcast": Mac.parse("ff:ff:ff:ff:ff:ff"),
}


def card(family: str) -> Registers:
    """A PF and three VFs as a PF driver leaves them: VLAN filter on, each with its MAC, VLAN 5 the PF's."""
    registers = Registers(register_table(family))
    registers.hold("VT_CTL", ENABLE=1, DEFAULT_POOL=PF_POOL, REPLICATION=1)
    registers.hold("MRQC", MODE=8)
    registers.hold("VLNCTRL", VFE=1)
    registers.hold("PFDTXGSWC", LOOPBACK_ENABLE=1)
    for pool in (PROBE, OTHER, HIGH, PF_POOL):
        registers.hold("VMOLR", pool, AUPE=1, BAM=1)
        for name in ("VFRE", "VFTE"):
            half, bit = divmod(pool, 32)
            registers.held[name, half] = registers.held.get((name, half), 0) | 1 << bit
    for index, (mac, pool) in enumerate(((PF_MAC, PF_POOL), (OTHER_MAC, OTHER), (HIGH_MAC, HIGH))):
        hold_mac(registers, index * 50, mac, 1 << pool)  # in both ranges of filters
    registers.hold("VLVF", 33, VLAN=5, VALID=1)
    registers.held["VLVFB", 67] = 1 << PF_POOL - 32
    registers.held["VFTA", 0] = 1 << 5
    return registers


def hold_mac(registers: Registers, index: int, mac: Mac, pools: int) -> None:
    octets = mac.value.to_bytes(6, "big")
    registers.held["RAL", index] = int.from_bytes(octets[:4], "little")
    registers.hold("RAH", index, ADDRESS_HIGH=int.from_bytes(octets[4:], "little"), VALID=1)
    registers.held["MPSAR_LO", index] = pools & 0xFFFF_FFFF
    registers.held["MPSAR_HI", index] = pools >> 32


def pools(registers: Registers, frame: Frame, sender: int | None = None) -> set[int]:
    return set(Switch10g(registers.table, registers.inside).deliver(frame, sender).pools)


def copy_by_rule(registers: Registers, sources: list[int], pool: int) -> None:
    """The first way for a card: a mirror rule."""
    rule = mirrors_for(registers.table.family, sources, pool, PROBE_MAC)[0]
    registers.write(rule.wants(registers.read))
    assert rule.holds(registers.read)


def wire(registers: Registers, frame: Frame, sender: int) -> bool:
    return Switch10g(registers.table, registers.inside).deliver(frame, sender).wire


@pytest.mark.parametrize(
    ("name", "index", "offset"),
    [
        ("FCTRL", 0, 0x5080), ("VT_CTL", 0, 0x51B0), ("VFRE", 1, 0x51E4), ("VFTE", 0, 0x8110), ("MTA", 127, 0x53FC),
        ("RAL", 15, 0x5478), ("RAL", 16, 0xA280), ("RAH", 127, 0xA5FC), ("MPSAR_LO", 0, 0xA600),
        ("MPSAR_HI", 127, 0xA9FC), ("VFTA", 127, 0xA1FC), ("VMOLR", 63, 0xF0FC), ("VLVF", 63, 0xF1FC),
        ("VLVFB", 127, 0xF3FC), ("UTA", 0, 0xF400), ("VMRCTL", 3, 0xF60C), ("VMRVLAN", 7, 0xF62C), ("VMRVM", 7, 0xF64C),
        ("SRRCTL", 15, 0x213C), ("SRRCTL", 16, 0x1414), ("SRRCTL", 64, 0xD014), ("QDE", 0, 0x2F04),
        ("PFDTXGSWC", 0, 0x8220), ("VMTXSW", 0, 0x5180),
    ],
)  # fmt: skip
@pytest.mark.parametrize("family", FAMILIES)
def test_offsets(family: str, name: str, index: int, offset: int) -> None:
    table = register_table(family)
    assert table.register(name).offset(index) == offset
    place = table.locate(offset)
    assert place is not None
    assert (place[0].name, place[1]) == (name, index)


def test_only_what_decides_about_reception_may_be_written() -> None:
    writable = {r.name: r.writable_mask for r in register_table("82599").registers if r.writable_mask}
    assert writable == {
        "VLNCTRL": 1 << 30, "MCSTCTRL": 4, "VT_CTL": 0x6000_1F80, "MTA": 0xFFFF_FFFF, "MPSAR_LO": 0xFFFF_FFFF,
        "MPSAR_HI": 0xFFFF_FFFF, "VLVFB": 0xFFFF_FFFF, "UTA": 0xFFFF_FFFF, "VMRCTL": 0x3F0F, "VMRVLAN": 0xFFFF_FFFF,
        "VMRVM": 0xFFFF_FFFF, "VMOLR": 0x1F00_0000, "QDE": 0x3_7F03,
    }  # fmt: skip
    assert register_table("x550").register("VMOLR").writable_mask == 0x1FC0_0000


@cache
def receiving_all(family: str, pool: int) -> Registers:
    """A card that was told to give the pool everything. Only read afterwards: it serves all frames of a case."""
    registers = card(family)
    registers.write(receive_all(family, pool, registers.read))
    return registers


@pytest.mark.parametrize("vlan", [None, 5, 100, 4095])
@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("pool", [PROBE, HIGH])
@pytest.mark.parametrize("family", FAMILIES)
def test_receive_all_on_every_family(family: str, pool: int, kind: str, vlan: int | None) -> None:
    frame = Frame(FRAMES[kind], vlan=vlan)
    after = pools(receiving_all(family, pool), frame)
    assert pool in after
    if vlan is None and kind != "unknown unicast":
        assert pools(card(family), frame) <= after  # unknown unicast was the PF's and is now the probe's


@pytest.mark.parametrize(
    ("family", "dropped"),
    [
        *(("82599", dropped) for dropped in ("MPSAR_LO", "VLNCTRL", "VMOLR", "UTA+VT_CTL")),
        *(("x550", dropped) for dropped in ("VMOLR", "VLNCTRL+VMOLR")),
    ],
)
def test_without_a_part_of_the_programme_some_frame_is_missed(family: str, dropped: str) -> None:
    """The proof above can fail. The X550 has two ways in for unicast and VLANs: its pools can be promiscuous."""
    registers = card(family)
    registers.held["VMOLR", PROBE] = 0
    wants = receive_all(family, PROBE, registers.read)
    registers.write(w for w in wants if w.register not in dropped.split("+"))
    frames = [Frame(mac, vlan=vlan) for mac in FRAMES.values() for vlan in (None, 5, 100)]
    assert any(PROBE not in pools(registers, frame) for frame in frames)


@pytest.mark.parametrize("pool", [PROBE, HIGH])
@pytest.mark.parametrize("family", FAMILIES)
def test_receive_all_reads_back(family: str, pool: int) -> None:
    read = receiving_all(family, pool).read
    assert not drift(receive_all(family, pool, read), read)


def test_a_filter_added_later_is_missed_without_promiscuous_pools_and_the_guard_sees_it() -> None:
    late = Mac.parse("02:00:00:00:00:99")
    for family, seen in (("82599", False), ("x540", False), ("x550", True)):
        registers = card(family)
        registers.write(receive_all(family, PROBE, registers.read))
        hold_mac(registers, 9, late, 1 << OTHER)
        assert (PROBE in pools(registers, Frame(late))) is seen
        assert drift(receive_all(family, PROBE, registers.read), registers.read)


@pytest.mark.parametrize("kind", ["unknown unicast", "unicast of the PF", "multicast", "broadcast"])
def test_two_probes_on_one_82599(kind: str) -> None:
    registers = card("82599")
    registers.write(receive_all("82599", PROBE, registers.read))
    registers.write(receive_all("82599", HIGH, registers.read, default_pool=False))
    assert {PROBE, HIGH} <= pools(registers, Frame(FRAMES[kind], vlan=100))


def test_vm_to_vm_stays_on_the_card_and_the_rest_goes_out_too() -> None:
    registers = card("82599")
    assert pools(registers, Frame(OTHER_MAC), HIGH) == {OTHER}
    assert not wire(registers, Frame(OTHER_MAC), HIGH)
    assert pools(registers, Frame(FRAMES["unknown unicast"]), HIGH) == set()  # the default pool is for the wire
    assert wire(registers, Frame(FRAMES["unknown unicast"]), HIGH)
    assert pools(registers, Frame(FRAMES["broadcast"]), HIGH) == {PROBE, OTHER, PF_POOL}
    assert wire(registers, Frame(FRAMES["broadcast"]), HIGH)
    registers.hold("PFDTXGSWC", LOOPBACK_ENABLE=0)
    assert pools(registers, Frame(OTHER_MAC), HIGH) == set()
    assert wire(registers, Frame(OTHER_MAC), HIGH)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_pool_rule_copies_what_the_watched_get_from_the_wire_and_from_vms(family: str) -> None:
    registers = card(family)
    for taken in range(3):  # somebody else's
        registers.hold("VMRCTL", taken, VLAN=1, TO_POOL=OTHER)
    copy_by_rule(registers, [OTHER, HIGH], PROBE)
    assert (registers.held["VMRVM", 3], registers.held["VMRVM", 7]) == (1 << OTHER, 1 << HIGH - 32)
    assert pools(registers, Frame(OTHER_MAC)) == {OTHER, PROBE}
    assert pools(registers, Frame(HIGH_MAC), OTHER) == {HIGH, PROBE}
    assert pools(registers, Frame(PF_MAC)) == {PF_POOL}
    assert pools(registers, Frame(OTHER_MAC, vlan=100)) == set()
    registers.hold("VT_CTL", REPLICATION=0)
    assert pools(registers, Frame(OTHER_MAC)) == {OTHER}


@pytest.mark.parametrize("family", FAMILIES)
def test_replication_names_the_agents_pool_beside_every_filter_of_the_watched(family: str) -> None:
    registers = card(family)
    hold_mac(registers, 20, PROBE_MAC, 1 << PROBE)
    registers.held["VLVFB", 66] = 1 << OTHER
    registers.held["VMOLR", OTHER] |= 1 << 28  # MPME
    copy = mirrors_for(family, [OTHER, HIGH], PROBE, PROBE_MAC)[1]
    assert not copy.holds(registers.read)
    registers.write(copy.wants(registers.read))
    assert copy.holds(registers.read)
    for frame in (Frame(OTHER_MAC), Frame(HIGH_MAC), Frame(OTHER_MAC, vlan=5), Frame(FRAMES["multicast"])):
        assert PROBE in pools(registers, frame), frame
    assert pools(registers, Frame(PF_MAC)) == {PF_POOL}
    assert pools(registers, Frame(PROBE_MAC)) == {PROBE}
    registers.held["MPSAR_LO", 50] = 1 << PROBE  # the watched VM gave its MAC back
    registers.write(copy.wants(registers.read))
    assert registers.held["MPSAR_LO", 50] == 0


@pytest.mark.parametrize(("mode", "queues"), [(0x8, 2), (0xB, 2), (0xA, 4), (0xD, 4), (0xC, 8), (0, 0)])
def test_a_pools_queues_drop_when_they_are_full(mode: int, queues: int) -> None:
    registers = card("82599")
    registers.hold("MRQC", MODE=mode)
    wants = drops_when_full(registers.table, 3, registers.read)
    assert [(w.register, w.index, w.mask, w.value, w.reads_back) for w in wants] == [
        ("QDE", 3 * queues + n, 1, 1, True) for n in range(queues)
    ]


def test_rules_of_both_directions_and_no_chain_of_rules() -> None:
    registers = card("x550")
    registers.hold("VMRCTL", 0, UPLINK=1, TO_POOL=PROBE)
    copy_by_rule(registers, [PROBE], HIGH)
    assert pools(registers, Frame(PF_MAC)) == {PF_POOL, PROBE}  # rule 1 does not see what rule 0 added
    assert pools(registers, Frame(PF_MAC), OTHER) == {PF_POOL}
    registers = card("x550")
    registers.hold("VMRCTL", 0, DOWNLINK=1, TO_POOL=PROBE)
    assert pools(registers, Frame(FRAMES["unknown unicast"]), OTHER) == {PROBE}
    assert pools(registers, Frame(PF_MAC), OTHER) == {PF_POOL}
    registers.held["VFRE", 0] &= ~(1 << PROBE)
    assert pools(registers, Frame(FRAMES["unknown unicast"]), OTHER) == set()


def test_a_vlan_rule_counts_filters_in_the_upper_half_too() -> None:
    registers = card("x540")
    registers.hold("VMRCTL", 2, VLAN=1, TO_POOL=PROBE)
    registers.held["VMRVLAN", 6] = 1 << 33 - 32
    assert pools(registers, Frame(PF_MAC, vlan=5)) == {PF_POOL, PROBE}
    assert pools(registers, Frame(PF_MAC)) == {PF_POOL}


def test_what_cannot_be_is_refused() -> None:
    for family, pool in (("82598", 0), ("", 0), ("x550", 64), ("x550", -1)):
        with pytest.raises(RegisterRefused):
            receive_all(family, pool, Registers(register_table("x550")).read)
    for sources, pool in (([0], 0), ([], 0), ([64], 0), ([1], 64)):
        with pytest.raises(RegisterRefused):
            mirrors_for("x550", sources, pool, PROBE_MAC)
    with pytest.raises(ValueError, match="serves pools"):
        pools(Registers(register_table("x550")), Frame(PF_MAC))


MACS = st.sampled_from([*FRAMES.values(), HIGH_MAC]) | st.integers(0, 2**48 - 1).map(Mac)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(FAMILIES), MACS, st.none() | st.integers(0, 4095), st.sampled_from([None, OTHER, PF_POOL]))
def test_a_copy_takes_nothing_from_anybody(family: str, mac: Mac, vlan: int | None, sender: int | None) -> None:
    registers, frame = card(family), Frame(mac, vlan=vlan)
    before, out = pools(registers, frame, sender), sender is not None and wire(registers, frame, sender)
    copy_by_rule(registers, [OTHER, HIGH, PF_POOL], PROBE)
    assert pools(registers, frame, sender) == before | ({PROBE} if before & {OTHER, HIGH, PF_POOL} else set())
    assert (sender is not None and wire(registers, frame, sender)) is out


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(FAMILIES), MACS, st.none() | st.integers(0, 4095))
def test_receive_all_for_any_frame(family: str, mac: Mac, vlan: int | None) -> None:
    registers = card(family)
    registers.held["VMOLR", PROBE] = 0  # nothing of what the PF driver set may help
    registers.write(receive_all(family, PROBE, registers.read))
    assert PROBE in pools(registers, Frame(mac, vlan=vlan))
