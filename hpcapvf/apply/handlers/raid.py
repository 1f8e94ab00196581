"""Handler for the RAID-0 in the guest (thesis section 4.3.2: RAID-0, XFS, strips of 1 MiB)."""

from __future__ import annotations

from hpcapvf.apply.checked import read_int, run_any, run_checked
from hpcapvf.apply.guest_disks import (
    FileSystem,
    GuestDisk,
    array_name,
    assemble,
    create,
    disks_behind,
    filesystem_of,
    holder_of,
    members_of,
    mounted_source,
)
from hpcapvf.apply.handler import Context, Handler, Json, Trace
from hpcapvf.apply.in_guest import find_function, read_attribute, start_unit
from hpcapvf.host.protocols import Guest
from hpcapvf.model.errors import Conflict, StepFailed
from hpcapvf.model.steps import MakeRaid

_FORMAT_TIMEOUT_S = 300.0
_MOUNT_TIMEOUT_S = 120.0
_LABEL_BYTES = 12  # XFS keeps no more


class MakeRaidHandler(Handler[MakeRaid]):
    """Assemble our array, or make it from disks that may be formatted; then mount it.

    Formatting is not undone. Undo unmounts and stops the array, so that the disks can go back to the host whole.
    """

    phase = "storage"
    survives_reboot = True

    def satisfied(self, step: MakeRaid, context: Context) -> str | None:
        """Our array is mounted there."""
        guest = context.guest()
        source = mounted_source(guest, step.mount)
        mounted = source is not None and source == _our_device(step, guest, context)
        return f"array {step.array} is mounted on {step.mount}" if mounted else None

    def observe(self, step: MakeRaid, context: Context) -> Json:
        """The disks and what they carry, for the record."""
        disks = _disks(context.guest(), context)
        return {"disks": [{"serial": d.serial, "size_bytes": d.size_bytes, "carries": d.carries} for d in disks]}

    def do(self, step: MakeRaid, before: Json, context: Context) -> Json:
        """Assemble or make, format if there is no file system, mount, and read back."""
        guest = context.guest()
        disks = _disks(guest, context)
        members = members_of(guest, disks, step.array)
        if members:
            device = holder_of(members) or assemble(guest, members, step.array)
        else:
            _refuse_unnamed(disks, step)
            context.progress.phase(f"make {step.array} of {len(disks)} disks")
            device = create(guest, disks, step.array, step.chunk_kib)
        found = _format_if_empty(guest, device, step, len(members or disks))
        _mount(guest, device, found.uuid, step)
        chunk_kib = _chunk_kib(guest, device)
        return {"device": device, "kept": bool(members), "chunk_kib": chunk_kib, "filesystem": found.type}

    def undo(self, step: MakeRaid, trace: Trace, context: Context) -> tuple[str, ...]:
        """Unmount and stop; what is on the disks stays."""
        if not context.guest_runs(step.domain):
            return ()
        guest = context.guest()
        if mounted_source(guest, step.mount) is not None:
            run_checked(
                guest,
                ["systemctl", "stop", _mount_unit(guest, step.mount)],
                timeout_s=_MOUNT_TIMEOUT_S,
                hint=f"something in the guest uses {step.mount}: see `fuser -vm {step.mount}` there",
            )
            if mounted_source(guest, step.mount) is not None:
                raise StepFailed(f"{step.mount} is still mounted in {step.domain}", hint="umount it in the guest")
        device = _our_device(step, guest, context)
        if device is not None:
            run_checked(guest, ["mdadm", "--stop", device], timeout_s=_MOUNT_TIMEOUT_S)
        return (f"array {step.array} and what is on it stay on the disks",)


def _disks(guest: Guest, context: Context) -> tuple[GuestDisk, ...]:
    controller = context.plan.controller
    if controller is None:
        raise StepFailed("the plan makes a RAID without a controller", hint="plan again with this version")
    folder = f"/sys/bus/pci/devices/{controller}"
    files = context.machine.files
    function = find_function(guest, read_int(files, f"{folder}/vendor"), read_int(files, f"{folder}/device"))
    disks = disks_behind(guest, function)
    if not disks:
        raise StepFailed(
            f"the guest sees no disk behind controller {controller} ({function} in the guest)",
            hint="look for the controller in the guest's kernel log; is its driver in the image?",
        )
    return disks


def _our_device(step: MakeRaid, guest: Guest, context: Context) -> str | None:
    members = members_of(guest, _disks(guest, context), step.array)
    return holder_of(members) if members else None


def _refuse_unnamed(disks: tuple[GuestDisk, ...], step: MakeRaid) -> None:
    """A disk that carries anything is formatted only if the spec names it."""
    refused = [d for d in disks if d.carries and "all" not in step.wipe and d.serial not in step.wipe]
    if refused:
        raise Conflict(
            f"{len(refused)} of {len(disks)} disks are not blank and the spec does not name them under `wipe`",
            hint="look at them; to format them, list their serial numbers (or `all`) under `wipe` in the spec",
            details=tuple(
                f"serial {d.serial or '(none)'}, {d.size_bytes >> 20} MiB: {', '.join(d.carries)}" for d in refused
            ),
        )


def _format_if_empty(guest: Guest, device: str, step: MakeRaid, count: int) -> FileSystem:
    """The file system on the device, made if there is none."""
    found = filesystem_of(guest, device)
    if found is None:
        stripes = ["-d", f"su={step.chunk_kib}k,sw={count}"]
        label = array_name(step.array)[:_LABEL_BYTES]
        argv = [f"mkfs.{step.filesystem}", "-q", "-K", "-L", label, *stripes, device]
        if step.filesystem != "xfs":
            raise StepFailed(f"cannot format as {step.filesystem}", hint="storage.raid.filesystem: xfs")
        run_checked(guest, argv, timeout_s=_FORMAT_TIMEOUT_S, hint="is xfsprogs in the guest's image?")
        found = filesystem_of(guest, device)
    if found is None or found.type != step.filesystem:
        raise Conflict(
            f"array {step.array} carries {found.type if found else 'no file system'}, not {step.filesystem}",
            hint="move what is on it elsewhere, or choose another guest.name",
        )
    return found


def _mount(guest: Guest, device: str, uuid: str, step: MakeRaid) -> None:
    text = (
        f"[Unit]\nDescription=Captures on array {step.array}\n\n"
        f"[Mount]\nWhat=/dev/disk/by-uuid/{uuid}\nWhere={step.mount}\nType={step.filesystem}\n"
        "Options=noatime,nofail\n\n[Install]\nWantedBy=multi-user.target\n"
    )
    unit = _mount_unit(guest, step.mount)
    guest.put(text.encode(), f"/etc/systemd/system/{unit}", 0o644)
    run_any(guest, ["udevadm", "settle"])  # the link by UUID comes from udev
    start_unit(guest, unit, _MOUNT_TIMEOUT_S)
    found = mounted_source(guest, step.mount)
    if found != device:
        raise StepFailed(f"{step.mount} in {step.domain} is mounted from {found or 'nothing'}, expected {device}")


def _mount_unit(guest: Guest, mount: str) -> str:
    return run_checked(guest, ["systemd-escape", "--path", "--suffix=mount", mount]).strip()


def _chunk_kib(guest: Guest, device: str) -> int:
    text = read_attribute(guest, f"/sys/block/{device.rsplit('/', 1)[-1]}/md/chunk_size")
    return int(text) // 1024 if text is not None and text.isdecimal() else 0
