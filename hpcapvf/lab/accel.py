"""Whether hardware virtualisation can be used, found out by starting a kernel with it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from hpcapvf.lab.emulator import Emulator
from hpcapvf.lab.process import run
from hpcapvf.model.errors import HpcapvfError, LabFailed

PROBE_TIMEOUT_S = 10.0
KVM_DEVICE = Path("/dev/kvm")
NESTED = ("sys/module/kvm_intel/parameters/nested", "sys/module/kvm_amd/parameters/nested")
# A kernel without any disk gets this far after all of its own start-up; panic=-1 then resets the machine.
REACHED = "Unable to mount root fs"


@dataclass(frozen=True)
class Accel:
    """tcg or kvm, and why."""

    name: str
    reason: str


def choose_accel(wanted: str, emulator: Emulator, kernel: Path, system_root: Path = Path("/")) -> Accel:
    """Follow --accel: tcg, kvm (LabFailed when it does not work) or auto (KVM only if it works and can be nested)."""
    if wanted == "tcg":
        return Accel("tcg", "emulation was asked for")
    obstacle = device_obstacle() or probe_obstacle(emulator, kernel) or nesting_obstacle(system_root)
    if not obstacle:
        return Accel("kvm", "a probe kernel started with KVM, and nesting is on")
    if wanted == "kvm":
        raise LabFailed(f"KVM was asked for but cannot be used: {obstacle}", hint="Use --accel tcg, or auto.")
    return Accel("tcg", f"emulation, because {obstacle}")


def device_obstacle() -> str:
    """Why KVM cannot be opened; empty when it can."""
    if not KVM_DEVICE.exists():
        return f"there is no {KVM_DEVICE}"
    if not os.access(KVM_DEVICE, os.R_OK | os.W_OK):
        return f"{KVM_DEVICE} may not be opened by this user"
    return ""


def nesting_obstacle(system_root: Path) -> str:
    """Why guests of a KVM guest are impossible here; empty when they are possible."""
    for name in NESTED:
        try:
            value = (system_root / name).read_text().strip()
        except FileNotFoundError:
            continue
        return "" if value in ("Y", "1") else f"nesting is off (/{name} is {value})"
    return "the kernel does not say whether KVM can be nested"


def probe_obstacle(emulator: Emulator, kernel: Path) -> str:
    """Start a kernel under KVM for at most PROBE_TIMEOUT_S; why that failed, empty when it started."""
    argv = [*emulator.argv, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
    argv += ["-machine", "q35,kernel-irqchip=split", "-accel", "kvm", "-cpu", "host", "-smp", "2", "-m", "512M"]
    argv += ["-serial", "stdio", "-kernel", str(kernel), "-append", "console=ttyS0 panic=-1"]
    try:
        result = run(argv, timeout_s=PROBE_TIMEOUT_S, env=emulator.env)
    except HpcapvfError:
        return f"a probe kernel did not start with KVM within {PROBE_TIMEOUT_S:.0f} s"
    if REACHED in result.text:
        return ""
    said = (result.error_text.strip() or "it ended without a word").splitlines()[-1]
    return f"a probe kernel did not start with KVM: {said}"
