"""The module on a kernel with KASAN, lockdep and kmemleak: ``python -m tests.device.debug_kernel FILE.json [CASE…]``.

The kernel is built from the distribution's own source, in build/debug-kernel, where an interrupted build goes on.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from pathlib import Path

from hpcapvf.lab.build_roots import obtain_root
from hpcapvf.lab.rootfs import run_inside
from hpcapvf.model.errors import LabFailed
from tests.device.build import DRIVER, Kernel
from tests.device.suites import MORE_MEMORY_MIB, SUITES, chosen, run_suite
from tests.results import TOP

CONFIG = DRIVER / "tests/kernel/debug.config"
BUILD_TIMEOUT_S = 7200.0
UNPACK = """
cd /kernel
rm -rf new
mkdir new
tar --extract --directory new --strip-components=1 --file /usr/src/linux-source-*.tar.xz
mv new linux
"""


def wanted_options(text: str) -> list[str]:
    """The options of a configuration file, as lines."""
    return [line for line in text.splitlines() if line.startswith("CONFIG_")]


def check_options(wanted: list[str], config: str) -> None:
    """LabFailed if the kernel's own rules dropped an option that is asked for."""
    dropped = sorted(set(wanted) - set(config.splitlines()))
    if dropped:
        raise LabFailed("the kernel does not take these options: " + ", ".join(dropped), hint=f"see {CONFIG}")


def build_kernel(work: Path) -> Kernel:
    """Unpack, configure and build; what is there already is not done again."""
    root = obtain_root("source")
    tree = work / "linux"

    def inside(script: str, doing: str) -> None:
        words = ["sh", "-euc", script]
        log = work / "build.log"
        run_inside(root, words, binds={work: "/kernel"}, doing=doing, timeout_s=BUILD_TIMEOUT_S, log=log)

    if not tree.is_dir():
        inside(UNPACK, "unpacking the kernel's source")
    text = CONFIG.read_text(encoding="utf-8")
    (work / "wanted.config").write_text(text)
    inside("cd /kernel/linux && make allnoconfig KCONFIG_ALLCONFIG=/kernel/wanted.config", "configuring the kernel")
    check_options(wanted_options(text), (tree / ".config").read_text())
    began = time.monotonic()
    inside(f"cd /kernel/linux && make -j{os.environ.get('JOBS', '1')} bzImage modules", "building the kernel")
    release = (tree / "include/config/kernel.release").read_text().strip()
    print(f"kernel {release} built in {time.monotonic() - began:.0f} s", flush=True)
    return Kernel(release, tree / "arch/x86/boot/bzImage", None, root, tree)


def main() -> int:
    """Build the kernel, then run every case on it that a machine of the usual memory can."""
    digest = hashlib.sha256(CONFIG.read_bytes()).hexdigest()[:8]
    work = TOP / "build/debug-kernel" / digest
    work.mkdir(parents=True, exist_ok=True)
    cases = {case: seconds for suite in SUITES.values() for case, seconds in suite.items()}
    slower = {case: 4 * seconds for case, seconds in cases.items() if case not in MORE_MEMORY_MIB}
    return run_suite(Path(sys.argv[1]), chosen(slower, sys.argv[2:]), build_kernel(work))


if __name__ == "__main__":
    sys.exit(main())
