"""What each SR-IOV network card offers for copying traffic: its driver's files, representors, our register device.

Only files are read. Sources: Documentation/ABI/testing/sysfs-class-net (phys_port_name, phys_switch_id),
sysfs-module (version, taint); ``kcompat_vfd.c`` of Intel's out-of-tree i40e (sriov/N/…); ``ixgbe_debugfs.c``.
"""

from __future__ import annotations

import re

from hpcapvf.model import paths
from hpcapvf.model.host import CardWays, NetInterface, PciDevice, Representor
from hpcapvf.probe.reading import Reader

_NET_CLASS = 0x02
_REPRESENTOR = re.compile(r"^(?:c\d+)?pf\d+vf(\d+)$")
_LIBRARY = re.compile(r"^librte_eal\.so\.(\d+)(?:\.\d+)*$")
_LIBRARY_FOLDERS = tuple(
    f"/usr/{name}" for name in ("lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu", "lib64", "lib", "local/lib")
)


def probe_ways(
    reader: Reader, pci: tuple[PciDevice, ...], interfaces: tuple[NetInterface, ...]
) -> tuple[CardWays, ...]:
    """Of each network card that can make VFs."""
    cards = [d for d in pci if d.class_code >> 16 == _NET_CLASS and d.sriov is not None and d.physfn is None]
    return tuple(_ways(reader, card, interfaces) for card in cards)


def probe_dpdk_abi(reader: Reader) -> int | None:
    """The highest major number of librte_eal.so among the places where libraries are; None if there is none."""
    found = [
        int(match[1])
        for folder in _LIBRARY_FOLDERS
        for name in reader.names(folder) or ()
        if (match := _LIBRARY.match(name))
    ]
    return max(found, default=None)


def _ways(reader: Reader, card: PciDevice, interfaces: tuple[NetInterface, ...]) -> CardWays:
    module = f"/sys/module/{card.driver}" if card.driver else None
    taint = reader.text(f"{module}/taint") if module else None
    return CardWays(
        pf=card.address,
        driver_version=reader.text(f"{module}/version") if module else None,
        out_of_tree=None if taint is None else "O" in taint,
        register_device=_below(reader, "/dev", paths.register_device(card.address)),
        debugfs_registers=_below(reader, "/sys/kernel/debug", paths.ixgbe_registers(card.address)),
        mirror_files=_mirror_files(reader, card),
        representors=_representors(reader, card, interfaces),
    )


def _below(reader: Reader, folder: str, path: str) -> bool | None:
    """Whether a file is there; None if the folder that would have it cannot be looked into, or is empty."""
    return bool(reader.exists(path)) if reader.names(folder) else None


def _mirror_files(reader: Reader, card: PciDevice) -> bool | None:
    """The files of VF 0 stand for all; without VFs there is nothing to be seen."""
    if card.sriov is None or not card.sriov.num_vfs:
        return None
    return all(reader.exists(paths.mirror_file(card.address, 0, way)) for way in paths.MIRROR_WAYS.values())


def _representors(reader: Reader, card: PciDevice, interfaces: tuple[NetInterface, ...]) -> tuple[Representor, ...]:
    """Interfaces with the card's switch ID whose port name is that of a VF, and that hang on the PF."""
    names = {i.name: reader.text(f"/sys/class/net/{i.name}/phys_port_name") or "" for i in interfaces}
    switches = {i.name: reader.text(f"/sys/class/net/{i.name}/phys_switch_id") or "" for i in interfaces}
    numbers = {name: int(match[1]) for name, port in names.items() if (match := _REPRESENTOR.match(port))}
    own = {switches[i.name] for i in interfaces if i.pci == card.address and i.name not in numbers} - {""}
    found = [
        Representor(numbers[i.name], i.name)
        for i in interfaces
        if i.name in numbers and i.pci in {card.address, None} and switches[i.name] in own
    ]
    return tuple(sorted(found, key=lambda r: r.vf_index))
