"""Handlers for a volume that a RAID controller makes, and for a file system that is there already."""

from __future__ import annotations

from dataclasses import asdict

from hpcapvf.apply import guest_mounts
from hpcapvf.apply.checked import run_checked
from hpcapvf.apply.given_disks import for_record, given_disks
from hpcapvf.apply.guest_disks import (
    FileSystem,
    GuestDisk,
    assemble_uuid,
    filesystem_of,
    holder_of,
    mounted_source,
    wipe_disks,
)
from hpcapvf.apply.handler import Context, Handler, Json, Trace
from hpcapvf.apply.volume_settings import read_settings
from hpcapvf.host.protocols import Guest, Machine
from hpcapvf.model.errors import Conflict
from hpcapvf.model.storage_steps import MakeVolume, MountExisting

_MD_TIMEOUT_S = 120.0


class MakeVolumeHandler(Handler[MakeVolume]):
    """Keep or make the file system on the one volume, mount it, and tell how the controller is set."""

    phase = "storage"
    survives_reboot = True

    def satisfied(self, step: MakeVolume, context: Context) -> str | None:
        """It is mounted there."""
        guest = context.guest()
        source = mounted_source(guest, step.mount)
        mounted = source is not None and source == _the_volume(given_disks(guest, context)).device
        return f"the volume is mounted on {step.mount}" if mounted else None

    def observe(self, step: MakeVolume, context: Context) -> Json:
        """The volume and what it carries, for the record."""
        return for_record(given_disks(context.guest(), context))

    def do(self, step: MakeVolume, before: Json, context: Context) -> Json:
        """Format if it may be, mount, read the controller's settings."""
        guest = context.guest()
        volume = _the_volume(given_disks(guest, context))
        kept = _is_ours(volume, step)
        if not kept:
            guest_mounts.refuse_unnamed((volume,), step.wipe)
            context.progress.phase(f"make {step.filesystem} on {volume.device}")
            wipe_disks(guest, (volume,))
        found = guest_mounts.format_if_empty(guest, volume.device, step.filesystem, step.label)
        guest_mounts.mount(guest, volume.device, found, step.mount)
        settings = read_settings(*_where_the_controller_is(volume, guest, context))
        facts = {"device": volume.device, "kept": kept, "filesystem": found.type, "settings": asdict(settings)}
        return facts | {"notes": [settings.describe()]}

    def undo(self, step: MakeVolume, trace: Trace, context: Context) -> tuple[str, ...]:
        """Unmount; what is on the volume stays."""
        if not context.guest_runs(step.domain):
            return ()
        guest_mounts.unmount(context.guest(), step.mount)
        return ("the file system and what is on it stay on the volume",)


class MountExistingHandler(Handler[MountExisting]):
    """Nothing is written but by the file system itself."""

    phase = "storage"
    survives_reboot = True

    def satisfied(self, step: MountExisting, context: Context) -> str | None:
        """Something of the given disks is mounted there."""
        guest = context.guest()
        source = mounted_source(guest, step.mount)
        disks = given_disks(guest, context)
        ours = {disk.device for disk in disks} | {device for disk in disks for device in disk.holders}
        return f"{source} is mounted on {step.mount}" if source in ours else None

    def observe(self, step: MountExisting, context: Context) -> Json:
        """The disks and what they carry, for the record."""
        return for_record(given_disks(context.guest(), context))

    def do(self, step: MountExisting, before: Json, context: Context) -> Json:
        """Find the one file system, on a disk or on an array of disks, and mount it."""
        guest = context.guest()
        device, found = _existing(guest, given_disks(guest, context), step)
        guest_mounts.mount(guest, device, found, step.mount)
        return {"device": device, "filesystem": found.type}

    def undo(self, step: MountExisting, trace: Trace, context: Context) -> tuple[str, ...]:
        """Unmount, and stop the array if it is one."""
        if not context.guest_runs(step.domain):
            return ()
        guest = context.guest()
        source = mounted_source(guest, step.mount)
        guest_mounts.unmount(guest, step.mount)
        device = source or (trace.after or {}).get("device", "")
        if device.startswith("/dev/md") and any(device in d.holders for d in given_disks(guest, context)):
            run_checked(guest, ["mdadm", "--stop", device], timeout_s=_MD_TIMEOUT_S)
        return ()


def _the_volume(disks: tuple[GuestDisk, ...]) -> GuestDisk:
    if len(disks) != 1:
        raise Conflict(
            f"the guest was given {len(disks)} disks, not one volume",
            hint="make one volume with the controller's own tool, or set storage.raid.kind: md",
            details=tuple(f"{disk.device}: serial {disk.serial}, {disk.size_bytes >> 20} MiB" for disk in disks),
        )
    return disks[0]


def _is_ours(volume: GuestDisk, step: MakeVolume) -> bool:
    """Whether it carries nothing but the file system that an earlier deployment of this name made."""
    label = guest_mounts.label_of(step.label)
    return [(s.type, s.label) for s in volume.signatures] == [(step.filesystem, label)]


def _where_the_controller_is(volume: GuestDisk, guest: Guest, context: Context) -> tuple[Machine | Guest, str]:
    """Who can ask the controller, and the volume's name there: the guest if it was passed, else the host."""
    devices = context.plan.block_devices
    if not devices:
        return guest, volume.device
    return context.machine, context.machine.files.real_path(devices[0].path) or devices[0].path


def _existing(guest: Guest, disks: tuple[GuestDisk, ...], step: MountExisting) -> tuple[str, FileSystem]:
    """The device with the file system, and what it is; Conflict unless there is exactly one of the wanted kind."""
    devices = [disk.device for disk in disks if any(s.type == step.filesystem for s in disk.signatures)]
    arrays: dict[str, list[GuestDisk]] = {}
    for disk in disks:
        for uuid in disk.array_uuids:
            arrays.setdefault(uuid, []).append(disk)
    for uuid, members in sorted(arrays.items()):
        devices.append(holder_of(members) or assemble_uuid(guest, members, uuid))
    found = [(device, fs) for device in devices if (fs := filesystem_of(guest, device)) and fs.type == step.filesystem]
    if len(found) != 1:
        carried = tuple(f"{d.device}: serial {d.serial}: {', '.join(d.carries) or 'blank'}" for d in disks)
        raise Conflict(
            f"the guest's disks carry {len(found)} file systems of type {step.filesystem}, one is needed",
            hint="straight on a disk or on an md array; storage.raid.kind: md makes one on blank disks",
            details=carried,
        )
    return found[0]
