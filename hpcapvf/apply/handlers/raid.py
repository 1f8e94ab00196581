"""Handler for the RAID-0 in the guest (thesis section 4.3.2: RAID-0, XFS, strips of 1 MiB)."""

from __future__ import annotations

from hpcapvf.apply import guest_mounts
from hpcapvf.apply.checked import run_checked
from hpcapvf.apply.given_disks import for_record, given_disks
from hpcapvf.apply.guest_disks import assemble, create, holder_of, members_of, mounted_source
from hpcapvf.apply.handler import Context, Handler, Json, Trace
from hpcapvf.apply.in_guest import read_attribute
from hpcapvf.host.protocols import Guest
from hpcapvf.model.steps import MakeRaid

_MD_TIMEOUT_S = 120.0


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
        return for_record(given_disks(context.guest(), context))

    def do(self, step: MakeRaid, before: Json, context: Context) -> Json:
        """Assemble or make, format if there is no file system, mount, and read back."""
        guest = context.guest()
        disks = given_disks(guest, context)
        members = members_of(guest, disks, step.array)
        if members:
            device = holder_of(members) or assemble(guest, members, step.array)
        else:
            guest_mounts.refuse_unnamed(disks, step.wipe)
            context.progress.phase(f"make {step.array} of {len(disks)} disks")
            device = create(guest, disks, step.array, step.chunk_kib)
        stripes = ("-d", f"su={step.chunk_kib}k,sw={len(members or disks)}")
        found = guest_mounts.format_if_empty(guest, device, step.filesystem, step.array, stripes)
        known = guest_mounts.mount(guest, device, found, step.mount, [("cat", _chunk_path(device))])
        chunk_kib = _chunk_kib(known, device)
        return {"device": device, "kept": bool(members), "chunk_kib": chunk_kib, "filesystem": found.type}

    def undo(self, step: MakeRaid, trace: Trace, context: Context) -> tuple[str, ...]:
        """Unmount and stop; what is on the disks stays."""
        if not context.guest_runs(step.domain):
            return ()
        guest = context.guest()
        guest_mounts.unmount(guest, step.mount)
        device = _our_device(step, guest, context)
        if device is not None:
            run_checked(guest, ["mdadm", "--stop", device], timeout_s=_MD_TIMEOUT_S)
        return (f"array {step.array} and what is on it stay on the disks",)


def _our_device(step: MakeRaid, guest: Guest, context: Context) -> str | None:
    members = members_of(guest, given_disks(guest, context), step.array)
    return holder_of(members) if members else None


def _chunk_kib(guest: Guest, device: str) -> int:
    text = read_attribute(guest, _chunk_path(device))
    return int(text) // 1024 if text is not None and text.isdecimal() else 0


def _chunk_path(device: str) -> str:
    return f"/sys/block/{device.rsplit('/', 1)[-1]}/md/chunk_size"
