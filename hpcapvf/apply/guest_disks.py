"""Disks and md arrays as a guest shows them. Disks are found by the path of their controller, never by name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from hpcapvf.apply.checked import run_any, run_checked
from hpcapvf.host.protocols import Guest
from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import StepFailed

_MD_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class GuestDisk:
    """A whole disk in the guest. carries: types of what was found on it (``xfs``, ``linux_raid_member``, ``gpt``)."""

    device: str
    serial: str
    size_bytes: int
    carries: tuple[str, ...]


def disks_behind(guest: Guest, controller: PciAddress) -> tuple[GuestDisk, ...]:
    """All disks behind a PCI function of the guest, in the order of their paths."""
    names = run_checked(guest, ["ls", "/sys/block"]).split()
    if not names:
        return ()
    paths = run_checked(guest, ["readlink", "-f", *(f"/sys/block/{name}" for name in names)]).split()
    ours = [path.rsplit("/", 1)[-1] for path in sorted(paths) if f"/{controller}/" in path]
    return tuple(_disk(guest, name) for name in ours)


def members_of(guest: Guest, disks: Sequence[GuestDisk], array: str) -> tuple[GuestDisk, ...]:
    """The disks whose md superblock bears this array's name; StepFailed if some of the array's disks are missing."""
    members: list[GuestDisk] = []
    wanted = set()
    for disk in disks:
        facts = _examine(guest, disk.device)
        if facts.get("MD_NAME", "").rsplit(":", 1)[-1] == array_name(array):
            members.append(disk)
            wanted.add((facts.get("MD_UUID"), facts.get("MD_DEVICES")))
    if members and (len(wanted) != 1 or str(len(members)) != next(iter(wanted))[1]):
        raise StepFailed(
            f"{len(members)} disks bear the array name {array_name(array)}, but they are not one whole array",
            hint="look at `mdadm --examine` of each disk; put the missing one back, or `wipefs --all` them yourself",
            details=tuple(f"{disk.device}: serial {disk.serial}" for disk in members),
        )
    return tuple(members)


def holder_of(guest: Guest, disks: Sequence[GuestDisk]) -> str | None:
    """The block device (``/dev/md127``) that holds all these disks, or None if nothing does."""
    holders = {tuple(_holders(guest, disk)) for disk in disks}
    if holders == {()}:
        return None
    if len(holders) != 1 or len(names := next(iter(holders))) != 1:
        raise StepFailed(f"different arrays hold {', '.join(d.device for d in disks)}", hint="see /proc/mdstat there")
    return f"/dev/{names[0]}"


def assemble(guest: Guest, members: Sequence[GuestDisk], array: str) -> str:
    """Start an array that exists; its block device."""
    devices = [disk.device for disk in members]
    run_checked(guest, ["mdadm", "--assemble", _md_path(array), *devices], timeout_s=_MD_TIMEOUT_S)
    return _started(guest, members, array)


def create(guest: Guest, disks: Sequence[GuestDisk], array: str, chunk_kib: int) -> str:
    """Make a RAID-0 of all these disks; what they carry is lost. Its block device.

    --homehost=any keeps the guest's host name out of the array's name, so that the next guest knows it again.
    """
    for holder in sorted({name for disk in disks for name in _holders(guest, disk)}):
        run_checked(guest, ["mdadm", "--stop", f"/dev/{holder}"], timeout_s=_MD_TIMEOUT_S)
    devices = [disk.device for disk in disks]
    run_checked(guest, ["wipefs", "--all", "--quiet", *devices], timeout_s=_MD_TIMEOUT_S)
    alone = ["--force"] if len(devices) == 1 else []
    shape = ["--metadata=1.2", "--homehost=any", f"--name={array_name(array)}", "--level=0"]
    shape += [f"--chunk={chunk_kib}K", f"--raid-devices={len(devices)}"]
    run_checked(
        guest,
        ["mdadm", "--create", _md_path(array), "--run", *alone, *shape, *devices],
        timeout_s=_MD_TIMEOUT_S,
        hint="is mdadm in the guest's image?",
    )
    return _started(guest, disks, array)


def filesystem_of(guest: Guest, device: str) -> str | None:
    """Type of the file system on a device, or None. Looks at the device itself, not at a cache."""
    result = run_any(guest, ["blkid", "-p", "-s", "TYPE", "-o", "value", device])
    return result.stdout.strip() or None


def mounted_source(guest: Guest, mount: str) -> str | None:
    """The block device mounted exactly there (links followed), or None."""
    result = run_any(guest, ["findmnt", "--noheadings", "--output", "SOURCE", "--mountpoint", mount])
    source = result.stdout.strip()
    if result.returncode != 0 or not source:
        return None
    return run_checked(guest, ["readlink", "-f", source]).strip()


def array_name(array: str) -> str:
    """The name of an array that may be given as a path."""
    return array.rsplit("/", 1)[-1]


def _md_path(array: str) -> str:
    return f"/dev/md/{array_name(array)}"


def _started(guest: Guest, disks: Sequence[GuestDisk], array: str) -> str:
    device = holder_of(guest, disks)
    if device is None:
        raise StepFailed(f"array {array_name(array)} did not start in the guest", hint="see /proc/mdstat there")
    return device


def _holders(guest: Guest, disk: GuestDisk) -> list[str]:
    return run_checked(guest, ["ls", f"/sys/block/{disk.device.rsplit('/', 1)[-1]}/holders"]).split()


def _examine(guest: Guest, device: str) -> dict[str, str]:
    """mdadm's facts about one member; empty if there is no superblock."""
    result = run_any(guest, ["mdadm", "--examine", "--export", device])
    pairs = (line.partition("=") for line in result.stdout.splitlines())
    return {key: value for key, _, value in pairs} if result.returncode == 0 else {}


def _disk(guest: Guest, name: str) -> GuestDisk:
    device = f"/dev/{name}"
    text = run_checked(guest, ["lsblk", "--json", "--bytes", "--nodeps", "--output", "NAME,SERIAL,SIZE", device])
    found = run_checked(guest, ["wipefs", "--no-act", "--json", device])
    try:
        facts = json.loads(text)["blockdevices"][0]
        signatures = json.loads(found)["signatures"] if found.strip() else []
        carries = tuple(sorted({str(s["type"]) for s in signatures}))
        return GuestDisk(device, str(facts["serial"] or ""), int(facts["size"]), carries)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise StepFailed(f"the guest says nothing usable about {device}: {error}") from error
