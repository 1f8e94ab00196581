"""Build the lab's images (server, guest, builder, media), each once per content."""

from __future__ import annotations

import hashlib
import mmap
import shutil
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpcapvf.lab import boot_disk
from hpcapvf.lab.cache import cache_root, image_folder, locked, read_json, write_json
from hpcapvf.lab.process import kill_running, run_ok
from hpcapvf.lab.recipe import RECIPES, Recipe, image_hash, script_text
from hpcapvf.lab.resolve import resolve
from hpcapvf.lab.rootfs import (
    as_owner,
    check_tools,
    installed_versions,
    kernel_releases,
    make_root,
    remove_tree,
    tool,
)
from hpcapvf.model.errors import HpcapvfError, LabFailed
from hpcapvf.model.progress import Progress

MEDIA_LABEL = "hpcapvf-media"
MEDIA_PATH = "/var/lib/hpcapvf/images"
GUEST_FILE = "debian-lab.qcow2"
DEFAULT_ARGUMENTS = boot_disk.kernel_arguments(iommu=True, iomem_relaxed=True, hugepages_1g=0)
# Each character on a nested guest's serial port costs a round trip through two emulators: errors only.
GUEST_ARGUMENTS = (
    boot_disk.kernel_arguments(iommu=False, iomem_relaxed=False, hugepages_1g=0) + " quiet systemd.show_status=no"
)


@dataclass(frozen=True)
class Image:
    """A complete image in the cache. manifest: what is in manifest.json (hash, packages, kernel release, date …)."""

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def root(self) -> Path:
        """The unpacked root file system (server and builder only)."""
        return self.folder / "root"

    @property
    def disk(self) -> Path:
        """The bootable raw disk (the guest's is gone once the media disk holds it); never written to."""
        return self.folder / "disk.raw"


@dataclass(frozen=True)
class Images:
    """Everything a lab boots from. note: why old package versions are used, or empty."""

    server: Image
    guest: Image
    builder: Image
    media: Path
    note: str = ""


def build_images(progress: Progress, *, refresh: bool = False) -> Images:
    """The images of today's packages, building what is missing; several processes may ask at once.

    refresh: ask the archive even if it was asked within the last day. Raises LabFailed with the log's last lines.
    """
    resolution = resolve(progress, refresh=refresh)
    hashes = {name: recipe_hash(recipe, resolution.versions[name]) for name, recipe in RECIPES.items()}
    missing = [name for name in RECIPES if not is_complete(hashes[name])]
    if missing:
        check_tools()
        progress.phase("build", "root file systems from Debian packages: " + ", ".join(missing))
    with ThreadPoolExecutor(max_workers=2) as pool:
        jobs = {name: pool.submit(obtain, RECIPES[name], hashes[name]) for name in missing}
        try:
            for done, name in enumerate(missing, start=1):
                jobs[name].result()
                progress.advance(done, len(missing), "images")
        except BaseException:
            # The pool waits for its threads, and they for their commands: an interrupt must not take minutes.
            pool.shutdown(wait=False, cancel_futures=True)
            kill_running()
            raise
    server, guest, builder = (load(hashes[name]) for name in ("server", "guest", "builder"))
    return Images(server, guest, builder, make_media(server, guest), resolution.note)


def recipe_hash(recipe: Recipe, versions: Mapping[str, str]) -> str:
    """The name of the image that this recipe gives with these package versions."""
    scripts = {name: script_text(name) for name in recipe.scripts}
    boot = boot_disk.grub_cfg("UUID", arguments_of(recipe)) + boot_disk.default_grub(arguments_of(recipe))
    return image_hash(recipe, versions, scripts, boot.decode() if recipe.disk_mib else "")


def arguments_of(recipe: Recipe) -> str:
    """The kernel arguments that are built into an image's disk."""
    return DEFAULT_ARGUMENTS if recipe.name == "server" else GUEST_ARGUMENTS


def is_complete(hash_text: str) -> bool:
    """Whether an image of that hash was built and published."""
    return (image_folder(hash_text) / "manifest.json").exists()


def load(hash_text: str) -> Image:
    """An image that is in the cache."""
    folder = image_folder(hash_text)
    manifest = read_json(folder / "manifest.json")
    if manifest is None:
        raise LabFailed(f"the image {hash_text} vanished from {folder.parent}", hint="Run `hpcapvf lab build` again.")
    return Image(folder, manifest)


def obtain(recipe: Recipe, hash_text: str) -> None:
    """Build one image beside its place and rename it there; whoever comes second waits and finds it done."""
    with locked(f"image-{hash_text}"):
        if is_complete(hash_text):
            return
        final = image_folder(hash_text)
        logs = cache_root() / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        final.parent.mkdir(parents=True, exist_ok=True)
        work = final.with_name(f".{hash_text}.building")
        remove_tree(work)
        work.mkdir()
        log = logs / f"{recipe.name}-{hash_text}.log"
        log.write_bytes(b"")
        try:
            build(recipe, hash_text, work, log)
        except BaseException:
            remove_tree(work)
            raise
        work.replace(final)


def build(recipe: Recipe, hash_text: str, work: Path, log: Path) -> None:
    """Fill the folder work with one image and its manifest."""
    started = time.monotonic()
    root = work / "root"
    make_root(recipe, root, log)
    shutil.rmtree(work / "scripts")
    releases = kernel_releases(root)
    manifest: dict[str, Any] = {
        "name": recipe.name,
        "hash": hash_text,
        "built_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "kernel_release": releases[-1] if releases else "",
        "kernel_releases": releases,
        "packages": installed_versions(root),
    }
    if recipe.disk_mib:
        manifest["boot_blocks"] = make_disk(root, work / "disk.raw", recipe.disk_mib, arguments_of(recipe), log)
    if recipe.name == "guest":
        remove_tree(root)
    manifest["build_s"] = round(time.monotonic() - started, 1)
    write_json(work / "manifest.json", manifest)


def make_disk(root: Path, disk: Path, size_mib: int, arguments: str, log: Path) -> dict[str, Any]:
    """Make a bootable raw disk of a root file system. Returns where the two boot files lie, for the manifest."""
    filesystem_uuid = str(uuid.uuid4())
    cfg, default = boot_disk.grub_cfg(filesystem_uuid, arguments), boot_disk.default_grub(arguments)
    write_in_root(root, "boot/grub/grub.cfg", cfg)
    write_in_root(root, "etc/default/grub", default)
    core = disk.with_name("core.img")
    grub = [*tool(root, "usr/bin/grub-mkimage"), "-d", str(root / "usr/lib/grub/i386-pc"), "-O", "i386-pc"]
    grub += ["-p", boot_disk.GRUB_PREFIX, "-o", str(core), *boot_disk.GRUB_MODULES]
    run_ok(grub, doing="making the boot loader", timeout_s=60, log=log)
    size_bytes = size_mib * 1024 * 1024
    with disk.open("wb") as stream:
        stream.truncate(size_bytes)
    filesystem_kib = (size_bytes - boot_disk.PARTITION_START_BYTES) // 1024
    mkfs = [*as_owner(), *tool(root, "usr/sbin/mke2fs"), "-q", "-F", "-t", "ext4", "-b", str(boot_disk.BLOCK_BYTES)]
    mkfs += ["-O", "^metadata_csum_seed,^orphan_file", "-L", boot_disk.ROOT_LABEL, "-U", filesystem_uuid]
    mkfs += ["-E", f"offset={boot_disk.PARTITION_START_BYTES},lazy_itable_init=1", "-m", "0"]
    mkfs += ["-d", str(root), str(disk), f"{filesystem_kib}k"]
    run_ok(mkfs, doing="making the file system of the disk", timeout_s=600, log=log)
    loader = core.read_bytes()
    if len(loader) > boot_disk.PARTITION_START_BYTES - boot_disk.SECTOR_BYTES:
        raise LabFailed("GRUB's core image does not fit before the first partition")
    with disk.open("r+b") as stream:
        boot_code = (root / "usr/lib/grub/i386-pc/boot.img").read_bytes()
        stream.write(boot_disk.master_boot_record(boot_code, size_bytes) + loader)
        stream.flush()
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            blocks = {
                "grub_cfg": boot_disk.find_block(content, boot_disk.GRUB_CFG_MARK),
                "default_grub": boot_disk.find_block(content, boot_disk.DEFAULT_GRUB_MARK),
            }
    core.unlink()
    found = {name: {"offset": block.offset, "length": block.length} for name, block in blocks.items()}
    return {**found, "filesystem": {"uuid": filesystem_uuid}}


def write_in_root(root: Path, inside: str, content: bytes) -> None:
    """Put a file into a root file system, owned by that system's root."""
    argv = [*as_owner(), "tee", str(root / inside)]
    run_ok(argv, doing=f"writing /{inside}", timeout_s=10, stdin=content)


def compress_guest(server: Image, guest: Image, target: Path) -> None:
    """Turn the guest's raw disk into a small qcow2 file.

    zstd: unpacking it is cheap under emulation. Not compressed, a nested guest read no faster and its checksum took
    three times as long.
    """
    argv = [*tool(server.root, "usr/bin/qemu-img"), "convert", "-f", "raw", "-O", "qcow2", "-c"]
    argv += ["-o", "compression_type=zstd", str(guest.disk), str(target)]
    run_ok(argv, doing="compressing the guest's disk", timeout_s=300)
    target.chmod(0o644)


def make_media(server: Image, guest: Image) -> Path:
    """The read-only disk that brings the guest's image into the server: an ext4 file system without partitions."""
    final = guest.folder / "media.raw"
    with locked(f"media-{guest.manifest['hash']}"):
        if final.exists():
            return final
        content = guest.folder / "media"
        content.mkdir(exist_ok=True)
        compress_guest(server, guest, content / GUEST_FILE)
        size_kib = ((content / GUEST_FILE).stat().st_size * 11 // 10 + 32 * 1024 * 1024) // 1024
        digest = sha256_of(content / GUEST_FILE)
        (content / f"{GUEST_FILE}.sha256").write_text(f"{digest}  {GUEST_FILE}\n")
        description = {
            "file": GUEST_FILE,
            "sha256": digest,
            "kernel_release": guest.manifest["kernel_release"],
            "hash": guest.manifest["hash"],
            "login": "root",
        }
        write_json(content / "debian-lab.json", description)
        part = final.with_name(".media.raw")
        part.unlink(missing_ok=True)
        mkfs = [*tool(server.root, "usr/sbin/mke2fs"), "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-m", "0"]
        mkfs += ["-E", "root_owner=0:0", "-L", MEDIA_LABEL, "-d", str(content), str(part), f"{size_kib}k"]
        try:
            run_ok(mkfs, doing="making the media disk", timeout_s=300)
        except HpcapvfError:
            part.unlink(missing_ok=True)
            raise
        part.replace(final)
        shutil.rmtree(content)
        guest.disk.unlink()
        return final


def sha256_of(path: Path) -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
