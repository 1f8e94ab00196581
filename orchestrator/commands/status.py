"""``hpcapvf status``: how the deployments of this host fare."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from hpcapvf.apply.recover import how_to_go_on
from hpcapvf.apply.state import list_deployments, read_deployment
from hpcapvf.host.machine import local_machine
from hpcapvf.host.protocols import Machine
from hpcapvf.model.codec import to_json
from hpcapvf.model.plan import Advice
from hpcapvf.model.progress import Progress
from hpcapvf.verify.status import CaptureRates, DeploymentStatus
from orchestrator.answer import Answer, Table
from orchestrator.options import Commands, add_command
from orchestrator.tables import pairs, show_placement, table
from orchestrator.watching import Watcher, status_of

_WAIT_S = 10.0
_MIB = 1 << 20


def add_commands(commands: Commands) -> None:
    """Define status."""
    status = add_command(
        commands,
        "status",
        "show how the deployments of this host fare: guest, guard, registers, capture rates, disk",
        "hpcapvf status",
        "hpcapvf status probe1 --json",
    )
    status.add_argument("name", metavar="NAME", nargs="?", help="one deployment, in detail")
    status.add_argument(
        "--wait",
        metavar="SECONDS",
        type=float,
        default=_WAIT_S,
        help="how long a guest may take to answer (default: %(default)g); then its part is unknown",
    )
    status.set_defaults(handler=run_status)


def run_status(args: argparse.Namespace, progress: Progress) -> Answer:
    """``hpcapvf status``."""
    if args.name is None:
        return all_answer(local_machine, args.wait, progress)
    return one_answer(args.name, local_machine(), args.wait, progress)


def all_answer(machines: Callable[[], Machine], wait_s: float, progress: Progress) -> Answer:
    """Every deployment in a line; one whose state file cannot be used says so in its own."""
    progress.phase("read deployments")
    deployed = {found.name: found for found in list_deployments(machines().files)}
    statuses = Watcher(machines, wait_s=wait_s).look()
    rows = [(to_json(deployed[s.name]) if s.name in deployed else {}) | to_json(s) for s in statuses]
    if not rows:
        return Answer({"deployments": rows}, shown=("no deployments on this host",))
    lost = [Advice(f"{s.name}: {why}", "") for s in statuses if (why := s.unknown.get("status"))]
    return Answer({"deployments": rows}, shown=(show_statuses(list(statuses)),), warnings=tuple(lost))


def one_answer(name: str, machine: Machine, wait_s: float, progress: Progress) -> Answer:
    """One deployment, with its plan."""
    progress.phase("read", name)
    deployment = read_deployment(name, machine.files)
    status = status_of(deployment, machine, wait_s)
    rows: list[tuple[str, object]] = [("condition", status.condition), ("guest", status.guest)]
    go_on = how_to_go_on(name, deployment.condition, deployment.plan.request.persist)
    rows += [("how to go on", go_on)] if go_on else []
    rows += [("guard's unit", status.guard_unit)] if status.guard_unit else []
    rows += [(f"guard: {key}", value) for key, value in (status.guard or {}).items()]
    rows += [("registers", status.registers)] if status.registers or "registers" in status.unknown else []
    rows += capture_rows(status.capture) if status.capture else []
    rows += [(f"unknown: {part}", why) for part, why in status.unknown.items()]
    rows += [(f"deployed in: {phase}", f"{seconds:.1f} s") for phase, seconds in deployment.phases_s.items()]
    # domain: the name of this field in earlier versions
    result = to_json(status) | {
        "domain": status.guest,
        "guard": status.guard or {},
        "phases_s": deployment.phases_s,
        "plan": to_json(deployment.plan),
        "how_to_go_on": go_on,
    }
    return Answer(result, shown=(pairs(name, rows), show_placement(deployment.plan)))


def show_statuses(statuses: list[DeploymentStatus]) -> Table:
    """One line per deployment; reasons for what is unknown stand in the detailed view."""
    columns = (
        "name",
        "condition",
        "guest",
        "guard",
        "re-applied",
        "registers",
        "frames/s",
        "drops/s",
        "listeners",
        "ring",
        "free",
        "full in",
    )
    return table("deployments", columns, [_row(status) for status in statuses])


def _row(status: DeploymentStatus) -> tuple[object, ...]:
    guard, capture = status.guard or {}, status.capture
    unguarded = status.guard is None and status.guard_unit is None and "guard" not in status.unknown
    return (
        status.name,
        status.condition,
        status.guest,
        "none" if unguarded else status.guard_unit,
        "" if unguarded else guard.get("registers_reapplied"),
        "none set" if status.registers is None and "registers" not in status.unknown else status.registers,
        f"{capture.per_s.get('received', 0):.0f}" if capture else None,
        f"{capture.drops_per_s:.0f}" if capture else None,
        capture.listeners if capture else None,
        say_fill(capture.ring_held_bytes, capture.ring_bytes) if capture else None,
        _mib(capture.free_bytes) if capture else None,
        say_duration(capture.full_in_s) if capture else None,
    )


def capture_rows(capture: CaptureRates) -> list[tuple[str, object]]:
    """What is told of a capture in detail."""
    rows: list[tuple[str, object]] = [("capture service", capture.unit)]
    rows += [(name, f"{value} ({capture.per_s.get(name, 0):.0f}/s)") for name, value in capture.counters.items()]
    rows += [
        ("listeners", capture.listeners),
        ("ring filled", say_fill(capture.ring_held_bytes, capture.ring_bytes)),
        ("frames in closed files", capture.stored),
        ("frames that could not be written", capture.unsaved),
        (f"free in {capture.directory}", f"{_mib(capture.free_bytes)} of {_mib(capture.size_bytes)}"),
        ("written", f"{capture.stored_bytes_per_s / _MIB:.2f} MiB/s"),
        ("full in", say_duration(capture.full_in_s)),
    ]
    return rows


def say_fill(held: int | None, size: int | None) -> str | None:
    """How full a ring is, in per cent; None if the driver does not say."""
    return None if held is None or not size else f"{100 * held / size:.0f} %"


def _mib(size: int | None) -> str | None:
    return None if size is None else f"{size // _MIB} MiB"


def say_duration(seconds: float | None) -> str:
    """In the two largest units."""
    if seconds is None:
        return "never at this rate"
    days, rest = divmod(int(seconds), 86400)
    hours, rest = divmod(rest, 3600)
    minutes, left = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (left, "s")]
    first = next((i for i, (number, _) in enumerate(parts) if number), 3)
    return " ".join(f"{number} {unit}" for number, unit in parts[first : first + 2])
