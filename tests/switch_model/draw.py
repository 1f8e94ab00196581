"""What is tried: registers and frames drawn at random, the same ones for the same seed."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from hpcapvf.model.address import Mac
from hpcapvf.nic.registers_1g import TABLE_82576 as TABLE
from hpcapvf.nic.switch import BROADCAST, POOLS, Frame, hash_slot, is_group

Held = dict[tuple[str, int], int]
"""Register's name and index to its value; what is missing is 0."""

NAMED = tuple(Mac(0x0200_5E00_0100 + n * 0x0305_0709) for n in range(6))
UNKNOWN = tuple(Mac(0x0200_DEAD_0000 + n * 0x1357) for n in range(3))
GROUPS = tuple(Mac(0x0100_5E00_0001 + n * 0x0002_4681) for n in range(4))
DESTINATIONS = (*NAMED, *UNKNOWN, *GROUPS, BROADCAST, BROADCAST)
VLANS = (1, 2, 40, 100, 4000)
FOREIGN = (0, 3, 41, 4095)
LENGTHS = (1000, 1514, 1515, 1518, 1519, 1596, 1597)
DRIVERS = ("RCTL", "DTXSWC", "VT_CTL", "VMOLR", "RPLOLR", "RLPML", "VFRE")
"""Registers with bits that the PF's driver set and that stay."""
WHOLE = ("MTA", "UTA", "VFTA", "RAL", "RAH", "VLVF")
SET = (*DRIVERS, *WHOLE)
READ_ONLY = ("MRQC", "VFTE")
"""Not drawn: the mode is the model's, and a pool that may not send holds its frames back instead of losing them."""
KINDS = tuple(
    f"{tag} {whom} from {where}"
    for tag in ("untagged", "tagged")
    for whom in ("unicast", "multicast", "broadcast")
    for where in ("the wire", "a pool")
)


@dataclass(frozen=True)
class Sent:
    """A frame and the pool that sends it, None for the wire."""

    frame: Frame
    sender: int | None


def registers(random: Random, base: Held) -> Held:
    """A whole set. base: what the PF's driver left, for the bits that are not drawn."""
    held = {(name, index): base.get((name, index), 0) for name in DRIVERS for index in elements(name)}
    chance = random.random

    def draw(name: str, index: int, **fields: int) -> None:
        value = held.get((name, index), 0)
        for field_name, number in fields.items():
            field = TABLE.register(name).field(field_name)
            value = value & ~field.mask | field.insert(int(number))
        held[name, index] = value

    mode = random.randrange(4)
    draw("RCTL", 0, VFE=chance() < 0.6, MO=mode, LPE=chance() < 0.4, UPE=chance() < 0.3, MPE=chance() < 0.3)
    draw("RLPML", 0, LENGTH=random.choice((1518, 1522, 1600, 0x2600)))
    draw("VT_CTL", 0, DEFAULT_POOL=random.randrange(POOLS), DISABLE_DEFAULT_POOL=chance() < 0.4)
    draw("VT_CTL", 0, REPLICATION=chance() < 0.7)
    draw("DTXSWC", 0, LOOPBACK_ENABLE=chance() < 0.75, LOCAL_LOOPBACK=random.randrange(256))
    draw("DTXSWC", 0, MAC_SPOOF=random.randrange(256), VLAN_SPOOF=random.randrange(256))
    draw("VFRE", 0, POOLS=0xFF if chance() < 0.6 else random.randrange(256))
    draw("RPLOLR", 0, STRVLAN=chance() < 0.5)
    for pool in range(POOLS):
        likely = {"AUPE": 0.7, "ROMPE": 0.5, "ROPE": 0.5, "BAM": 0.5, "MPME": 0.5, "STRVLAN": 0.5, "LPE": 0.3}
        draw("VMOLR", pool, **{name: chance() < share for name, share in likely.items()})
        draw("VMOLR", pool, RLPML=random.choice((100, 1004, 1518, 1522, 1600)))
    held |= _mac_filters(random) | _vlan_filters(random)
    return held | _hash("MTA", GROUPS, mode, random) | _hash("UTA", UNKNOWN + NAMED[-1:], mode, random)


def frames(random: Random, count: int) -> list[Sent]:
    """Frames from the wire and from pools: destinations of every kind, tagged and not, a few of them long."""
    found = []
    for _ in range(count):
        sender = random.choice((None, None, None, *range(POOLS)))
        vlan = random.choice((None, None, None, *VLANS, random.choice(FOREIGN)))
        # A pool's driver sends 1514 bytes, 1518 with the tag, at most.
        long = sender is None and random.random() < 0.15
        length = random.choice(LENGTHS) if long else random.choice((64, 64, 64, 300))
        found.append(Sent(Frame(random.choice(DESTINATIONS), length, vlan), sender))
    return found


def elements(name: str) -> range:
    """The indexes of a register."""
    return range(TABLE.register(name).count)


def kind(sent: Sent) -> str:
    """In words, to see that every kind was tried: where a frame comes from, and whom it is for."""
    mac = sent.frame.destination
    whom = "broadcast" if mac == BROADCAST else "multicast" if is_group(mac) else "unicast"
    tag = "untagged" if sent.frame.vlan is None else "tagged"
    return f"{tag} {whom} from {'the wire' if sent.sender is None else 'a pool'}"


def _pools(random: Random) -> int:
    one, other = 1 << random.randrange(POOLS), 1 << random.randrange(POOLS)
    return random.choice((one, one | other, random.randrange(256)))


def _mac_filters(random: Random) -> Held:
    """Some filters, a few of them switched off, at times two for one MAC."""
    held: Held = {}
    high = TABLE.register("RAH")
    for index in random.sample(elements("RAH"), random.randint(3, 9)):
        octets = random.choice((*NAMED, GROUPS[0])).value.to_bytes(6, "big")
        held["RAL", index] = int.from_bytes(octets[:4], "little")
        value = int.from_bytes(octets[4:], "little") | high.field("POOLS").insert(_pools(random))
        held["RAH", index] = value | high.field("VALID").insert(int(random.random() < 0.85))
    return held


def _vlan_filters(random: Random) -> Held:
    held: Held = {}
    filters = TABLE.register("VLVF")
    for vlan in VLANS:
        if random.random() < 0.8:
            value = filters.field("VLAN").insert(vlan) | filters.field("POOLS").insert(_pools(random))
            valid = filters.field("VALID").insert(int(random.random() < 0.85))
            held["VLVF", random.choice(elements("VLVF"))] = value | valid
        if random.random() < 0.8:
            held["VFTA", vlan >> 5] = held.get(("VFTA", vlan >> 5), 0) | 1 << (vlan & 31)
    return held


def _hash(name: str, macs: tuple[Mac, ...], mode: int, random: Random) -> Held:
    """All of a hash table, nothing of it, or the bits of some of the MACs."""
    if random.random() < 0.2:
        return dict.fromkeys(((name, index) for index in elements(name)), 0xFFFF_FFFF)
    held: Held = {}
    for mac in macs:
        if random.random() < 0.5:
            slot = hash_slot(mac, mode)
            held[name, slot >> 5] = held.get((name, slot >> 5), 0) | 1 << (slot & 31)
    return held
