"""What may be passed to a guest: checks that hold for a VF as for a controller."""

from __future__ import annotations

from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import ExitCode
from hpcapvf.model.host import DomainInfo, Host, PciDevice
from hpcapvf.plan.choice import Objection, objection

PASSTHROUGH_DRIVERS = ("vfio-pci", "pci-stub")
_BRIDGE_CLASS = 0x06


def holder(host: Host, address: PciAddress) -> DomainInfo | None:
    """The libvirt domain whose definition takes this function, the first by name."""
    return min((d for d in host.domains or () if address in d.hostdevs), key=lambda d: d.name, default=None)


def group_objections(host: Host, device: PciDevice) -> tuple[Objection, ...]:
    """Objections because of the IOMMU group: everything in a group goes to one guest, or nothing does.

    Bridges do not count (the kernel leaves their drivers alone), nor do functions that no driver uses; a function on
    vfio-pci counts if a domain takes it. Source: kernel document driver-api/vfio.rst (group viability).
    """
    if device.iommu_group is None:
        if host.iommu_active is not True:
            return ()  # said once, for the whole host
        why = "is in no IOMMU group, so it cannot be passed to a guest"
        return (objection(ExitCode.NOT_CAPABLE, device.address, why, "use a device behind the IOMMU"),)
    others = [
        f"{other.address} ({used})"
        for other in sorted(host.group_members(device.iommu_group), key=lambda d: d.address)
        if other.address != device.address and (used := _user(host, other))
    ]
    if not others:
        return ()
    why = f"shares IOMMU group {device.iommu_group} with {', '.join(others)}"
    hint = "move the card to a slot whose root port isolates (ACS), or unbind the others from their drivers"
    return (objection(ExitCode.REFUSED, device.address, why, hint),)


def _user(host: Host, device: PciDevice) -> str:
    """Who uses a function, empty if nobody does."""
    if device.class_code >> 16 == _BRIDGE_CLASS and device.driver in (None, "pcieport", "shpchp"):
        return ""
    domain = holder(host, device.address)
    if domain is not None:
        return f"domain {domain.name}"
    if device.driver is None or device.driver in PASSTHROUGH_DRIVERS:
        return ""
    return f"driver {device.driver}"
