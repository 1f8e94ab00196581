"""The storage side: what becomes of a controller and its disks in each mode, and what guards the host's own."""

from __future__ import annotations

from dataclasses import dataclass

from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import ExitCode
from hpcapvf.model.host import BlockDevice, Host, PciDevice
from hpcapvf.model.plan import Advice
from hpcapvf.model.request import Request
from hpcapvf.model.steps import BindDriver, MakeRaid, Step
from hpcapvf.model.storage_steps import HostDisk, LendDisks, MakeVolume, MountExisting
from hpcapvf.plan import advice
from hpcapvf.plan.choice import Choice, Objection, objection
from hpcapvf.plan.controllers import choose_controller, controller_objections, use_objections
from hpcapvf.plan.devices import disks_behind
from hpcapvf.plan.guards import Force
from hpcapvf.plan.nvme import nvme_vf, nvme_vf_steps, pf_objections

# What a virtio block device can say of itself (virtio 1.2, 5.2.6: the ID is 20 bytes).
_VIRTIO_SERIAL_BYTES = 20


@dataclass(frozen=True)
class Storage:
    """What was chosen. controller: the host's, if any. passed: the function that goes to the guest. host_steps come
    before the guest is defined, guest_steps once its driver is there."""

    controller: PciDevice | None = None
    passed: PciAddress | None = None
    block_devices: tuple[HostDisk, ...] = ()
    host_steps: tuple[Step, ...] = ()
    guest_steps: tuple[Step, ...] = ()


def choose_storage(request: Request, host: Host, force: Force) -> Choice[Storage]:
    """What the spec's mode means on this host, or why it cannot be."""
    notes = _advice(request)
    match request.storage.mode:
        case "passthrough":
            choice = choose_controller(request, host, controller_objections, force)
            passed = choice.value.address if choice.value else None
            steps: tuple[Step, ...] = (BindDriver(passed, "vfio-pci"),) if passed else ()
            storage = Storage(choice.value, passed, (), steps, _guest_steps(request, {}))
        case "virtio":
            choice = choose_controller(request, host, _lending_objections, force)
            storage = _lent(request, host, choice.value)
        case "nvme-vf":
            choice = choose_controller(request, host, pf_objections, force)
            storage = _nvme(request, host, choice.value)
        case _:
            return Choice(Storage(), (), notes)
    return Choice(storage if choice.value else None, choice.objections, notes)


def _guest_steps(request: Request, serials: dict[str, str]) -> tuple[Step, ...]:
    """What is made of the disks in the guest. serials: of the host to those that the guest sees instead."""
    name, raid = request.name, request.storage.raid
    wipe = tuple(serials.get(serial, serial) for serial in request.wipe)
    if raid.kind == "existing":
        return (MountExisting(name, raid.filesystem, raid.mount),)
    if raid.kind == "hardware":
        return (MakeVolume(name, name, raid.filesystem, raid.mount, wipe),)
    return (MakeRaid(name, name, raid.chunk_kib, raid.filesystem, raid.mount, wipe),)


def _advice(request: Request) -> tuple[Advice, ...]:
    storage = request.storage
    notes: list[Advice] = []
    if storage.mode == "none":
        notes.append(advice.capture_only())
    if storage.mode == "virtio":
        notes.append(advice.virtio_storage())
    if storage.mode == "nvme-vf":
        notes.append(advice.nvme_vf())
    if storage.has_disks and storage.raid.kind == "hardware":
        notes.append(advice.hardware_caches())
    return tuple(notes)


def _lending_objections(host: Host, device: PciDevice, _force: Force) -> tuple[Objection, ...]:
    """What speaks against giving each disk of a controller that stays the host's."""
    found = [*use_objections(host, device)]
    known: dict[str, str] = {}
    disks = disks_behind(host, device)
    if not disks:
        found.append(objection(ExitCode.REFUSED, device.address, "has no disks", "bind it to its driver of the host"))
    for disk in disks:
        why = _why_not_lent(disk, known)
        if why:
            hint = "pass the whole controller through (storage.mode: passthrough), or use another one"
            found.append(objection(ExitCode.REFUSED, device.address, f"its disk {disk.name} {why}", hint))
    return tuple(found)


def _why_not_lent(disk: BlockDevice, known: dict[str, str]) -> str:
    """Empty if the disk can be found again on the host and told from the others in the guest."""
    if disk.path is None:
        return "has no lasting name below /dev/disk"
    if disk.size_bytes is None:
        return "does not say how large it is"
    if not disk.serial:
        return "has no serial number, by which the guest would know it"
    other = known.setdefault(virtio_serial(disk.serial), disk.name)
    return "" if other == disk.name else f"cannot be told from {other} by its serial number {disk.serial}"


def virtio_serial(serial: str) -> str:
    """The end of a serial number, which differs most, in the letters that libvirt allows."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "_.-") else "_" for c in serial)
    return plain[-_VIRTIO_SERIAL_BYTES:]


def _lent(request: Request, host: Host, device: PciDevice | None) -> Storage:
    if device is None:
        return Storage()
    disks = disks_behind(host, device)
    lent = tuple(HostDisk(d.path or "", virtio_serial(d.serial or ""), d.size_bytes or 0) for d in disks)
    serials = {d.serial or "": virtio_serial(d.serial or "") for d in disks}
    return Storage(device, None, lent, (LendDisks(device.address, lent),), _guest_steps(request, serials))


def _nvme(request: Request, host: Host, device: PciDevice | None) -> Storage:
    vf = nvme_vf(device) if device else None
    if device is None or vf is None:
        return Storage()
    disks = tuple(HostDisk(d.path or "", d.serial or "", d.size_bytes or 0) for d in disks_behind(host, device))
    steps = (LendDisks(device.address, disks), *nvme_vf_steps(request, device, vf))
    return Storage(device, vf, (), steps, _guest_steps(request, {}))
