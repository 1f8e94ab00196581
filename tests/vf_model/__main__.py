"""python -m tests.vf_model: build, boot once, run the cases that have not passed yet with these sources, write JSON.

Options: --only NAME …, --again (everything anew), --output FILE. Exit status 0 when every case has passed.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from pathlib import Path
from typing import Any

from hpcapvf.lab import modules
from hpcapvf.lab.cache import locked, read_json, state_root, write_json
from hpcapvf.model.errors import HpcapvfError
from tests.results import TOP, provenance
from tests.vf_model import cases_faults, cases_jumbo, cases_queues
from tests.vf_model.cases import CASES
from tests.vf_model.machine import Kit, Machine
from tests.vm.machine import obtain_image

DRIVER = TOP / "driver"
LIMIT_S = 3600.0
assert cases_faults and cases_jumbo and cases_queues  # their import registers their cases


def say(text: str) -> None:
    """A line for whoever watches."""
    print(time.strftime("%H:%M:%S"), text, flush=True)


def build() -> Kit:
    """Everything that the machine needs; what is in the cache is taken from there."""
    say("root file system, if need be: building it takes some minutes")
    image = obtain_image()
    release = image.manifest["kernel_release"]
    say(f"module for {release}, tools, model")
    module = modules.build_module(DRIVER, release, image)
    tools = modules.build_user(DRIVER, image) / "bin"
    model = modules.build_once(DRIVER, "vf-model", ["model"], ["build/bin/vf-model"], image) / "vf-model"
    return Kit(image.root, release, module, tools, model, state_root() / "vf_model")


def key_of(kit: Kit) -> str:
    """What a passed case depends on: the driver's sources, these cases, the root file system."""
    digest = hashlib.sha256(modules.source_hash(DRIVER).encode() + str(kit.root).encode())
    for path in sorted([*Path(__file__).parent.glob("*.*"), *(TOP / "tests/vm").glob("*.*")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def describe(kit: Kit, key: str) -> dict[str, Any]:
    """Where and of what the result is."""
    packages = read_json(kit.root.parent / "manifest.json")["packages"]
    guest = {"kernel": kit.release, "qemu": packages["qemu-system-x86"], "dpdk": packages["dpdk-dev"]}
    return {"key": key, **provenance(), "guest": guest}


def run_case(name: str, machine: Machine) -> dict[str, Any]:
    """One case's entry in the result."""
    began = time.monotonic()
    before = len(machine.complaints())
    try:
        entry: dict[str, Any] = {"passed": True, **CASES[name](machine)}
        said = machine.complaints()[before:]
        if said:
            entry = {"passed": False, "error": "the kernel complained", "details": list(said)}
    except (AssertionError, HpcapvfError) as error:
        entry = {"passed": False, "error": str(error), "details": list(getattr(error, "details", ()))}
    return {**entry, "seconds": round(time.monotonic() - began, 1)}


def run_cases(kit: Kit, todo: list[str], result: dict[str, Any], output: Path) -> None:
    """All of them on one machine; the result is written after each, so that a run can be cut."""
    began = time.monotonic()
    say(f"starting the machine for {len(todo)} cases")
    with locked("vf-model", wait_s=1), Machine(kit) as machine:
        result["boot_seconds"] = round(time.monotonic() - began, 1)
        say(f"the machine is up after {result['boot_seconds']} s")
        for name in todo:
            if time.monotonic() - began > LIMIT_S:
                say("out of time: run it again for the rest")
                return
            entry = run_case(name, machine)
            result["cases"][name] = entry
            write_json(output, result)
            say(f"{'passed' if entry['passed'] else 'FAILED'} {name} ({entry['seconds']} s) {entry.get('error', '')}")
            for line in entry.get("details", []):
                say(f"    {line}")


def main() -> int:
    """Parse the options and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.vf_model")
    parser.add_argument("--only", nargs="+", choices=sorted(CASES), metavar="CASE")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--output", type=Path, default=TOP / "build/vf_model.json")
    options = parser.parse_args()
    kit = build()
    known = describe(kit, key_of(kit))
    old = read_json(options.output) or {}
    passed = {} if options.again or old.get("key") != known["key"] else old["cases"]
    result = {**old, **known} if passed else known
    result["cases"] = {name: entry for name, entry in passed.items() if entry["passed"]}
    todo = [name for name in options.only or CASES if name not in result["cases"]]
    if todo:
        run_cases(kit, todo, result, options.output)
    missing = [name for name in CASES if not result["cases"].get(name, {}).get("passed")]
    say(f"{len(CASES) - len(missing)} of {len(CASES)} cases have passed; {options.output}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
