"""The module and the tests' programs, built for the kernel that a small machine boots."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from hpcapvf.lab.modules import NOT_SOURCES
from hpcapvf.lab.rootfs import run_inside
from tests.results import TOP
from tests.vm.machine import obtain_image

DRIVER = TOP / "driver"
PROGRAMS = (
    "bin/hpcapdd",
    "bin/hpcapstat",
    *(f"tests/{name}" for name in ("abuse", "lend_memory", "send_frames", "expect_frames", "read_window")),
)


@dataclass(frozen=True)
class Kernel:
    """What a machine boots. modules: folder of those it loads, if any. builder: root file system in which the driver is
    built for it, against the folder tree (mounted there), or against its headers."""

    release: str
    image: Path
    modules: Path | None
    builder: Path
    tree: Path | None = None


def debian_kernel() -> Kernel:
    """The distribution's own."""
    image = obtain_image()
    release = image.manifest["kernel_release"]
    root = image.root
    return Kernel(release, root / f"boot/vmlinuz-{release}", root / f"usr/lib/modules/{release}", root)


def build_for(kernel: Kernel, work: Path) -> list[Path]:
    """The module for a kernel, and static programs; in the folder work, where only what changed is built again."""
    source = work / "driver"
    shutil.copytree(DRIVER, source, ignore=shutil.ignore_patterns(*NOT_SOURCES), dirs_exist_ok=True)
    binds = {source: "/build"}
    headers = f"/lib/modules/{kernel.release}/build"
    if kernel.tree is not None:
        # where it was built: kbuild remembers the path
        binds[kernel.tree.parent] = "/kernel"
        headers = f"/kernel/{kernel.tree.name}"
    for words in (["module", f"KDIR={headers}"], ["LDFLAGS=-static", *(f"build/{name}" for name in PROGRAMS)]):
        make = ["make", "-C", "/build", *words]
        run_inside(kernel.builder, make, binds=binds, doing="building for the test machine", timeout_s=900)
    return [source / "build" / name for name in ("hpcapvf.ko", *PROGRAMS)]
