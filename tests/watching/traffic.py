"""What is sent to one, two or three watched VMs and past them, and who should get it: written by hand, no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.watching.vms import VLAN, SmallVm

AGENT = "agent1"
SENDER = bytes.fromhex("0248505646ee")
EXPERIMENT, ICMP_IN_IPV4 = b"\x88\xb5", b"\x08\x00"
NOBODY = "02:99:99:99:99:99"
BROADCAST = "ff:ff:ff:ff:ff:ff"
ALL_HOSTS = "01:00:5e:00:00:01"  # every host with IPv4 has joined it
UNUSED_GROUP = "01:00:5e:7f:31:17"
UNUSED_VLAN = 6
SIZE = 60
EACH = 30


@dataclass(frozen=True)
class Kind:
    """Frames of one kind. to: names of those who should get them."""

    name: str
    destination: str
    to: frozenset[str]
    vlan: int | None = None


@dataclass
class Sent:
    """Frames, and for each name those that it should get."""

    frames: list[bytes] = field(default_factory=list)
    due: dict[str, list[bytes]] = field(default_factory=dict)


class Numbers:
    """No two frames of a run are alike."""

    def __init__(self) -> None:
        self.last = 0

    def frame(self, destination: str, vlan: int | None = None, size: int = SIZE) -> bytes:
        """The next frame: size bytes without CRC."""
        self.last += 1
        tag = b"" if vlan is None else b"\x81\x00" + vlan.to_bytes(2, "big")
        head = bytes.fromhex(destination.replace(":", "")) + SENDER + tag + EXPERIMENT + self.last.to_bytes(4, "big")
        return head.ljust(size, b"\xa5")


def kinds(
    vms: Sequence[SmallVm], watched: int, agent_mac: str | None, pf_mac: str, *, wide: str = ""
) -> tuple[Kind, ...]:
    """Every kind, with the agent that watches the first so many VMs; agent_mac: None if there is none. wide: the agent
    watches the ``rest`` or all of the ``link``."""
    agent = frozenset({AGENT} if agent_mac else ())
    everyone = frozenset(vm.name for vm in vms) | agent
    nobodys = agent if wide else frozenset()
    all_of_it = agent if wide == "link" else frozenset()
    found = [
        Kind("unknown unicast", NOBODY, nobodys),
        Kind("to the PF", pf_mac, all_of_it),
        Kind("multicast", ALL_HOSTS, everyone),
        Kind("multicast nobody wants", UNUSED_GROUP, nobodys),
        Kind("broadcast", BROADCAST, everyone),
        Kind("broadcast in the VLAN", BROADCAST, everyone, VLAN),
        Kind("broadcast in another VLAN", BROADCAST, nobodys, UNUSED_VLAN),
    ]
    if agent_mac:
        found.append(Kind("to the agent", agent_mac, agent))
    for vm in vms:
        to = frozenset({vm.name}) | (agent if vm.number <= watched else frozenset())
        found.append(Kind(f"to {vm.name}", vm.mac, to))
        found.append(Kind(f"to {vm.name} in the VLAN", vm.mac, to, VLAN))
        found.append(Kind(f"to {vm.name} in another VLAN", vm.mac, all_of_it, UNUSED_VLAN))
    return tuple(found)


def mixed(of: Sequence[Kind], numbers: Numbers, each: int = EACH) -> Sent:
    """So many frames of each kind, one kind after the other in turn."""
    sent = Sent()
    for _ in range(each):
        for kind in of:
            frame = numbers.frame(kind.destination, kind.vlan)
            sent.frames.append(frame)
            for name in kind.to:
                sent.due.setdefault(name, []).append(frame)
    return sent


def vlan_of(frame: bytes) -> int | None:
    """ID of its VLAN, None without a tag."""
    return int.from_bytes(frame[14:16], "big") & 0xFFF if frame[12:14] == b"\x81\x00" else None


def is_ours(frame: bytes) -> bool:
    """Whether it was sent here, from the wire."""
    return frame[6:12] == SENDER


def is_talk(frame: bytes) -> bool:
    """Whether it is of what the VMs say to each other."""
    return frame[12:14] == ICMP_IN_IPV4 and frame[23:24] == b"\x01" and not is_ours(frame)
