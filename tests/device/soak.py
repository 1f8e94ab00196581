"""The driver on an emulated card, many times over: ``python -m tests.device.soak FILE.json [STAGE…]``.

Each stage boots a machine of its own. What passed is kept in build/soak and not repeated for the same sources and
kernel, so an interrupted run goes on where it was; ``rm -r build/soak`` begins anew.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpcapvf.lab.build_roots import obtain_root
from hpcapvf.lab.emulator import Emulator, choose_emulator
from hpcapvf.lab.images import build_images
from hpcapvf.lab.modules import NOT_SOURCES, source_hash
from hpcapvf.lab.rootfs import run_inside
from hpcapvf.model.errors import LabFailed
from hpcapvf.model.progress import Silent
from tests.device.machine import Ran, archive, machine_files, modules_of, run_stage
from tests.results import TOP, provenance, write_result

# Stage (driver/tests/device/machine/STAGE.sh) to its deadline in seconds.
STAGES = {"abuse": 600, "removal": 900, "resets": 900, "readers": 1200, "cycles": 3000}
PROGRAMS = ("build/bin/hpcapdd", "build/tests/abuse", "build/tests/sender")
SCRIPTS = TOP / "driver/tests/device/machine"


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
    root = obtain_root("machine")
    images = sorted((root / "boot").glob("vmlinuz-*"))
    if not images:
        raise LabFailed(f"{root} holds no kernel")
    release = images[-1].name.removeprefix("vmlinuz-")
    return Kernel(release, images[-1], root / "usr/lib/modules" / release, obtain_root("trixie"))


def build_programs(kernel: Kernel, work: Path) -> tuple[Path, Path]:
    """The module for a kernel, and a folder of static programs."""
    source, programs = work / "driver", work / "programs"
    for folder in (source, programs):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(TOP / "driver", source, ignore=shutil.ignore_patterns(*NOT_SOURCES))
    binds = {source: "/build"}
    headers = f"/lib/modules/{kernel.release}/build"
    if kernel.tree is not None:
        # where it was built: kbuild remembers the path
        binds[kernel.tree.parent] = "/kernel"
        headers = f"/kernel/{kernel.tree.name}"
    for words in (["module", f"KDIR={headers}"], ["LDFLAGS=-static", *PROGRAMS]):
        make = ["make", "-C", "/build", *words]
        run_inside(kernel.builder, make, binds=binds, doing="building for the test machine", timeout_s=900)
    programs.mkdir()
    for name in PROGRAMS:
        shutil.copy(source / name, programs)
    return source / "build/hpcapvf.ko", programs


def make_initrd(kernel: Kernel, work: Path) -> Path:
    """The initial RAM file system of the test machine."""
    module, programs = build_programs(kernel, work)
    modules = modules_of(kernel.modules) if kernel.modules else {}
    initrd = work / "initrd"
    files = machine_files(obtain_root("machine") / "usr/bin/busybox", modules, module, programs, SCRIPTS)
    initrd.write_bytes(archive(files))
    return initrd


def row_of(stage: str, ran: Ran, seconds: float) -> dict[str, Any]:
    """What the result says of a stage."""
    return {
        "stage": stage,
        "passed": ran.passed,
        "seconds": round(seconds, 1),
        "facts": list(ran.facts),
        "kernel_complaints": list(ran.kernel),
    }


def emulator_of_the_lab() -> Emulator:
    """The QEMU that has the card."""
    return choose_emulator(build_images(Silent()).server.root).emulator


def run_stages(target: Path, names: list[str], kernel: Kernel, *, slower: int = 1) -> int:
    """Run what has not passed yet, and write what is known of all stages. slower: factor on the deadlines."""
    about = provenance()
    work = TOP / "build/soak" / f"{source_hash(TOP / 'driver')}-{kernel.release}"
    work.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    initrd, emulator = None, None
    for stage in names or list(STAGES):
        done = work / f"{stage}.json"
        if done.exists():
            row = json.loads(done.read_text())
        else:
            initrd, emulator = initrd or make_initrd(kernel, work), emulator or emulator_of_the_lab()
            began = time.monotonic()
            console = work / f"{stage}.console"
            ran = run_stage(emulator, kernel.image, initrd, stage, console, slower * STAGES[stage])
            row = row_of(stage, ran, time.monotonic() - began)
            if ran.passed:
                done.write_text(json.dumps(row))
        rows.append(row)
        print(json.dumps(row), flush=True)
    write_result(target, about, {"kernel": kernel.release, "stages": rows})
    return 0 if all(row["passed"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(run_stages(Path(sys.argv[1]), sys.argv[2:], debian_kernel()))
