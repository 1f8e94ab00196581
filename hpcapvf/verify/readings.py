"""What the checks read of a running deployment: QEMU's threads and memory, the PF's interface, the guest.

Reading and parsing only; ``checks`` decides.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from hpcapvf.host.protocols import Files, Guest, Job, Machine
from hpcapvf.model.address import CpuSet, PciAddress
from hpcapvf.model.errors import HpcapvfError, StepFailed
from hpcapvf.model.paths import CAPTURE_UNIT, guard_path
from hpcapvf.model.plan import Plan
from hpcapvf.model.steps import ProgramReceiveAll
from hpcapvf.nic.access import read_register
from hpcapvf.nic.receive import ReadRegister, RegisterWant, drift, programme_of
from hpcapvf.nic.tables import register_table
from hpcapvf.verify.capture import COMMAND_TIMEOUT_S, READ_ATTRIBUTES, parse_attributes

_KERNEL_WORKERS = ("kvm-nx-lpage-re",)  # a kernel thread inside the process of the VM (x86 KVM)
_VCPU_THREAD = re.compile(r"^CPU (\d+)/")
_IO_THREAD = re.compile(r"^IO iothread\d+$")  # "IO " and libvirt's name for it; "IO mon_iothread" is QEMU's own
_PAUSE_LINE = re.compile(r"^(RX|TX):\s*(\S+)", re.MULTILINE)
_FEATURE_LINE = re.compile(r"^\s*([a-z0-9-]+): (on|off)( \[fixed\])?", re.MULTILINE)
# Facts about the capture in the guest as key=value lines; what is absent gives an empty value or no line.
_GUEST_SCRIPT = """
say() { printf '%s=%s\\n' "$1" "$2"; }
say module "$(cat /sys/module/hpcapvf/initstate 2>/dev/null)"
for node in /dev/hpcap_*; do [ -c "$node" ] && say node "$node"; done
say unit "$(systemctl is-active "$2")"
pid=$(systemctl show --property=MainPID --value "$2")
say program "$(cat "/proc/$pid/comm" 2>/dev/null)"
say reader_cpus "$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "/proc/$pid/status" 2>/dev/null)"
source=$(findmnt -n -o SOURCE --mountpoint "$1")
say filesystem "$(findmnt -n -o FSTYPE --mountpoint "$1")"
block=$(basename "$(readlink -f "$source")")
say level "$(cat "/sys/block/$block/md/level" 2>/dev/null)"
say chunk_bytes "$(cat "/sys/block/$block/md/chunk_size" 2>/dev/null)"
"""


@dataclass(frozen=True)
class QemuReading:
    """A running QEMU. vcpus: vCPU to allowed CPUs; others: name of other threads to allowed CPUs; hugepages: node to
    pages of the planned size."""

    vcpus: dict[int, CpuSet]
    others: tuple[tuple[str, CpuSet], ...]
    hugepages: dict[int, int]


@dataclass(frozen=True)
class InterfaceReading:
    """Pause frames (``rx``, ``tx`` to on or off; None if the interface has none) and features (to ``on``, ``off``,
    ``on fixed`` …)."""

    pause: dict[str, str] | None
    features: dict[str, str]


@dataclass(frozen=True)
class GuestReading:
    """The capture in the guest. facts: the script's lines; nodes: device nodes; driver: its sysfs attributes, or why
    there are none."""

    facts: dict[str, str]
    nodes: tuple[str, ...]
    driver: dict[str, str] = field(default_factory=dict)
    driver_problem: str = ""


def read_qemu(plan: Plan, files: Files) -> QemuReading | None:
    """The QEMU of the plan's domain, from its pid file and /proc; None if it does not run."""
    text = files.read_text(f"/run/libvirt/qemu/{plan.request.name}.pid")
    pid = text.strip() if text is not None else ""
    tasks = files.list(f"/proc/{pid}/task") if pid.isdecimal() else None
    if not tasks:
        return None
    vcpus: dict[int, CpuSet] = {}
    others: list[tuple[str, CpuSet]] = []
    for task in tasks:
        name = (files.read_text(f"/proc/{pid}/task/{task}/comm") or "").strip()
        allowed = _allowed_cpus(files.read_text(f"/proc/{pid}/task/{task}/status") or "")
        if allowed is None or name.startswith(_KERNEL_WORKERS):
            continue  # the thread ended meanwhile, or is KVM's own and nobody's to pin
        match = _VCPU_THREAD.match(name)
        if match:
            vcpus[int(match[1])] = allowed
        else:
            others.append((name, allowed))
    numa_maps = files.read_text(f"/proc/{pid}/numa_maps") or ""
    return QemuReading(vcpus, tuple(others), hugepages_by_node(numa_maps, plan.placement.hugepage_kib))


def is_io_thread(name: str) -> bool:
    """Whether a thread of QEMU is one that libvirt was asked for, for disks."""
    return _IO_THREAD.match(name) is not None


def _allowed_cpus(status: str) -> CpuSet | None:
    for line in status.splitlines():
        key, _, value = line.partition(":")
        if key == "Cpus_allowed_list":
            return CpuSet.parse(value)
    return None


def hugepages_by_node(numa_maps: str, size_kib: int) -> dict[int, int]:
    """Pages per node of all mappings with hugepages of one size (numa_maps, proc_pid_numa_maps(5))."""
    pages: dict[int, int] = {}
    for line in numa_maps.splitlines():
        words = line.split()
        if f"kernelpagesize_kB={size_kib}" not in words:
            continue
        for word in words:
            match = re.fullmatch(r"N(\d+)=(\d+)", word)
            if match:
                pages[int(match[1])] = pages.get(int(match[1]), 0) + int(match[2])
    return pages


def read_interface(interface: str, machine: Machine) -> InterfaceReading:
    """What ethtool says about an interface."""
    pause = machine.commands.run(["ethtool", "-a", interface], timeout_s=COMMAND_TIMEOUT_S)
    features = machine.commands.run(["ethtool", "-k", interface], timeout_s=COMMAND_TIMEOUT_S)
    if features.returncode != 0:
        raise StepFailed(f"ethtool -k {interface} failed: {features.stderr.strip()}")
    return InterfaceReading(
        {match[1].lower(): match[2] for match in _PAUSE_LINE.finditer(pause.stdout)} if pause.returncode == 0 else None,
        {
            match[1]: match[2] + (match[3] or "").replace("[fixed]", "fixed")
            for match in _FEATURE_LINE.finditer(features.stdout)
        },
    )


def read_drift(plan: Plan, machine: Machine) -> tuple[RegisterWant, ...]:
    """Registers that are not as they must be for the VF to receive everything; RegisterRefused if out of reach."""
    step = next((s for s in plan.steps if isinstance(s, ProgramReceiveAll)), None)
    if step is None:
        return ()
    with open_registers(plan.pf, plan.family, machine) as read:
        return drift(programme_of(step, read), read)


@contextmanager
def open_registers(pf: PciAddress, family: str, machine: Machine) -> Iterator[ReadRegister]:
    """A way to read a card's registers by name; RegisterRefused if they are out of reach."""
    table = register_table(family)
    window = machine.registers.open(pf, family)
    try:
        yield lambda name, index: read_register(window, table, name, index)
    finally:
        window.close()


def read_guard(name: str, files: Files) -> dict[str, object] | None:
    """What the register guard wrote last; None if it never wrote or what it wrote cannot be read."""
    text = files.read_text(guard_path(name))
    try:
        counts = json.loads(text) if text is not None else None
    except ValueError:
        return None
    return counts if isinstance(counts, dict) else None


def read_guest(guest: Guest, mount: str) -> GuestReading:
    """The capture in the guest; mount: where the array should be mounted."""
    script = Job(("sh", "-c", _GUEST_SCRIPT, "hpcapvf", mount, CAPTURE_UNIT))
    result, attributes = guest.run_all([script, Job(READ_ATTRIBUTES)], timeout_s=COMMAND_TIMEOUT_S)
    lines = [line.partition("=") for line in result.stdout.splitlines()]
    facts = {key: value.strip() for key, _, value in lines if key != "node"}
    nodes = tuple(value for key, _, value in lines if key == "node")
    try:
        return GuestReading(facts, nodes, parse_attributes(attributes))
    except HpcapvfError as error:
        return GuestReading(facts, nodes, driver_problem=error.message)
