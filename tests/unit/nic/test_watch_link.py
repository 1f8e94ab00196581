"""An agent that watches all of the link, or the rest of it, on the models of the cards' switches."""

from __future__ import annotations

import pytest

from hpcapvf.model.address import Mac
from hpcapvf.nic.receive import drift, receive_all
from hpcapvf.nic.switch import Frame
from hpcapvf.nic.switches import switch_of
from hpcapvf.nic.tables import register_table
from tests.unit.nic.registers_in_memory import Registers
from tests.unit.nic.test_switch_10g import FAMILIES as FAMILIES_10G
from tests.unit.nic.test_switch_10g import OTHER, OTHER_MAC, PF_MAC, PF_POOL, card

AGENT = 5
UNKNOWN = Mac.parse("00:de:ad:be:ef:00")
EVERYBODYS = {
    "multicast": Mac.parse("01:00:5e:01:02:03"),
    "IPv6 multicast": Mac.parse("33:33:00:00:00:fb"),
    "broadcast": Mac.parse("ff:ff:ff:ff:ff:ff"),
}
OWNED = {PF_MAC: PF_POOL, OTHER_MAC: OTHER}
PF_POOL_82576 = 7


def card_82576() -> Registers:
    """A PF in the last pool and a VF, as igb leaves them; pool 5 is the agent's."""
    registers = Registers(register_table("82576"))
    registers.hold("VT_CTL", DEFAULT_POOL=PF_POOL_82576, REPLICATION=1)
    registers.hold("MRQC", MODE=3)
    registers.hold("VFRE", POOLS=0xFF)
    registers.hold("RCTL", VFE=1)
    for pool in (OTHER, AGENT, PF_POOL_82576):
        registers.hold("VMOLR", pool, AUPE=1, BAM=1)
    registers.hold_mac(0, PF_MAC, 1 << PF_POOL_82576)
    registers.hold_mac(1, OTHER_MAC, 1 << OTHER)
    return registers


def a_card(family: str) -> Registers:
    """With the agent's pool open, as its driver's handshake leaves it."""
    if family == "82576":
        return card_82576()
    registers = card(family)
    registers.hold("VMOLR", AGENT, AUPE=1, BAM=1)
    for name in ("VFRE", "VFTE"):
        registers.held[name, 0] |= 1 << AGENT
    return registers


def pools(registers: Registers, destination: Mac, vlan: int | None) -> frozenset[int]:
    deliver = switch_of(registers.table.family)
    assert deliver is not None
    return frozenset(deliver(registers.inside, Frame(destination, 64, vlan), None).pools)


@pytest.mark.parametrize("vlan", [None, 5, 1234])
@pytest.mark.parametrize("family", ["82576", *FAMILIES_10G])
def test_the_rest_is_what_nobody_else_gets(family: str, vlan: int | None) -> None:
    registers = a_card(family)
    before = {mac: pools(registers, mac, vlan) for mac in OWNED}
    registers.write(receive_all(family, AGENT, registers.read, owned=False))
    assert not drift(receive_all(family, AGENT, registers.read, owned=False), registers.read)
    assert AGENT in pools(registers, UNKNOWN, vlan)
    for mac, owner in OWNED.items():
        now = pools(registers, mac, vlan)
        assert AGENT not in now, mac
        assert owner in now or owner not in before[mac], mac
    for name, mac in EVERYBODYS.items():
        assert AGENT in pools(registers, mac, vlan), name


@pytest.mark.parametrize("vlan", [None, 5, 1234])
@pytest.mark.parametrize("family", ["82576", *FAMILIES_10G])
def test_the_link_is_everything_and_its_owners_get_theirs(family: str, vlan: int | None) -> None:
    registers = a_card(family)
    before = {mac: pools(registers, mac, vlan) for mac in OWNED}
    registers.write(receive_all(family, AGENT, registers.read))
    for mac in (UNKNOWN, *OWNED, *EVERYBODYS.values()):
        assert AGENT in pools(registers, mac, vlan), mac
    for mac, owner in OWNED.items():
        assert owner in pools(registers, mac, vlan) or owner not in before[mac], mac
