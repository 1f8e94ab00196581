"""Root file systems in which the driver is built and packaged for Debian's kernels, and what its tests boot."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hpcapvf.lab.cache import cache_root, locked
from hpcapvf.lab.recipe import BUILDER, Recipe, image_hash, script_text
from hpcapvf.lab.rootfs import check_tools, make_root, remove_tree
from hpcapvf.model.bindings import COMPILED_WITH
from hpcapvf.model.errors import HpcapvfError

# kbuild's W=1 looks at the comments too, with Perl or (newer kernels) Python.
KERNEL = (*BUILDER, "perl", "python3")
PACKAGING = ("build-essential", "debhelper", "dh-dkms", "dkms", "fakeroot", "lintian")
# no compiler: a machine that only gives orders needs none
PIPX = ("pipx", "python3-venv", "man-db", "zsh")
HYPERVISOR = ("pipx", *COMPILED_WITH)
# what the Debian package of the toolkit depends on, and the shells that it completes
TOOLKIT = ("python3-yaml", "python3-jinja2", "python3-rich", "python3-shtab", "man-db", "zsh")
SOURCE = ("linux-source", "bc", "bison", "cpio", "flex", "libelf-dev", "libssl-dev", "xz-utils")

BUILD_ROOTS: Mapping[str, Recipe] = {
    "bookworm": Recipe("kernel-bookworm", KERNEL, (), ("builder.sh",), 0, "bookworm"),
    "trixie": Recipe("kernel-trixie", KERNEL + PACKAGING, (), ("builder.sh",), 0, "trixie"),
    "backports": Recipe(
        "kernel-backports", KERNEL, ("backports.sh",), ("builder.sh",), 0, "trixie", newer=("linux-*",)
    ),
    # where a user installs the toolkit
    "control-bookworm": Recipe("control-bookworm", PIPX, (), (), 0, "bookworm"),
    "control-trixie": Recipe("control-trixie", PIPX, (), (), 0, "trixie"),
    # the same for a host of VMs, whose bindings pip compiles
    "hypervisor-bookworm": Recipe("hypervisor-bookworm", HYPERVISOR, (), (), 0, "bookworm"),
    "hypervisor-trixie": Recipe("hypervisor-trixie", HYPERVISOR, (), (), 0, "trixie"),
    "toolkit-bookworm": Recipe("toolkit-bookworm", TOOLKIT, (), (), 0, "bookworm"),
    "toolkit-trixie": Recipe("toolkit-trixie", TOOLKIT, (), (), 0, "trixie"),
    # a kernel from the distribution's own source, with what looks for mistakes
    "source": Recipe("kernel-source", (*KERNEL, *SOURCE), (), ("builder.sh",), 0, "trixie"),
    # what the driver's device tests boot: a kernel, its modules and a shell, all unpacked only
    "machine": Recipe("machine", ("linux-image-amd64", "busybox-static"), (), (), 0, "trixie", "extract"),
}


def obtain_root(name: str, *, refresh: bool = False) -> Path:
    """The root file system of that name (a key of BUILD_ROOTS), building it if it is missing or refresh is asked for.

    Unlike the lab's images they stay as they were first built: a result names the kernel release it is about.
    Raises LabFailed with the log's last lines.
    """
    recipe = BUILD_ROOTS[name]
    scripts = {script: script_text(script) for script in recipe.scripts}
    final = cache_root() / "build-roots" / f"{name}-{image_hash(recipe, {}, scripts)}"
    with locked(f"build-root-{name}"):
        if final.is_dir() and not refresh:
            return final / "root"
        check_tools()
        logs = cache_root() / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        work = final.with_name(f".{final.name}.building")
        remove_tree(work)
        work.mkdir(parents=True)
        try:
            make_root(recipe, work / "root", logs / f"{recipe.name}.log")
        except HpcapvfError:
            remove_tree(work)
            raise
        remove_tree(final)
        work.replace(final)
        return final / "root"
