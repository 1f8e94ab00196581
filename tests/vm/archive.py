"""What is in a small machine's initial RAM file system: files of a root file system, and the archive of them."""

from __future__ import annotations

import lzma
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hpcapvf.lab.process import run_ok
from hpcapvf.lab.rootfs import LIBRARIES, LOADER, tool
from hpcapvf.model.errors import LabFailed

FOLDERS = ("bin", "dev", "proc", "run", "sys", "tmp")
PLACES = ("usr/bin", "usr/sbin")


@dataclass(frozen=True)
class File:
    """A file in the archive. link: data is what a symbolic link points to."""

    data: bytes
    executable: bool = False
    link: bool = False

    @property
    def mode(self) -> int:
        """Type and permissions as stat(2) has them."""
        if self.link:
            return stat.S_IFLNK | 0o777
        return stat.S_IFREG | (0o755 if self.executable else 0o644)


def member(name: str, mode: int, data: bytes, number: int) -> bytes:
    """One member of a cpio archive of format "newc" (Linux, Documentation/driver-api/early-userspace/buffer-format)."""
    encoded = name.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
    return pad(head) + pad(data)


def pad(data: bytes) -> bytes:
    """To a multiple of four bytes."""
    return data + bytes(-len(data) % 4)


def archive(files: Mapping[str, File]) -> bytes:
    """An initial RAM file system. files: path without leading slash to file."""
    folders = {str(parent) for path in files for parent in Path(path).parents} | set(FOLDERS)
    members = [(name, stat.S_IFDIR | 0o755, b"") for name in sorted(folders - {"."})]
    members += [(name, file.mode, file.data) for name, file in sorted(files.items())]
    packed = [member(*each, number) for number, each in enumerate(members, 1)]
    return b"".join(packed) + member("TRAILER!!!", 0, b"", 0)


def programs(root: Path, names: Iterable[str]) -> dict[str, File]:
    """Programs of a root file system as bin/NAME, with the libraries and the loader that they need."""
    files: dict[str, File] = {}
    for name in names:
        found = [root / place / name for place in PLACES if (root / place / name).exists()]
        if not found:
            raise LabFailed(f"{root} has no program {name}")
        files[f"bin/{name}"] = File(found[0].read_bytes(), executable=True)
        for library in libraries_of(root, found[0]):
            files[f"{LIBRARIES}/{library.name}"] = File(library.read_bytes())
    files[LOADER] = File((root / LOADER).read_bytes(), executable=True)
    return files


def libraries_of(root: Path, program: Path) -> list[Path]:
    """What the root file system's own loader would load for a program of it."""
    words = [*tool(root, LOADER)[:3], "--list", str(program.resolve())]
    said = run_ok(words, doing=f"listing the libraries of {program}", timeout_s=30).text
    return [Path(path) for path in re.findall(r"=> (/\S+)", said)]


def busybox(root: Path) -> dict[str, File]:
    """The one program that needs no library."""
    return {"bin/busybox": File((root / "usr/bin/busybox").read_bytes(), executable=True)}


def kernel_modules(folder: Path, names: Iterable[str]) -> dict[str, File]:
    """Modules below a kernel's folder with what they need, unpacked, and modules/order: as they are to be loaded."""
    needs = {}
    for line in (folder / "modules.dep").read_text().splitlines():
        path, _, others = line.partition(":")
        needs[module_name(path)] = [path, *others.split()]
    built_in = {module_name(line) for line in (folder / "modules.builtin").read_text().splitlines()}
    order: dict[str, File] = {}
    for name in names:
        if name not in needs and name not in built_in:
            raise LabFailed(f"{folder} has no module {name}")
        # what a module needs is listed in the order of unloading
        for path in reversed(needs.get(name, [])):
            data = (folder / path).read_bytes()
            order[module_name(path)] = File(lzma.decompress(data) if path.endswith(".xz") else data)
    files = {f"modules/{name}.ko": file for name, file in order.items()}
    return {**files, "modules/order": File("".join(f"{name}\n" for name in order).encode())}


def module_name(path: str) -> str:
    """As the kernel spells it: virtio_net for kernel/drivers/net/virtio-net.ko.xz."""
    return Path(path).name.partition(".")[0].replace("-", "_")
