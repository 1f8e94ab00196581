"""The project's own traffic: a deterministic mix of every kind of frame a link may carry to a probe.

Nothing in it makes a machine answer or pass it on: addresses are those for documentation (RFC 5737, RFC 3849),
frames to MACs of the host have the unspecified source address, time to live is 1, and no name is resolved.
Pause frames (ethertype 0x8808) are left out: a card consumes them and no VF ever sees one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from random import Random
from struct import pack

from hpcapvf.model.address import Mac
from hpcapvf.verify.frames import (
    BROADCAST,
    ETHERTYPE_ARP,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    ETHERTYPE_QINQ,
    ETHERTYPE_VLAN,
    classify,
    ethernet,
    ipv4_udp,
    ipv6_udp,
)

SHORTEST_BYTES = 60
LONGEST_BYTES = 1514
_MARK = b"hpcapvf\0"
_MARK_BYTES = len(_MARK) + 4
_EDGE_SIZES = (60, 61, 64, 127, 128, 256, 511, 512, 1023, 1024, 1500, 1513, 1514)
_ETHERTYPE_LLDP = 0x88CC
_ETHERTYPE_PTP = 0x88F7
_ETHERTYPE_EXPERIMENT = 0x88B5  # for local experiments, IEEE 802
_ETHERTYPE_EAPOL = 0x888E
_LLDP_GROUP = Mac.parse("01:80:c2:00:00:0e")
_PTP_GROUP = Mac.parse("01:1b:19:00:00:00")
_DISCARD_PORT = 9


@dataclass(frozen=True)
class MixTargets:
    """The MACs on the card that frames are sent to. others: further MACs of the host (bridges, other VFs)."""

    vf_mac: Mac
    pf_mac: Mac | None = None
    others: tuple[Mac, ...] = ()

    def owners(self) -> dict[Mac, str]:
        """MAC to the name that ``classify`` uses."""
        named = {mac: "other" for mac in self.others}
        if self.pf_mac is not None:
            named[self.pf_mac] = "pf"
        return named | {self.vf_mac: "vf"}


@dataclass(frozen=True)
class _Context:
    random: Random
    serial: int
    size: int
    targets: MixTargets
    source: Mac
    unknown: Mac

    def payload(self, overhead: int) -> bytes:
        """The mark, the serial number, and random bytes up to the frame's size."""
        return _MARK + pack(">I", self.serial) + self.random.randbytes(max(0, self.size - overhead - _MARK_BYTES))


_Tags = tuple[tuple[int, int], ...]
_Maker = Callable[[_Context], bytes]


def traffic_mix(count: int = 5000, *, seed: int = 1, targets: MixTargets) -> tuple[bytes, ...]:
    """``count`` frames of 60 to 1514 bytes without CRC, the same for the same arguments, all different.

    Every frame carries its serial number (see ``serial_of``). Every kind in the table below occurs once in each
    round through it, in an order that is shuffled per round, with sizes at the edges and random ones between.
    """
    random = Random(seed)  # noqa: S311  (repeatable traffic, no secret)
    makers = [maker for needs_pf, maker in _KINDS if targets.pf_mac is not None or not needs_pf]
    unknown = _unowned(targets)
    frames: list[bytes] = []
    order: list[_Maker] = []
    while len(frames) < count:
        if not order:
            order = random.sample(makers, len(makers))
        serial = len(frames)
        size = random.choice(_EDGE_SIZES) if random.random() < 0.25 else random.randint(SHORTEST_BYTES, LONGEST_BYTES)
        source = Mac.derived("hpcapvf traffic mix source", str(random.randrange(16)))
        frames.append(order.pop()(_Context(random, serial, size, targets, source, random.choice(unknown))))
    return tuple(frames)


def serial_of(frame: bytes) -> int | None:
    """The serial number in a frame of the mix, wherever it stands; None in a frame that carries none."""
    at = frame.find(_MARK)
    if at < 0 or len(frame) < at + _MARK_BYTES:
        return None
    return int.from_bytes(frame[at + len(_MARK) : at + _MARK_BYTES], "big")


def mix_report(frames: Iterable[bytes], targets: MixTargets) -> dict[str, int]:
    """How many frames there are of each destination, tagging and protocol (three counts per frame)."""
    counts: Counter[str] = Counter()
    owners = targets.owners()
    for frame in frames:
        kind = classify(frame, owners)
        counts.update((kind.destination, kind.tagging, kind.protocol))
    return dict(sorted(counts.items()))


def _unowned(targets: MixTargets) -> list[Mac]:
    """Unicast MACs that nobody on the card owns."""
    candidates = (Mac.derived("hpcapvf traffic mix unknown", str(i)) for i in range(12))
    return [mac for mac in candidates if mac not in targets.owners()]


def _v4(
    context: _Context, destination: Mac, to: IPv4Address | None = None, tags: _Tags = (), silent: bool = False
) -> bytes:
    host = context.random.randrange(1, 255)
    source = IPv4Address(0) if silent else IPv4Address(f"192.0.2.{host}")
    target = to or IPv4Address(f"198.51.100.{host}")
    payload = context.payload(14 + 4 * len(tags) + 28)
    packet = ipv4_udp(source, target, (_port(context), _DISCARD_PORT), payload, context.serial)
    return ethernet(destination, context.source, ETHERTYPE_IPV4, packet, tags)


def _v6(
    context: _Context, destination: Mac, to: IPv6Address | None = None, tags: _Tags = (), silent: bool = False
) -> bytes:
    host = context.random.randrange(1, 1 << 16)
    source = IPv6Address(0) if silent else IPv6Address(f"2001:db8:1::{host:x}")
    target = to or IPv6Address(f"2001:db8:2::{host:x}")
    payload = context.payload(14 + 4 * len(tags) + 48)
    packet = ipv6_udp(source, target, (_port(context), _DISCARD_PORT), payload, context.serial)
    return ethernet(destination, context.source, ETHERTYPE_IPV6, packet, tags)


def _plain(context: _Context, destination: Mac, ethertype: int, tags: _Tags = ()) -> bytes:
    return ethernet(destination, context.source, ethertype, context.payload(14 + 4 * len(tags)), tags)


def _arp(context: _Context) -> bytes:
    """Who has an address that nobody has; the mark stands in the bytes behind the request."""
    request = pack(">HHBBH", 1, ETHERTYPE_IPV4, 6, 4, 1) + context.source.value.to_bytes(6, "big")
    request += IPv4Address("192.0.2.1").packed + bytes(6) + IPv4Address("198.51.100.254").packed
    short = _MARK + pack(">I", context.serial)
    return ethernet(BROADCAST, context.source, ETHERTYPE_ARP, request + short.ljust(SHORTEST_BYTES - 42, b"\0"))


def _lldp(context: _Context) -> bytes:
    """Chassis, port, time to live 0, one organisation's own TLV with the mark, end (IEEE 802.1AB)."""
    mark = b"\x02\0\0\0" + _MARK + pack(">I", context.serial)
    tlvs = _tlv(1, b"\x04" + context.source.value.to_bytes(6, "big")) + _tlv(2, b"\x07wire") + _tlv(3, b"\0\0")
    data = tlvs + _tlv(127, mark) + _tlv(0, b"")
    return ethernet(_LLDP_GROUP, context.source, _ETHERTYPE_LLDP, data.ljust(SHORTEST_BYTES - 14, b"\0"))


def _tlv(kind: int, value: bytes) -> bytes:
    return pack(">H", kind << 9 | len(value)) + value


def _llc(context: _Context) -> bytes:
    """An 802.3 frame: length instead of a type, then LLC as spanning tree uses it, to a group nobody joins."""
    data = b"\x42\x42\x03" + context.payload(17)
    return ethernet(Mac.parse("01:80:c2:00:00:14"), context.source, len(data), data)


def _v4_multicast(context: _Context, tags: _Tags = ()) -> bytes:
    group = IPv4Address(f"233.252.0.{context.random.randrange(1, 255)}")  # for documentation, RFC 6676
    return _v4(context, Mac(0x01005E000000 | int(group) & 0x7FFFFF), group, tags)


def _v6_multicast(context: _Context, tags: _Tags = ()) -> bytes:
    group = IPv6Address(f"ff0e::db8:0:{context.random.randrange(1, 1 << 16):x}")
    return _v6(context, Mac(0x333300000000 | int(group) & 0xFFFFFFFF), group, tags)


def _vlan(context: _Context) -> _Tags:
    return ((ETHERTYPE_VLAN, context.random.randrange(1, 4095) | context.random.randrange(8) << 13),)


def _priority(context: _Context) -> _Tags:
    return ((ETHERTYPE_VLAN, context.random.randrange(8) << 13),)


def _qinq(context: _Context) -> _Tags:
    return ((ETHERTYPE_QINQ, context.random.randrange(1, 4095)), *_vlan(context))


def _port(context: _Context) -> int:
    return 49152 + context.serial % 16384


def _pf(context: _Context) -> Mac:
    assert context.targets.pf_mac is not None  # noqa: S101  (the table below asks for it)
    return context.targets.pf_mac


def _other(context: _Context) -> Mac:
    return context.random.choice(context.targets.others or (context.unknown,))


# (needs the PF's MAC, how the frame is made)
_KINDS: tuple[tuple[bool, _Maker], ...] = (
    (False, lambda c: _v4(c, c.targets.vf_mac)),
    (False, lambda c: _v6(c, c.targets.vf_mac)),
    (False, lambda c: _v4(c, c.targets.vf_mac, tags=_vlan(c))),
    (False, lambda c: _v4(c, c.targets.vf_mac, tags=_priority(c))),
    (False, lambda c: _v6(c, c.targets.vf_mac, tags=_qinq(c))),
    (False, lambda c: _plain(c, c.targets.vf_mac, _ETHERTYPE_EXPERIMENT)),
    (False, lambda c: _v4(c, c.unknown)),
    (False, lambda c: _v6(c, c.unknown)),
    (False, lambda c: _v4(c, c.unknown, tags=_vlan(c))),
    (False, lambda c: _v6(c, c.unknown, tags=_vlan(c))),
    (False, lambda c: _v6(c, c.unknown, tags=_priority(c))),
    (False, lambda c: _v4(c, c.unknown, tags=_qinq(c))),
    (False, lambda c: _plain(c, c.unknown, _ETHERTYPE_EXPERIMENT)),
    (False, lambda c: _v4(c, _other(c), silent=True)),
    (True, lambda c: _v4(c, _pf(c), silent=True)),
    (True, lambda c: _v6(c, _pf(c), silent=True)),
    (True, lambda c: _v4(c, _pf(c), tags=_vlan(c), silent=True)),
    (True, lambda c: _plain(c, _pf(c), _ETHERTYPE_EXPERIMENT)),
    (False, _v4_multicast),
    (False, _v6_multicast),
    (False, lambda c: _v4_multicast(c, _vlan(c))),
    (False, lambda c: _v6_multicast(c, _vlan(c))),
    (False, lambda c: _v4_multicast(c, _qinq(c))),
    (False, lambda c: _v4(c, BROADCAST, IPv4Address("255.255.255.255"))),
    (False, lambda c: _v4(c, BROADCAST, IPv4Address("255.255.255.255"), _vlan(c))),
    (False, _arp),
    (False, _lldp),
    (False, _llc),
    (False, lambda c: _plain(c, _PTP_GROUP, _ETHERTYPE_PTP)),
    (False, lambda c: _plain(c, _LLDP_GROUP, _ETHERTYPE_EAPOL)),
    (False, lambda c: _plain(c, Mac.parse("03:00:00:00:00:10"), _ETHERTYPE_EXPERIMENT, _vlan(c))),
)
