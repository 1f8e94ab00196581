"""Build the Debian packages, install, use and purge them: ``python -m tests.builds.packages FILE.json``.

All in a private root file system. Good means: lintian finds no error, DKMS built the module for the kernel whose
headers are there, all tools run, a program links through pkg-config, and a purge leaves nothing.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from hpcapvf.lab.build_roots import obtain_root
from hpcapvf.lab.modules import NOT_SOURCES
from hpcapvf.lab.rootfs import run_inside
from hpcapvf.model.errors import HpcapvfError
from tests.results import TOP, provenance, write_result

TIMEOUT_S = 1800.0
TOOLS = 6


def parse_facts(text: str) -> dict[str, list[str]]:
    """The lines ``name value`` that the script wrote, by name."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        found[name.lower()].append(value)
    return dict(found)


def problems(facts: dict[str, list[str]]) -> list[str]:
    """What is wrong with what was found."""
    wrong = []
    if "packages" not in facts.get("done", []):
        wrong.append("the script did not come to its end")
    if not facts.get("module"):
        wrong.append("DKMS built no module")
    if facts.get("group") != ["hpcap"]:
        wrong.append("the package made no group hpcap")
    if len(facts.get("tool", [])) != TOOLS:
        wrong.append("not every tool tells its version")
    return wrong + [f"left after the purge: {path}" for path in facts.get("left", [])]


def main() -> int:
    """Run the script and judge what it found."""
    target, about = Path(sys.argv[1]), provenance()
    root = obtain_root("trixie")
    # overlayfs cannot stack on a file system in memory everywhere: beside the root file systems
    with tempfile.TemporaryDirectory(prefix=".packages-", dir=root.parent.parent) as text:
        work = Path(text)
        build = work / "build"
        shutil.copytree(TOP / "driver", build / "driver", ignore=shutil.ignore_patterns(*NOT_SOURCES))
        shutil.copy(Path(__file__).with_name("packages.sh"), build / "packages.sh")
        log = build / "log"
        try:
            run_inside(
                root,
                ["sh", "/build/packages.sh"],
                binds={build: "/build"},
                doing="building and installing the Debian packages",
                timeout_s=TIMEOUT_S,
                log=log,
                scratch=work / "scratch",
            )
        except HpcapvfError as error:
            print(error, *error.details, sep="\n")
        facts = parse_facts((build / "facts").read_text(encoding="utf-8"))
        shutil.copy(log, TOP / "build/packages.log")
    wrong = problems(facts)
    write_result(target, about, {"facts": facts, "problems": wrong})
    print(*wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
