"""The end of an agent: when it is, and who brings it about."""

from __future__ import annotations

from hpcapvf.apply import state
from hpcapvf.apply.checked import run_any
from hpcapvf.apply.journal import read_events, to_undo
from hpcapvf.host.protocols import Files, Machine
from hpcapvf.model.errors import HpcapvfError
from hpcapvf.model.paths import end_service
from hpcapvf.model.steps import PrepareEnd

ENDS_AT = "ends_at"
# Why an agent was taken away, as the audit has it.
DESTROYED, ROLLED_BACK, RECOVERED = "destroyed", "deployment failed", "put back after a cut"
TIME_OVER, DIED = "time over", "its guest died"


def ends_at(name: str, files: Files) -> float | None:
    """When the agent's time is over, in seconds since the epoch; None if it has no limit or its journal is damaged."""
    path = state.journal_path(name)
    try:
        begun = to_undo(read_events(files, path), path)
    except HpcapvfError:
        return None
    found = next((b.trace.before.get(ENDS_AT) for b in begun if isinstance(b.step, PrepareEnd)), None)
    return float(found) if isinstance(found, int | float) else None


def is_over(name: str, machine: Machine) -> bool:
    """Whether an agent's time is over."""
    end = ends_at(name, machine.files)
    return end is not None and machine.clock.wall() >= end


def bring_about(name: str, machine: Machine) -> None:
    """Start the service that takes the agent away, and do not wait for it: it stops who calls this."""
    run_any(machine, ["systemctl", "start", "--no-block", end_service(name)])
