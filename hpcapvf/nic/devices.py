"""Which PCI IDs are physical and virtual functions of which card family.

IDs: the public PCI ID list, and the tables of supported devices in the documentation of DPDK's e1000 and ixgbe
poll mode drivers. The IDs that Hyper-V gives to virtual functions are included, since a nested host may show them.
"""

from __future__ import annotations

from dataclasses import dataclass

INTEL = 0x8086


@dataclass(frozen=True)
class CardFamily:
    """Cards that share one receive switch.

    name: as the register tables are named. pf_devices, vf_devices: PCI device IDs under ``vendor``; the first VF ID
    is the one that a bare Linux host shows. pools: receive pools of one port.
    """

    name: str
    vendor: int
    pf_devices: tuple[int, ...]
    vf_devices: tuple[int, ...]
    pools: int
    speed_mbps: int


FAMILIES: tuple[CardFamily, ...] = (
    CardFamily(
        "82576", INTEL,
        (0x10C9, 0x10E6, 0x10E7, 0x10E8, 0x1526, 0x150A, 0x1518, 0x150D), (0x10CA, 0x152D), 8, 1_000,
    ),
    CardFamily("i350", INTEL, (0x1521, 0x1522, 0x1523, 0x1524, 0x1546), (0x1520, 0x152F), 8, 1_000),
    CardFamily(
        "82599", INTEL,
        (0x10FB, 0x10F7, 0x10F8, 0x10F9, 0x10FC, 0x1507, 0x1514, 0x1517, 0x151C, 0x1529, 0x152A, 0x154A, 0x154D,
         0x1557, 0x1558),
        (0x10ED, 0x152E), 64, 10_000,
    ),
    CardFamily("x540", INTEL, (0x1528, 0x1560), (0x1515, 0x1530), 64, 10_000),
    CardFamily("x550", INTEL, (0x1563, 0x15D1), (0x1565, 0x1564), 64, 10_000),
    CardFamily("x552", INTEL, (0x15AA, 0x15AB, 0x15AC, 0x15AD, 0x15AE), (0x15A8, 0x15A9), 64, 10_000),
    CardFamily(
        "x553", INTEL, (0x15C2, 0x15C3, 0x15C4, 0x15C6, 0x15C7, 0x15C8, 0x15CE, 0x15E4, 0x15E5), (0x15C5, 0x15B4),
        64, 10_000,
    ),
)  # fmt: skip


def family_named(name: str) -> CardFamily | None:
    """The family of this name, or None."""
    return next((f for f in FAMILIES if f.name == name), None)


def pf_family(vendor: int, device: int) -> CardFamily | None:
    """The family whose physical functions carry these IDs, or None if no table knows them."""
    return next((f for f in FAMILIES if f.vendor == vendor and device in f.pf_devices), None)


def vf_family(vendor: int, device: int) -> CardFamily | None:
    """The family whose virtual functions carry these IDs, or None if no table knows them."""
    return next((f for f in FAMILIES if f.vendor == vendor and device in f.vf_devices), None)
