"""Build the module for the kernels that Debian offers: ``python -m tests.builds.kernels FILE.json [ROOT…]``.

No warning is allowed (kbuild's W=1 included), and a probe that every kernel answers alike is a fault too: it could
as well be broken.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from hpcapvf.lab.build_roots import obtain_root
from hpcapvf.lab.modules import NOT_SOURCES
from hpcapvf.lab.rootfs import installed_versions, run_inside
from hpcapvf.model.errors import HpcapvfError
from tests.results import TOP, provenance, write_result

KERNELS = ("bookworm", "trixie", "backports")
TIMEOUT_S = 900.0


@dataclass(frozen=True)
class Build:
    """One kernel's build. probes: name → whether the kernel has it."""

    debian: str
    release: str
    compiler: str
    seconds: float
    warnings: tuple[str, ...]
    probes: dict[str, bool]


def header_releases(root: Path) -> list[str]:
    """The kernel releases that a root file system has headers for."""
    return sorted(path.name for path in (root / "lib/modules").iterdir() if (path / "build").is_symlink())


def warnings_in(log: str) -> tuple[str, ...]:
    """The compiler's and kbuild's warnings in what a build said."""
    return tuple(line for line in log.splitlines() if re.search(r"\bwarning\b", line, re.IGNORECASE))


def probe_answers(build: Path) -> dict[str, bool]:
    """What the probes of a finished build found."""
    defined = re.findall(r"#define HPCAPVF_HAS_(\w+)", read(build / "compat_probes.h"))
    names = {path.stem for path in (build / "probes").glob("*.c")} - {"control"}
    return {name: name.upper() in defined for name in names}


def read(path: Path) -> str:
    """A file's text."""
    return path.read_text(encoding="utf-8")


def one_sided(builds: list[Build]) -> list[str]:
    """The probes that all kernels answered alike."""
    names = sorted({name for build in builds for name in build.probes})
    return [name for name in names if len({build.probes[name] for build in builds}) == 1]


def build_for(name: str, work: Path) -> Build:
    """Build in one root file system, from a copy of the sources in the folder work."""
    root = obtain_root(name)
    release = header_releases(root)[-1]
    source, log = work / name, work / f"{name}.log"
    shutil.copytree(TOP / "driver", source, ignore=shutil.ignore_patterns(*NOT_SOURCES))
    make = ["make", "-C", "/build", "module", f"KDIR=/lib/modules/{release}/build", "W=1"]
    began = time.monotonic()
    run_inside(root, make, binds={source: "/build"}, doing=f"building for {release}", timeout_s=TIMEOUT_S, log=log)
    seconds = round(time.monotonic() - began, 1)
    compiler = next(v for k, v in sorted(installed_versions(root).items(), reverse=True) if re.fullmatch(r"gcc-\d+", k))
    return Build(name, release, compiler, seconds, warnings_in(read(log)), probe_answers(source / "build/kmod"))


def main() -> int:
    """Build for all, write what was found, and say it."""
    target, names = Path(sys.argv[1]), tuple(sys.argv[2:]) or KERNELS
    about = provenance()
    with tempfile.TemporaryDirectory(prefix="hpcapvf-kernels-") as text:
        try:
            builds = [build_for(name, Path(text)) for name in names]
        except HpcapvfError as error:
            print(error, *error.details, sep="\n")
            return 1
    alike = one_sided(builds)
    for build in builds:
        print(f"{build.release} ({build.debian}): {len(build.warnings)} warnings, probes {build.probes}")
        print(*build.warnings, sep="\n", end="")
    if alike:
        print("probes that every kernel answers alike:", ", ".join(alike))
    write_result(target, about, {"builds": [asdict(build) for build in builds], "one_sided_probes": alike})
    return 1 if alike or any(build.warnings for build in builds) else 0


if __name__ == "__main__":
    sys.exit(main())
