"""Build the driver for the lab's kernels inside the builder's root file system, never on the user's machine."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from hpcapvf.lab.cache import cache_root, locked
from hpcapvf.lab.images import Image
from hpcapvf.lab.process import run_ok
from hpcapvf.lab.rootfs import as_owner, remove_tree, run_inside
from hpcapvf.model.errors import LabFailed, NotFound

BUILD_TIMEOUT_S = 600.0
MODULE_FILE = "hpcapvf.ko"
NOT_SOURCES = ("build",)


def build_modules(driver: Path, releases: Iterable[str], builder: Image) -> dict[str, Path]:
    """Kernel release → path of the built hpcapvf.ko in the cache, made with ``make module KDIR=…`` (driver/Makefile).

    Raises LabFailed with the compiler's last lines, NotFound when the builder has no headers for a release.
    """
    return {release: build_module(driver, release, builder) for release in releases}


def build_module(driver: Path, release: str, builder: Image) -> Path:
    """One release's module; the cache is asked first, by the hash of the driver's sources and the builder."""
    headers = f"usr/lib/modules/{release}/build"
    if not os.path.lexists(builder.root / headers):
        known = ", ".join(builder.manifest["kernel_releases"]) or "none"
        raise NotFound(
            f"the builder has no headers for kernel {release}",
            hint="`hpcapvf lab build --refresh` builds all images anew from one state of the archive.",
            details=(f"it has: {known}",),
        )
    result = build_once(driver, f"module-{release}", ["module", f"KDIR=/{headers}"], [f"build/{MODULE_FILE}"], builder)
    return result / MODULE_FILE


def build_user(driver: Path, builder: Image) -> Path:
    """The user-space part, linked against the lab's libc: a folder with bin/, lib/ and etc/ (``make user``)."""
    return build_once(driver, "user", ["user"], ["build/bin", "build/lib", "build/etc"], builder)


def build_once(driver: Path, kind: str, targets: Sequence[str], results: Sequence[str], builder: Image) -> Path:
    """Run make in the builder on a copy of the sources and keep the results. Returns the folder that has them."""
    key = f"{source_hash(driver)}-{builder.manifest['hash'][:8]}-{kind}"
    final = cache_root() / "driver" / key
    with locked(f"driver-{key}"):
        if final.is_dir():
            return final
        final.parent.mkdir(parents=True, exist_ok=True)
        logs = cache_root() / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        work = final.with_name(f".{key}.building")
        remove_tree(work)
        source = work / "driver"
        source.parent.mkdir()
        shutil.copytree(driver, source, ignore=shutil.ignore_patterns(*NOT_SOURCES), symlinks=True)
        log = logs / f"driver-{kind}.log"
        log.write_bytes(b"")
        try:
            make = ["make", "-C", "/build/driver", f"-j{os.cpu_count() or 1}", *targets]
            doing = f"building the driver ({kind})"
            run_inside(
                builder.root, make, binds={source: "/build/driver"}, doing=doing, timeout_s=BUILD_TIMEOUT_S, log=log
            )
            keep(source, results, work / "result")
        except BaseException:
            remove_tree(work)
            raise
        (work / "result").replace(final)
        remove_tree(work)
        return final


def keep(source: Path, results: Sequence[str], target: Path) -> None:
    """Copy what make was expected to make; LabFailed when it did not."""
    target.mkdir()
    for name in results:
        made = source / name
        if not made.exists():
            raise LabFailed(f"make ended well but did not make driver/{name}")
        copy = ["cp", "--recursive", "--no-dereference", "--preserve=mode,links", str(made), str(target / made.name)]
        run_ok([*as_owner(), *copy], doing=f"keeping driver/{name}", timeout_s=60)


def source_hash(driver: Path) -> str:
    """Sixteen hex digits over names, modes and content of the driver's sources."""
    if not (driver / "Makefile").is_file():
        raise NotFound(f"{driver} holds no driver sources (no Makefile)")
    digest = hashlib.sha256()
    for path in sorted(driver.rglob("*")):
        relative = path.relative_to(driver)
        if relative.parts[0] in NOT_SOURCES or not path.is_file():
            continue
        content = path.read_bytes()
        executable = path.stat().st_mode & 0o111 != 0
        digest.update(f"{relative}\0{executable}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]
