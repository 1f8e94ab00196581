"""Registers of the 82576 and I350: what decides which pool receives a frame.

Sources: Intel 82576EB and I350 datasheets as cited by the public drivers of DPDK (``e1000_regs.h``) and Linux
(``igb``), and the emulation in QEMU (``hw/net/igb_core.c``); what was tried on the emulated card is said so.
"""

from __future__ import annotations

from hpcapvf.nic.registers import ALL_BITS, BitField, Register, RegisterTable, Span


def _bit(name: str, bit: int) -> BitField:
    return BitField(name, bit, bit)


def _bits(*names: tuple[str, int]) -> int:
    return sum(1 << bit for _, bit in names)


_VMOLR_FIELDS = (
    BitField("RLPML", 13, 0), _bit("LPE", 16), _bit("RSSE", 17), _bit("AUPE", 24), _bit("ROMPE", 25), _bit("ROPE", 26),
    _bit("BAM", 27), _bit("MPME", 28), _bit("STRVLAN", 30), _bit("STRCRC", 31),
)  # fmt: skip
_VMOLR_WRITABLE = _bits(("AUPE", 24), ("ROMPE", 25), ("ROPE", 26), ("BAM", 27), ("MPME", 28), ("STRVLAN", 30))
_STRIP_FIELDS = (_bit("STRVLAN", 30), _bit("STRCRC", 31))

_COMMON_1G: tuple[Register, ...] = (
    Register("CTRL", (Span(0x0000),), fields=(_bit("RFCE", 27), _bit("TFCE", 28), _bit("VME", 30))),
    Register("STATUS", (Span(0x0008),), fields=(_bit("LU", 1), BitField("NUM_VFS", 17, 14), _bit("IOV_MODE", 18))),
    Register("VET", (Span(0x0038),), fields=(BitField("VET", 15, 0), BitField("VET_EXT", 31, 16))),
    Register(
        "RCTL", (Span(0x0100),), writable_mask=1 << 18,
        fields=(_bit("RXEN", 1), _bit("SBP", 2), _bit("UPE", 3), _bit("MPE", 4), _bit("LPE", 5), BitField("MO", 13, 12),
                _bit("BAM", 15), _bit("VFE", 18)),
    ),
    Register("VMBMEM", (Span(0x0800, 64, 8),)),
    Register(
        "P2VMAILBOX", (Span(0x0C00, 4, 8),),
        fields=(_bit("STS", 0), _bit("ACK", 1), _bit("VFU", 2), _bit("PFU", 3), _bit("RVFU", 4)),
    ),
    Register("VFLRE", (Span(0x0C88),), fields=(BitField("VFS", 7, 0),)),
    Register("VFRE", (Span(0x0C8C),), fields=(BitField("POOLS", 7, 0),)),
    Register("VFTE", (Span(0x0C90),), fields=(BitField("POOLS", 7, 0),)),
    Register("QDE", (Span(0x2408),), writable_mask=0xFFFF, fields=(BitField("QUEUES", 15, 0),)),
    Register("RLPML", (Span(0x5004),), fields=(BitField("LENGTH", 13, 0),)),
    Register("MTA", (Span(0x5200, 4, 128),), writable_mask=ALL_BITS),
    Register("VFTA", (Span(0x5600, 4, 128),)),
    Register(
        "MRQC", (Span(0x5818),), fields=(BitField("MODE", 2, 0), BitField("DEFAULT_QUEUE", 5, 3)),
    ),
    Register(
        "VT_CTL", (Span(0x581C),), writable_mask=0x7 << 7 | 1 << 29 | 1 << 30,
        fields=(BitField("DEFAULT_POOL", 9, 7), _bit("IGNORE_MAC", 28), _bit("DISABLE_DEFAULT_POOL", 29),
                _bit("REPLICATION", 30)),
    ),
    Register("VMOLR", (Span(0x5AD0, 4, 8),), writable_mask=_VMOLR_WRITABLE, fields=_VMOLR_FIELDS),
    # Frames that are replicated (every multicast and broadcast) obey this register, not the pool's own VMOLR
    # (datasheet 7.10.3.8 as cited by QEMU's emulation); Linux' igb sets its STRVLAN.
    Register("RPLOLR", (Span(0x5AF0),), writable_mask=1 << 30, fields=_STRIP_FIELDS),
    Register(
        "VLVF", (Span(0x5D00, 4, 32),), writable_mask=0xFF << 12,
        fields=(BitField("VLAN", 11, 0), BitField("POOLS", 19, 12), _bit("LOOPBACK", 20), _bit("VALID", 31)),
    ),
    # Mirror rules: offsets and bits 0 to 2 and 10:8 as named in e1000_regs.h and e1000_82575.h of Intel's base driver
    # (DPDK, FreeBSD); bit 3 by analogy with the 82599. The emulated card drops writes to these and reads 0 (tried).
    Register(
        "VMRCTL", (Span(0x5D80, 4, 4),), writable_mask=0x70F,
        fields=(_bit("POOL", 0), _bit("UPLINK", 1), _bit("DOWNLINK", 2), _bit("VLAN", 3), BitField("TO_POOL", 10, 8)),
    ),
    Register("VMRVLAN", (Span(0x5D90, 4, 4),), writable_mask=ALL_BITS, fields=(BitField("VLVF", 31, 0),)),
    Register("VMRVM", (Span(0x5DA0, 4, 4),), writable_mask=0xFF, fields=(BitField("POOLS", 7, 0),)),
    # The emulated card reads 0 whatever was written (tried).
    Register("UTA", (Span(0xA000, 4, 128),), writable_mask=ALL_BITS, reads_back=False),
)  # fmt: skip


def _mac_filters(extra: int) -> tuple[Register, ...]:
    """Receive address pairs: 16 from 0x5400 and ``extra`` more from 0x54E0. Only the pool bits may be changed."""
    return (
        Register("RAL", (Span(0x5400, 8, 16), Span(0x54E0, 8, extra)), fields=(BitField("ADDRESS_LOW", 31, 0),)),
        Register(
            "RAH", (Span(0x5404, 8, 16), Span(0x54E4, 8, extra)), writable_mask=0xFF << 18,
            fields=(BitField("ADDRESS_HIGH", 15, 0), BitField("POOLS", 25, 18), _bit("VALID", 31)),
        ),
    )  # fmt: skip


_TX_SWITCH_FIELDS = (
    BitField("MAC_SPOOF", 7, 0), BitField("VLAN_SPOOF", 15, 8), BitField("LOCAL_LOOPBACK", 23, 16),
    _bit("LOOPBACK_ENABLE", 31),
)  # fmt: skip
_DROPS = BitField("DROPPED", 31, 0)

TABLE_82576 = RegisterTable(
    "82576",
    (
        *_COMMON_1G,
        *_mac_filters(extra=8),
        Register("DTXSWC", (Span(0x3500),), fields=_TX_SWITCH_FIELDS),
        Register("RQDPC", (Span(0x2830, 0x100, 4), Span(0xC130, 0x40, 12)), fields=(_DROPS,)),
        # Good packets that each VF was given, as the PF sees it (PFVFGPRC of e1000_regs.h; QEMU's igb counts here).
        Register("PFVFGPRC", (Span(0x10010, 0x100, 8),), fields=(BitField("PACKETS", 31, 0),)),
    ),
)

TABLE_I350 = RegisterTable(
    "i350",
    (
        *_COMMON_1G,
        *_mac_filters(extra=16),
        Register("TXSWC", (Span(0x5ACC),), fields=_TX_SWITCH_FIELDS),
        # On the I350 a pool's tag stripping stands here; its VMOLR has no such bit.
        Register(
            "DVMOLR", (Span(0xC038, 0x40, 8),), writable_mask=1 << 29 | 1 << 30,
            fields=(_bit("HIDE_VLAN", 29), *_STRIP_FIELDS),
        ),
        Register("RQDPC", (Span(0xC030, 0x40, 8),), fields=(_DROPS,)),
    ),
)  # fmt: skip

TABLES_1G: tuple[RegisterTable, ...] = (TABLE_82576, TABLE_I350)
