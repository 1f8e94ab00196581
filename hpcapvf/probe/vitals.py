"""What the doctor needs to know beside a Host: firmware, interrupts, VF BARs, links, the driver's store.

Files: Documentation/ABI/testing/sysfs-bus-pci, sysfs-kernel-iommu_groups and sysfs-firmware-acpi, and
Documentation/PCI/sysfs-pci.rst for ``resource``.
"""

from __future__ import annotations

import re
from dataclasses import replace

from hpcapvf.host.protocols import Commands, Files
from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import HpcapvfError
from hpcapvf.model.host import Host, PciDevice
from hpcapvf.model.paths import DRIVER_STORE
from hpcapvf.model.vitals import Bar, FunctionVitals, PcieLink, ReservedRegion, StoredModule, Vitals
from hpcapvf.probe.reading import Reader

_NETWORK_CLASS, _STORAGE_CLASS = 0x02, 0x01
_FIRST_VF_BAR = 7  # six BARs and the ROM come first (include/linux/pci.h, PCI_IOV_RESOURCES)
_VF_BARS = 6
_CONFIG_BYTES = 256
_READABLE_BY_ALL = 64  # without root the kernel gives no more of the configuration space
_STATUS, _HAS_CAPABILITIES, _FIRST_CAPABILITY = 0x06, 0x10, 0x34
_MSIX, _MSIX_SIZE_MASK = 0x11, 0x7FF
_CAPABILITIES_MOST = 48
_MODULE_LIMIT = 16 << 20
_VERMAGIC = re.compile(rb"vermagic=([^ \0]+)")
_SECURE_BOOT = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
_IOMMU_TABLES = ("DMAR", "IVRS")  # Intel's and AMD's
_ETHTOOL_TIMEOUT_S = 30.0


def probe_vitals(files: Files, host: Host, *, commands: Commands | None = None) -> Vitals:
    """What this machine, or a recorded tree, says. commands: to ask network cards for their firmware's version."""
    reader = Reader(files)
    facts = Vitals(
        interrupts_remapped=_interrupts_remapped(reader),
        unsafe_interrupts=_flag(reader, "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts"),
        iommu_tables=_iommu_tables(reader),
        cpu_flags=_cpu_flags(reader),
        nested=_nested(reader),
        secure_boot=_secure_boot(reader),
        signatures_enforced=_flag(reader, "/sys/module/module/parameters/sig_enforce"),
        sriov_told=bool(reader.exists("/sys/bus/pci/drivers_probe")),  # a live bus has it, recordings leave it out
        functions=tuple(_function(reader, host, d, commands) for d in host.pci if _is_examined(d)),
        modules=_modules(reader),
        programs=_programs(reader),
    )
    return replace(facts, unreadable=reader.unreadable)


def parse_regions(text: str) -> tuple[ReservedRegion, ...]:
    """The lines of a group's ``reserved_regions``; ValueError if one is none."""
    regions = []
    for line in text.splitlines():
        start, end, kind = line.split()
        regions.append(ReservedRegion(int(start, 16), int(end, 16), kind))
    return tuple(regions)


def parse_resources(text: str) -> tuple[Bar, ...]:
    """The lines of a function's ``resource`` file; ValueError if one is none."""
    bars = []
    for line in text.splitlines():
        start, end, flags = (int(word, 16) for word in line.split())
        bars.append(Bar(start, end, flags))
    return tuple(bars)


def parse_msix_vectors(config: bytes) -> int:
    """How many MSI-X vectors a function has, 0 if none (PCI 3.0, 6.7 and 6.8.2). ValueError if it ends too early."""
    if len(config) < _READABLE_BY_ALL:
        raise ValueError("configuration space too short")
    if not config[_STATUS] & _HAS_CAPABILITIES:
        return 0
    at = config[_FIRST_CAPABILITY] & ~3
    for _ in range(_CAPABILITIES_MOST):  # a list that was damaged may lead in a circle
        if at == 0:
            return 0
        if at + 4 > len(config):
            raise ValueError("capabilities beyond what can be read")
        if config[at] == _MSIX:
            return (int.from_bytes(config[at + 2 : at + 4], "little") & _MSIX_SIZE_MASK) + 1
        at = config[at + 1] & ~3
    raise ValueError("capabilities without an end")


def _is_examined(device: PciDevice) -> bool:
    """Physical network and storage functions."""
    return device.physfn is None and device.class_code >> 16 in (_NETWORK_CLASS, _STORAGE_CLASS)


def _folder(address: PciAddress) -> str:
    return f"/sys/bus/pci/devices/{address}"


def _flag(reader: Reader, path: str) -> bool | None:
    """A module's parameter: Y, N, 1 or 0."""
    return {"Y": True, "1": True, "N": False, "0": False}.get(reader.text(path) or "")


def _interrupts_remapped(reader: Reader) -> bool | None:
    """Chips of remapped interrupts are named ``IR-…`` on x86 (drivers/iommu names their interrupt domains so)."""
    text = reader.text("/proc/interrupts")
    if text is None:
        return None
    chips = set(re.findall(r"\s(?:(IR)-)?(?:PCI-MSIX?|IO-APIC)\b", text))
    return None if not chips else "IR" in chips


def _iommu_tables(reader: Reader) -> tuple[str, ...] | None:
    tables = reader.names("/sys/firmware/acpi/tables")
    return None if tables is None else tuple(name for name in _IOMMU_TABLES if name in tables)


def _cpu_flags(reader: Reader) -> frozenset[str] | None:
    match = re.search(r"^flags\s*:(.*)$", reader.text("/proc/cpuinfo") or "", re.MULTILINE)
    return None if match is None else frozenset(match[1].split())


def _nested(reader: Reader) -> bool | None:
    found = [_flag(reader, f"/sys/module/{name}/parameters/nested") for name in ("kvm_intel", "kvm_amd")]
    return next((value for value in found if value is not None), None)


def _secure_boot(reader: Reader) -> bool | None:
    """The UEFI variable: four bytes of attributes, then 1 or 0. A machine started without UEFI has no such thing."""
    data = reader.data(_SECURE_BOOT, 5)
    if data is not None and len(data) == 5:
        return data[4] == 1
    firmware = reader.names("/sys/firmware")
    return False if firmware is not None and "acpi" in firmware and "efi" not in firmware else None


def _function(reader: Reader, host: Host, device: PciDevice, commands: Commands | None) -> FunctionVitals:
    folder = _folder(device.address)
    allowed = _flag(reader, f"{folder}/msi_bus")
    regions = None
    if device.iommu_group is not None:
        regions = reader.parsed(f"/sys/kernel/iommu_groups/{device.iommu_group}/reserved_regions", parse_regions)
    return FunctionVitals(
        address=device.address,
        vf_bars=_vf_bars(reader, folder) if device.sriov is not None else None,
        last_bus=_last_bus(reader, folder),
        msix_vectors=_msix_vectors(reader, folder),
        msi_allowed=allowed,
        reserved=regions,
        link=_link(reader, folder),
        firmware=_firmware(reader, host, device, commands),
    )


def _vf_bars(reader: Reader, folder: str) -> tuple[Bar, ...] | None:
    bars = reader.parsed(f"{folder}/resource", parse_resources) or ()
    found = bars[_FIRST_VF_BAR : _FIRST_VF_BAR + _VF_BARS]
    return found if len(found) == _VF_BARS else None


def _last_bus(reader: Reader, folder: str) -> int | None:
    above = (reader.real_path(folder) or "").rpartition("/")[0]
    if not PciAddress.looks_like(above.rpartition("/")[2]):
        return None
    return reader.number(f"{above}/subordinate_bus_number", highest=0xFF)


def _msix_vectors(reader: Reader, folder: str) -> int | None:
    config = reader.data(f"{folder}/config", _CONFIG_BYTES)
    if config is None:
        return None
    try:
        return parse_msix_vectors(config)
    except ValueError as error:
        reader.note(f"{folder}/config", str(error))
        return None


def _link(reader: Reader, folder: str) -> PcieLink | None:
    def speed(name: str) -> float | None:
        match = re.match(r"([0-9.]+) GT/s", reader.text(f"{folder}/{name}_link_speed") or "")
        return float(match[1]) if match and re.fullmatch(r"[0-9]{1,3}(\.[0-9]+)?", match[1]) else None

    def width(name: str) -> int | None:
        found = reader.number(f"{folder}/{name}_link_width", highest=0xFF)
        return found if found not in (0, 0xFF) else None  # not connected; not a link

    now, lanes, most, most_lanes = speed("current"), width("current"), speed("max"), width("max")
    if now is None or lanes is None or most is None or most_lanes is None:
        return None
    return PcieLink(now, lanes, most, most_lanes)


def _firmware(reader: Reader, host: Host, device: PciDevice, commands: Commands | None) -> str | None:
    """The version that a driver tells: by ethtool, by NVMe, or by the SAS adapters that have such a file."""
    folder = _folder(device.address)
    if device.class_code >> 16 == _NETWORK_CLASS:
        name = next((i.name for i in host.interfaces if i.pci == device.address), None)
        return None if name is None or commands is None else _ethtool_firmware(reader, name, commands)
    for nvme in reader.names(f"{folder}/nvme") or ():
        return reader.text(f"{folder}/nvme/{nvme}/firmware_rev")
    for name in reader.names(folder) or ():
        if re.fullmatch(r"host\d+", name):
            return reader.text(f"{folder}/{name}/scsi_host/{name}/version_fw")
    return None


def _ethtool_firmware(reader: Reader, interface: str, commands: Commands) -> str | None:
    try:
        result = commands.run(["ethtool", "-i", interface], timeout_s=_ETHTOOL_TIMEOUT_S)
    except HpcapvfError as error:
        reader.note(f"ethtool -i {interface}", error.message)
        return None
    match = re.search(r"^firmware-version:[ \t]*(\S.*)$", result.stdout, re.MULTILINE)
    return match[1].strip() if match and match[1].strip() != "N/A" else None


def _modules(reader: Reader) -> tuple[StoredModule, ...] | None:
    if reader.names("/var/lib") is None:
        return None  # a recorded tree that says nothing of it
    found = []
    for release in reader.names(DRIVER_STORE) or ():
        data = reader.data(f"{DRIVER_STORE}/{release}/hpcapvf.ko", _MODULE_LIMIT)
        if data is not None:
            match = _VERMAGIC.search(data)
            found.append(StoredModule(release, match[1].decode("ascii", errors="replace") if match else None))
    return tuple(found)


def _programs(reader: Reader) -> tuple[str, ...] | None:
    if reader.names("/var/lib") is None:
        return None
    return reader.names(f"{DRIVER_STORE}/bin") or ()
