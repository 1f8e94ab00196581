"""The initial RAM disk: busybox, what mounts the shared root, and init.sh."""

from __future__ import annotations

import gzip
import lzma
import stat
from collections.abc import Iterable
from pathlib import Path

MODULES = ("fs/netfs/netfs", "net/9p/9pnet", "fs/9p/9p", "net/9p/9pnet_virtio")
FOLDERS = ("bin", "dev", "host", "modules", "proc", "sys")


def newc(name: str, mode: int, data: bytes, number: int) -> bytes:
    """One member of a cpio archive in the format that kernels unpack (Documentation: early-userspace/buffer-format)."""
    raw_name = name.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(raw_name), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + raw_name
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def members(root: Path, release: str) -> Iterable[tuple[str, int, bytes]]:
    """Name, mode and content of everything in it. root: file system that has the kernel's modules and busybox."""
    for folder in FOLDERS:
        yield folder, stat.S_IFDIR | 0o755, b""
    yield "bin/busybox", stat.S_IFREG | 0o755, (root / "usr/bin/busybox").read_bytes()
    yield "init", stat.S_IFREG | 0o755, Path(__file__).with_name("init.sh").read_bytes()
    for module in MODULES:
        content = lzma.decompress((root / f"usr/lib/modules/{release}/kernel/{module}.ko.xz").read_bytes())
        yield f"modules/{Path(module).name}.ko", stat.S_IFREG | 0o644, content


def make_initrd(root: Path, release: str) -> bytes:
    """The archive, compressed."""
    parts = [newc(name, mode, data, number) for number, (name, mode, data) in enumerate(members(root, release), 1)]
    return gzip.compress(b"".join(parts) + newc("TRAILER!!!", 0, b"", 0), 1)
