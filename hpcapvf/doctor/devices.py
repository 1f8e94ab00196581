"""Network cards and storage controllers: what keeps them, or their VFs, from a guest."""

from __future__ import annotations

from collections.abc import Iterator

from hpcapvf.doctor.diagnosis import Check, boot_with
from hpcapvf.model.host import Host, PciDevice
from hpcapvf.model.vitals import Bar, Diagnosis, FunctionVitals, Vitals

_ABI_GROUPS = "Documentation/ABI/testing/sysfs-kernel-iommu_groups"
_PARAMETERS = "Documentation/admin-guide/kernel-parameters.txt: pci="
_SRIOV = "Documentation/PCI/pci-iov-howto.rst"
_ABI_PCI = "Documentation/ABI/testing/sysfs-bus-pci"
_UNSET = 0x20000000  # include/linux/ioport.h, IORESOURCE_UNSET
_NETWORK_CLASS, _STORAGE_CLASS = 0x02, 0x01
_AS_ROOT = "run it on the host itself, as root"


def check_devices(host: Host, vitals: Vitals) -> Iterator[Diagnosis]:
    """Every physical network function with SR-IOV, and every storage controller that the host could spare."""
    cards = [d for d in host.pci if d.sriov is not None and d.class_code >> 16 == _NETWORK_CLASS]
    needed = {disk.controller for disk in host.disks if disk.in_use}
    storage = [
        d for d in host.pci if d.class_code >> 16 == _STORAGE_CLASS and d.physfn is None and d.address not in needed
    ]
    yield check_sriov(host, vitals, cards)
    for device in cards:
        about = vitals.function(device.address)
        name = _name(host, device)
        yield check_vf_bars(name, about)
        yield check_vf_buses(name, device, about)
        yield check_msix(name, about)
        yield from _common(host, name, device, about)
    for device in storage:
        yield from _common(host, str(device.address), device, vitals.function(device.address))


def _common(host: Host, name: str, device: PciDevice, about: FunctionVitals) -> Iterator[Diagnosis]:
    yield check_reserved(host, name, about)
    yield check_link(name, about)
    yield check_firmware(name, device, about)


def _name(host: Host, device: PciDevice) -> str:
    names = sorted(i.name for i in host.interfaces if i.pci == device.address)
    return f"{names[0]} ({device.address})" if names else str(device.address)


def check_sriov(host: Host, vitals: Vitals, cards: list[PciDevice]) -> Diagnosis:
    """A card that can make VFs."""
    check = Check("SR-IOV card", f"{_SRIOV}; {_ABI_PCI}: sriov_totalvfs")
    if cards:
        return check.ok(", ".join(f"{_name(host, d)}: {d.sriov.total_vfs} VFs" for d in cards if d.sriov))
    if not vitals.sriov_told:
        return check.unknown("the PCI bus is recorded in part only, or there is none", _AS_ROOT)
    cause = "no network function offers VFs: the card has none, or SR-IOV is off in its or the machine's firmware"
    return check.fault("none", cause, "switch SR-IOV on in the firmware's setup; lspci -vv | grep -A2 'Single Root'")


def check_vf_bars(name: str, about: FunctionVitals) -> Diagnosis:
    """VFs need addresses that are set apart when the machine starts."""
    check = Check(f"BAR space for VFs of {name}", f"{_SRIOV}; {_PARAMETERS} realloc; drivers/pci/iov.c (sriov_enable)")
    if about.vf_bars is None:
        return check.unknown(
            "its resource file does not tell (a kernel without CONFIG_PCI_IOV, or a recording)", _AS_ROOT
        )
    used = [bar for bar in about.vf_bars if bar.flags]
    if used and all(_assigned(bar) for bar in used):
        return check.ok(f"{len(used)} BARs, {sum(bar.end - bar.start + 1 for bar in used) >> 10} KiB")
    cause = "the firmware left no room behind the card's bridge, so sriov_numvfs fails (not enough MMIO resources)"
    return check.fault("not assigned", cause, boot_with("pci=realloc") + "  # or 'above 4G decoding' in the firmware")


def _assigned(bar: Bar) -> bool:
    return bar.start != 0 and not bar.flags & _UNSET


def check_vf_buses(name: str, device: PciDevice, about: FunctionVitals) -> Diagnosis:
    """VFs with a number beyond their PF's bus need bus numbers behind the same bridge."""
    check = Check(f"bus numbers for VFs of {name}", f"PCIe SR-IOV 3.3.9, 3.3.10; {_PARAMETERS} assign-busses")
    sriov = device.sriov
    if sriov is None or sriov.offset is None or sriov.stride is None or about.last_bus is None:
        return check.unknown("sriov_offset, sriov_stride or the bridge's subordinate_bus_number is not said", _AS_ROOT)
    own = device.address.bus << 8 | device.address.device << 3 | device.address.function
    needed = (own + sriov.offset + sriov.stride * (sriov.total_vfs - 1)) >> 8
    if needed <= about.last_bus:
        return check.ok(f"up to bus {needed:02x}, there are {about.last_bus:02x}")
    cause = (
        f"all {sriov.total_vfs} VFs reach bus {needed:02x}, the bridge above hands on only up to {about.last_bus:02x}"
    )
    return check.fault("too few", cause, boot_with("pci=assign-busses"))


def check_msix(name: str, about: FunctionVitals) -> Diagnosis:
    """SR-IOV functions signal by MSI-X; VFs have nothing else."""
    check = Check(f"MSI-X of {name}", f"PCI 3.0, 6.8.2; {_ABI_PCI}: msi_bus")
    if about.msi_allowed is False:
        cause = "the kernel was told, or has a quirk, that this place of the bus may not use MSI"
        return check.fault("forbidden", cause, "take the card to another slot; dmesg | grep -i msi")
    if about.msix_vectors is None:
        return check.unknown("the capabilities in its configuration space cannot be read", _AS_ROOT)
    if about.msix_vectors == 0:
        return check.fault("none", "the card shows no MSI-X capability", "look at its firmware; another card")
    return check.ok(f"{about.msix_vectors} vectors")


def check_reserved(host: Host, name: str, about: FunctionVitals) -> Diagnosis:
    """A device for which the firmware demands a direct mapping (RMRR) cannot be given away."""
    check = Check(f"reserved regions of {name}", f"{_ABI_GROUPS}: reserved_regions")
    if about.reserved is None:
        where = (
            "there are no IOMMU groups" if host.iommu_active is False else "its group's reserved_regions is not there"
        )
        return check.unknown(where, _AS_ROOT)
    direct = [region for region in about.reserved if region.kind == "direct"]
    if direct:
        spans = ", ".join(f"{r.start:#x}-{r.end:#x}" for r in direct)
        cause = "the firmware wants these addresses mapped as they are (RMRR), so VFIO refuses the device"
        remedy = (
            "switch off in the firmware what uses it (shared memory with the management controller), or another slot"
        )
        return check.fault(f"direct: {spans}", cause, remedy)
    relaxable = any(region.kind == "direct-relaxable" for region in about.reserved)
    return check.ok("a relaxable one, which VFIO allows" if relaxable else "none that hinders")


def check_link(name: str, about: FunctionVitals) -> Diagnosis:
    """The link to the card as negotiated, against what the card could."""
    check = Check(f"PCIe link of {name}", "drivers/pci/pci-sysfs.c (current_link_speed, max_link_speed)")
    link = about.link
    if link is None:
        return check.unknown("its link's speed and width are not said (an emulated or conventional function)", _AS_ROOT)
    found = f"{link.speed_gts:g} GT/s x{link.width}"
    if link.speed_gts >= link.most_speed_gts and link.width >= link.most_width:
        return check.ok(found)
    cause = f"the function could {link.most_speed_gts:g} GT/s x{link.most_width}: a narrower slot, or a bad contact"
    return check.warning(found, cause, "another slot; lspci -vv -s " + str(about.address) + " | grep Lnk")


def check_firmware(name: str, device: PciDevice, about: FunctionVitals) -> Diagnosis:
    """The version, for a look at the vendor's notes; nothing is judged by it."""
    check = Check(f"firmware of {name}", "ethtool(8) -i; sysfs attributes firmware_rev (NVMe) and version_fw (SAS)")
    if about.firmware is not None:
        return check.ok(about.firmware)
    network = device.class_code >> 16 == _NETWORK_CLASS
    tool = "ethtool -i INTERFACE" if network else "storcli64 /c0 show | grep -i 'FW Version'  # or the vendor's own"
    return check.unknown("its driver does not tell the version", tool)
