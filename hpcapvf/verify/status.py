"""How a deployment fares now: guest, guard, registers, capture rates, and how long the disk lasts.

What cannot be told is None with the reason in ``unknown``; nothing here raises because a part does not answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hpcapvf.host.protocols import Machine, guest_access
from hpcapvf.model.copy_steps import MirrorByFiles, MirrorByTc
from hpcapvf.model.errors import HpcapvfError, StepFailed
from hpcapvf.model.paths import CAPTURE_UNIT, guard_unit
from hpcapvf.model.plan import Plan
from hpcapvf.model.steps import ProgramReceiveAll, ReplicateTraffic, StartCapture, StartGuard
from hpcapvf.verify.capture import COMMAND_TIMEOUT_S, DRIVER_FOLDERS, STATUS_PATH
from hpcapvf.verify.copies import missing_copies
from hpcapvf.verify.mirrors import read_mirror
from hpcapvf.verify.readings import read_drift, read_guard

T = TypeVar("T")
RATED = (
    "received",
    "received_bytes",
    "published",
    "published_bytes",
    "ring_full_drops",
    "ring_full_bytes",
    "no_listener_drops",
    "no_listener_bytes",
    "queue_full_drops",
    "queue_full_bytes",
    "duplicates",
    "duplicate_bytes",
    "errors",
    "error_bytes",
    "resets",
    "clock_steps_back",
    "clock_stepped_back_ns",
)
DROPS = ("ring_full_drops", "no_listener_drops", "queue_full_drops", "errors")  # frames that came and are not stored
_FILLS = ("listeners", "ring_mib", "ring_held_bytes")
_STORED = ("stored", "stored_bytes", "unsaved")
_DIGITS_MOST = 20  # of a 64-bit counter
_RECORD_HEADER_BYTES = 12  # RAW: seconds, nanoseconds, caplen, len
_BETWEEN_LOOKS_S = 1
_EVENTS_MOST = 16 << 20  # bytes of events that are summed up at each look
_FILES = " ".join(f"{folder}/{name}" for folder in DRIVER_FOLDERS for name in (*RATED, *_FILLS))
# Twice the driver's files with the guest's own time, the capture service, what it said of its files (as hpcapdd writes
# it), and the file system of its folder.
_SCRIPT = rf"""
look() {{
    read -r up rest </proc/uptime; echo "uptime $up"
    grep -sH . {_FILES} | sed 's|.*/hpcapvf/\([a-z_]*\):|\1 |'
}}
look; sleep {_BETWEEN_LOOKS_S}; look
echo "unit $(systemctl is-active {CAPTURE_UNIT})"
events="$2"
if [ -r "$events" ] && [ "$(stat -c %s "$events")" -le {_EVENTS_MOST} ]; then
    sed -n 's/^{{"event":"closed".*"frames":\([0-9]*\),"bytes":\([0-9]*\),.*"unsaved_frames":\([0-9]*\),.*/\1 \2 \3/p' \
        "$events" | awk '{{ f += $1; b += $2; u += $3 }}
        END {{ printf "stored %.0f\nstored_bytes %.0f\nunsaved %.0f\n", f, b, u }}'
fi
echo "disk $(df -B1 --output=avail,size -- "$1" 2>/dev/null | tail -n 1)"
"""


@dataclass(frozen=True)
class CaptureRates:
    """The capture in the guest. counters: since the driver took the VF; per_s: their growth just now.

    unit: systemd's word for the service. stored_bytes_per_s: what the frames published just now take on the disk, their
    headers included (padding is not). full_in_s: free space by that; None if nothing comes. listeners: programs that
    have the device open. ring_bytes, ring_held_bytes: the ring, and what its slowest lossless reader has not freed.
    stored, stored_bytes, unsaved: frames and bytes of the wire in the files closed since the guest started, and frames
    that could not be written; None if the capture service did not say. None of a driver that does not tell, too.
    """

    unit: str
    counters: dict[str, int]
    per_s: dict[str, float]
    directory: str
    free_bytes: int | None
    size_bytes: int | None
    stored_bytes_per_s: float
    full_in_s: float | None
    listeners: int | None = None
    ring_bytes: int | None = None
    ring_held_bytes: int | None = None
    stored: int | None = None
    stored_bytes: int | None = None
    unsaved: int | None = None

    @property
    def drops_per_s(self) -> float:
        """Frames that came and were not stored."""
        return sum(self.per_s.get(name, 0) for name in DROPS)


@dataclass(frozen=True)
class DeploymentStatus:
    """One deployment. guest: ``running``, ``off``, ``absent`` or None. guard: what it wrote last; guard_unit: systemd's
    word for it, None if the plan has none. registers: ``as wanted``, ``N differ`` or None; registers_differ: N.
    unknown: part to reason. up: the guest runs, and told of its capture if it has one that can tell. nic_missed: frames
    that the card's whole port missed for want of room, as its driver on this host counts them. copies_missing: files or
    tc filters of a mirror without registers that do not ask for the copies; None if there is no such mirror. ends_at:
    of its time limit, in seconds since 1970; None without one (``read_status`` does not know it)."""

    name: str
    condition: str
    guest: str | None
    guard: dict[str, object] | None
    guard_unit: str | None
    registers: str | None
    capture: CaptureRates | None
    unknown: dict[str, str] = field(default_factory=dict)
    up: bool = False
    registers_differ: int | None = None
    nic_missed: int | None = None
    copies_missing: int | None = None
    ends_at: float | None = None


def unknown_status(name: str, condition: str, why: str) -> DeploymentStatus:
    """Of a deployment of which nothing can be told."""
    return DeploymentStatus(name, condition, None, None, None, None, None, {"status": why})


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
    up = guest == "running"
    if any(isinstance(step, StartCapture) for step in plan.steps):
        if plan.request.engine.kind != "hpcapvf":
            unknown["capture"] = (
                f"rates are read of hpcapvf only, and this one captures with {plan.request.engine.kind}"
            )
        elif guest == "running":
            capture = attempt("capture", lambda: read_rates(plan, machine, guest_timeout_s))
            up = capture is not None
        else:
            unknown["capture"] = f"the guest is {guest or 'unknown'}"
    differ = attempt("registers", lambda: _registers(plan, machine))
    return DeploymentStatus(
        name=name,
        condition=condition,
        guest=guest,
        guard=attempt("guard", lambda: read_guard(name, machine.files)) if guarded else None,
        guard_unit=attempt("guard_unit", lambda: _unit_state(name, machine)) if guarded else None,
        registers=None if differ is None else f"{differ} differ" if differ else "as wanted",
        capture=capture,
        unknown=unknown,
        up=up,
        registers_differ=differ,
        nic_missed=attempt("nic_missed", lambda: _nic_missed(plan, machine)),
        copies_missing=attempt("copies", lambda: _copies_missing(plan, machine)),
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
        elif name in (*RATED, *_FILLS) and value.isdecimal() and len(value) <= _DIGITS_MOST and looks:
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
    fills = {name: int(after[name]) for name in _FILLS if name in after}
    kept = {name: int(said) for name in _STORED if (said := facts.get(name, "")).isdecimal()}
    return CaptureRates(
        unit=facts.get("unit") or "unknown",
        counters={name: int(after[name]) for name in RATED if name in after},
        per_s=per_s,
        directory=directory,
        free_bytes=free,
        size_bytes=size,
        stored_bytes_per_s=stored,
        full_in_s=round(free / stored, 1) if free is not None and stored > 0 else None,
        listeners=fills.get("listeners"),
        ring_bytes=fills["ring_mib"] << 20 if "ring_mib" in fills else None,
        ring_held_bytes=fills.get("ring_held_bytes"),
        **kept,
    )


def _stored_per_s(per_s: dict[str, float], caplen: int) -> float:
    """caplen: bytes kept of a frame, 0: all."""
    frames, wire = per_s.get("published", 0.0), per_s.get("published_bytes", 0.0)
    kept = min(wire, frames * caplen) if caplen else wire
    return round(kept + frames * _RECORD_HEADER_BYTES, 3)


def read_rates(plan: Plan, machine: Machine, guest_timeout_s: float) -> CaptureRates:
    """The capture of a guest that runs; StepFailed if it has no VF with the driver, WaitTimedOut if it is silent."""
    directory = next(step.directory for step in plan.steps if isinstance(step, StartCapture))
    guest = machine.guests.connect(guest_access(plan), timeout_s=guest_timeout_s)
    result = guest.run(
        ["sh", "-c", _SCRIPT, "hpcapvf", directory, STATUS_PATH], timeout_s=max(guest_timeout_s, _BETWEEN_LOOKS_S + 10)
    )
    return parse_rates(result.stdout, directory, plan.request.engine.caplen)


def _unit_state(name: str, machine: Machine) -> str:
    argv = ["systemctl", "is-active", guard_unit(name)]
    return machine.commands.run(argv, timeout_s=COMMAND_TIMEOUT_S).stdout.strip() or "unknown"


def _registers(plan: Plan, machine: Machine) -> int | None:
    """How many are not as they must be; None if the plan sets none."""
    if any(isinstance(step, ProgramReceiveAll) for step in plan.steps):
        drifted: tuple[Any, ...] = read_drift(plan, machine)
        return len(drifted)
    copy = next((step for step in plan.steps if isinstance(step, ReplicateTraffic)), None)
    if copy is None:
        return None
    state = read_mirror(copy, machine)
    return 0 if state.backend else max(1, len(state.drifted))  # none: no filter is there that could be copied


def _copies_missing(plan: Plan, machine: Machine) -> int | None:
    steps = [step for step in plan.steps if isinstance(step, MirrorByFiles | MirrorByTc)]
    return sum(not place.ok for step in steps for place in missing_copies(step, machine)) if steps else None


def _nic_missed(plan: Plan, machine: Machine) -> int:
    """rx_missed_errors of the PF's interface (Documentation/ABI/testing/sysfs-class-net-statistics)."""
    path = f"/sys/class/net/{plan.pf_interface}/statistics/rx_missed_errors"
    text = machine.files.read_text(path) if plan.pf_interface else None
    if text is None:
        raise StepFailed("the card has no interface on this host that counts what it missed")
    return int(text)
