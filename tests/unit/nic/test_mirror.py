"""What a mirror programme does to the switch: exactly the watched pool's frames, and its own, come to the monitor."""

from __future__ import annotations

import pytest

from hpcapvf.model.address import Mac
from hpcapvf.model.errors import RegisterRefused
from hpcapvf.nic.mirror import Mirror, mirrors_for
from hpcapvf.nic.receive import drift, held_before
from hpcapvf.nic.registers import RegisterTable
from hpcapvf.nic.registers_1g import TABLE_82576, TABLES_1G
from hpcapvf.nic.switch import Frame, deliver, hash_slot
from tests.unit.nic.registers_in_memory import Registers

WATCHED, MONITOR, OTHER, PF_POOL = 0, 1, 2, 7
WATCHED_MAC, SECOND_MAC = Mac.parse("02:00:00:00:00:10"), Mac.parse("02:00:00:00:00:11")
MONITOR_MAC, OTHER_MAC = Mac.parse("02:00:00:00:00:20"), Mac.parse("02:00:00:00:00:30")
PF_MAC, UNKNOWN = Mac.parse("02:00:00:00:00:70"), Mac.parse("02:00:00:00:00:99")
GROUP, NO_GROUP = Mac.parse("01:00:5e:01:02:03"), Mac.parse("01:00:5e:7f:7f:7f")
BROADCAST = Mac(0xFFFF_FFFF_FFFF)
MACS = (WATCHED_MAC, SECOND_MAC, MONITOR_MAC, OTHER_MAC, PF_MAC, UNKNOWN, GROUP, NO_GROUP, BROADCAST)
VLANS = (None, 100, 200, 300)


def card(table: RegisterTable = TABLE_82576) -> Registers:
    """As Linux' igb leaves it: four owners, VLAN 100 of the watched VM, 200 of another, one joined group."""
    registers = Registers(table)
    registers.hold("MRQC", MODE=3)
    registers.hold("VFRE", POOLS=0xFF)
    registers.hold("RCTL", VFE=1)
    registers.hold("VT_CTL", DEFAULT_POOL=PF_POOL, REPLICATION=1)
    macs = ((PF_MAC, PF_POOL), (WATCHED_MAC, WATCHED), (MONITOR_MAC, MONITOR), (OTHER_MAC, OTHER))
    for index, (mac, pool) in enumerate(macs):
        registers.hold_mac(index, mac, 1 << pool)
    registers.hold_mac(23, SECOND_MAC, 1 << WATCHED)
    for pool in range(8):
        registers.hold("VMOLR", pool, RLPML=1522, LPE=1, AUPE=1, BAM=1, STRVLAN=1)
    registers.hold("VMOLR", WATCHED, ROMPE=1)
    slot = hash_slot(GROUP, 0)
    registers.held["MTA", slot >> 5] = 1 << (slot & 31)
    for index, (vlan, pool) in enumerate(((100, WATCHED), (200, OTHER))):
        registers.hold("VLVF", index, VLAN=vlan, POOLS=1 << pool, VALID=1)
        registers.held["VFTA", vlan >> 5] = registers.held.get(("VFTA", vlan >> 5), 0) | 1 << (vlan & 31)
    return registers


def replication(table: RegisterTable = TABLE_82576, sources: tuple[int, ...] = (WATCHED,)) -> Mirror:
    return next(m for m in mirrors_for(table.family, sources, MONITOR, MONITOR_MAC) if m.name == "replication")


def rules(sources: tuple[int, ...] = (WATCHED,)) -> Mirror:
    return next(m for m in mirrors_for("82576", sources, MONITOR, MONITOR_MAC) if m.name == "mirror rules")


def deliveries(registers: Registers) -> dict[tuple[Mac, int | None], frozenset[int]]:
    return {(m, v): deliver(registers.inside, Frame(m, vlan=v)).pools for m in MACS for v in VLANS}


def test_the_monitor_gets_exactly_what_the_watched_vm_gets_and_nobody_loses_anything() -> None:
    registers = card()
    before = deliveries(registers)
    registers.write(replication().wants(registers.read))
    after = deliveries(registers)
    for frame, pools in before.items():
        own = frame[0] == MONITOR_MAC and frame[1] in (None, 100)
        # Frames on VLAN 100 to the monitor's own MAC went to the default pool before it was a member.
        assert own or after[frame] - {MONITOR} == pools - {MONITOR}, frame
        assert (MONITOR in after[frame]) == (WATCHED in pools or own), frame
    assert MONITOR not in deliver(registers.inside, Frame(WATCHED_MAC, vlan=100)).stripped
    assert WATCHED in deliver(registers.inside, Frame(WATCHED_MAC, vlan=100)).stripped
    assert MONITOR in after[WATCHED_MAC, 100]
    assert MONITOR in after[GROUP, 100]
    assert MONITOR not in after[UNKNOWN, None]
    assert MONITOR not in after[OTHER_MAC, None]
    assert MONITOR not in after[NO_GROUP, None]
    assert MONITOR not in after[BROADCAST, 200]


def test_what_was_held_before_puts_everything_back() -> None:
    registers = card()
    untouched = dict(registers.held)
    wants = replication().wants(registers.read)
    held = held_before(wants, registers.read)
    registers.write(wants)
    assert not drift(replication().wants(registers.read), registers.read)
    registers.write(reversed(held))
    assert {k: v for k, v in registers.held.items() if v} == {k: v for k, v in untouched.items() if v}


def test_bits_follow_the_watched_pool_both_ways() -> None:
    registers = card()
    registers.write(replication().wants(registers.read))
    registers.hold("VLVF", 0, POOLS=1 << MONITOR)  # the watched VM left VLAN 100
    registers.hold_mac(23, OTHER_MAC, 1 << OTHER | 1 << MONITOR)
    registers.hold("VMOLR", WATCHED, ROMPE=0)
    registers.write(replication().wants(registers.read))
    read = TABLE_82576.register
    assert read("VLVF").field("POOLS").extract(registers.read("VLVF", 0)) == 0
    assert read("RAH").field("POOLS").extract(registers.read("RAH", 23)) == 1 << OTHER
    assert read("VMOLR").field("ROMPE").extract(registers.read("VMOLR", MONITOR)) == 0
    assert read("RAH").field("POOLS").extract(registers.read("RAH", 2)) == 1 << MONITOR  # its own


def test_masks_are_the_same_at_each_call_and_do_not_overlap() -> None:
    registers = card()
    seen: dict[tuple[str, int], int] = {}
    for want in replication().wants(registers.read):
        assert not seen.get((want.register, want.index), 0) & want.mask
        seen[want.register, want.index] = seen.get((want.register, want.index), 0) | want.mask


def test_two_watched_pools_are_both_copied() -> None:
    registers = card()
    registers.write(replication(sources=(WATCHED, OTHER)).wants(registers.read))
    after = deliveries(registers)
    assert MONITOR in after[OTHER_MAC, 200]
    assert MONITOR in after[WATCHED_MAC, None]
    registers = card()
    registers.write(rules((WATCHED, OTHER)).wants(registers.read))
    assert registers.read("VMRVM", 0) == 0b101


@pytest.mark.parametrize("table", TABLES_1G, ids=lambda t: t.family)
def test_every_family_of_the_tables_can_be_programmed(table: RegisterTable) -> None:
    registers = card(table)
    last = table.register("RAH").count - 1
    registers.hold_mac(last, SECOND_MAC, 1 << WATCHED)
    mirror = replication(table)
    assert not mirror.holds(registers.read)
    registers.write(mirror.wants(registers.read))
    assert mirror.holds(registers.read)
    assert table.register("RAH").field("POOLS").extract(registers.read("RAH", last)) == 0b11


def test_nothing_to_copy_is_not_a_copy() -> None:
    registers = Registers(TABLE_82576)
    registers.hold("VT_CTL", REPLICATION=1)
    registers.hold("QDE", QUEUES=0xFFFF)
    assert not drift(replication().wants(registers.read), registers.read)
    assert not replication().holds(registers.read)


def test_a_rule_takes_the_first_free_one_and_finds_it_again() -> None:
    registers = card()
    registers.hold("VMRCTL", 0, UPLINK=1, TO_POOL=3)
    mirror = rules()
    registers.write(mirror.wants(registers.read))
    assert mirror.holds(registers.read)
    registers.held["VMRCTL", 0] = 0  # the other rule went away: ours stays where it is
    assert mirror.holds(registers.read)
    assert (registers.read("VMRCTL", 1), registers.read("VMRVM", 1)) == (1 | MONITOR << 8, 1 << WATCHED)


def test_all_rules_taken_is_said() -> None:
    registers = card()
    for rule in range(4):
        registers.hold("VMRCTL", rule, UPLINK=1, TO_POOL=3)
    with pytest.raises(RegisterRefused, match="all 4 mirror rules are in use"):
        rules().wants(registers.read)
    assert not rules().holds(registers.read)


@pytest.mark.parametrize(
    ("family", "sources", "pool", "said"),
    [
        ("82598", (0,), 1, "82598 is not in the register tables"),
        ("82576", (0,), 8, "no pool 8"),
        ("82576", (9,), 1, "no pool 9"),
        ("82576", (0, 1), 1, "pool 1 cannot be given a copy"),
        ("82576", (), 1, "pool 1 cannot be given a copy"),
    ],
)
def test_what_makes_no_sense_is_refused(family: str, sources: tuple[int, ...], pool: int, said: str) -> None:
    with pytest.raises(RegisterRefused, match=said):
        mirrors_for(family, sources, pool, MONITOR_MAC)
