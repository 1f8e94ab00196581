"""Install the built wheel with pipx on Debian 12 and 13, use and remove it: ``python -m tests.builds.wheel FILE.json``.

In private root file systems without compiler, pip without index: what is needed is downloaded before, as binary
wheels for that Python only. Good means: the three commands are on the PATH, complete in bash and zsh, and
work without the host's bindings.
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

# Debian's release -> its root file system and its Python
RELEASES = {"12": ("control-bookworm", "3.11"), "13": ("control-trixie", "3.13")}
COMMANDS = ["/build/bin/hpcapvf", "/build/bin/deploy-vnp", "/build/bin/deploy-vnma"]
HOST_FAILED = "13"
TIMEOUT_S = 600.0
SPEC = """version: 1
guest: {name: probe1, image: /srv/guest.qcow2, vcpus: 2, memory_mib: 1024}
network: {pf: enp5s0, receive: all}
storage: {mode: passthrough, controller: "0000:06:00.0"}
"""


def problems(release: str, facts: dict[str, list[str]]) -> list[str]:
    """What is wrong with what was found."""
    wanted = {
        "debian": [release],
        "command": COMMANDS,
        "completes": [f"{shell} {Path(command).name}" for command in COMMANDS for shell in ("bash", "zsh")],
        "works": ["schema", "fleet"],
        "fleet": [HOST_FAILED],
        "done": ["wheel"],
    }
    wrong = [f"{name}: {facts.get(name)}, not {value}" for name, value in wanted.items() if facts.get(name) != value]
    unwanted = ("compiler", "binding", "left")
    return wrong + [f"{name}: {value}" for name in unwanted for value in facts.get(name, [])]


def download(folder: Path, python: str) -> None:
    """The project's wheel, and binary wheels of all that it needs for that Python."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    run_ok([*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(TOP)], doing="the wheel", timeout_s=TIMEOUT_S)
    wheel = next(folder.glob("hpcapvf-*.whl"))
    only = ["--only-binary", ":all:", "--python-version", python, "--dest", str(folder)]
    needed = [str(wheel), "pip", "setuptools", "wheel"]  # pipx puts the last three into what it makes
    run_ok([*pip, "download", *only, *needed], doing="downloading wheels", timeout_s=TIMEOUT_S)


def install(release: str) -> dict[str, list[str]]:
    """Facts from one release of Debian."""
    name, python = RELEASES[release]
    root = obtain_root(name)
    with tempfile.TemporaryDirectory(prefix=".wheel-", dir=root.parent.parent) as text:
        build = Path(text) / "build"
        (build / "wheels").mkdir(parents=True)
        download(build / "wheels", python)
        shutil.copy(Path(__file__).with_name("wheel.sh"), build / "wheel.sh")
        (build / "spec.yaml").write_text(SPEC, encoding="utf-8")
        log = TOP / f"build/wheel-{release}.log"
        log.parent.mkdir(exist_ok=True)
        try:
            run_inside(
                root,
                ["sh", "/build/wheel.sh"],
                binds={build: "/build"},
                doing=f"installing the wheel on Debian {release}",
                timeout_s=TIMEOUT_S,
                log=log,
                scratch=Path(text) / "scratch",
            )
        except HpcapvfError as error:
            print(error, *error.details, sep="\n")
        facts = build / "facts"
        return parse_facts(facts.read_text(encoding="utf-8")) if facts.is_file() else {}


def main() -> int:
    """Install on each release and judge what was found."""
    target, about = Path(sys.argv[1]), provenance()
    found = {release: install(release) for release in RELEASES}
    wrong = {release: problems(release, facts) for release, facts in found.items()}
    write_result(target, about, {"facts": found, "problems": wrong})
    print(*(f"Debian {release}: {line}" for release, lines in wrong.items() for line in lines), sep="\n")
    return 1 if any(wrong.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
