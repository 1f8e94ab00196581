"""The module in a real kernel: ``python -m tests.device.suites kernel|soak|large FILE.json [CASE…]``.

Each case boots a machine of its own. What passed is kept in build/device and not repeated for the same sources and
kernel, so an interrupted run goes on where it was; ``rm -r build/device`` begins anew.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpcapvf.lab.modules import source_hash
from tests.device.build import DRIVER, Kernel, build_for, debian_kernel
from tests.results import TOP, provenance, write_result
from tests.vm.archive import File, archive, busybox, kernel_modules, programs
from tests.vm.machine import Hardware, Machine, complaints, obtain_image

# Case (driver/tests/kernel/cases/CASE.sh) to its deadline in seconds.
SUITES: Mapping[str, Mapping[str, float]] = {
    "kernel": {"parameters": 900, "vf": 900, "netdev": 900, "ring": 900},
    "soak": {"abuse": 900, "removal": 900, "resets": 900, "readers": 1200, "cycles": 3000},
    "large": {"large": 3600},
}
SCRIPTS = DRIVER / "tests/kernel"
PROGRAMS = """
bash cat chgrp chmod cmp cp cut dd diff dmesg env ethtool grep head insmod ip ln ls mkdir mkfifo mount mv readlink rm
rmmod sed setpriv sleep sort stat sync tail timeout tr true umount uname wc
"""
MODULES = ("igb", "virtio_net", "veth", "8021q")
# The card and the plain port are on one hub: what one of them sends, the other receives.
DEVICES = (
    *("-netdev", "hubport,id=wire0,hubid=1", "-device", "pcie-root-port,id=port0,chassis=1,slot=1"),
    *("-device", "igb,netdev=wire0,bus=port0,mac=02:48:50:56:46:00,romfile="),
    *("-netdev", "hubport,id=wire1,hubid=1"),
    *("-device", "virtio-net-pci,netdev=wire1,mac=02:48:50:56:46:f1,romfile="),
)
MEMORY_MIB = 640
# Cases with a larger machine: a ring beyond 4 GiB.
MORE_MEMORY_MIB: Mapping[str, int] = {"large": 10240}


@dataclass(frozen=True)
class Ran:
    """A case's end. status: of its script, None if the machine never said. kernel: complaints. facts: what it said."""

    status: int | None
    kernel: tuple[str, ...]
    facts: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the script ended well and the kernel had nothing to complain about."""
        return self.status == 0 and not self.kernel


def read_console(text: str, case: str) -> Ran:
    """What a console says about a case."""
    lines = [line.strip() for line in text.splitlines()]
    ends = [line.split()[-1] for line in lines if line.startswith(f"CASE {case} ")]
    facts = tuple(line.removeprefix("FACT ") for line in lines if line.startswith("FACT "))
    return Ran(int(ends[-1]) if ends else None, complaints(text), facts)


def make_initrd(kernel: Kernel, root: Path, work: Path) -> bytes:
    """Programs of root, the kernel's modules, what is under test (below test/) and the scripts."""
    files = {**programs(root, PROGRAMS.split()), **busybox(root)}
    files.update(kernel_modules(kernel.modules, MODULES) if kernel.modules else {"modules/order": File(b"")})
    tested = [*build_for(kernel, work), SCRIPTS / "lib.sh", *(SCRIPTS / "cases").glob("*.sh")]
    files.update({f"test/{path.name}": File(path.read_bytes(), executable=True) for path in tested})
    files["init"] = File((SCRIPTS / "init").read_bytes(), executable=True)
    return archive(files)


def run_case(hardware: Hardware, root: Path, case: str, folder: Path, timeout_s: float) -> dict[str, Any]:
    """Boot, run one case; what the result says of it. A machine that does not end in time has failed."""
    began = time.monotonic()
    with Machine(root, folder, hardware) as machine:
        machine.wait_end(timeout_s)
        ran = read_console(machine.said(), case)
    return {
        "stage": case,
        "passed": ran.passed,
        "seconds": round(time.monotonic() - began, 1),
        "facts": list(ran.facts),
        "kernel_complaints": list(ran.kernel),
    }


def sources_key() -> str:
    """What a passed case depends on, beside the kernel: the driver and this harness."""
    digest = hashlib.sha256(source_hash(DRIVER).encode())
    for path in sorted([*Path(__file__).parent.glob("*.py"), *(TOP / "tests/vm").glob("*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def run_suite(target: Path, deadlines: Mapping[str, float], kernel: Kernel) -> int:
    """Run what has not passed yet; after each case, write what is known (deadlines: each case's, in seconds)."""
    about = provenance()
    work = TOP / "build/device" / kernel.release
    kept = work / f"passed-{sources_key()}"
    kept.mkdir(parents=True, exist_ok=True)
    root = obtain_image().root
    rows: list[dict[str, Any]] = []
    initrd = b""
    for case, timeout_s in deadlines.items():
        done = kept / f"{case}.json"
        if done.exists():
            row = json.loads(done.read_text())
        else:
            initrd = initrd or make_initrd(kernel, root, work)
            memory_mib = MORE_MEMORY_MIB.get(case, MEMORY_MIB)
            hardware = Hardware(kernel.image, initrd, f"case={case}", DEVICES, memory_mib)
            row = run_case(hardware, root, case, work / case, timeout_s)
            if row["passed"]:
                done.write_text(json.dumps(row))
        rows.append(row)
        print(json.dumps(row), flush=True)
        if not row["passed"]:
            print(f"{case}: see {work / case / 'console.log'}", flush=True)
        missing = list(deadlines)[len(rows) :]
        write_result(target, about, {"kernel": kernel.release, "missing": missing, "stages": rows})
    return 0 if all(row["passed"] for row in rows) else 1


def chosen(deadlines: Mapping[str, float], names: list[str]) -> dict[str, float]:
    """The named cases, all if none is named."""
    return {name: deadlines[name] for name in names or deadlines}


if __name__ == "__main__":
    suite, file, *cases = sys.argv[1:]
    sys.exit(run_suite(Path(file), chosen(SUITES[suite], cases), debian_kernel()))
