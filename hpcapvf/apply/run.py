"""Making a deployment: running a plan's steps with a journal, and putting everything back if one fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from hpcapvf.apply import boot_service, state
from hpcapvf.apply.audit import note_begin
from hpcapvf.apply.early import begun_early
from hpcapvf.apply.end import DESTROYED, ROLLED_BACK
from hpcapvf.apply.handler import Context, Handler, Json
from hpcapvf.apply.handlers import handler_of, handler_of_kind
from hpcapvf.apply.journal import Begun, Journal, read_events, to_undo
from hpcapvf.apply.lock import hold_host
from hpcapvf.apply.operator import operator
from hpcapvf.apply.undo import DestroyReport, forget, take_back, undo_all
from hpcapvf.host.protocols import Guest, Machine, Running
from hpcapvf.model.errors import (
    Conflict,
    HpcapvfError,
    NotCapable,
    NotFound,
    RegisterRefused,
    StepFailed,
    UndoIncomplete,
    WaitTimedOut,
)
from hpcapvf.model.facts import Fact, changes
from hpcapvf.model.host import DEPLOYED, INCOMPLETE
from hpcapvf.model.plan import Plan
from hpcapvf.model.progress import Progress
from hpcapvf.model.steps import CopyStep, Step

LookAgain = Callable[[], tuple[Fact, ...]]

_KEPT_CLASSES = (Conflict, NotCapable, NotFound, RegisterRefused, WaitTimedOut)


@dataclass(frozen=True)
class StepReport:
    """How one step went. result: ``done`` or ``skipped`` (then ``why`` says why there was nothing to do).

    notes: what people should know of how it was done.
    """

    index: int
    kind: str
    text: str
    result: str
    why: str
    seconds: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """A deployment that was made. phases_s: seconds by phase, in order."""

    name: str
    steps: tuple[StepReport, ...]
    phases_s: dict[str, float]


def apply_plan(
    plan: Plan, machine: Machine, progress: Progress, *, wait_s: float = 0.0, look_again: LookAgain | None = None
) -> Outcome:
    """Run all steps, each journalled before it begins; on any failure undo what was begun and raise.

    wait_s: how long to wait for another run that holds the lock. look_again: gives what ``plan.facts`` says, as it is
    now that nobody else changes it; None trusts the plan.
    Errors: Conflict (name deployed already, the lock is held, the host is not as it was when the plan was made), the
    failed step's own class or StepFailed, with what was undone in ``details``; UndoIncomplete if something could not be
    put back. KeyboardInterrupt passes on after the undo.
    """
    name = plan.request.name
    files = machine.files
    with hold_host(machine, f"deployment of {name}", progress, wait_s):
        if files.exists(state.state_path(name)):
            raise Conflict(f"{name} is deployed already", hint=f"run `hpcapvf destroy {name}` first")
        if look_again is not None:
            _refuse_changed_host(plan, look_again())
        journal = Journal(files, machine.clock, state.journal_path(name))
        try:
            boot_service.install(machine)
            files.make_folder(state.folder(name), mode=0o700)
            files.remove(state.journal_path(name))
            state.write_state(files, plan, INCOMPLETE, {})
            journal.open(name, plan.spec_sha256, state.boot_id(files), operator(files))
            reports = run_steps(plan, machine, progress, journal)
            phases = phases_of(reports)
            state.write_state(files, plan, DEPLOYED, phases)
        except BaseException as cause:
            _roll_back(plan, machine, progress, cause)
            raise
    return Outcome(name, reports, phases)


def destroy(
    name: str,
    machine: Machine,
    progress: Progress,
    *,
    purge: bool = False,
    wait_s: float = 0.0,
    because: str = DESTROYED,
) -> DestroyReport:
    """Undo a deployment in reverse from its journal, complete or not, and forget it. Captures stay unless purge.

    because: what the audit says of an agent's end.

    Errors: NotFound, Conflict (the lock is held, or other VMs run with VFs that would go), UndoIncomplete (the rest was
    undone; run it again after the repair).
    """
    with hold_host(machine, f"destruction of {name}", progress, wait_s):
        return take_back(state.read_deployment(name, machine.files), machine, progress, because, purge=purge)


def run_steps(plan: Plan, machine: Machine, progress: Progress, journal: Journal) -> tuple[StepReport, ...]:
    """Run the steps in order; the first failure is raised with the step's name, nothing is undone here.

    A step that the journal of this deployment has as done is done again only if it no longer holds.
    """
    with begun_early(plan.steps, machine) as early:
        return _run_each(plan, machine, progress, journal, early)


def _run_each(
    plan: Plan, machine: Machine, progress: Progress, journal: Journal, early: dict[int, Running]
) -> tuple[StepReport, ...]:
    reports = []
    path = state.journal_path(plan.request.name)
    met: dict[str, Guest] = {}
    made = {begun.index: begun for begun in to_undo(read_events(machine.files, path), path)}
    for index, step in enumerate(plan.steps):
        progress.phase(step.describe(), f"step {index + 1} of {len(plan.steps)}")
        context = _context(plan, machine, progress, journal, index)
        context = replace(context, met=met, early=early.get(index))
        begin = machine.clock.monotonic()
        try:
            why, after = _run_step(index, step, context, journal, made.get(index))
        except Exception as error:
            raise _named(step, error) from error
        seconds = machine.clock.monotonic() - begin
        result, notes = "done" if why is None else "skipped", tuple(after.get("notes", ()))
        reports.append(StepReport(index, step.kind, step.describe(), result, why or "", seconds, notes))
    return tuple(reports)


def _run_step(
    index: int, step: Step, context: Context, journal: Journal, made: Begun | None
) -> tuple[str | None, Json]:
    """Why there was nothing to do, if so, and what the handler said after it. made: the same step, begun earlier."""
    handler: Handler[Any] = handler_of(step)
    again = made is not None and made.is_done
    why = handler.kept(step, context) if again else handler.satisfied(step, context)
    if why is not None:
        journal.write("skipped", index=index, kind=step.kind, why=why)
        return why, {}
    before = handler.observe(step, context)
    if made is not None and (handler.survives_reboot or made.boot_id == state.boot_id(context.machine.files)):
        before |= made.trace.before  # what was there before the first time is what an undo has to put back
    journal.write("begin", index=index, step=handler.for_journal(step), before=before)
    try:
        if isinstance(step, CopyStep):
            note_begin(context.plan.request.name, step, context.machine)
        after = handler.do(step, before, context)
    except BaseException as error:
        journal.try_write("failed", index=index, message=str(error) or type(error).__name__)
        raise
    journal.write("done", index=index, after=after)
    return None, after


def _refuse_changed_host(plan: Plan, now: tuple[Fact, ...]) -> None:
    found = changes(plan.facts, now)
    if found:
        raise Conflict(
            f"the host is not as it was when {plan.request.name} was planned: {found[0]}"
            + (f" (and {len(found) - 1} more)" if len(found) > 1 else ""),
            hint="nothing was changed; run the command again, which plans anew",
            details=found,
        )


def _context(plan: Plan, machine: Machine, progress: Progress, journal: Journal, index: int) -> Context:
    def amend(before: Json) -> None:
        journal.write("amend", index=index, before=before)

    return Context(machine, plan, progress, amend)


def _named(step: Step, error: Exception) -> HpcapvfError:
    """The same failure with the step's name in front. Kinds of failure with an exit code of their own keep it."""
    if isinstance(error, HpcapvfError):
        kind = type(error) if isinstance(error, _KEPT_CLASSES) else StepFailed
        return kind(f"{step.describe()}: {error.message}", hint=error.hint, details=error.details)
    return HpcapvfError(
        f"{step.describe()}: {type(error).__name__}: {error}", hint="this is a defect; please report it"
    )


def _roll_back(plan: Plan, machine: Machine, progress: Progress, cause: BaseException) -> None:
    """Undo everything begun. What was undone goes into the cause's details; UndoIncomplete if not all could be."""
    name = plan.request.name
    failures: tuple[str, ...]
    try:
        undone = undo_all(plan, machine, progress, ROLLED_BACK)
        failures = undone.failures
        lines = tuple(f"undone: {line}" for line in undone.restored) + undone.notes
        if not failures:
            lines += forget(name, machine)[1]
    except Exception as error:
        lines, failures = (), (str(error),)
    if failures and isinstance(cause, Exception):
        raise UndoIncomplete(
            f"{cause}; then {len(failures)} step(s) could not be put back",
            hint=f"repair what the details name, then run `hpcapvf recover {name}`",
            details=failures + lines,
        ) from cause
    if isinstance(cause, HpcapvfError):
        cause.details += lines
    else:
        for line in (*lines, *(f"NOT put back: {failure}" for failure in failures)):
            cause.add_note(line)


def phases_of(reports: tuple[StepReport, ...]) -> dict[str, float]:
    """Seconds by phase."""
    phases: dict[str, float] = {}
    for report in reports:
        phase = handler_of_kind(report.kind).phase
        phases[phase] = phases.get(phase, 0.0) + report.seconds
    return phases
