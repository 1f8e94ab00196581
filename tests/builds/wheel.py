"""Install the built wheel with pipx on Debian 12 and 13, use and remove it: ``python -m tests.builds.wheel FILE.json``.

In private root file systems, pip without index: what is needed is downloaded before. Good means, without compiler
and extra: the three commands are on the PATH, complete in bash and zsh, work without the host's bindings, and name the
extra where they cannot. With the packages that the quick start names: the extra ``host`` is compiled, and used.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hpcapvf.lab.build_roots import obtain_root
from hpcapvf.lab.process import run_ok
from hpcapvf.lab.rootfs import run_inside
from hpcapvf.model.bindings import EXTRA
from hpcapvf.model.errors import ExitCode, HpcapvfError
from tests.builds.packages import parse_facts
from tests.results import TOP, provenance, write_result

Facts = dict[str, list[str]]
COMMANDS = ["/build/bin/hpcapvf", "/build/bin/deploy-vnp", "/build/bin/deploy-vnma"]
TIMEOUT_S = 600.0
SPEC = """version: 1
guest: {name: probe1, image: /srv/guest.qcow2, vcpus: 2, memory_mib: 1024}
network: {pf: enp5s0, receive: all}
storage: {mode: passthrough, controller: "0000:06:00.0"}
"""
CONTROL: Facts = {
    "command": COMMANDS,
    "completes": [f"{shell} {Path(command).name}" for command in COMMANDS for shell in ("bash", "zsh")],
    "works": ["schema", "results", "fleet"],
    "lacking": [f"deploy {ExitCode.NOT_CAPABLE:d}", f"doctor {ExitCode.NOT_CAPABLE:d}"],
    "names": ["deploy", "remedy", "doctor"],
    "fleet": [f"{ExitCode.HOST_FAILED:d}"],
    "done": ["wheel"],
}
# A private root file system is no capable host. That its commands say just this shows that they got so far.
HOST: Facts = {
    "binding": ["libvirt", "pyudev"],
    "doctor": [f"{ExitCode.NOT_CAPABLE:d}"],
    "asks": ["libvirt"],
    "deploy": [f"{ExitCode.NOT_FOUND:d}"],
    "misses": ["card"],
    "domain": ["probe True"],
    "disk": ["None"],
    "done": ["extra"],
}


@dataclass(frozen=True)
class Case:
    """One installation. python: Debian's. script: run in the root file system; wanted: the facts that it shall find.

    unwanted: facts of which there shall be none. source: what is needed besides wheels and has to be compiled.
    """

    release: str
    root: str
    python: str
    script: str
    wanted: Facts
    unwanted: tuple[str, ...]
    source: str = ""

    def problems(self, facts: Facts) -> list[str]:
        """What is wrong with what was found."""
        wanted = {"debian": [self.release]} | self.wanted
        wrong = [
            f"{name}: {facts.get(name)}, not {value}" for name, value in wanted.items() if facts.get(name) != value
        ]
        return wrong + [f"{name}: {value}" for name in self.unwanted for value in facts.get(name, [])]


LEAN = ("compiler", "binding", "traceback", "left")
CASES = {
    "12": Case("12", "control-bookworm", "3.11", "wheel.sh", CONTROL, LEAN),
    "13": Case("13", "control-trixie", "3.13", "wheel.sh", CONTROL, LEAN),
    f"12, {EXTRA}": Case("12", "hypervisor-bookworm", "3.11", "wheel_host.sh", HOST, ("early",), "libvirt-python"),
    f"13, {EXTRA}": Case("13", "hypervisor-trixie", "3.13", "wheel_host.sh", HOST, ("early",), "libvirt-python"),
}


def download(folder: Path, case: Case) -> None:
    """The project's wheel, binary wheels of all that it needs for that Python, and the source of what has none."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    run_ok([*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(TOP)], doing="the wheel", timeout_s=TIMEOUT_S)
    wheel = next(folder.glob("hpcapvf-*.whl"))
    into = ["--dest", str(folder)]
    only = ["--only-binary", ":all:", "--python-version", case.python]
    needed = [str(wheel), "pip", "setuptools", "wheel"]  # pipx puts the last three into what it makes
    needed += ["pyudev"] if case.source else []
    run_ok([*pip, "download", *into, *only, *needed], doing="downloading wheels", timeout_s=TIMEOUT_S)
    if case.source:
        source = [*pip, "download", *into, "--no-deps", "--no-binary", case.source, case.source]
        with tempfile.TemporaryDirectory() as text:
            # To be downloaded, a source tells pip its metadata, for which libvirt's asks pkg-config of the library.
            # That is in the root file system alone; here any answer will do.
            any_answer = Path(text) / "pkg-config"
            any_answer.write_text("#!/bin/sh\necho 0\n", encoding="utf-8")
            any_answer.chmod(0o755)
            path = {"PATH": f"{text}:{os.environ['PATH']}"}
            run_ok(source, doing=f"downloading {case.source}", timeout_s=TIMEOUT_S, env=path)


def install(label: str, case: Case) -> Facts:
    """Facts from one installation."""
    root = obtain_root(case.root)
    with tempfile.TemporaryDirectory(prefix=".wheel-", dir=root.parent.parent) as text:
        build = Path(text) / "build"
        (build / "wheels").mkdir(parents=True)
        download(build / "wheels", case)
        shutil.copy(Path(__file__).with_name(case.script), build)
        (build / "spec.yaml").write_text(SPEC, encoding="utf-8")
        log = TOP / f"build/{case.script.removesuffix('.sh')}-{case.release}.log"
        log.parent.mkdir(exist_ok=True)
        try:
            run_inside(
                root,
                ["sh", f"/build/{case.script}"],
                binds={build: "/build"},
                doing=f"installing the wheel on Debian {label}",
                timeout_s=TIMEOUT_S,
                log=log,
                scratch=Path(text) / "scratch",
            )
        except HpcapvfError as error:
            print(error, *error.details, sep="\n")
        facts = build / "facts"
        return parse_facts(facts.read_text(encoding="utf-8")) if facts.is_file() else {}


def main() -> int:
    """Install in each case and judge what was found."""
    target, about = Path(sys.argv[1]), provenance()
    found = {label: install(label, case) for label, case in CASES.items()}
    wrong = {label: CASES[label].problems(facts) for label, facts in found.items()}
    write_result(target, about, {"facts": found, "problems": wrong})
    print(*(f"Debian {label}: {line}" for label, lines in wrong.items() for line in lines), sep="\n")
    return 1 if any(wrong.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
