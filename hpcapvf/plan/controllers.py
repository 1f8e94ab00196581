"""Which storage controller of the host: the one that the spec names, or the only one that can be spared."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import ExitCode
from hpcapvf.model.host import Host, PciDevice
from hpcapvf.model.request import Request
from hpcapvf.plan.choice import Choice, Objection, objection
from hpcapvf.plan.devices import (
    PASSTHROUGH_DRIVERS,
    disk_objections,
    disks_behind,
    group_objections,
    holder,
    holder_objection,
)
from hpcapvf.plan.guards import NO_FORCE, Force, standing

_MASS_STORAGE_CLASS = 0x01

# Everything that speaks against one use of a storage controller.
Objections = Callable[[Host, PciDevice, Force], tuple[Objection, ...]]


def choose_controller(request: Request, host: Host, objections: Objections, force: Force) -> Choice[PciDevice]:
    """The controller that the spec names; for ``auto`` the only one with nothing against it, whatever is forced."""
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
    against = objections(host, device, force)
    return Choice(None if standing(against, force) else device, against)


def controller_objections(host: Host, device: PciDevice, force: Force) -> tuple[Objection, ...]:
    """Everything that speaks against giving this whole function to a guest."""
    return (*use_objections(host, device), *group_objections(host, device, force))


def use_objections(host: Host, device: PciDevice) -> tuple[Objection, ...]:
    """Whoever uses the controller or one of its disks, on the host or in another domain."""
    found: list[Objection] = []
    domain = holder(host, device.address)
    if domain is not None:
        found.append(holder_objection(domain, device.address, "controller-in-use"))
    for disk in disks_behind(host, device):
        taker = next(
            (d.name for d in host.domains or () if {disk.path, f"/dev/{disk.name}"} & {*d.block_devices}), None
        )
        if taker is not None:
            why = f"its disk {disk.name} belongs to domain {taker}"
            found.append(objection(ExitCode.REFUSED, device.address, why, "detach it there, or use another controller"))
    return (*found, *disk_objections(host, device))


def _only_free_controller(host: Host, objections: Objections) -> Choice[PciDevice]:
    free: list[PciDevice] = []
    refused: list[Objection] = []
    for device in _controllers(host):
        against = objections(host, device, NO_FORCE)
        if not against and not disks_behind(host, device) and device.driver not in PASSTHROUGH_DRIVERS:
            against = (objection(ExitCode.REFUSED, device.address, "has no disks"),)
        refused += [dataclasses.replace(o, reason=dataclasses.replace(o.reason, guard="")) for o in against]
        if not against:
            free.append(device)
    if len(free) == 1:
        return Choice(free[0])
    if free:
        why = f"several controllers could be meant: {_list(free)}"
        return Choice(None, (objection(ExitCode.REFUSED, "auto", why, "set storage.controller to one of them"),))
    why = "no controller with disks that the host can spare"
    hint = "add a controller for the captures, free the disks of one, or name one in storage.controller"
    return Choice(None, (objection(ExitCode.REFUSED, "auto", why, hint), *refused))


def _controllers(host: Host) -> list[PciDevice]:
    found = [d for d in host.pci if d.class_code >> 16 == _MASS_STORAGE_CLASS and d.physfn is None]
    return sorted(found, key=lambda d: d.address)


def _list(devices: list[PciDevice]) -> str:
    return ", ".join(f"{d.address} ({d.vendor:04x}:{d.device:04x})" for d in devices) or "none"
