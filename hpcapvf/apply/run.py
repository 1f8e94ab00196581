"""Running a plan's steps with a journal, and putting everything back."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from hpcapvf.apply import state
from hpcapvf.apply.captures import keep_captures, purge_captures
from hpcapvf.apply.handler import Context, Handler, Json
from hpcapvf.apply.handlers import handler_of, handler_of_kind
from hpcapvf.apply.journal import Begun, Journal, read_events, to_undo
from hpcapvf.host.protocols import Files, Machine
from hpcapvf.model import paths
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
from hpcapvf.model.plan import Plan
from hpcapvf.model.progress import Progress
from hpcapvf.model.steps import SetNumVfs, Step

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


@dataclass(frozen=True)
class DestroyReport:
    """A deployment that was taken away. restored: one line per step undone; journal: where it is kept. captures: what
    became of them."""

    name: str
    restored: tuple[str, ...]
    notes: tuple[str, ...]
    journal: str
    captures: str = ""


@dataclass(frozen=True)
class _Undone:
    restored: tuple[str, ...]
    notes: tuple[str, ...]
    failures: tuple[str, ...]


def apply_plan(plan: Plan, machine: Machine, progress: Progress) -> Outcome:
    """Run all steps, each journalled before it begins; on any failure undo what was begun and raise.

    Errors: Conflict (name deployed already, or the lock is held), the failed step's own class or StepFailed, with what
    was undone in ``details``; UndoIncomplete if something could not be put back. KeyboardInterrupt passes on after
    the undo.
    """
    name = plan.request.name
    files = machine.files
    with files.hold_lock(state.LOCK, f"deployment of {name}"):
        if files.exists(state.state_path(name)):
            raise Conflict(f"{name} is deployed already", hint=f"run `hpcapvf destroy {name}` first")
        journal = Journal(files, machine.clock, state.journal_path(name))
        try:
            files.make_folder(state.folder(name), mode=0o700)
            state.write_state(files, plan, "incomplete", {})
            files.remove(state.journal_path(name))
            journal.open(name, plan.spec_sha256)
            reports = run_steps(plan, machine, progress, journal)
            phases = _phases(reports)
            state.write_state(files, plan, "deployed", phases)
        except BaseException as cause:
            _roll_back(plan, machine, progress, journal, cause)
            raise
    return Outcome(name, reports, phases)


def destroy(name: str, machine: Machine, progress: Progress, *, purge: bool = False) -> DestroyReport:
    """Undo a deployment in reverse from its journal, complete or not, and forget it. Captures stay unless purge.

    Errors: NotFound, Conflict (the lock is held, or other VMs run with VFs that would go), UndoIncomplete (the rest was
    undone; run it again after the repair).
    """
    with machine.files.hold_lock(state.LOCK, f"destruction of {name}"):
        deployment = state.read_deployment(name, machine.files)
        plan = deployment.plan
        _refuse_while_others_use_its_vfs(plan, machine)
        progress.phase("delete captures" if purge else "see to the captures")
        captures = purge_captures(plan, machine) if purge else keep_captures(deployment, machine)
        journal = Journal(machine.files, machine.clock, state.journal_path(name))
        journal.mend()
        state.write_state(machine.files, plan, "incomplete", {})
        undone = _undo_all(plan, machine, progress, journal)
        if undone.failures:
            raise UndoIncomplete(
                f"{len(undone.failures)} step(s) of {name} could not be put back",
                hint=f"repair what the details name and run `hpcapvf destroy {name}` again",
                details=undone.failures,
            )
        kept = _forget(name, machine)
    return DestroyReport(name, undone.restored, undone.notes, kept, captures)


def _refuse_while_others_use_its_vfs(plan: Plan, machine: Machine) -> None:
    """Conflict if VFs that this deployment made would be taken from running VMs, which the kernel would not mind."""
    path = state.journal_path(plan.request.name)
    made = [b for b in to_undo(read_events(machine.files, path), path) if isinstance(b.step, SetNumVfs)]
    if not any(begun.trace.before["count"] == 0 for begun in made):
        return
    folder = f"/sys/bus/pci/devices/{plan.pf}"
    links = [n for n in machine.files.list(folder) or () if n.startswith("virtfn")]
    vfs = {machine.files.link_name(f"{folder}/{link}") for link in links}
    others = [
        domain.name
        for domain in machine.hypervisor.domains()
        if domain.running and domain.name != plan.request.name and vfs & {str(address) for address in domain.hostdevs}
    ]
    if others:
        raise Conflict(
            f"{plan.request.name} made the VFs of {plan.pf_interface}, and {', '.join(others)} run with some of them",
            hint="stop those VMs first (an agent: `hpcapvf destroy NAME`), then run this again; nothing was changed",
        )


def run_steps(plan: Plan, machine: Machine, progress: Progress, journal: Journal) -> tuple[StepReport, ...]:
    """Run the steps in order; the first failure is raised with the step's name, nothing is undone here."""
    reports = []
    for index, step in enumerate(plan.steps):
        progress.phase(step.describe(), f"step {index + 1} of {len(plan.steps)}")
        context = _context(plan, machine, progress, journal, index)
        begin = machine.clock.monotonic()
        try:
            why, after = _run_step(index, step, handler_of(step), context, journal)
        except Exception as error:
            raise _named(step, error) from error
        seconds = machine.clock.monotonic() - begin
        result, notes = "done" if why is None else "skipped", tuple(after.get("notes", ()))
        reports.append(StepReport(index, step.kind, step.describe(), result, why or "", seconds, notes))
    return tuple(reports)


def _run_step(
    index: int, step: Step, handler: Handler[Any], context: Context, journal: Journal
) -> tuple[str | None, Json]:
    """Why there was nothing to do, if so, and what the handler said after it."""
    why = handler.satisfied(step, context)
    if why is not None:
        journal.write("skipped", index=index, kind=step.kind, why=why)
        return why, {}
    before = handler.observe(step, context)
    journal.write("begin", index=index, step=handler.for_journal(step), before=before)
    try:
        after = handler.do(step, before, context)
    except BaseException as error:
        _write_tolerantly(journal, "failed", index, error)
        raise
    journal.write("done", index=index, after=after)
    return None, after


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


def _roll_back(plan: Plan, machine: Machine, progress: Progress, journal: Journal, cause: BaseException) -> None:
    """Undo everything begun. What was undone goes into the cause's details; UndoIncomplete if not all could be."""
    name = plan.request.name
    failures: tuple[str, ...]
    try:
        journal.mend()
        undone = _undo_all(plan, machine, progress, journal)
        failures = undone.failures
        lines = tuple(f"undone: {line}" for line in undone.restored) + undone.notes
        if not failures:
            _forget(name, machine)
    except Exception as error:
        lines, failures = (), (str(error),)
    if failures and isinstance(cause, Exception):
        raise UndoIncomplete(
            f"{cause}; then {len(failures)} step(s) could not be put back",
            hint=f"repair what the details name, then run `hpcapvf destroy {name}`",
            details=failures + lines,
        ) from cause
    if isinstance(cause, HpcapvfError):
        cause.details += lines
    else:
        for line in (*lines, *(f"NOT put back: {failure}" for failure in failures)):
            cause.add_note(line)


def _undo_all(plan: Plan, machine: Machine, progress: Progress, journal: Journal) -> _Undone:
    restored: list[str] = []
    notes: list[str] = []
    failures: list[str] = []
    path = state.journal_path(plan.request.name)
    for begun in to_undo(read_events(machine.files, path), path):
        text = begun.step.describe()
        progress.phase(f"undo: {text}")
        context = _context(plan, machine, progress, journal, begun.index)
        try:
            remarks = _undo_twice_if_interrupted(begun, context, journal)
        except (Exception, KeyboardInterrupt) as error:
            failures.append(f"{text}: {error or type(error).__name__}")
            failures.extend(_hint_of(error))
            _write_tolerantly(journal, "undo-failed", begun.index, error)
        else:
            restored.append(text)
            notes.extend(f"{text}: {remark}" for remark in remarks)
    return _Undone(tuple(restored), tuple(notes), tuple(failures))


def _undo_twice_if_interrupted(begun: Begun, context: Context, journal: Journal) -> tuple[str, ...]:
    try:
        return _undo_one(begun, context, journal)
    except KeyboardInterrupt:
        return _undo_one(begun, context, journal)


def _undo_one(begun: Begun, context: Context, journal: Journal) -> tuple[str, ...]:
    journal.write("undo-begin", index=begun.index)
    remarks = handler_of(begun.step).undo(begun.step, begun.trace, context)
    journal.write("undone", index=begun.index, notes=remarks)
    return remarks


def _write_tolerantly(journal: Journal, event: str, index: int, error: BaseException) -> None:
    """The failure is reported in any case; a journal that cannot be written must not hide it."""
    try:
        journal.write(event, index=index, message=str(error) or type(error).__name__)
    except HpcapvfError:
        return


def _hint_of(error: BaseException) -> tuple[str, ...]:
    return (f"  {error.hint}",) if isinstance(error, HpcapvfError) and error.hint else ()


def _phases(reports: tuple[StepReport, ...]) -> dict[str, float]:
    phases: dict[str, float] = {}
    for report in reports:
        phase = handler_of_kind(report.kind).phase
        phases[phase] = phases.get(phase, 0.0) + report.seconds
    return phases


def _forget(name: str, machine: Machine) -> str:
    """Move the journal to the history and remove the state; where the journal went."""
    files = machine.files
    journal = files.read_text(state.journal_path(name))
    kept = ""
    if journal is not None:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(machine.clock.wall()))
        kept = f"{state.HISTORY}/{name}/journal-{stamp}.jsonl"
        files.make_folder(state.HISTORY, mode=0o700)
        files.replace(kept, journal.encode(), mode=0o600)
    _remove_run_folder(name, files)
    files.remove(state.journal_path(name))
    files.remove(state.state_path(name))
    if files.exists(state.folder(name)):
        files.remove_folder(state.folder(name))
    return kept


def _remove_run_folder(name: str, files: Files) -> None:
    files.remove(paths.guard_path(name))
    if files.exists(f"{state.RUN}/{name}"):
        files.remove_folder(f"{state.RUN}/{name}")
