"""Every key that a spec may hold, in one table: its type, what it may be, and what is not built yet.

The parser, its messages and the reference in the documentation all read this table. Defaults stand in
``hpcapvf/model/request.py`` and nowhere else; a key without a default there, or marked ``required``, must be given.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from hpcapvf.model.address import PciAddress
from hpcapvf.model.request import WIDE

Scalar = str | int | bool | None


@dataclass(frozen=True)
class Key:
    """One key of the spec.

    path: dotted path as the user writes it. kind: ``text``, ``number``, ``flag``, ``texts`` (a list of text) or
    ``duration`` (90s, 30m, 2h or 1d; least and most in seconds).
    choices: the values that work now. later: values that have a meaning but are not built yet. least, most: bounds
    of a number. pattern: what a text must match, ``form`` says the same in words. check: a normalising function
    that raises ValueError.
    """

    path: str
    kind: str
    note: str
    required: bool = False
    choices: tuple[Scalar, ...] = ()
    later: tuple[Scalar, ...] = ()
    least: int | None = None
    most: int | None = None
    pattern: str = ""
    form: str = ""
    check: Callable[[str], str] | None = None
    optional: bool = False
    attribute: str = ""


def _absolute_path(text: str) -> str:
    if not text.startswith("/") or any(ord(c) < 0x20 or c == "\x7f" for c in text) or ".." in text.split("/"):
        raise ValueError("must be an absolute path without '..' and control characters")
    return text


_SYSTEM_FOLDERS = frozenset(
    {"bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "proc", "root", "run", "sbin", "sys", "usr"}
)
_PLAIN_PATH = re.compile(r"(/[A-Za-z0-9._-]+)+")


def _mount_point(text: str) -> str:
    parts = _absolute_path(text).split("/")
    if not _PLAIN_PATH.fullmatch(text) or "." in parts:
        raise ValueError("must be an absolute path of letters, digits, '.', '_' and '-'")
    if parts[1] in _SYSTEM_FOLDERS:
        raise ValueError(f"must not lie in the guest's /{parts[1]}")
    return text


def pf_selector(text: str) -> str:
    """An interface or PCI address, and perhaps ``|vfN``: that VF of it."""
    card, bar, vf = text.partition("|")
    if bar and not re.fullmatch(r"vf(0|[1-9][0-9]{0,2})", vf):
        raise ValueError("behind the | must stand vf and its number (enp5s0|vf3)")
    return _interface_or_pci(card) + bar + vf


def watch_selector(text: str) -> str:
    """As ``pf_selector``, or with ``|rest`` or ``|link`` instead of a VF."""
    card, _, wide = text.partition("|")
    return f"{_interface_or_pci(card)}|{wide}" if wide in WIDE else pf_selector(text)


def _interface_or_pci(text: str) -> str:
    if PciAddress.looks_like(text):
        return str(PciAddress.parse(text))
    if not re.fullmatch(r"[^\s/:]{1,15}", text) or text in (".", ".."):
        raise ValueError("must be an interface name (enp5s0) or a PCI address (0000:05:00.0)")
    return text


def _controller(text: str) -> str:
    if text in ("", "auto"):
        return text
    if not PciAddress.looks_like(text):
        raise ValueError("must be a PCI address (0000:06:00.0), or auto for the only controller whose disks are unused")
    return str(PciAddress.parse(text))


def _power_of_two(text: str) -> str:
    if int(text) & (int(text) - 1):
        raise ValueError("must be a power of two")
    return text


DURATION = r"[0-9]{1,9}[smhd]"
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def duration_s(text: str) -> int:
    """Seconds of a time such as 90s, 30m, 2h or 1d; ValueError if it is none."""
    if re.fullmatch(DURATION, text) is None:
        raise ValueError("is not a time such as 90s, 30m, 2h or 1d")
    return int(text[:-1]) * _SECONDS[text[-1]]


KEYS: tuple[Key, ...] = (
    Key("version", "number", "version of the spec's format", required=True, choices=(1,)),
    # An md array takes its name too, and its metadata has 32 bytes for that.
    Key("guest.name", "text", "name of the deployment, its guest and its domain", required=True,
        pattern=r"[a-z]([a-z0-9-]{0,29}[a-z0-9])?",
        form="1 to 31 lower-case letters, digits and '-', starting with a letter"),
    Key("guest.image", "text", "cloud-init qcow2 on the host", required=True, check=_absolute_path),
    Key("guest.sha256", "text", "checksum of the image; empty: the file IMAGE.sha256 beside it",
        pattern=r"([0-9a-f]{64})?", form="64 lower-case hexadecimal digits"),
    Key("guest.vcpus", "number", "guest CPUs: one for the polling thread, one for the reader, the rest for the system",
        least=2, most=256),
    Key("guest.memory_mib", "number", "guest memory, all of it hugepages", least=256, most=4 << 20),
    Key("guest.disk_gib", "number", "size of the guest's own disk", least=2, most=65536),
    Key("guest.network", "text", "libvirt network of the management interface", pattern=r"[A-Za-z0-9._-]{1,64}",
        form="1 to 64 letters, digits, '.', '_' and '-'"),
    Key("guest.user", "text", "user that is made in the guest", pattern=r"(?!root$)[a-z_][a-z0-9_-]{0,31}",
        form="a user name other than root"),
    Key("guest.boot_timeout_s", "number", "how long the guest may take to answer", least=30, most=7200),
    Key("network.pf", "text", "physical function: interface name or PCI address; with vf3 behind a bar, that VF of it",
        required=True, check=pf_selector),
    Key("network.mode", "text", "how the guest gets the link", choices=("vf", "passthrough")),
    Key("network.generator", "text", "who makes the VFs", choices=("kernel", "dpdk")),
    Key("network.vfs", "number", "VFs to make if the PF has none", least=1, most=256),
    Key("network.receive", "text", "all: every frame on the wire; own: what the switch gives the VF by itself "
        "(always so with watch)", choices=("all", "own")),
    Key("network.directions", "text", "with watch: frames to the watched VMs, from them, or both; auto: as many as the "
        "card's way has", choices=("auto", "to", "from", "both")),
    Key("storage.mode", "text", "how the guest gets its disks; none: frames are counted, not stored",
        choices=("passthrough", "virtio", "nvme-vf", "guest-disk", "none")),
    Key("storage.controller", "text", "PCI address of the controller whose disks are used, or auto; modes passthrough, "
        "virtio and nvme-vf must have it", check=_controller),
    Key("storage.directory", "text", "folder for captures with mode guest-disk", check=_mount_point),
    Key("storage.raid.kind", "text", "md: RAID-0 of the disks in the guest; hardware: the controller made one volume; "
        "existing: mount the file system that is there, format nothing", choices=("md", "hardware", "existing")),
    Key("storage.raid.chunk_kib", "number", "RAID-0 chunk (kind md)", least=4, most=65536, check=_power_of_two),
    Key("storage.raid.filesystem", "text", "file system of the array or volume", choices=("xfs",), later=("ext4",)),
    Key("storage.raid.mount", "text", "where the guest mounts it", check=_mount_point),
    Key("wipe", "texts", "serial numbers of disks that may be formatted although they carry something, or all",
        pattern=r"[\x21-\x7e]{1,64}", form="a serial number without blanks, or all"),
    Key("engine.kind", "text", "capture engine in the guest", choices=("hpcapvf", "tcpdump", "dpdk")),
    Key("engine.idle", "text", "what the polling thread does without frames", choices=("backoff", "spin")),
    Key("engine.idle_max_us", "number", "longest sleep of backoff; a frame is stamped up to this late", least=20,
        most=100_000),
    Key("engine.ring_mib", "number", "memory for frames on their way to the disk: the driver's ring, DPDK's buffers",
        least=1, most=1 << 20),
    Key("engine.caplen", "number", "bytes kept of each frame, 0: all", least=0, most=65535),
    Key("engine.file_mib", "number", "size of a RAW file", least=1, most=1 << 20),
    Key("placement.policy", "text", "too few cores: share them with warnings, or refuse", choices=("share", "strict")),
    Key("placement.hugepage_kib", "number", "hugepage size", choices=(2048, 1048576)),
    Key("placement.node", "number", "NUMA node to use instead of the card's", least=0, most=1023, optional=True),
    Key("placement.side", "text", "an agent's node (deploy-vnma): the card's, another, or by where the watched VMs are "
        "(thesis tables 6.5 and 6.6)", choices=("auto", "near", "far")),
    Key("watch", "texts", "domains whose traffic the agent is given (deploy-vnma), or VFs of its card (enp5s0|vf3); or "
        "alone enp5s0|rest, what nobody else on the card gets, or enp5s0|link, all of the link; with it storage.mode "
        "is guest-disk unless given", pattern=r"[^\s/\x00-\x1f]{1,128}",
        form="a domain's name, PF|vfN, PF|rest or PF|link"),
    Key("ttl", "duration", "how long the agent lives from when it is given traffic (deploy-vnma; --ttl goes before it)",
        least=60, most=366 * 86400, pattern=DURATION, form="a time such as 90s, 30m, 2h or 1d", optional=True,
        attribute="ttl_s"),
    Key("persist", "flag", "make it anew after a reboot of the host, and end it after a run that was cut short"),
)  # fmt: skip
