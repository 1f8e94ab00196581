"""Which storage controller of the host: the one that the spec names, or the only one that can be spared."""

from __future__ import annotations

from collections.abc import Callable

from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import ExitCode
from hpcapvf.model.host import BlockDevice, Host, PciDevice
from hpcapvf.model.request import Request
from hpcapvf.plan.choice import Choice, Objection, objection
from hpcapvf.plan.devices import PASSTHROUGH_DRIVERS, group_objections, holder

_MASS_STORAGE_CLASS = 0x01

# Everything that speaks against one use of a storage controller.
Objections = Callable[[Host, PciDevice], tuple[Objection, ...]]


def choose_controller(request: Request, host: Host, objections: Objections) -> Choice[PciDevice]:
    """The controller that the spec names; for ``auto`` the only one with nothing against it."""
    if request.storage.controller == "auto":
        return _only_free_controller(host, objections)
    address = PciAddress.parse(request.storage.controller)
    device = host.device(address)
    hint = f"storage controllers of this host: {_list(_controllers(host))}"
    if device is None:
        return Choice(None, (objection(ExitCode.NOT_FOUND, address, "no such PCI function", hint),))
    if device.class_code >> 16 != _MASS_STORAGE_CLASS:
        why = f"is no storage controller (class {device.class_code:06x})"
        return Choice(None, (objection(ExitCode.NOT_CAPABLE, device.address, why, hint),))
    against = objections(host, device)
    return Choice(None if against else device, against)


def controller_objections(host: Host, device: PciDevice) -> tuple[Objection, ...]:
    """Everything that speaks against giving this whole function to a guest."""
    return (*domain_objections(host, device), *group_objections(host, device))


def domain_objections(host: Host, device: PciDevice) -> tuple[Objection, ...]:
    """Whoever uses the controller or one of its disks, on the host or in another domain."""
    found: list[Objection] = []
    domain = holder(host, device.address)
    if domain is not None:
        why = f"belongs to domain {domain.name}"
        found.append(objection(ExitCode.REFUSED, device.address, why, "detach it there, or use another controller"))
    for disk in disks_behind(host, device):
        taker = next(
            (d.name for d in host.domains or () if {disk.path, f"/dev/{disk.name}"} & {*d.block_devices}), None
        )
        if taker is not None:
            why = f"its disk {disk.name} belongs to domain {taker}"
            found.append(objection(ExitCode.REFUSED, device.address, why, "detach it there, or use another controller"))
        if disk.in_use is None:
            why = f"the host does not say whether its disk {disk.name} is in use"
            found.append(objection(ExitCode.REFUSED, device.address, why, "probe the running host"))
        elif disk.in_use:
            why = f"its disk {disk.name} is in use: {', '.join(disk.in_use)}"
            hint = "the host would lose that disk; use a controller whose disks the host can spare"
            found.append(objection(ExitCode.REFUSED, device.address, why, hint))
    return tuple(found)


def disks_behind(host: Host, device: PciDevice) -> list[BlockDevice]:
    """The controller's disks, by name."""
    return sorted((d for d in host.disks if d.controller == device.address), key=lambda d: d.name)


def _only_free_controller(host: Host, objections: Objections) -> Choice[PciDevice]:
    free: list[PciDevice] = []
    refused: list[Objection] = []
    for device in _controllers(host):
        against = objections(host, device)
        if not against and not disks_behind(host, device) and device.driver not in PASSTHROUGH_DRIVERS:
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


def _list(devices: list[PciDevice]) -> str:
    return ", ".join(f"{d.address} ({d.vendor:04x}:{d.device:04x})" for d in devices) or "none"
