"""Build the toolkit's Debian package, install, use, upgrade and purge it: ``python -m tests.builds.toolkit FILE.json``.

In private root file systems of Debian 12 and 13 with what the package depends on, and nothing that it recommends.
Good means: commands, man pages and completion work, and state and units of a deployment are untouched by an upgrade and
by a purge. There is one release: the older package has the same programs and a lower version.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from hpcapvf import __version__
from hpcapvf.lab.build_roots import obtain_root
from hpcapvf.lab.process import run_ok
from hpcapvf.lab.rootfs import run_inside
from hpcapvf.model.errors import HpcapvfError
from tests.builds.packages import parse_facts
from tests.results import TOP, provenance, write_result

# Debian's release -> its root file system
RELEASES = {"12": "toolkit-bookworm", "13": "toolkit-trixie"}
USAGE = "2"
OLD, NEW = f"{__version__}~before", __version__
TIMEOUT_S = 600.0


def problems(release: str, facts: dict[str, list[str]]) -> list[str]:
    """What is wrong with what was found."""
    wanted = {
        "debian": [release],
        "command": ["/usr/bin/hpcapvf", "/usr/bin/deploy-vnp", "/usr/bin/deploy-vnma"],
        "works": ["schema", "answer", "upgraded"],
        "without_ansible": [USAGE],
        "data": ["domain.xml.j2", "site.yml"],
        "version": [OLD, NEW],
        "kept": ["upgrade", "purge"],
        "done": ["toolkit"],
    }
    wrong = [f"{name}: {facts.get(name)}, not {value}" for name, value in wanted.items() if facts.get(name) != value]
    return wrong + [f"left after the purge: {path}" for path in facts.get("left", [])]


def install(release: str, packages: Path) -> dict[str, list[str]]:
    """Facts from one release of Debian."""
    root = obtain_root(RELEASES[release])
    with tempfile.TemporaryDirectory(prefix=".toolkit-", dir=root.parent.parent) as text:
        build = Path(text) / "build"
        shutil.copytree(packages, build)
        shutil.copy(Path(__file__).with_name("toolkit.sh"), build)
        (build / "spec.yaml").write_text("version: 1\n", encoding="utf-8")
        log = TOP / f"build/toolkit-{release}.log"
        log.parent.mkdir(exist_ok=True)
        try:
            run_inside(
                root,
                ["sh", "/build/toolkit.sh"],
                binds={build: "/build"},
                doing=f"installing the toolkit's package on Debian {release}",
                timeout_s=TIMEOUT_S,
                log=log,
                scratch=Path(text) / "scratch",
            )
        except HpcapvfError as error:
            print(error, *error.details, sep="\n")
        facts = build / "facts"
        return parse_facts(facts.read_text(encoding="utf-8")) if facts.is_file() else {}


def main() -> int:
    """Build, install on each release and judge what was found."""
    target, about = Path(sys.argv[1]), provenance()
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        for name, version in (("old", OLD), ("new", NEW)):
            make = [sys.executable, str(TOP / "tools/toolkit_package.py"), str(folder / name), version]
            run_ok(make, doing=f"building the toolkit's package {version}", timeout_s=TIMEOUT_S)
        found = {release: install(release, folder) for release in RELEASES}
    wrong = {release: problems(release, facts) for release, facts in found.items()}
    write_result(target, about, {"facts": found, "problems": wrong})
    print(*(f"Debian {release}: {line}" for release, lines in wrong.items() for line in lines), sep="\n")
    return 1 if any(wrong.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
