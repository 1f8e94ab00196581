"""Whole disks, the controllers they hang on, and what uses them (Documentation/ABI/stable/sysfs-block)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from hpcapvf.model.address import PciAddress
from hpcapvf.model.host import BlockDevice
from hpcapvf.probe.interfaces import pci_function_in
from hpcapvf.probe.reading import Reader

_SECTOR_BYTES = 512  # the kernel's unit for "size", whatever the disk's own sector is
_CD_ROM = 5  # SCSI peripheral device type
_LINKS = ("/dev/disk/by-id", "/dev/disk/by-path")
_BY_CONTENT = ("dm-", "md-", "lvm-")  # links that follow what is on a disk, not the disk
_BTRFS, _ZFS_POOLS = "/sys/fs/btrfs", "/proc/spl/kstat/zfs"
_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Mount:
    """One mounted file system. device: ``major:minor`` or "" if the table does not tell; source: as mounted."""

    device: str
    source: str
    point: str


@dataclass
class _Uses:
    """What holds block devices, by kernel name and by device number. known: whether all tables could be read.

    folders: kernel name to sysfs folder of everything that is not a partition.
    """

    known: bool
    folders: dict[str, str]
    by_name: dict[str, set[str]] = field(default_factory=dict)
    by_number: dict[str, set[str]] = field(default_factory=dict)


def probe_disks(reader: Reader) -> tuple[BlockDevice, ...]:
    """All disks behind a controller, by name; no partitions, memory disks, loops, arrays or CD drives."""
    names = sorted({*(reader.names("/sys/block") or ()), *(reader.names("/sys/class/block") or ())})
    folders = {name: path for name in names if (path := _folder(reader, name))}
    whole = {n: path for n, path in folders.items() if "partition" not in (reader.names(path) or ())}
    uses, links = _probe_uses(reader, whole), _probe_links(reader)
    return tuple(
        _probe_disk(reader, name, path, uses, links.get(name, []))
        for name, path in whole.items()
        if _is_disk(reader, path) and reader.text(f"{path}/device/type") != str(_CD_ROM)
    )


def parse_mountinfo(text: str) -> tuple[Mount, ...]:
    """/proc/self/mountinfo (Documentation/filesystems/proc.rst 3.5); ValueError for a line that is none."""
    found: list[Mount] = []
    for line in text.splitlines():
        before, dash, after = line.partition(" - ")
        words, tail = before.split(), after.split()
        if not dash or len(words) < 6 or len(tail) < 2:
            raise ValueError(line)
        found.append(Mount(words[2], _plain(tail[1]), _plain(words[4])))
    return tuple(found)


def parse_mounts(text: str) -> tuple[Mount, ...]:
    """/proc/mounts: source, mount point, type, options."""
    rows = [line.split() for line in text.splitlines() if line.strip()]
    if any(len(row) < 4 for row in rows):
        raise ValueError("too few columns")
    return tuple(Mount("", _plain(row[0]), _plain(row[1])) for row in rows)


def parse_swaps(text: str) -> tuple[str, ...]:
    """Devices and files of /proc/swaps, below its header."""
    lines = text.splitlines()
    if not lines or not lines[0].startswith("Filename"):
        raise ValueError("no header")
    return tuple(_plain(line.split()[0]) for line in lines[1:] if line.strip())


def parse_serial_page(page: bytes) -> str | None:
    """The serial number in a SCSI vital product data page 0x80 (SPC-4 7.8.15)."""
    if len(page) < 4 or page[1] != 0x80:
        raise ValueError("not a page 0x80")
    length = int.from_bytes(page[2:4], "big")
    return page[4 : 4 + length].decode("ascii", errors="replace").strip(" \0") or None


def _folder(reader: Reader, name: str) -> str | None:
    return reader.real_path(f"/sys/block/{name}") or reader.real_path(f"/sys/class/block/{name}")


def _is_disk(reader: Reader, path: str) -> bool:
    """NVMe disks that may have several paths are virtual devices below their subsystem; each path is hidden."""
    virtual = "/devices/virtual/" in path and "/nvme-subsystem/" not in path
    return not virtual and reader.text(f"{path}/hidden") != "1"


def _probe_links(reader: Reader) -> dict[str, list[str]]:
    """Kernel name to udev's links to it (systemd: rules.d/60-persistent-storage.rules)."""
    found: dict[str, list[str]] = {}
    for folder in _LINKS:
        for link in reader.names(folder) or ():
            if not link.startswith(_BY_CONTENT) and (name := reader.link(f"{folder}/{link}")):
                found.setdefault(name, []).append(f"{folder}/{link}")
    return found


def lasting_path(links: list[str], serial: str | None) -> str | None:
    """The link that means this very disk: by its serial number, else by another identity, else by its place."""

    def rank(link: str) -> tuple[bool, bool, str]:
        return "/by-id/" not in link, not (serial and serial in link), link

    return min(links, key=rank, default=None)


def _probe_disk(reader: Reader, name: str, path: str, uses: _Uses, links: list[str]) -> BlockDevice:
    sectors = reader.number(f"{path}/size")
    held = _held_by(reader, name, path, uses)
    serial = _serial(reader, path)
    return BlockDevice(
        name=name,
        size_bytes=None if sectors is None else sectors * _SECTOR_BYTES,
        controller=_controller(reader, path),
        serial=serial,
        model=reader.text(f"{path}/device/model") or _udev_properties(reader, path).get("ID_MODEL"),
        in_use=tuple(sorted(held)) if held or uses.known else None,
        path=lasting_path(links, serial),
    )


def _controller(reader: Reader, path: str) -> PciAddress | None:
    if "/nvme-subsystem/" not in path:
        return pci_function_in(path)
    subsystem = path.rpartition("/")[0]
    paths = (reader.real_path(f"{subsystem}/{n}") for n in reader.names(subsystem) or () if re.fullmatch(r"nvme\d+", n))
    found = sorted(a for a in map(pci_function_in, filter(None, paths)) if a is not None)
    return found[0] if found else None


def _serial(reader: Reader, path: str) -> str | None:
    for place in (f"{path}/device/serial", f"{path}/serial"):
        if text := reader.text(place):
            return text
    page = reader.data(f"{path}/device/vpd_pg80", 512)
    if page is not None:
        try:
            if serial := parse_serial_page(page):
                return serial
        except ValueError as error:
            reader.note(f"{path}/device/vpd_pg80", str(error))
    properties = _udev_properties(reader, path)
    return properties.get("ID_SCSI_SERIAL") or properties.get("ID_SERIAL_SHORT")


def _udev_properties(reader: Reader, path: str) -> dict[str, str]:
    number = reader.text(f"{path}/dev")
    text = reader.text(f"/run/udev/data/b{number}") if number and re.fullmatch(r"\d+:\d+", number) else None
    pairs = (line[2:].partition("=") for line in (text or "").splitlines() if line.startswith("E:"))
    return {key: value for key, _, value in pairs if value}


def _probe_uses(reader: Reader, whole: dict[str, str]) -> _Uses:
    mounts = reader.parsed("/proc/self/mountinfo", parse_mountinfo)
    if mounts is None:
        mounts = reader.parsed("/proc/mounts", parse_mounts)
    if mounts is None:
        mounts = reader.parsed("/proc/self/mounts", parse_mounts)
    swaps = reader.parsed("/proc/swaps", parse_swaps)
    uses = _Uses(mounts is not None and swaps is not None, whole)
    mapped = _mapper_names(reader, whole)
    for mount in mounts or ():
        uses.by_number.setdefault(mount.device, set()).add(f"mounted on {mount.point}")
        if name := _kernel_name(reader, mount.source, mapped):
            uses.by_name.setdefault(name, set()).add(f"mounted on {mount.point}")
    for swap in swaps or ():
        if name := _kernel_name(reader, swap, mapped):
            uses.by_name.setdefault(name, set()).add("swap")
    uses.by_number.pop("", None)
    for volume, name in _btrfs_members(reader):
        uses.by_name.setdefault(name, set()).add(f"mounted as btrfs {volume}")
    return uses


def _btrfs_members(reader: Reader) -> Iterator[tuple[str, str]]:
    """UUID and kernel names of what each mounted btrfs lies on: the mount table names only the first of several, and
    none has holders (fs/btrfs/sysfs.c; folders without ``devices`` are no volumes)."""
    for volume in reader.names(_BTRFS) or ():
        for name in reader.names(f"{_BTRFS}/{volume}/devices") or ():
            yield volume, name


def _zfs_pool(reader: Reader, path: str) -> str | None:
    """The imported ZFS pool that a device is part of: neither the mount table nor holders tell. udev's database has the
    pool's name as the label of its members, and ZFS has a folder for each pool that is imported."""
    properties = _udev_properties(reader, path)
    pool = properties.get("ID_FS_LABEL", "")
    known = properties.get("ID_FS_TYPE") == "zfs_member" and pool in (reader.names(_ZFS_POOLS) or ())
    return pool if known else None


def _mapper_names(reader: Reader, whole: dict[str, str]) -> dict[str, str]:
    """Device mapper names (``vg-lv``) to kernel names (``dm-0``)."""
    labels = {name: reader.text(f"{path}/dm/name") for name, path in whole.items() if name.startswith("dm-")}
    return {label: name for name, label in labels.items() if label}


def _kernel_name(reader: Reader, source: str, mapped: dict[str, str]) -> str | None:
    if not source.startswith("/dev/"):
        return None
    label = source.removeprefix("/dev/mapper/")
    if label in mapped:
        return mapped[label]
    return (reader.real_path(source) or source).rpartition("/")[2]


def _held_by(reader: Reader, name: str, path: str, uses: _Uses, *below: str) -> set[str]:
    """What uses a device, its partitions, and whatever is stacked on them."""
    held = set(uses.by_name.get(name, ())) | set(uses.by_number.get(reader.text(f"{path}/dev") or "", ()))
    if pool := _zfs_pool(reader, path):
        held.add(f"mounted as ZFS pool {pool}")
    for holder in reader.names(f"{path}/holders") or ():
        held.add(f"part of {holder}")
        if holder in uses.folders and holder not in below:
            held |= _held_by(reader, holder, uses.folders[holder], uses, name, *below)
    for part in reader.names(path) or ():
        if part.startswith(name) and part not in uses.folders and "partition" in (reader.names(f"{path}/{part}") or ()):
            held |= _held_by(reader, part, f"{path}/{part}", uses, name, *below)
    return held


def _plain(text: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), text)
