"""A small emulated machine with one SR-IOV card, for one stage of the driver's device tests: kernel, shell, our files.

It has no disk and no network; the traffic comes from the card's PF, whose switch hands it to the VFs.
"""

from __future__ import annotations

import lzma
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hpcapvf.lab.emulator import Emulator, environment
from hpcapvf.lab.process import run_ok
from hpcapvf.model.errors import WaitTimedOut

MEMORY_MIB = 512
# Those of igb and what it needs; a kernel that has one built in lacks the file.
MODULES = ("pps_core", "ptp", "dca", "i2c-algo-bit", "igb")
ACCOUNTS = "root:x:0:0::/:/bin/sh\nmember:x:1000:990::/:/bin/sh\noutsider:x:1001:1001::/:/bin/sh\n"
GROUP = "root:x:0:\nhpcap:x:990:\noutsider:x:1001:\n"


@dataclass(frozen=True)
class Ran:
    """A stage's end. status: of its script, None if the machine never said. kernel: complaints. facts: what it said."""

    status: int | None
    kernel: tuple[str, ...]
    facts: tuple[str, ...]
    console: str

    @property
    def passed(self) -> bool:
        """Whether the script ended well and the kernel had nothing to complain about."""
        return self.status == 0 and not self.kernel


def archive_entry(name: str, mode: int, data: bytes = b"") -> bytes:
    """One file of a cpio archive of format "newc" (Linux, Documentation/driver-api/early-userspace/buffer-format)."""
    encoded = name.encode() + b"\0"
    fields = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
    return pad(head) + pad(data)


def pad(data: bytes) -> bytes:
    """To a multiple of four bytes."""
    return data + bytes(-len(data) % 4)


def archive(files: Mapping[str, tuple[int, bytes]]) -> bytes:
    """An initial RAM file system. files: path without leading slash to permissions and content."""
    folders = sorted({str(parent) for path in files for parent in Path(path).parents} - {"."})
    entries = [archive_entry(name, 0o040755) for name in sorted({*folders, "bin", "dev", "proc", "sys", "tmp"} - {"."})]
    entries += [archive_entry(name, 0o100000 | mode, data) for name, (mode, data) in sorted(files.items())]
    return b"".join(entries) + archive_entry("TRAILER!!!", 0)


def modules_of(tree: Path) -> dict[str, bytes]:
    """The card's modules below a folder with kernel modules, unpacked, in the order in which they are loaded."""
    found = {path.name.partition(".")[0].replace("_", "-"): path for path in tree.rglob("*.ko*")}
    loaded = {}
    for name in MODULES:
        path = found.get(name.replace("_", "-"))
        if path is not None:
            data = path.read_bytes()
            loaded[name] = lzma.decompress(data) if path.suffix == ".xz" else data
    return loaded


def machine_files(
    busybox: Path, modules: Mapping[str, bytes], hpcapvf_ko: Path, programs: Path, scripts: Path
) -> dict[str, tuple[int, bytes]]:
    """Everything that is in the machine. programs: a folder of static ones. scripts: init, common.sh and the stages."""
    files = {f"modules/{name}.ko": (0o644, data) for name, data in modules.items()}
    files["modules/order"] = (0o644, "\n".join(modules).encode() + b"\n")
    files["modules/hpcapvf.ko"] = (0o644, hpcapvf_ko.read_bytes())
    files["bin/busybox"] = (0o755, busybox.read_bytes())
    files["etc/passwd"], files["etc/group"] = (0o644, ACCOUNTS.encode()), (0o644, GROUP.encode())
    for program in programs.iterdir():
        files[f"bin/{program.name}"] = (0o755, program.read_bytes())
    for script in scripts.glob("*.sh"):
        name = "common.sh" if script.name == "common.sh" else f"stages/{script.name}"
        files[name] = (0o644, script.read_bytes())
    files["init"] = (0o755, (scripts / "init").read_bytes())
    return files


def run_stage(emulator: Emulator, kernel: Path, initrd: Path, stage: str, console: Path, timeout_s: float) -> Ran:
    """Boot, run one stage and read what the console shows. A machine that does not end in time has failed."""
    # On a busy machine the emulated clock ran nine times too fast: soft lockups before the driver was loaded. What
    # really hangs is seen by the deadline.
    words = "console=ttyS0 quiet panic=-1 nokaslr nosoftlockup tsc=reliable"
    argv = [
        *emulator.argv,
        *("-name", f"hpcapvf-device-{stage}", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-machine", "q35", "-accel", "tcg", "-cpu", "max,-monitor", "-smp", "1", "-m", f"{MEMORY_MIB}M"),
        *("-kernel", str(kernel), "-initrd", str(initrd), "-append", f"{words} stage={stage}"),
        *("-chardev", f"file,id=console,path={console}", "-serial", "chardev:console"),
        *("-netdev", "user,id=wire,restrict=on", "-device", "pcie-root-port,id=slot1,chassis=1,slot=1"),
        *("-device", "igb,netdev=wire,bus=slot1,mac=02:48:50:56:46:01,romfile="),
    ]
    console.write_bytes(b"")
    with suppress(WaitTimedOut):
        run_ok(argv, doing=f"running the test machine ({stage})", timeout_s=timeout_s, env=environment(emulator))
    return read_console(console.read_text(encoding="utf-8", errors="replace"), stage)


def read_console(text: str, stage: str) -> Ran:
    """What a console says about a stage."""
    lines = [line.strip() for line in text.splitlines()]
    ends = [line.split()[-1] for line in lines if line.startswith(f"STAGE {stage} ")]
    kernel = tuple(line.removeprefix("KERNEL ") for line in lines if line.startswith("KERNEL "))
    facts = tuple(line.removeprefix("FACT ") for line in lines if line.startswith("FACT "))
    return Ran(int(ends[-1]) if ends else None, kernel, facts, text)
