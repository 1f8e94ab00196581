"""Which PCI IDs are physical and virtual functions of which card family.

IDs: every one was looked up in the public PCI ID list (``pci.ids`` of github.com/pciutils/pciids, 2026-08-22), which
names each as the family says, but two: 152d and 1546 are ``E1000_DEV_ID_82576_VF_HV`` and ``E1000_DEV_ID_I350_DA4`` of
Intel's base driver (``e1000_hw.h``). 0dda is ``I40E_DEV_ID_SFP_X722_A`` of Linux' ``i40e_devids.h``. One VF ID for
ConnectX-6 Dx and later: ``mlx5_core_pci_table`` of Linux' mlx5 driver. The IDs that Hyper-V gives to virtual functions
are included, since a nested host may show them.
"""

from __future__ import annotations

from dataclasses import dataclass

INTEL = 0x8086
MELLANOX = 0x15B3


@dataclass(frozen=True)
class CardFamily:
    """Cards that share one receive switch.

    name: as the register tables are named. pf_devices, vf_devices: PCI device IDs under ``vendor``; the first VF ID
    is the one that a bare Linux host shows. pools: receive pools of one port. own_driver: whether HPCAPvf drives its
    VFs itself; of the others it captures what the stock VF driver receives.
    """

    name: str
    vendor: int
    pf_devices: tuple[int, ...]
    vf_devices: tuple[int, ...]
    pools: int
    speed_mbps: int
    own_driver: bool = True


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
    CardFamily(
        "i40e", INTEL,
        (0x1572, 0x1574, 0x1580, 0x1581, 0x1583, 0x1584, 0x1585, 0x1586, 0x1587, 0x1588, 0x1589, 0x158A, 0x158B,
         0x15FF, 0x104E, 0x104F, 0x101F),
        (0x154C, 0x1571), 128, 40_000, own_driver=False,
    ),
    CardFamily(
        "x722", INTEL, (0x37CE, 0x37CF, 0x37D0, 0x37D1, 0x37D2, 0x37D3, 0x0DDA), (0x37CD, 0x37D9), 128, 10_000,
        own_driver=False,
    ),
    CardFamily(
        "ice", INTEL, (0x1591, 0x1592, 0x1593, 0x1599, 0x159A, 0x159B), (0x1889,), 256, 100_000, own_driver=False,
    ),
    CardFamily("connectx-4", MELLANOX, (0x1013,), (0x1014,), 128, 100_000, own_driver=False),
    CardFamily("connectx-4-lx", MELLANOX, (0x1015,), (0x1016,), 128, 50_000, own_driver=False),
    CardFamily("connectx-5", MELLANOX, (0x1017,), (0x1018,), 128, 100_000, own_driver=False),
    CardFamily("connectx-5-ex", MELLANOX, (0x1019,), (0x101A,), 128, 100_000, own_driver=False),
    CardFamily("connectx-6", MELLANOX, (0x101B,), (0x101C,), 128, 200_000, own_driver=False),
    # One ID for the VFs of all that came after it: 6 Dx, 6 Lx, 7.
    CardFamily("connectx-6-dx", MELLANOX, (0x101D, 0x101F, 0x1021), (0x101E,), 128, 100_000, own_driver=False),
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
