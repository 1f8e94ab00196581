"""File systems in a guest: made on a device that may be formatted, mounted by a unit, and let go."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_letters, digits

from hpcapvf.apply.at_once import do_all, install_unit, needed
from hpcapvf.apply.checked import run_checked
from hpcapvf.apply.guest_disks import (
    FileSystem,
    GuestDisk,
    filesystem_of,
    find_mount,
    mounted_source,
    parse_filesystem,
    probe_filesystem,
)
from hpcapvf.host.protocols import Guest, Job, NewFile
from hpcapvf.model.errors import Conflict, StepFailed
from hpcapvf.model.paths import SYSTEMD_UNITS

_FORMAT_TIMEOUT_S = 300.0
_MOUNT_TIMEOUT_S = 120.0
_LABEL_BYTES = 12  # XFS keeps no more


def label_of(name: str) -> str:
    """The label that a file system of this deployment has."""
    return name.rsplit("/", 1)[-1][:_LABEL_BYTES]


def refuse_unnamed(disks: tuple[GuestDisk, ...], wipe: tuple[str, ...]) -> None:
    """A disk that carries anything is formatted only if the spec names it."""
    refused = [d for d in disks if d.carries and "all" not in wipe and d.serial not in wipe]
    if refused:
        raise Conflict(
            f"{len(refused)} of {len(disks)} disks are not blank and the spec does not name them under `wipe`",
            hint="look at them; to format them, list their serial numbers (or `all`) under `wipe` in the spec",
            details=tuple(
                f"serial {d.serial or '(none)'}, {d.size_bytes >> 20} MiB: {', '.join(d.carries)}" for d in refused
            ),
        )


def format_if_empty(guest: Guest, device: str, kind: str, name: str, stripes: tuple[str, ...] = ()) -> FileSystem:
    """The file system of this kind on the device, made if there is none. stripes: mkfs's words for a striped device."""
    found = filesystem_of(guest, device)  # also of an array just made: old contents come back with the same geometry
    if found is None:
        if kind != "xfs":
            raise StepFailed(f"cannot format as {kind}", hint="storage.raid.filesystem: xfs")
        make = needed(f"mkfs.{kind}", "-q", "-K", "-L", label_of(name), *stripes, device)
        read_back = Job(probe_filesystem(device))
        jobs, hint = (make, read_back), "is xfsprogs in the guest's image?"
        found = parse_filesystem(do_all(guest, jobs, timeout_s=_FORMAT_TIMEOUT_S, hint=hint)[-1].stdout)
    if found is None or found.type != kind:
        raise Conflict(
            f"{device} ({name}) carries {found.type if found else 'no file system'}, not {kind}",
            hint="move what is on it elsewhere, or choose another guest.name",
        )
    return found


def mount(guest: Guest, device: str, found: FileSystem, where: str, questions: Sequence[Sequence[str]] = ()) -> Guest:
    """Mount by a unit that names the file system by its UUID, and read back what is mounted.

    questions: asked in the same round trip; the guest with their answers comes back.
    """
    text = (
        f"[Unit]\nDescription=Captures on {where}\n\n"
        f"[Mount]\nWhat=/dev/disk/by-uuid/{found.uuid}\nWhere={where}\nType={found.type}\n"
        "Options=noatime,nofail\n\n[Install]\nWantedBy=multi-user.target\n"
    )
    unit = _unit(where)
    files = [NewFile(f"{SYSTEMD_UNITS}/{unit}", text.encode())]
    settle = Job(("udevadm", "settle"))  # the link by UUID comes from udev
    asked = [find_mount(where), *questions]
    known = install_unit(guest, unit, files, timeout_s=_MOUNT_TIMEOUT_S, before=[settle], questions=asked)
    source = mounted_source(known, where)
    if source != device:
        raise StepFailed(f"{where} in the guest is mounted from {source or 'nothing'}, expected {device}")
    return known


def unmount(guest: Guest, where: str) -> None:
    """Have nothing mounted there."""
    if mounted_source(guest, where) is None:
        return
    run_checked(
        guest,
        ["systemctl", "stop", _unit(where)],
        timeout_s=_MOUNT_TIMEOUT_S,
        hint=f"something in the guest uses {where}: see `fuser -vm {where}` there",
    )
    if mounted_source(guest, where) is not None:
        raise StepFailed(f"{where} is still mounted in the guest", hint="umount it in the guest")


def _unit(where: str) -> str:
    """The name that systemd gives the mount unit of a path (systemd.unit(5), string escaping for paths)."""
    path = "/".join(part for part in where.split("/") if part)
    plain = set(f"{ascii_letters}{digits}:_.")
    escaped = "".join(
        "-" if char == "/" else char if char in plain and (place or char != ".") else _hex(char)
        for place, char in enumerate(path)
    )
    return f"{escaped or '-'}.mount"


def _hex(char: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in char.encode())
