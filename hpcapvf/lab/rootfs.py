"""Root file systems from Debian packages, and running things that live in them."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from hpcapvf.lab.process import Result, run_ok
from hpcapvf.lab.recipe import Recipe, script_text
from hpcapvf.model.errors import LabFailed

BUILD_TIMEOUT_S = 1200.0
LIBRARIES = "usr/lib/x86_64-linux-gnu"
LOADER = "lib64/ld-linux-x86-64.so.2"
NOT_WANTED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


def as_owner() -> list[str]:
    """Words before a command that must own files of many users: none for root, else a user name space."""
    return [] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--map-auto", "--"]


def check_tools() -> None:
    """Raises LabFailed naming the Debian packages that are missing on this machine."""
    wanted = {"mmdebstrap": "mmdebstrap", "unshare": "util-linux", "ssh": "openssh-client", "apt-get": "apt"}
    missing = sorted({package for tool, package in wanted.items() if shutil.which(tool) is None})
    if missing:
        raise LabFailed(
            "building the lab's images needs programs that are not installed: " + ", ".join(missing),
            hint="apt-get install " + " ".join(missing),
        )


def make_root(recipe: Recipe, root: Path, log: Path) -> None:
    """Fill the folder root with a recipe's packages and run its scripts. Needs the network; log gets all words."""
    scripts = root.parent / "scripts"
    scripts.mkdir()
    (scripts / "preferences").write_text(recipe.preferences, encoding="utf-8")
    for name in recipe.scripts:
        (scripts / name).write_text(script_text(name), encoding="utf-8")
        (scripts / name).chmod(0o755)
    argv = ["mmdebstrap", f"--variant={recipe.variant}", "--include=" + ",".join(recipe.packages)]
    argv += ["--dpkgopt=force-unsafe-io", "--dpkgopt=force-confold"]
    argv += [f"--dpkgopt=path-exclude={pattern}" for pattern in NOT_WANTED]
    argv += [f"--essential-hook={scripts / name}" for name in recipe.before_packages]
    argv += [f"--customize-hook={scripts / name}" for name in recipe.after_packages]
    doing = f"building the {recipe.name} root file system"
    hint = "Look at the log; the first build needs network access to the Debian archive."
    if os.geteuid() == 0:
        argv += ["--mode=root", recipe.suite, str(root)]
        run_ok(argv, doing=doing, timeout_s=BUILD_TIMEOUT_S, log=log, hint=hint)
        return
    archive = root.parent / "root.tar"
    argv += ["--mode=unshare", recipe.suite, str(archive)]
    run_ok(
        argv, doing=doing, timeout_s=BUILD_TIMEOUT_S, log=log, hint=hint + " Without root it needs the package uidmap."
    )
    root.mkdir()
    unpack = [*as_owner(), "tar", "--extract", "--file", str(archive), "--directory", str(root), "--exclude=./dev/*"]
    run_ok(unpack, doing=f"unpacking the {recipe.name} root file system", timeout_s=300, log=log)
    archive.unlink()


def installed_versions(root: Path) -> dict[str, str]:
    """Package → version of what really is in a root file system, from dpkg's status file."""
    versions = {}
    name = ""
    for line in (root / "var/lib/dpkg/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("Package: "):
            name = line.removeprefix("Package: ")
        elif line.startswith("Version: "):
            versions[name] = line.removeprefix("Version: ")
    return versions


def kernel_releases(root: Path) -> list[str]:
    """The kernel releases that a root file system has modules (or headers) for, sorted."""
    folder = root / "usr/lib/modules"
    return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []


def tool(root: Path, program: str) -> list[str]:
    """Words that run a program of a root file system directly on this machine, with that root's loader and libraries.

    No chroot and no mount, so all paths stay as they are and no privilege is needed. program: path without the
    leading slash, such as usr/bin/qemu-img.
    """
    return [str(root / LOADER), "--library-path", str(root / LIBRARIES), str(root / program)]


INSIDE = """\
set -eu
root=$1 scratch=$2; shift 2
if [ -n "$scratch" ]; then
    mkdir -p "$scratch/changes" "$scratch/work" "$scratch/root"
    mount -t overlay overlay -o "lowerdir=$root,upperdir=$scratch/changes,workdir=$scratch/work" "$scratch/root"
    root=$scratch/root
fi
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/tmp"
while [ "$1" != -- ]; do
    mkdir -p "$root$2"
    mount --bind "$1" "$root$2"
    shift 2
done
shift
exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root "$@"
"""


def run_inside(
    root: Path,
    argv: Sequence[str],
    *,
    binds: Mapping[Path, str],
    doing: str,
    timeout_s: float,
    log: Path | None = None,
    scratch: Path | None = None,
) -> Result:
    """Run a command with a root file system as its /, in a mount name space of its own: nothing stays mounted.

    binds: folder of this machine → path inside. scratch: a folder that takes all changes, so that the root file
    system stays as it is.
    """
    pairs = [word for outside, inside in binds.items() for word in (str(outside), inside)]
    owner = [] if os.geteuid() == 0 else ["--map-root-user", "--map-auto"]
    script = ["sh", "-c", INSIDE, "inside", str(root), str(scratch or "")]
    words = ["unshare", "--mount", *owner, "--", *script, *pairs, "--", *argv]
    return run_ok(words, doing=doing, timeout_s=timeout_s, log=log, hint="Command: " + shlex.join(argv))


def remove_tree(folder: Path) -> None:
    """Delete a folder that may hold files of other owners of the user's name space."""
    if folder.exists():
        run_ok([*as_owner(), "rm", "-rf", "--one-file-system", str(folder)], doing=f"removing {folder}", timeout_s=300)
