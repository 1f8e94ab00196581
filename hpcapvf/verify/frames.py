"""Building blocks of frames: Ethernet headers, tags, IPv4/IPv6/UDP with correct checksums, and reading them back."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from struct import pack, unpack_from

from hpcapvf.model.address import Mac

BROADCAST = Mac((1 << 48) - 1)
ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_ARP = 0x0806
ETHERTYPE_VLAN = 0x8100
ETHERTYPE_IPV6 = 0x86DD
ETHERTYPE_QINQ = 0x88A8
_TAGS = (ETHERTYPE_VLAN, ETHERTYPE_QINQ)
_PROTOCOLS = {ETHERTYPE_IPV4: "ipv4", ETHERTYPE_IPV6: "ipv6", ETHERTYPE_ARP: "arp"}
_UDP = 17


def internet_checksum(data: bytes) -> int:
    """The ones' complement sum of RFC 1071."""
    total: int = sum(unpack_from(f">{len(data) // 2}H", data)) + (data[-1] << 8 if len(data) % 2 else 0)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ethernet(
    destination: Mac, source: Mac, ethertype: int, payload: bytes, tags: tuple[tuple[int, int], ...] = ()
) -> bytes:
    """A frame without CRC. tags: (tag protocol ID, tag control information), outermost first."""
    stack = b"".join(pack(">HH", tpid, tci) for tpid, tci in tags)
    return (
        destination.value.to_bytes(6, "big") + source.value.to_bytes(6, "big") + stack + pack(">H", ethertype) + payload
    )


def udp(pseudo_header: bytes, source_port: int, destination_port: int, payload: bytes) -> bytes:
    """A UDP datagram; a computed checksum of 0 is sent as all ones (RFC 768)."""
    head = pack(">HHH", source_port, destination_port, 8 + len(payload))
    checksum = internet_checksum(pseudo_header + head + b"\0\0" + payload) or 0xFFFF
    return head + pack(">H", checksum) + payload


def ipv4_udp(
    source: IPv4Address, destination: IPv4Address, ports: tuple[int, int], payload: bytes, ident: int
) -> bytes:
    """An IPv4 packet (RFC 791) with UDP inside. Time to live 1: no router that sees it may pass it on."""
    pseudo = source.packed + destination.packed + pack(">BBH", 0, _UDP, 8 + len(payload))
    datagram = udp(pseudo, *ports, payload)
    head = pack(">BBHHHBB", 0x45, 0, 20 + len(datagram), ident & 0xFFFF, 0, 1, _UDP)
    checksum = internet_checksum(head + b"\0\0" + source.packed + destination.packed)
    return head + pack(">H", checksum) + source.packed + destination.packed + datagram


def ipv6_udp(source: IPv6Address, destination: IPv6Address, ports: tuple[int, int], payload: bytes, flow: int) -> bytes:
    """An IPv6 packet (RFC 8200) with UDP inside. Hop limit 1, as above."""
    pseudo = source.packed + destination.packed + pack(">IHBB", 8 + len(payload), 0, 0, _UDP)
    datagram = udp(pseudo, *ports, payload)
    return (
        pack(">IHBB", 6 << 28 | flow & 0xFFFFF, len(datagram), _UDP, 1) + source.packed + destination.packed + datagram
    )


@dataclass(frozen=True)
class FrameClass:
    """What kind of frame it is: who it is for, which tags it has, what is inside."""

    destination: str
    tagging: str
    protocol: str

    def __str__(self) -> str:
        return f"{self.destination} {self.tagging} {self.protocol}"


def classify(frame: bytes, owners: dict[Mac, str] | None = None) -> FrameClass:
    """The class of any Ethernet frame. owners: MAC to name (``vf``, ``pf``); other unicast is ``unknown-unicast``."""
    destination = Mac(int.from_bytes(frame[:6], "big"))
    if destination == BROADCAST:
        target = "broadcast"
    elif frame[:1] and frame[0] & 1:
        target = "multicast"
    else:
        owner = (owners or {}).get(destination)
        target = f"unicast-to-{owner}" if owner else "unknown-unicast"
    offset, tags = 12, []
    while len(frame) >= offset + 6 and unpack_from(">H", frame, offset)[0] in _TAGS:
        tags.append(unpack_from(">H", frame, offset + 2)[0])
        offset += 4
    ethertype = unpack_from(">H", frame, offset)[0] if len(frame) >= offset + 2 else -1
    return FrameClass(target, _tagging(tags), _protocol(ethertype))


def _tagging(tags: list[int]) -> str:
    if not tags:
        return "untagged"
    if len(tags) > 1:
        return "qinq"
    return "vlan" if tags[0] & 0xFFF else "priority-tag"


def _protocol(ethertype: int) -> str:
    if ethertype in _PROTOCOLS:
        return _PROTOCOLS[ethertype]
    return "llc" if 0 <= ethertype < 0x0600 else "other"
