"""How a deployment fares now: guest, guard, registers, capture rates, and how long the disk lasts.

What cannot be told is None with the reason in ``unknown``; nothing here raises because a part does not answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hpcapvf.host.protocols import Machine, guest_access
from hpcapvf.model.errors import HpcapvfError, StepFailed
from hpcapvf.model.paths import CAPTURE_UNIT, guard_unit
from hpcapvf.model.plan import Plan
from hpcapvf.model.steps import ProgramReceiveAll, ReplicateTraffic, StartCapture, StartGuard
from hpcapvf.verify.capture import COMMAND_TIMEOUT_S, DRIVER_FOLDERS
from hpcapvf.verify.mirrors import read_mirror
from hpcapvf.verify.readings import read_drift, read_guard

T = TypeVar("T")
RATED = ("received", "received_bytes", "published", "published_bytes", "ring_full_drops", "no_listener_drops", "errors")
_RECORD_HEADER_BYTES = 12  # RAW: seconds, nanoseconds, caplen, len
_BETWEEN_LOOKS_S = 1
_COUNTER = " ".join(f"{folder}/$name" for folder in DRIVER_FOLDERS)
# Twice the driver's counters with the guest's own time, the capture service, and the file system of its folder.
_SCRIPT = f"""
look() {{
    read -r up rest </proc/uptime; echo "uptime $up"
    for name in {" ".join(RATED)}; do cat {_COUNTER} 2>/dev/null | sed "s/^/$name /"; done
}}
look; sleep {_BETWEEN_LOOKS_S}; look
echo "unit $(systemctl is-active {CAPTURE_UNIT})"
echo "disk $(df -B1 --output=avail,size -- "$1" 2>/dev/null | tail -n 1)"
"""


@dataclass(frozen=True)
class CaptureRates:
    """The capture in the guest. counters: since the driver took the VF; per_s: their growth just now.

    unit: systemd's word for the service. stored_bytes_per_s: what the frames published just now take on the disk, their
    headers included (padding is not). full_in_s: free space by that; None if nothing comes.
    """

    unit: str
    counters: dict[str, int]
    per_s: dict[str, float]
    directory: str
    free_bytes: int | None
    size_bytes: int | None
    stored_bytes_per_s: float
    full_in_s: float | None


@dataclass(frozen=True)
class DeploymentStatus:
    """One deployment. guest: ``running``, ``off``, ``absent`` or None. guard: what it wrote last; guard_unit: systemd's
    word for it, None if the plan has none. registers: ``as wanted``, ``N differ`` or None. unknown: part to reason."""

    name: str
    condition: str
    guest: str | None
    guard: dict[str, object] | None
    guard_unit: str | None
    registers: str | None
    capture: CaptureRates | None
    unknown: dict[str, str] = field(default_factory=dict)


def read_status(name: str, condition: str, plan: Plan, machine: Machine, *, guest_timeout_s: float) -> DeploymentStatus:
    """Everything at once. The guest is waited for guest_timeout_s at most, and only if it runs."""
    unknown: dict[str, str] = {}

    def attempt(part: str, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except (HpcapvfError, ValueError) as error:
            unknown[part] = error.message if isinstance(error, HpcapvfError) else str(error)
            return None

    guest = attempt("guest", lambda: domain_state(name, machine))
    guarded = any(isinstance(step, StartGuard) for step in plan.steps)
    capture = None
    if any(isinstance(step, StartCapture) for step in plan.steps):
        if plan.request.engine.kind != "hpcapvf":
            unknown["capture"] = (
                f"rates are read of hpcapvf only, and this one captures with {plan.request.engine.kind}"
            )
        elif guest == "running":
            capture = attempt("capture", lambda: _read_rates(plan, machine, guest_timeout_s))
        else:
            unknown["capture"] = f"the guest is {guest or 'unknown'}"
    return DeploymentStatus(
        name=name,
        condition=condition,
        guest=guest,
        guard=attempt("guard", lambda: read_guard(name, machine.files)) if guarded else None,
        guard_unit=attempt("guard_unit", lambda: _unit_state(name, machine)) if guarded else None,
        registers=attempt("registers", lambda: _registers(plan, machine)),
        capture=capture,
        unknown=unknown,
    )


def domain_state(name: str, machine: Machine) -> str:
    """``running``, ``off`` or ``absent``; raises if libvirt does not answer."""
    domain = next((d for d in machine.hypervisor.domains() if d.name == name), None)
    return "absent" if domain is None else "running" if domain.running else "off"


def parse_rates(text: str, directory: str, caplen: int) -> CaptureRates:
    """What the script printed; StepFailed if the driver holds no VF there."""
    looks: list[dict[str, float]] = []
    facts: dict[str, str] = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name == "uptime" and re.fullmatch(r"\d+(\.\d+)?", value):
            looks.append({"uptime": float(value)})
        elif name in RATED and value.isdecimal() and looks:
            looks[-1][name] = looks[-1].get(name, 0) + int(value)  # of several VFs together
        else:
            facts[name] = value
    if len(looks) != 2 or "received" not in looks[1]:
        raise StepFailed("no VF in the guest is bound to the hpcapvf driver", hint="lspci -k and dmesg in the guest")
    before, after = looks
    seconds = after["uptime"] - before["uptime"]
    per_s = {n: round((after[n] - before[n]) / seconds, 3) for n in RATED if n in before and n in after and seconds > 0}
    stored = _stored_per_s(per_s, caplen)
    disk = re.fullmatch(r"\s*(\d+)\s+(\d+)\s*", facts.get("disk", ""))
    free, size = (int(disk[1]), int(disk[2])) if disk else (None, None)
    return CaptureRates(
        unit=facts.get("unit") or "unknown",
        counters={name: int(after[name]) for name in RATED if name in after},
        per_s=per_s,
        directory=directory,
        free_bytes=free,
        size_bytes=size,
        stored_bytes_per_s=stored,
        full_in_s=round(free / stored, 1) if free is not None and stored > 0 else None,
    )


def _stored_per_s(per_s: dict[str, float], caplen: int) -> float:
    """caplen: bytes kept of a frame, 0: all."""
    frames, wire = per_s.get("published", 0.0), per_s.get("published_bytes", 0.0)
    kept = min(wire, frames * caplen) if caplen else wire
    return round(kept + frames * _RECORD_HEADER_BYTES, 3)


def _read_rates(plan: Plan, machine: Machine, guest_timeout_s: float) -> CaptureRates:
    directory = next(step.directory for step in plan.steps if isinstance(step, StartCapture))
    guest = machine.guests.connect(guest_access(plan), timeout_s=guest_timeout_s)
    result = guest.run(
        ["sh", "-c", _SCRIPT, "hpcapvf", directory], timeout_s=max(guest_timeout_s, _BETWEEN_LOOKS_S + 10)
    )
    return parse_rates(result.stdout, directory, plan.request.engine.caplen)


def _unit_state(name: str, machine: Machine) -> str:
    argv = ["systemctl", "is-active", guard_unit(name)]
    return machine.commands.run(argv, timeout_s=COMMAND_TIMEOUT_S).stdout.strip() or "unknown"


def _registers(plan: Plan, machine: Machine) -> str | None:
    """None if the plan sets none."""
    if any(isinstance(step, ProgramReceiveAll) for step in plan.steps):
        drifted: tuple[Any, ...] = read_drift(plan, machine)
        return f"{len(drifted)} differ" if drifted else "as wanted"
    copy = next((step for step in plan.steps if isinstance(step, ReplicateTraffic)), None)
    if copy is None:
        return None
    state = read_mirror(copy, machine)
    return "as wanted" if state.backend else f"{len(state.drifted)} differ"
