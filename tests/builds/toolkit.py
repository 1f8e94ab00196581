"""Build the toolkit's Debian package, install, use, upgrade and purge it: ``python -m tests.builds.toolkit FILE.json``.

In private root file systems of Debian 12 and 13 with what the package depends on, and nothing that it recommends.
Good means: commands, man pages and completion work, and what was deployed is still there after a purge.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from hpcapvf.lab.build_roots import obtain_root
from hpcapvf.lab.process import run_ok
from hpcapvf.lab.rootfs import run_inside
from hpcapvf.model.errors import HpcapvfError
from tests.builds.packages import parse_facts
from tests.results import TOP, provenance, write_result

# Debian's release -> its root file system
RELEASES = {"12": "toolkit-bookworm", "13": "toolkit-trixie"}
USAGE = "2"
TIMEOUT_S = 600.0


def problems(release: str, facts: dict[str, list[str]]) -> list[str]:
    """What is wrong with what was found."""
    wanted = {
        "debian": [release],
        "command": ["/usr/bin/hpcapvf", "/usr/bin/deploy-vnp", "/usr/bin/deploy-vnma"],
        "works": ["schema", "answer"],
        "without_ansible": [USAGE],
        "data": ["domain.xml.j2", "site.yml"],
        "after_upgrade": ["kept"],
        "after_purge": ["kept"],
        "done": ["toolkit"],
    }
    wrong = [f"{name}: {facts.get(name)}, not {value}" for name, value in wanted.items() if facts.get(name) != value]
    return wrong + [f"left after the purge: {path}" for path in facts.get("left", [])]


def install(release: str, package: Path) -> dict[str, list[str]]:
    """Facts from one release of Debian."""
    root = obtain_root(RELEASES[release])
    with tempfile.TemporaryDirectory(prefix=".toolkit-", dir=root.parent.parent) as text:
        build = Path(text) / "build"
        build.mkdir()
        shutil.copy(package, build)
        shutil.copy(Path(__file__).with_name("toolkit.sh"), build)
        (build / "spec.yaml").write_text("version: 1\n", encoding="utf-8")
        try:
            run_inside(
                root,
                ["sh", "/build/toolkit.sh"],
                binds={build: "/build"},
                doing=f"installing the toolkit's package on Debian {release}",
                timeout_s=TIMEOUT_S,
                log=TOP / f"build/toolkit-{release}.log",
                scratch=Path(text) / "scratch",
            )
        except HpcapvfError as error:
            print(error, *error.details, sep="\n")
        facts = build / "facts"
        return parse_facts(facts.read_text(encoding="utf-8")) if facts.is_file() else {}


def main() -> int:
    """Build, install on each release and judge what was found."""
    target, about = Path(sys.argv[1]), provenance()
    folder = TOP / "build/deb"
    make = [sys.executable, str(TOP / "tools/toolkit_package.py"), str(folder)]
    run_ok(make, doing="building the toolkit's package", timeout_s=TIMEOUT_S)
    package = next(folder.glob("hpcapvf_*_all.deb"))
    found = {release: install(release, package) for release in RELEASES}
    wrong = {release: problems(release, facts) for release, facts in found.items()}
    write_result(target, about, {"facts": found, "problems": wrong})
    print(*(f"Debian {release}: {line}" for release, lines in wrong.items() for line in lines), sep="\n")
    return 1 if any(wrong.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
