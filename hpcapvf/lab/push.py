"""Bring the toolkit into a lab's server: the Python packages, the templates, and the driver built for its kernels."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import hpcapvf
from hpcapvf.lab.images import load
from hpcapvf.lab.modules import build_modules, build_user
from hpcapvf.lab.process import run_ok
from hpcapvf.lab.rootfs import tool
from hpcapvf.lab.server import Lab
from hpcapvf.lab.state import load_state
from hpcapvf.model.errors import NotFound
from hpcapvf.model.progress import Progress, Silent

TOOLKIT = Path("opt/hpcapvf")
DRIVER_STORE = Path("var/lib/hpcapvf/driver")
PACKAGES = ("hpcapvf", "orchestrator")
TEMPLATES = "vm-templates"
COMPILE_TIMEOUT_S = 120.0
COMMANDS = {"hpcapvf": "hpcapvf", "deploy-vnp": "deploy_vnp", "deploy-vnma": "deploy_vnma"}
WRAPPER = """\
#!/usr/bin/python3
import sys

sys.path.insert(0, "/{toolkit}")
from orchestrator.main import {function}

sys.exit({function}())
"""


def push(lab: Lab, progress: Progress | None = None, *, source: Path | None = None) -> dict[str, Any]:
    """Copy the toolkit of a source tree (default: the one that runs) into the server, replacing an older one.

    Returns what was brought: kernel releases with a module, and whether the driver's sources were found at all.
    """
    progress = progress or Silent()
    tree = source or Path(hpcapvf.__file__).parent.parent
    state = load_state(lab.name)
    releases = sorted(
        {str(load(digest).manifest["kernel_release"]) for digest in (state.server_hash, state.guest_hash)}
    )
    with tempfile.TemporaryDirectory(prefix="hpcapvf-push-") as text:
        stage = Path(text)
        stage_toolkit(tree, stage)
        has_driver = (tree / "driver" / "Makefile").is_file()
        if has_driver:
            progress.phase("driver", "building for " + ", ".join(releases))
            stage_driver(tree / "driver", stage, releases, state.builder_hash)
        compile_toolkit(stage, load(state.server_hash).root)
        progress.phase("push", "copying the toolkit to the server")
        script = f"rm -rf /{TOOLKIT} /{DRIVER_STORE}; tar --extract --no-same-owner --no-overwrite-dir --directory /"
        lab.unpack(stage, script)
    return {"name": lab.name, "toolkit": f"/{TOOLKIT}", "driver": has_driver, "kernel_releases": releases}


def stage_toolkit(tree: Path, stage: Path) -> None:
    """Lay out the Python packages, the templates and the commands as they will be on the server."""
    target = stage / TOOLKIT
    for package in PACKAGES:
        if not (tree / package).is_dir():
            raise NotFound(f"{tree} holds no package {package}")
        shutil.copytree(tree / package, target / package, ignore=shutil.ignore_patterns("__pycache__"))
    if (tree / TEMPLATES).is_dir():
        shutil.copytree(tree / TEMPLATES, target / TEMPLATES)
    commands = stage / "usr/local/bin"
    commands.mkdir(parents=True)
    for name, function in COMMANDS.items():
        (commands / name).write_text(WRAPPER.format(toolkit=TOOLKIT, function=function))
        (commands / name).chmod(0o755)
    for folder in (stage, *stage.rglob("*")):
        if folder.is_dir():
            folder.chmod(0o755)


def compile_toolkit(stage: Path, server_root: Path) -> None:
    """Compile the Python files with the server's own Python, here: an emulated CPU would need many seconds for it."""
    argv = [*tool(server_root, "usr/bin/python3"), "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    argv += ["-s", str(stage), "-p", "/", str(stage / TOOLKIT)]
    python_home = {"PYTHONHOME": str(server_root / "usr"), "PYTHONDONTWRITEBYTECODE": "1"}
    run_ok(argv, doing="compiling the toolkit", timeout_s=COMPILE_TIMEOUT_S, env=python_home)


def stage_driver(driver: Path, stage: Path, releases: list[str], builder_hash: str) -> None:
    """Build the driver and lay out its store: <kernel release>/hpcapvf.ko, bin/, lib/ and etc/."""
    builder = load(builder_hash)
    store = stage / DRIVER_STORE
    for release, module in build_modules(driver, releases, builder).items():
        (store / release).mkdir(parents=True)
        shutil.copy(module, store / release / module.name)
    shutil.copytree(build_user(driver, builder), store, symlinks=True, dirs_exist_ok=True)
