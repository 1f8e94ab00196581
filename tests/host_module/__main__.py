"""One small machine with an emulated 82576, igb bound, no iomem=relaxed: ``python -m tests.host_module FILE.json``.

The cases stand in ``inside.py`` and run in that machine with the project's own code.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path

import hpcapvf
from hpcapvf.lab import modules
from hpcapvf.lab.cache import state_root
from tests.results import provenance, write_result
from tests.vm.machine import obtain_image
from tests.vm.shell_machine import ShellMachine

DRIVER = Path(__file__).resolve().parents[2] / "driver"
MODULE = "hpcapvf_regs.ko"
INSIDE_S = 600.0


class HostMachine(ShellMachine):
    """A card with two VFs, and beside it one that the module must refuse."""

    def __init__(self) -> None:
        image = obtain_image()
        super().__init__(image.root, image.manifest["kernel_release"], state_root() / "host_module")
        headers = f"KDIR=/usr/lib/modules/{self.release}/build"
        built = modules.build_once(
            DRIVER, f"host-module-{self.release}", ["host-module", headers], [f"build/{MODULE}"], image
        )
        self.module = built / MODULE

    def prepare(self) -> None:
        """The module, the project's Python code, and the cases."""
        shutil.copy(self.module, self.share / MODULE)
        shutil.copytree(Path(hpcapvf.__file__).parent, self.share / "hpcapvf", ignore=shutil.ignore_patterns("*.pyc"))
        shutil.copy(Path(__file__).with_name("inside.py"), self.share / "inside.py")

    def devices(self) -> list[str]:
        """An 82576 whose link leads nowhere."""
        return [
            *("-netdev", "hubport,id=wire,hubid=0", "-device", "pcie-root-port,id=slot1,chassis=1,slot=1"),
            *("-device", "igb,netdev=wire,bus=slot1,mac=02:48:50:56:46:01,romfile="),
        ]


def main(argv: list[str]) -> int:
    """0 if every case came out well and the kernel had no complaint."""
    about, began = provenance(), time.monotonic()
    with HostMachine() as machine:
        text = machine.run("python3 -B inside.py 2>stderr.txt || cat stderr.txt", timeout_s=INSIDE_S)
        cases = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        complaints = machine.complaints()
        said = machine.machine.said()
    print(text)
    ended = "all cases ran" in text
    good = ended and not complaints and all(case["ok"] for case in cases)
    found = {"ok": good, "kernel": machine.release, "cases": cases, "complaints": list(complaints)}
    write_result(Path(argv[0]), about, {"seconds": round(time.monotonic() - began), **found})
    print(f"{'passed' if good else 'FAILED'}: {len(cases)} cases, {len(complaints)} complaints of the kernel")
    if not good:
        print(said[-3000:])
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
