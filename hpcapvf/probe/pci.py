"""PCI functions (Documentation/ABI/testing/sysfs-bus-pci)."""

from __future__ import annotations

from hpcapvf.model.address import CpuSet, PciAddress
from hpcapvf.model.host import NumaNode, PciDevice, Sriov
from hpcapvf.probe.reading import Reader, numbered

_DEVICES = "/sys/bus/pci/devices"
_ID_LIMIT = 0xFFFF
_CONFIG_BYTES = 12  # IDs stand at 0 and 2, the class code at 9 to 11 (PCI 3.0, 6.1)


def probe_pci(reader: Reader, nodes: tuple[NumaNode, ...]) -> tuple[PciDevice, ...]:
    """All functions, by address. What has no readable IDs is noted and left out."""
    names = reader.names(_DEVICES)
    if names is None:
        reader.note(_DEVICES, "absent: PCI devices are unknown")
        return ()
    found = (_probe_function(reader, name, nodes) for name in names)
    return tuple(sorted((d for d in found if d is not None), key=lambda device: device.address))


def resolve_node(own: int | None, local_cpus: CpuSet | None, nodes: tuple[NumaNode, ...]) -> tuple[int | None, str]:
    """(node, where it is from): the device's own number, else the one node that its local CPUs belong to.

    Old firmware says -1 and leaves a CPU mask. Local CPUs on several nodes tell no node: that is unknown.
    """
    if own is not None and own >= 0:
        return own, "numa_node"
    touched = [node.index for node in nodes if local_cpus and node.cpus & local_cpus]
    return (touched[0], "local_cpus") if len(touched) == 1 else (None, "unknown")


def parse_config_ids(data: bytes) -> tuple[int, int, int]:
    """(vendor, device, class code) from the start of the configuration space; ValueError if there is no device."""
    if len(data) < _CONFIG_BYTES or data[:2] == b"\xff\xff":
        raise ValueError("no device behind this configuration space")
    return (
        int.from_bytes(data[0:2], "little"),
        int.from_bytes(data[2:4], "little"),
        int.from_bytes(data[9:12], "little"),
    )


def _probe_function(reader: Reader, name: str, nodes: tuple[NumaNode, ...]) -> PciDevice | None:
    folder = reader.real_path(f"{_DEVICES}/{name}")
    if folder is None:
        reader.note(f"{_DEVICES}/{name}", "leads nowhere")
        return None
    try:
        address = PciAddress.parse(name)
    except ValueError:
        reader.note(f"{_DEVICES}/{name}", "not named like a PCI address")
        return None
    present = frozenset(reader.names(folder) or ())
    ids = _ids(reader, folder)
    if ids is None:
        return None
    local = reader.cpus(f"{folder}/local_cpulist") if "local_cpulist" in present else None
    if local is None and "local_cpus" in present:
        local = reader.cpu_mask(f"{folder}/local_cpus")
    own = reader.number(f"{folder}/numa_node", lowest=-1, highest=_ID_LIMIT) if "numa_node" in present else None
    node, node_from = resolve_node(own, local, nodes)
    return PciDevice(
        address=address,
        vendor=ids[0],
        device=ids[1],
        class_code=ids[2],
        driver=reader.link(f"{folder}/driver") if "driver" in present else None,
        numa_node=node,
        numa_from=node_from,
        iommu_group=_group(reader, folder) if "iommu_group" in present else None,
        sriov=_probe_sriov(reader, folder, present),
        physfn=_linked_address(reader, f"{folder}/physfn") if "physfn" in present else None,
    )


def _ids(reader: Reader, folder: str) -> tuple[int, int, int] | None:
    vendor = reader.number(f"{folder}/vendor", base=16, highest=_ID_LIMIT)
    device = reader.number(f"{folder}/device", base=16, highest=_ID_LIMIT)
    class_code = reader.number(f"{folder}/class", base=16, highest=0xFFFFFF)
    if vendor is not None and device is not None and class_code is not None:
        return vendor, device, class_code
    data = reader.data(f"{folder}/config", _CONFIG_BYTES)
    if data is None:
        reader.note(folder, "neither vendor, device and class nor config can be read: this function is left out")
        return None
    try:
        return parse_config_ids(data)
    except ValueError as error:
        reader.note(f"{folder}/config", f"{error}: this function is left out")
        return None


def _group(reader: Reader, folder: str) -> int | None:
    name = reader.link(f"{folder}/iommu_group")
    if name is not None and name.isascii() and name.isdigit():
        return int(name)
    reader.note(f"{folder}/iommu_group", f"not an IOMMU group: {name!r}")
    return None


def _probe_sriov(reader: Reader, folder: str, present: frozenset[str]) -> Sriov | None:
    if "sriov_totalvfs" not in present:
        return None
    total = reader.number(f"{folder}/sriov_totalvfs", highest=_ID_LIMIT)
    used = reader.number(f"{folder}/sriov_numvfs", highest=_ID_LIMIT)
    if total is None or used is None:
        reader.note(folder, "SR-IOV is there, but the number of VFs cannot be read")
        return None
    autoprobe = reader.number(f"{folder}/sriov_drivers_autoprobe", highest=1)
    return Sriov(
        total_vfs=total,
        num_vfs=used,
        offset=reader.number(f"{folder}/sriov_offset", highest=_ID_LIMIT),
        stride=reader.number(f"{folder}/sriov_stride", highest=_ID_LIMIT),
        autoprobe=None if autoprobe is None else bool(autoprobe),
        vfs=_virtual_functions(reader, folder, present),
    )


def _virtual_functions(reader: Reader, folder: str, present: frozenset[str]) -> tuple[PciAddress, ...]:
    """VF 0, 1, … by their links, up to the first that is missing or unreadable."""
    found: list[PciAddress] = []
    for index in numbered(tuple(present), "virtfn"):
        address = _linked_address(reader, f"{folder}/virtfn{index}")
        if index != len(found) or address is None:
            reader.note(f"{folder}/virtfn{len(found)}", "missing or unreadable, though there are VFs after it")
            break
        found.append(address)
    return tuple(found)


def _linked_address(reader: Reader, path: str) -> PciAddress | None:
    name = reader.link(path)
    try:
        return PciAddress.parse(name or "")
    except ValueError:
        reader.note(path, f"does not lead to a PCI function: {name!r}")
        return None
