"""What may be passed to a guest: checks that hold for a VF, a controller, and what shares a group with them."""

from __future__ import annotations

import dataclasses

from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import ExitCode
from hpcapvf.model.host import BlockDevice, DomainInfo, Host, NetInterface, PciDevice
from hpcapvf.plan.choice import Objection, objection
from hpcapvf.plan.guards import Force

PASSTHROUGH_DRIVERS = ("vfio-pci", "pci-stub")
_BRIDGE_CLASS = 0x06


def holder(host: Host, address: PciAddress) -> DomainInfo | None:
    """The libvirt domain whose definition takes this function: one that runs, else the first by name."""
    takers = (d for d in host.domains or () if address in d.hostdevs)
    return min(takers, key=lambda d: (not d.running, d.name), default=None)


def holder_objection(domain: DomainInfo, address: PciAddress, guard: str) -> Objection:
    """The objection because a domain has a function; guard: which one objects if that domain is off."""
    why = f"belongs to domain {domain.name}" + (", which runs" if domain.running else "")
    hint = "detach it there, or use another one"
    return objection(ExitCode.REFUSED, address, why, hint, guard="running-vm" if domain.running else guard)


def interface_objections(interface: NetInterface) -> tuple[Objection, ...]:
    """Whether the host can spare a network interface."""
    found: list[Objection] = []
    if interface.default_route is None:
        why = "the host does not say whether it carries the default route"
        hint = "probe the running host"
        found.append(objection(ExitCode.REFUSED, interface.name, why, hint, guard="default-route"))
    if interface.default_route:
        why = "carries the default route: the host would lose its own network"
        hint = "capture on a port that the host can spare"
        found.append(objection(ExitCode.REFUSED, interface.name, why, hint, guard="default-route"))
    if interface.master:
        why = f"is part of {interface.master} (a bridge, bond or the like)"
        hint = f"take it out first: ip link set {interface.name} nomaster"
        found.append(objection(ExitCode.REFUSED, interface.name, why, hint, guard="bridge"))
    return tuple(found)


def disk_objections(host: Host, device: PciDevice) -> tuple[Objection, ...]:
    """Whether the host can spare the disks behind a function."""
    return tuple(o for disk in disks_behind(host, device) for o in _disk_objections(device, disk))


def disks_behind(host: Host, device: PciDevice) -> list[BlockDevice]:
    """The disks of a controller, by name."""
    return sorted((d for d in host.disks if d.controller == device.address), key=lambda d: d.name)


def _disk_objections(device: PciDevice, disk: BlockDevice) -> tuple[Objection, ...]:
    if disk.in_use is None:
        why = f"the host does not say whether its disk {disk.name} is in use"
        return (objection(ExitCode.REFUSED, device.address, why, "probe the running host", guard="disk-mounted"),)
    if not disk.in_use:
        return ()
    why = f"its disk {disk.name} is in use: {', '.join(disk.in_use)}"
    hint = "the host would lose that disk; use a controller whose disks the host can spare"
    only_held = all(use.startswith("part of ") for use in disk.in_use)
    guard = "disk-held" if only_held else "disk-mounted"
    return (objection(ExitCode.REFUSED, device.address, why, hint, guard=guard),)


def group_objections(host: Host, device: PciDevice, force: Force) -> tuple[Objection, ...]:
    """Objections because of the IOMMU group: everything in a group goes to one guest, or nothing does.

    Bridges do not count (the kernel leaves their drivers alone), nor do functions that no driver uses; a function on
    vfio-pci counts if a domain takes it. Source: kernel document driver-api/vfio.rst (group viability). With the
    guard forced, what would be taken from the host along with the device must be such as it can spare.
    """
    if device.iommu_group is None:
        if host.iommu_active is not True:
            return ()  # said once, for the whole host
        why = "is in no IOMMU group, so it cannot be passed to a guest"
        return (objection(ExitCode.NOT_CAPABLE, device.address, why, "use a device behind the IOMMU"),)
    users = [(other, used) for other in _others(host, device) if (used := _user(host, other))]
    if not users:
        return ()
    why = f"shares IOMMU group {device.iommu_group} with {', '.join(f'{o.address} ({used})' for o, used in users)}"
    hint = "move the card to a slot whose root port isolates (ACS), or unbind the others from their drivers"
    stuck = any(holder(host, o.address) or o.address == device.physfn for o, _ in users)
    found = objection(ExitCode.REFUSED, device.address, why, hint, guard="" if stuck else "iommu-group")
    return (found, *(_along(host, users) if "iommu-group" in force else ()))


def companions(host: Host, device: PciDevice) -> tuple[PciAddress, ...]:
    """What the host uses of a device's IOMMU group beside it; it must leave its drivers for the group to be given."""
    if device.iommu_group is None:
        return ()
    return tuple(other.address for other in _others(host, device) if _user(host, other))


def _others(host: Host, device: PciDevice) -> list[PciDevice]:
    members = host.group_members(device.iommu_group) if device.iommu_group is not None else ()
    return sorted((d for d in members if d.address != device.address), key=lambda d: d.address)


def _along(host: Host, users: list[tuple[PciDevice, str]]) -> list[Objection]:
    found: list[Objection] = []
    for other, _ in users:
        interfaces = sorted((i for i in host.interfaces if i.pci == other.address), key=lambda i: i.name)
        for interface in interfaces:
            found += interface_objections(interface)
        found += disk_objections(host, other)
    reasons = (dataclasses.replace(o.reason, why=f"{o.reason.why} (taken with its group)", guard="") for o in found)
    return [dataclasses.replace(o, reason=reason) for o, reason in zip(found, reasons, strict=True)]


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
