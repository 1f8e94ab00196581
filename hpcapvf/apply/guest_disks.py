"""Disks and md arrays as a guest shows them. Disks are found by their controller or serial number, never by name.

One look at all disks takes two round trips however many disks there are: each costs an emulated guest half a second.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hpcapvf.apply.at_once import do_all, needed
from hpcapvf.apply.checked import run_any, run_checked
from hpcapvf.host.protocols import Guest, Job
from hpcapvf.model.address import PciAddress
from hpcapvf.model.block import openable_name
from hpcapvf.model.errors import StepFailed

_MD_TIMEOUT_S = 120.0
_MD_MEMBER = "linux_raid_member"
_SERIAL_LINE = re.compile(r"^/sys/block/(vd[a-z]+)/serial:(.+)$", re.MULTILINE)
FIND_DISKS = ("find", "/sys/block", "-type", "l", "-printf", "%l\\n")
_READ_SERIALS = ("find", "-L", "/sys/block", "-maxdepth", "2", "-name", "serial", "-exec", "grep", "-H", "", "{}", "+")


@dataclass(frozen=True)
class Signature:
    """Something recognised on a disk: its type (``xfs``, ``linux_raid_member``, ``gpt``), label and UUID."""

    type: str
    label: str = ""
    uuid: str = ""


@dataclass(frozen=True)
class GuestDisk:
    """A whole disk in the guest. holders: block devices made of it (``/dev/md127``), partitions apart."""

    device: str
    serial: str
    size_bytes: int
    signatures: tuple[Signature, ...] = ()
    holders: tuple[str, ...] = ()

    @property
    def carries(self) -> tuple[str, ...]:
        """Types of what is on it."""
        return tuple(sorted({signature.type for signature in self.signatures}))

    @property
    def array_uuids(self) -> tuple[str, ...]:
        """UUIDs of the md arrays that it belongs to."""
        return tuple(sorted({s.uuid for s in self.signatures if s.type == _MD_MEMBER}))


@dataclass(frozen=True)
class FileSystem:
    """What a block device carries, by the device itself and not by a cache."""

    type: str
    uuid: str


def disks_behind(guest: Guest, controller: PciAddress) -> tuple[GuestDisk, ...]:
    """All disks behind a PCI function of the guest, in the order of their paths."""
    targets = run_checked(guest, FIND_DISKS).split()
    names = [openable_name(path.rsplit("/", 1)[-1]) for path in sorted(targets) if f"/{controller}/" in path]
    devices = [f"/dev/{name}" for name in dict.fromkeys(names)]
    return _look(guest, devices) if devices else ()


def disks_with_serials(guest: Guest, serials: Sequence[str]) -> tuple[GuestDisk, ...]:
    """The virtio disks with these serial numbers, in this order; StepFailed unless each is there once."""
    found: dict[str, list[str]] = {}
    for name, serial in _SERIAL_LINE.findall(run_checked(guest, _READ_SERIALS)):
        found.setdefault(serial.strip(), []).append(f"/dev/{name}")
    wrong = [serial for serial in serials if len(found.get(serial, ())) != 1]
    if wrong:
        raise StepFailed(
            f"the guest does not show one virtio disk each of serial {', '.join(wrong)}",
            hint="see `virsh dumpxml` for its disks and /sys/block/vd*/serial in the guest",
        )
    disks = _look(guest, [found[serial][0] for serial in serials])
    return tuple(replace(disk, serial=serial) for disk, serial in zip(disks, serials, strict=True))


def members_of(guest: Guest, disks: Sequence[GuestDisk], array: str) -> tuple[GuestDisk, ...]:
    """The disks whose md superblock bears this array's name; StepFailed if some of the array's disks are missing."""
    found = [(disk, uuid) for disk in disks if (uuid := _membership(disk, array)) is not None]
    members = tuple(disk for disk, _ in found)
    if members and (len({uuid for _, uuid in found}) != 1 or len(members) != _member_count(guest, members[0])):
        raise StepFailed(
            f"{len(members)} disks bear the array name {array_name(array)}, but they are not one whole array",
            hint="look at `mdadm --examine` of each disk; put the missing one back, or `wipefs --all` them yourself",
            details=tuple(f"{disk.device}: serial {disk.serial}" for disk in members),
        )
    return members


def holder_of(disks: Sequence[GuestDisk]) -> str | None:
    """The block device (``/dev/md127``) that holds all these disks, or None if nothing does."""
    holders = {disk.holders for disk in disks}
    if holders == {()}:
        return None
    if len(holders) != 1 or len(devices := next(iter(holders))) != 1:
        raise StepFailed(f"different arrays hold {', '.join(d.device for d in disks)}", hint="see /proc/mdstat there")
    return devices[0]


def assemble(guest: Guest, members: Sequence[GuestDisk], array: str) -> str:
    """Start an array that exists; its block device."""
    devices = [disk.device for disk in members]
    jobs = (needed("mdadm", "--assemble", _md_path(array), *devices), *_questions(devices))
    _, text, found = do_all(guest, jobs, timeout_s=_MD_TIMEOUT_S)
    return _started(_understood(devices, text.stdout, found.stdout), array)


def create(guest: Guest, disks: Sequence[GuestDisk], array: str, chunk_kib: int) -> str:
    """Make a RAID-0 of all these disks; what they carry is lost. Its block device.

    --homehost=any keeps the guest's host name out of the array's name, so that the next guest knows it again.
    """
    devices = [disk.device for disk in disks]
    alone = ["--force"] if len(devices) == 1 else []
    shape = ["--metadata=1.2", "--homehost=any", f"--name={array_name(array)}", "--level=0"]
    shape += [f"--chunk={chunk_kib}K", f"--raid-devices={len(devices)}"]
    make = needed("mdadm", "--create", _md_path(array), "--run", *alone, *shape, *devices)
    jobs = (*_wiping(disks), make, *_questions(devices))
    *_, text, found = do_all(guest, jobs, timeout_s=_MD_TIMEOUT_S, hint="is mdadm in the guest's image?")
    return _started(_understood(devices, text.stdout, found.stdout), array)


def assemble_uuid(guest: Guest, members: Sequence[GuestDisk], uuid: str) -> str:
    """Start the array of this UUID, whatever it is called; its block device."""
    if len(members) != _member_count(guest, members[0]):
        raise StepFailed(f"array {uuid} is not whole: {len(members)} of its disks are there", hint="mdadm --examine")
    name = f"existing-{uuid[:8]}"
    return assemble(guest, members, name)


def wipe_disks(guest: Guest, disks: Sequence[GuestDisk]) -> None:
    """Stop what is made of these disks and take every signature from them; what they carry is lost."""
    do_all(guest, _wiping(disks), timeout_s=_MD_TIMEOUT_S)


def _wiping(disks: Sequence[GuestDisk]) -> tuple[Job, ...]:
    holders = sorted({device for disk in disks for device in disk.holders})
    wipe = needed("wipefs", "--all", "--quiet", *(disk.device for disk in disks))
    # What is taken from a disk is news for udev, which looks at the disk; mdadm wants it for itself.
    settle = (Job(("udevadm", "settle")),) if any(disk.signatures for disk in disks) else ()
    return (*(needed("mdadm", "--stop", holder) for holder in holders), wipe, *settle)


def filesystem_of(guest: Guest, device: str) -> FileSystem | None:
    """The file system on a device, or None."""
    return parse_filesystem(run_any(guest, probe_filesystem(device)).stdout)


def parse_filesystem(text: str) -> FileSystem | None:
    """What blkid printed."""
    facts = _pairs(text)
    return FileSystem(facts["TYPE"], facts.get("UUID", "")) if facts.get("TYPE") else None


def probe_filesystem(device: str) -> tuple[str, ...]:
    """The question that ``filesystem_of`` asks."""
    return ("blkid", "-p", "-s", "TYPE", "-s", "UUID", "-o", "export", device)


def mounted_source(guest: Guest, mount: str) -> str | None:
    """The block device mounted exactly there, or None."""
    result = run_any(guest, find_mount(mount))
    return result.stdout.strip() or None if result.returncode == 0 else None


def find_mount(mount: str) -> tuple[str, ...]:
    """The question that ``mounted_source`` asks."""
    return ("findmnt", "--noheadings", "--output", "SOURCE", "--mountpoint", mount)


def array_name(array: str) -> str:
    """The name of an array that may be given as a path."""
    return array.rsplit("/", 1)[-1]


def _md_path(array: str) -> str:
    return f"/dev/md/{array_name(array)}"


def _started(disks: Sequence[GuestDisk], array: str) -> str:
    device = holder_of(disks)
    if device is None:
        raise StepFailed(f"array {array_name(array)} did not start in the guest", hint="see /proc/mdstat there")
    return device


def _membership(disk: GuestDisk, array: str) -> str | None:
    """UUID of the md array of this name that a disk belongs to, or None."""
    for signature in disk.signatures:
        if signature.type == _MD_MEMBER and signature.label.rsplit(":", 1)[-1] == array_name(array):
            return signature.uuid
    return None


def _member_count(guest: Guest, member: GuestDisk) -> int:
    """How many disks the array of this member has, by its superblock."""
    facts = _pairs(run_checked(guest, ["mdadm", "--examine", "--export", member.device]))
    count = facts.get("MD_DEVICES", "")
    return int(count) if re.fullmatch(r"[0-9]{1,4}", count) else 0


def _pairs(text: str) -> dict[str, str]:
    return {key: value for key, _, value in (line.partition("=") for line in text.splitlines())}


def _look(guest: Guest, devices: Sequence[str]) -> tuple[GuestDisk, ...]:
    """What two commands say about these disks, in their order."""
    text, found = (result.stdout for result in do_all(guest, _questions(devices)))
    return _understood(devices, text, found)


def _questions(devices: Sequence[str]) -> tuple[Job, Job]:
    columns = "NAME,PATH,TYPE,SERIAL,SIZE"
    return (
        needed("lsblk", "--json", "--bytes", "--output", columns, *devices),
        needed("wipefs", "--no-act", "--json", *devices),
    )


def _understood(devices: Sequence[str], text: str, found: str) -> tuple[GuestDisk, ...]:
    try:
        facts = {str(entry["path"]): entry for entry in json.loads(text)["blockdevices"]}
        signatures = json.loads(found)["signatures"] if found.strip() else []
        return tuple(_disk(device, facts[device], signatures) for device in devices)
    except (ValueError, KeyError, TypeError) as error:
        raise StepFailed(f"the guest says nothing usable about {', '.join(devices)}: {error!r}") from error


def _disk(device: str, facts: dict[str, Any], signatures: Sequence[dict[str, Any]]) -> GuestDisk:
    name = device.removeprefix("/dev/")
    ours = (entry for entry in signatures if str(entry["device"]).removeprefix("/dev/") == name)
    return GuestDisk(
        device,
        serial=str(facts["serial"] or "").strip(),
        size_bytes=int(facts["size"]),
        signatures=tuple(
            Signature(str(entry["type"]), str(entry.get("label") or ""), str(entry.get("uuid") or "")) for entry in ours
        ),
        holders=tuple(
            sorted(str(child["path"]) for child in facts.get("children") or () if child["type"] not in ("part", "rom"))
        ),
    )
