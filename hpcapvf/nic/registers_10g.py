"""Registers of the 82599, X540 and X550 (with X552, X553): what decides which pool receives a frame.

Offsets and bits: ``ixgbe_type.h`` of Intel's base driver (DPDK, ``drivers/net/intel/ixgbe/base``); the rules they
obey: X550 datasheet (333369). ``test_switch_10g`` holds the offsets of the ends of most arrays against mistakes in
counts and strides; nothing compares the table with the driver's file. The sections of the datasheets are not cited
register by register: those of the 82599 and X540 were not at hand (that pools are chosen by MAC first and by VLAN next
is 7.10.3.2 of the 82599's, as its specification update, clarification 12, tells). No card of these families was
at hand either: nothing here was seen on hardware.
"""

from __future__ import annotations

from hpcapvf.nic.registers import ALL_BITS, BitField, Register, RegisterTable, Selector, Span

POOLS = 64
"""Pools of a port; a bitmap of them takes two registers, low half first."""


def _bit(name: str, bit: int) -> BitField:
    return BitField(name, bit, bit)


_VMOLR_ALL = (_bit("AUPE", 24), _bit("ROMPE", 25), _bit("ROPE", 26), _bit("BAM", 27), _bit("MPME", 28))
# Bits 22 and 23 are used with X540 and later by some drivers; they are trusted on the X550 only, whose datasheet
# names them, and do not exist on the 82599.
_VMOLR_X550 = (_bit("UPE", 22), _bit("VPE", 23), *_VMOLR_ALL)
_HALF = BitField("POOLS", 31, 0)


def _vmolr(fields: tuple[BitField, ...]) -> Register:
    return Register("VMOLR", (Span(0xF000, 4, 64),), writable_mask=sum(f.mask for f in fields), fields=fields)


_COMMON: tuple[Register, ...] = (
    # Drop enable by queue. Drivers write it (ixgbe_write_qde); bit READ is Intel's IXGBE_QDE_READ, and none uses it.
    Register(
        "QDE", (Span(0x2F04),), writable_mask=0x3_7F03, fields=(_bit("ENABLE", 0), _bit("HIDE_VLAN", 1)),
        reads_back=False,
        selector=Selector(128, BitField("QUEUE", 14, 8), read=_bit("READ", 17), write=_bit("WRITE", 16)),
    ),
    Register("QPRDC", (Span(0x1430, 0x40, 16),), fields=(BitField("DROPPED", 31, 0),)),
    Register(
        "SRRCTL", (Span(0x2100, 4, 16), Span(0x1414, 0x40, 48), Span(0xD014, 0x40, 64)), fields=(_bit("DROP_EN", 28),),
    ),
    Register("FCTRL", (Span(0x5080),), fields=(_bit("SBP", 1), _bit("MPE", 8), _bit("UPE", 9), _bit("BAM", 10))),
    Register(
        "VLNCTRL", (Span(0x5088),), writable_mask=1 << 30,
        fields=(BitField("VET", 15, 0), _bit("VFE", 30), _bit("VME", 31)),
    ),
    Register("MCSTCTRL", (Span(0x5090),), writable_mask=1 << 2, fields=(BitField("MO", 1, 0), _bit("MFE", 2))),
    # A bit for each pool whose own frames may come back to it.
    Register("VMTXSW", (Span(0x5180, 4, 2),), fields=(_HALF,)),
    Register(
        "VT_CTL", (Span(0x51B0),), writable_mask=0x3F << 7 | 1 << 29 | 1 << 30,
        fields=(_bit("ENABLE", 0), BitField("DEFAULT_POOL", 12, 7), _bit("DISABLE_DEFAULT_POOL", 29),
                _bit("REPLICATION", 30)),
    ),
    Register("VFRE", (Span(0x51E0, 4, 2),), fields=(_HALF,)),
    Register("MTA", (Span(0x5200, 4, 128),), writable_mask=ALL_BITS),
    Register("RAL", (Span(0x5400, 8, 16), Span(0xA280, 8, 112)), fields=(BitField("ADDRESS_LOW", 31, 0),)),
    Register(
        "RAH", (Span(0x5404, 8, 16), Span(0xA284, 8, 112)), fields=(BitField("ADDRESS_HIGH", 15, 0), _bit("VALID", 31)),
    ),
    Register("MRQC", (Span(0x5818),), fields=(BitField("MODE", 3, 0),)),
    Register("VMVIR", (Span(0x8000, 4, 64),)),
    Register("VFTE", (Span(0x8110, 4, 2),), fields=(_HALF,)),
    Register("PFVFSPOOF", (Span(0x8200, 4, 8),)),
    Register("PFDTXGSWC", (Span(0x8220),), fields=(_bit("LOOPBACK_ENABLE", 0),)),
    Register("VFTA", (Span(0xA000, 4, 128),)),
    Register("MPSAR_LO", (Span(0xA600, 8, 128),), writable_mask=ALL_BITS, fields=(_HALF,)),
    Register("MPSAR_HI", (Span(0xA604, 8, 128),), writable_mask=ALL_BITS, fields=(_HALF,)),
    Register("VLVF", (Span(0xF100, 4, 64),), fields=(BitField("VLAN", 11, 0), _bit("VALID", 31))),
    Register("VLVFB", (Span(0xF200, 4, 128),), writable_mask=ALL_BITS, fields=(_HALF,)),
    Register("UTA", (Span(0xF400, 4, 128),), writable_mask=ALL_BITS),
    # PFMRCTL of the datasheet, MRCTL of ixgbe_type.h; named as on the 82576. So is bit MPME (MPE) of VMOLR (PFVML2FLT).
    Register(
        "VMRCTL", (Span(0xF600, 4, 4),), writable_mask=0x3F0F,
        fields=(_bit("POOL", 0), _bit("UPLINK", 1), _bit("DOWNLINK", 2), _bit("VLAN", 3), BitField("TO_POOL", 13, 8)),
    ),
    # Rule r owns r and r + 4, the upper half. VMRVLAN counts filters (VLVF), not VLAN IDs.
    Register("VMRVLAN", (Span(0xF610, 4, 8),), writable_mask=ALL_BITS, fields=(BitField("VLVF", 31, 0),)),
    Register("VMRVM", (Span(0xF630, 4, 8),), writable_mask=ALL_BITS, fields=(_HALF,)),
)  # fmt: skip

TABLES_10G: tuple[RegisterTable, ...] = tuple(
    RegisterTable(family, (*_COMMON, _vmolr(_VMOLR_X550 if family.startswith("x55") else _VMOLR_ALL)))
    for family in ("82599", "x540", "x550", "x552", "x553")
)


def has_promiscuous_pools(table: RegisterTable) -> bool:
    """Whether a pool can be told to take every unicast frame (UPE) and every VLAN (VPE)."""
    return any(field.name == "UPE" for field in table.register("VMOLR").fields)
