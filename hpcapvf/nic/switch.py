"""A model of the receive switch of an 82576 in VMDq mode, as QEMU emulates it: registers and a frame give pools.

It exists so that tests can prove what a register programme does without a card. Source of its rules: the behaviour
of QEMU 10's ``hw/net/igb_core.c`` (itself written after the 82576 datasheet), much of it also tried in the lab. It
knows frames from the wire only, no loopback between pools, no RSS, no mirror rules (the emulated card has none).
"""

from __future__ import annotations

from dataclasses import dataclass

from hpcapvf.model.address import Mac
from hpcapvf.nic.receive import ReadRegister, filter_mac
from hpcapvf.nic.registers import TABLE_82576

POOLS = 8
_HEADER_BYTES, _TAG_BYTES, _MTU_BYTES, _FCS_BYTES = 14, 4, 1500, 4
_BROADCAST = Mac(0xFFFF_FFFF_FFFF)


@dataclass(frozen=True)
class Frame:
    """What the switch looks at. length: bytes on the wire without the checksum; vlan: VLAN ID of the outer tag."""

    destination: Mac
    length: int = 60
    vlan: int | None = None


@dataclass(frozen=True)
class Delivery:
    """The pools that receive a frame, and those among them whose copy loses its VLAN tag."""

    pools: frozenset[int]
    stripped: frozenset[int] = frozenset()


def deliver(read: ReadRegister, frame: Frame) -> Delivery:
    """Which pools receive a frame from the wire, given the card's registers. ValueError outside VMDq mode."""
    if not _field(read, "MRQC", 0, "MODE") & 1:
        raise ValueError("the model covers VMDq mode only (MRQC bit 0)")
    if _too_long(frame, _field(read, "RCTL", 0, "LPE"), _field(read, "RLPML", 0, "LENGTH")):
        return Delivery(frozenset())
    filtering = bool(_field(read, "RCTL", 0, "VFE"))
    if filtering and frame.vlan is not None and not _in_vfta(read, frame.vlan):
        return Delivery(frozenset())
    pools = _by_address(read, frame.destination)
    if filtering:
        pools &= _vlan_members(read, frame.vlan)
    unicast = not _is_group(frame.destination)
    if unicast and not pools and not _field(read, "VT_CTL", 0, "DISABLE_DEFAULT_POOL"):
        pools = {_field(read, "VT_CTL", 0, "DEFAULT_POOL")}
    enabled = _field(read, "VFRE", 0, "POOLS")
    kept = frozenset(p for p in pools if enabled >> p & 1 and not _too_long_for_pool(read, frame, p))
    return Delivery(kept, frozenset(p for p in kept if frame.vlan is not None and _strips(read, frame, p)))


def _field(read: ReadRegister, name: str, index: int, field: str) -> int:
    return TABLE_82576.register(name).field(field).extract(read(name, index))


def _is_group(mac: Mac) -> bool:
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
    if mac == _BROADCAST:
        return _pools_with(read, "BAM")
    exact: set[int] = set()
    for index in range(TABLE_82576.register("RAH").count):
        if _field(read, "RAH", index, "VALID") and filter_mac(TABLE_82576, read, index) == mac:
            bitmap = _field(read, "RAH", index, "POOLS")
            exact |= {p for p in range(POOLS) if bitmap >> p & 1}
    if exact:
        return exact
    slot = hash_slot(mac, _field(read, "RCTL", 0, "MO"))
    table = "MTA" if _is_group(mac) else "UTA"
    return _pools_with(read, "ROMPE") if read(table, slot >> 5) >> (slot & 31) & 1 else set()


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
    if _is_group(frame.destination) and frame.destination != _BROADCAST:
        return bool(_field(read, "RPLOLR", 0, "STRVLAN"))
    return bool(_field(read, "VMOLR", pool, "STRVLAN"))
