"""A model of the receive switch of an 82576 in VMDq mode, as QEMU emulates it: registers and a frame give pools.

It exists so that tests can prove what a register programme does without a card. Source of its rules: the behaviour
of QEMU 10's ``hw/net/igb_core.c`` (itself written after the 82576 datasheet). Which pools and whether the wire receive
a frame is compared with that card (``make test-switch-model``); which copies lose their tag is not. It knows frames
from the wire and from pools; no RSS, no mirror rules (the emulated card has none), no pruning of a pool's own frames
(nor has the card: a pool may receive its own broadcast).
"""

from __future__ import annotations

from dataclasses import dataclass

from hpcapvf.model.address import Mac
from hpcapvf.nic.receive import ReadRegister, filter_mac
from hpcapvf.nic.registers_1g import TABLE_82576

POOLS = 8
_HEADER_BYTES, _TAG_BYTES, _MTU_BYTES, _FCS_BYTES = 14, 4, 1500, 4
BROADCAST = Mac(0xFFFF_FFFF_FFFF)


@dataclass(frozen=True)
class Frame:
    """What the switch looks at. length: bytes on the wire without the checksum; vlan: VLAN ID of the outer tag."""

    destination: Mac
    length: int = 60
    vlan: int | None = None


@dataclass(frozen=True)
class Delivery:
    """The pools that receive a frame, those among them whose copy loses its VLAN tag, and whether it leaves the card
    on the wire."""

    pools: frozenset[int]
    stripped: frozenset[int] = frozenset()
    wire: bool = False


def deliver(read: ReadRegister, frame: Frame, sender: int | None = None) -> Delivery:
    """Which pools, and whether the wire, receive a frame, given the card's registers.

    sender: the pool that sends it, None for a frame from the wire. ValueError outside VMDq mode.
    """
    if not _field(read, "MRQC", 0, "MODE") & 1:
        raise ValueError("the model covers VMDq mode only (MRQC bit 0)")
    if sender is None:
        return _received(read, frame, default_pool=True)
    if not _field(read, "VFTE", 0, "POOLS") >> sender & 1:
        return Delivery(frozenset())
    if not _field(read, "DTXSWC", 0, "LOOPBACK_ENABLE"):
        return Delivery(frozenset(), wire=True)
    inside = _received(read, frame, default_pool=False)
    # A filter that names the MAC keeps the frame off the wire, even if no pool is allowed to take it in the end.
    unicast = not is_group(frame.destination)
    stays = unicast and not _refused_by_card(read, frame) and bool(_by_filter(read, frame.destination))
    return Delivery(inside.pools, inside.stripped, wire=not stays)


def _received(read: ReadRegister, frame: Frame, *, default_pool: bool) -> Delivery:
    """default_pool: False for a frame from a pool, which the card does not give to it."""
    if _refused_by_card(read, frame):
        return Delivery(frozenset())
    pools = _by_address(read, frame.destination)
    if _field(read, "RCTL", 0, "VFE"):
        pools &= _vlan_members(read, frame.vlan)
    default_pool = default_pool and not is_group(frame.destination)
    if default_pool and not pools and not _field(read, "VT_CTL", 0, "DISABLE_DEFAULT_POOL"):
        pools = {_field(read, "VT_CTL", 0, "DEFAULT_POOL")}
    enabled = _field(read, "VFRE", 0, "POOLS")
    kept = frozenset(p for p in pools if enabled >> p & 1 and not _too_long_for_pool(read, frame, p))
    return Delivery(kept, frozenset(p for p in kept if frame.vlan is not None and _strips(read, frame, p)))


def _refused_by_card(read: ReadRegister, frame: Frame) -> bool:
    """Whether the frame is too long for every pool, or of a VLAN that is filtered out."""
    if _too_long(frame, _field(read, "RCTL", 0, "LPE"), _field(read, "RLPML", 0, "LENGTH")):
        return True
    return bool(_field(read, "RCTL", 0, "VFE")) and frame.vlan is not None and not _in_vfta(read, frame.vlan)


def _field(read: ReadRegister, name: str, index: int, field: str) -> int:
    return TABLE_82576.register(name).field(field).extract(read(name, index))


def is_group(mac: Mac) -> bool:
    """Whether it is a multicast or broadcast address."""
    return bool(mac.value >> 40 & 1)


def _too_long(frame: Frame, long_frames: int, limit: int) -> bool:
    if long_frames:
        return frame.length + _FCS_BYTES > limit
    tag = 0 if frame.vlan is None else _TAG_BYTES
    return frame.length > _HEADER_BYTES + tag + _MTU_BYTES


def _too_long_for_pool(read: ReadRegister, frame: Frame, pool: int) -> bool:
    return _too_long(frame, _field(read, "VMOLR", pool, "LPE"), _field(read, "VMOLR", pool, "RLPML"))


def _in_vfta(read: ReadRegister, vlan: int) -> bool:
    return bool(read("VFTA", vlan >> 5) >> (vlan & 31) & 1)


def _pools_with(read: ReadRegister, field: str) -> set[int]:
    return {p for p in range(POOLS) if _field(read, "VMOLR", p, field)}


def _by_address(read: ReadRegister, mac: Mac) -> set[int]:
    if mac == BROADCAST:
        return _pools_with(read, "BAM")
    exact = _by_filter(read, mac)
    if exact:
        return exact
    slot = hash_slot(mac, _field(read, "RCTL", 0, "MO"))
    table = "MTA" if is_group(mac) else "UTA"
    return _pools_with(read, "ROMPE") if read(table, slot >> 5) >> (slot & 31) & 1 else set()


def _by_filter(read: ReadRegister, mac: Mac) -> set[int]:
    exact: set[int] = set()
    for index in range(TABLE_82576.register("RAH").count):
        if _field(read, "RAH", index, "VALID") and filter_mac(TABLE_82576, read, index) == mac:
            bitmap = _field(read, "RAH", index, "POOLS")
            exact |= {p for p in range(POOLS) if bitmap >> p & 1}
    return exact


def hash_slot(mac: Mac, offset_mode: int) -> int:
    """Bit number (0 to 4095) of a MAC in the hash tables: 12 of the last 16 bits, chosen by RCTL.MO."""
    last_two = (mac.value & 0xFF) << 8 | mac.value >> 8 & 0xFF
    return last_two >> (4, 3, 2, 0)[offset_mode] & 0xFFF


def _vlan_members(read: ReadRegister, vlan: int | None) -> set[int]:
    if vlan is None:
        return _pools_with(read, "AUPE")
    members: set[int] = set()
    for index in range(TABLE_82576.register("VLVF").count):
        if _field(read, "VLVF", index, "VALID") and _field(read, "VLVF", index, "VLAN") == vlan:
            bitmap = _field(read, "VLVF", index, "POOLS")
            members |= {p for p in range(POOLS) if bitmap >> p & 1}
    return members


def _strips(read: ReadRegister, frame: Frame, pool: int) -> bool:
    """Multicast obeys the replication register, everything else the pool's own."""
    if is_group(frame.destination) and frame.destination != BROADCAST:
        return bool(_field(read, "RPLOLR", 0, "STRVLAN"))
    return bool(_field(read, "VMOLR", pool, "STRVLAN"))
