"""The storage side: which controller is passed to the guest, and what guards the host's own disks."""

from __future__ import annotations

from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import ExitCode
from hpcapvf.model.host import BlockDevice, Host, PciDevice
from hpcapvf.model.request import Request
from hpcapvf.plan.choice import Choice, Objection, objection
from hpcapvf.plan.devices import PASSTHROUGH_DRIVERS, group_objections, holder

_MASS_STORAGE_CLASS = 0x01


def choose_controller(request: Request, host: Host) -> Choice[PciDevice]:
    """The controller that the spec names; for ``auto`` the only one whose disks nobody uses."""
    if request.storage.controller == "auto":
        return _only_free_controller(host)
    address = PciAddress.parse(request.storage.controller)
    device = host.device(address)
    if device is None:
        hint = f"storage controllers of this host: {_list(_controllers(host))}"
        return Choice(None, (objection(ExitCode.NOT_FOUND, address, "no such PCI function", hint),))
    return Choice(device, controller_objections(host, device))


def controller_objections(host: Host, device: PciDevice) -> tuple[Objection, ...]:
    """Everything that speaks against giving this function to a guest."""
    if device.class_code >> 16 != _MASS_STORAGE_CLASS:
        why = f"is no storage controller (class {device.class_code:06x})"
        hint = f"storage controllers of this host: {_list(_controllers(host))}"
        return (objection(ExitCode.NOT_CAPABLE, device.address, why, hint),)
    found: list[Objection] = []
    domain = holder(host, device.address)
    if domain is not None:
        why = f"belongs to domain {domain.name}"
        found.append(objection(ExitCode.REFUSED, device.address, why, "detach it there, or use another controller"))
    for disk in _disks(host, device):
        if disk.in_use is None:
            why = f"the host does not say whether its disk {disk.name} is in use"
            found.append(objection(ExitCode.REFUSED, device.address, why, "probe the running host"))
        elif disk.in_use:
            why = f"its disk {disk.name} is in use: {', '.join(disk.in_use)}"
            hint = "the host would lose that disk; use a controller whose disks the host can spare"
            found.append(objection(ExitCode.REFUSED, device.address, why, hint))
    return (*found, *group_objections(host, device))


def _only_free_controller(host: Host) -> Choice[PciDevice]:
    free: list[PciDevice] = []
    refused: list[Objection] = []
    for device in _controllers(host):
        against = controller_objections(host, device)
        if not against and not _disks(host, device) and device.driver not in PASSTHROUGH_DRIVERS:
            against = (objection(ExitCode.REFUSED, device.address, "has no disks"),)
        refused += against
        if not against:
            free.append(device)
    if len(free) == 1:
        return Choice(free[0])
    if free:
        why = f"several controllers could be meant: {_list(free)}"
        return Choice(None, (objection(ExitCode.REFUSED, "auto", why, "set storage.controller to one of them"),))
    why = "no controller with disks that the host can spare"
    hint = "add a controller for the captures, or free the disks of one"
    return Choice(None, (objection(ExitCode.REFUSED, "auto", why, hint), *refused))


def _controllers(host: Host) -> list[PciDevice]:
    found = [d for d in host.pci if d.class_code >> 16 == _MASS_STORAGE_CLASS and d.physfn is None]
    return sorted(found, key=lambda d: d.address)


def _disks(host: Host, device: PciDevice) -> list[BlockDevice]:
    return sorted((d for d in host.disks if d.controller == device.address), key=lambda d: d.name)


def _list(devices: list[PciDevice]) -> str:
    return ", ".join(f"{d.address} ({d.vendor:04x}:{d.device:04x})" for d in devices) or "none"
