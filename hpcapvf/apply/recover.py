"""After a kill, a power cut or a reboot: bring the host back, or the deployment forward.

What is done by itself depends on where a deployment stands and on its spec:

==================  =====================================  =================================
condition           without ``persist``                    with ``persist: true``
==================  =====================================  =================================
``undoing``         undone to the end                      undone to the end
``incomplete``      undone                                 made to the end
``lost by reboot``  left as it is, and told                made anew
``deployed``        nothing                                nothing
time is over        undone                                 undone
==================  =====================================  =================================

``forward`` makes whatever does not hold (any more), ``back`` undoes; both only by name.

A probe that was lost by a reboot is not taken away by itself: its disk and its captures are its operator's, who says
``forward`` or destroys it.
"""

from __future__ import annotations

from dataclasses import dataclass

from hpcapvf.apply import boot_service, state
from hpcapvf.apply.checked import remove_torn
from hpcapvf.apply.end import RECOVERED, TIME_OVER, is_over
from hpcapvf.apply.journal import Journal, read_events, to_undo
from hpcapvf.apply.lock import hold_host
from hpcapvf.apply.run import phases_of, run_steps
from hpcapvf.apply.state import Deployment
from hpcapvf.apply.undo import remove_leftovers, take_back, undo_context, undo_one
from hpcapvf.host.protocols import Machine
from hpcapvf.model.errors import Conflict, HpcapvfError, StepFailed
from hpcapvf.model.host import DEPLOYED, INCOMPLETE, LOST, UNDOING
from hpcapvf.model.paths import DEPLOYMENTS
from hpcapvf.model.progress import Progress

BACK, FORWARD, BY_SPEC = "back", "forward", "by spec"
PUT_BACK, COMPLETED, MADE_ANEW = "put back", "completed", "made anew"
LEFT, CLEARED, FAILED = "left as it is", "cleared away", "failed"


@dataclass(frozen=True)
class Recovered:
    """What was done about one deployment.

    action: ``put back``, ``completed``, ``made anew``, ``left as it is``, ``cleared away`` (a folder without a state)
    or ``failed`` (then error says why). condition: before that. steps: what was undone or done. notes: what people
    should know. journal: where the journal of one that was put back is kept.
    """

    name: str
    condition: str
    action: str
    steps: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    journal: str = ""
    error: str = ""


@dataclass(frozen=True)
class RecoverReport:
    """All deployments that were looked at, and the errors of those that failed; one does not hold up the others."""

    deployments: tuple[Recovered, ...]
    errors: tuple[HpcapvfError, ...] = ()


def recover_all(machine: Machine, progress: Progress, *, wait_s: float = 0.0) -> RecoverReport:
    """Every deployment of this host, as its spec says. Conflict if the lock is not free within ``wait_s``.

    First what is taken back, agents before the probes whose VFs they may use; then what is made, in the other order.
    """
    done: list[Recovered] = []
    errors: list[HpcapvfError] = []
    with hold_host(machine, "recovery", progress, wait_s):
        done += _clear_folders(machine)
        for name in _in_order(machine):
            try:
                done.append(_recover(name, machine, progress, BY_SPEC))
            except HpcapvfError as error:
                errors.append(error)
                done.append(Recovered(name, _condition(name, machine), FAILED, error=error.message))
        boot_service.remove_after_last(machine)
    return RecoverReport(tuple(done), tuple(errors))


def recover_one(
    name: str, machine: Machine, progress: Progress, *, direction: str = BY_SPEC, wait_s: float = 0.0
) -> Recovered:
    """One deployment. direction: ``by spec``, ``back`` or ``forward``.

    Errors: NotFound, Conflict (lock; one that is being undone does not go forward, one that stands not back), what a
    step raises on the way forward (what was made stays, and recovering again goes on), UndoIncomplete on the way back.
    """
    with hold_host(machine, f"recovery of {name}", progress, wait_s):
        state.read_deployment(name, machine.files)
        return _recover(name, machine, progress, direction)


def _recover(name: str, machine: Machine, progress: Progress, direction: str) -> Recovered:
    deployment = state.read_deployment(name, machine.files)
    remove_torn(machine.files, state.state_path(name))
    condition, persists = deployment.condition, deployment.plan.request.persist
    if is_over(name, machine):
        if direction == FORWARD:
            raise Conflict(f"the time of {name} is over", hint=f"let `hpcapvf recover {name}` end it, then deploy it")
        return _back(deployment, machine, progress)
    if condition == DEPLOYED and direction != FORWARD:
        if direction == BACK:
            raise Conflict(f"{name} is deployed, and whole", hint=f"`hpcapvf destroy {name}` takes it away")
        return Recovered(name, condition, LEFT)
    if condition == UNDOING:
        if direction == FORWARD:
            raise Conflict(f"{name} is being taken away", hint=f"let `hpcapvf recover {name}` end that, then deploy it")
        return _back(deployment, machine, progress)
    if direction == FORWARD or (direction == BY_SPEC and persists):
        return _forward(deployment, machine, progress)
    if condition == LOST and direction == BY_SPEC:
        return Recovered(name, condition, LEFT, notes=(how_to_go_on(name, condition, persists),))
    return _back(deployment, machine, progress)


def how_to_go_on(name: str, condition: str, persists: bool) -> str:
    """What the operator of a deployment that was cut short, or lost by a reboot, can do; empty if it stands."""
    recover = f"hpcapvf recover {name}"
    if condition == LOST:
        return f"`{recover} --forward` makes it anew, `hpcapvf destroy {name}` takes the rest away"
    if condition == INCOMPLETE and persists:
        return f"unless a run is under way: `{recover}` makes it to the end, `{recover} --back` takes it back"
    if condition == INCOMPLETE:
        return f"unless a run is under way: `{recover}` takes it back, `{recover} --forward` makes it to the end"
    if condition == UNDOING:
        return f"unless a run is under way: `{recover}` takes it away to the end"
    return ""


def _back(deployment: Deployment, machine: Machine, progress: Progress) -> Recovered:
    why = TIME_OVER if is_over(deployment.name, machine) else RECOVERED
    report = take_back(deployment, machine, progress, why)
    notes = (*report.notes, f"captures: {report.captures}")
    return Recovered(deployment.name, deployment.condition, PUT_BACK, report.restored, notes, journal=report.journal)


def _forward(deployment: Deployment, machine: Machine, progress: Progress) -> Recovered:
    """Run what no longer holds. A step that was cut short is undone first: half a disk is none."""
    name, plan, files = deployment.name, deployment.plan, machine.files
    path = state.journal_path(name)
    journal = Journal(files, machine.clock, path)
    if not read_events(files, path):
        files.remove(path)
        journal.open(name, plan.spec_sha256, state.boot_id(files))
    journal.go_on(state.boot_id(files))
    boot_service.install(machine)
    state.write_state(files, plan, INCOMPLETE, {})
    notes: list[str] = []
    for begun in to_undo(read_events(files, path), path):
        if not begun.is_done:
            progress.phase(f"undo: {begun.step.describe()}")
            notes += undo_one(begun, undo_context(plan, machine, progress, journal, begun), journal, RECOVERED)
    try:
        reports = run_steps(plan, machine, progress, journal)
    except HpcapvfError as error:
        error.details += (f"what was made of {name} stays: `hpcapvf recover {name} --forward` goes on with it",)
        raise
    state.write_state(files, plan, DEPLOYED, phases_of(reports))
    done = tuple(report.text for report in reports if report.result == "done")
    notes += [note for report in reports for note in report.notes]
    action = MADE_ANEW if deployment.condition == LOST else COMPLETED
    return Recovered(name, deployment.condition, action, done, tuple(notes))


def _in_order(machine: Machine) -> tuple[str, ...]:
    """Names: what will be taken back before what will be made. A state that cannot be read comes first, to be told."""

    def place(name: str) -> tuple[int, str]:
        try:
            deployment = state.read_deployment(name, machine.files)
        except HpcapvfError:
            return (0, name)
        request = deployment.plan.request
        is_agent = bool(request.watch)
        forward = request.persist and deployment.condition != UNDOING
        return ((3 + is_agent) if forward else (2 - is_agent), name)

    return tuple(sorted(state.names(machine.files), key=place))


def _condition(name: str, machine: Machine) -> str:
    return next((d.condition for d in state.list_deployments(machine.files) if d.name == name), "")


def _clear_folders(machine: Machine) -> list[Recovered]:
    """Folders without a state: nothing was begun there, or everything was undone. One with a journal is only told."""
    files = machine.files
    without_state = set(files.list(DEPLOYMENTS) or ()) - set(state.names(files))
    return [_clear_folder(name, machine) for name in sorted(without_state)]


def _clear_folder(name: str, machine: Machine) -> Recovered:
    files = machine.files
    try:
        journal = state.journal_path(name)
        if to_undo(read_events(files, journal), journal):
            raise StepFailed(
                f"{state.folder(name)} has a journal but no state.json, so nothing is undone",
                hint="the journal says what was there before: put it back by hand, then remove the folder",
            )
        left = remove_leftovers(name, files)
    except HpcapvfError as error:
        return Recovered(name, "", FAILED, error=error.message, notes=(error.hint,))
    return Recovered(name, "", CLEARED, notes=tuple(f"not of hpcapvf, left there: {item}" for item in left))
