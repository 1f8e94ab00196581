"""Putting a deployment back from its journal, complete or not, also after a reboot, and forgetting it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass

from hpcapvf.apply import boot_service, state
from hpcapvf.apply.audit import note_end
from hpcapvf.apply.captures import keep_captures, purge_captures
from hpcapvf.apply.checked import remove_whole
from hpcapvf.apply.handler import SILENT_GUEST_TIMEOUT_S, Context, Json
from hpcapvf.apply.handlers import handler_of
from hpcapvf.apply.heirs import hand_over
from hpcapvf.apply.journal import Begun, Journal, read_events, to_undo
from hpcapvf.apply.kept import PARTS, kept_path
from hpcapvf.host.protocols import Files, Machine
from hpcapvf.model import paths
from hpcapvf.model.errors import Conflict, FileFailed, GuestSilent, HpcapvfError, UndoIncomplete
from hpcapvf.model.host import UNDOING
from hpcapvf.model.plan import Plan
from hpcapvf.model.progress import Progress
from hpcapvf.model.steps import CopyStep, SetNumVfs

_LOST = "a reboot took it back"


@dataclass(frozen=True)
class Undone:
    """What was put back, one line per step; remarks; and what could not be put back, with hints."""

    restored: tuple[str, ...]
    notes: tuple[str, ...]
    failures: tuple[str, ...]


@dataclass(frozen=True)
class DestroyReport:
    """A deployment that was taken away. restored: one line per step undone; journal: where it is kept. captures: what
    became of them."""

    name: str
    restored: tuple[str, ...]
    notes: tuple[str, ...]
    journal: str
    captures: str = ""


def take_back(
    deployment: state.Deployment, machine: Machine, progress: Progress, why: str, *, purge: bool = False
) -> DestroyReport:
    """Undo all and forget it; the lock is held. Captures stay unless purge. why: for the audit.

    Conflict (nothing was changed), or UndoIncomplete (the rest was).
    """
    name, plan = deployment.name, deployment.plan
    refuse_while_others_use_its_vfs(plan, machine)
    progress.phase("delete captures" if purge else "see to the captures")
    captures = purge_captures(plan, machine) if purge else keep_captures(deployment, machine)
    undone = undo_all(plan, machine, progress, why)
    if undone.failures:
        raise UndoIncomplete(
            f"{len(undone.failures)} step(s) of {name} could not be put back",
            hint=f"repair what the details name and run `hpcapvf recover {name}`",
            details=undone.failures,
        )
    kept, remarks = forget(name, machine)
    return DestroyReport(name, undone.restored, undone.notes + remarks, kept, captures)


def undo_all(plan: Plan, machine: Machine, progress: Progress, why: str) -> Undone:
    """Undo everything begun, last first; from now on the state says so, and no recovery goes forward again.

    why: what the audit says of an agent's end.
    """
    name, files = plan.request.name, machine.files
    journal = Journal(files, machine.clock, state.journal_path(name))
    boot_id = state.boot_id(files)
    path = state.journal_path(name)
    to_undo(read_events(files, path), path)  # one that cannot be used is told before anything is changed
    _tolerating_full_disk(lambda: state.write_state(files, plan, UNDOING, {}))
    _tolerating_full_disk(lambda: journal.go_on(boot_id))
    trial = _try_all(to_undo(read_events(files, path), path), plan, machine, progress, journal, why=why)
    if trial.silence:
        # what a guest would not do has gone with it, unless it could not be switched off either
        again = _try_all(to_undo(read_events(files, path), path), plan, machine, progress, journal, why=why)
        notes = (*trial.notes, trial.silence, *again.notes)
        return Undone(trial.restored + again.restored, notes, again.failures)
    return Undone(trial.restored, trial.notes, trial.failures)


@dataclass(frozen=True)
class _Trial(Undone):
    """silence: what was lost because the guest does not answer; empty if it does."""

    silence: str = ""


def _try_all(
    begun_steps: tuple[Begun, ...], plan: Plan, machine: Machine, progress: Progress, journal: Journal, *, why: str
) -> _Trial:
    restored: list[str] = []
    notes: list[str] = []
    failures: list[str] = []
    silence = ""
    for begun in begun_steps:
        text = begun.step.describe()
        progress.phase(f"undo: {text}")
        heir = ""
        try:
            context = undo_context(plan, machine, progress, journal, begun)
            if silence:
                context = dataclasses.replace(context, guest_timeout_s=SILENT_GUEST_TIMEOUT_S)
            heir = hand_over(begun, context)
            remarks = _handed(begun, heir, journal) if heir else _twice_if_interrupted(begun, context, journal, why)
        except (Exception, KeyboardInterrupt) as error:
            failures.append("; ".join((f"{text}: {error or type(error).__name__}", *_hint_of(error))))
            journal.try_write("undo-failed", index=begun.index, message=str(error) or type(error).__name__)
            if isinstance(error, GuestSilent):
                silence = silence or f"{error.message}: what it had not written to its disks is lost"
        else:
            restored += () if heir else (text,)
            notes.extend(f"{text}: {remark}" for remark in remarks)
    return _Trial(tuple(restored), tuple(notes), tuple(failures), silence)


def undo_one(begun: Begun, context: Context, journal: Journal, why: str) -> tuple[str, ...]:
    """Undo one step, unless a reboot did. A journal that cannot be written (full disk) does not keep it from that."""
    handler = handler_of(begun.step)
    boot_id = state.boot_id(context.machine.files)
    lost = bool(begun.boot_id and boot_id) and begun.boot_id != boot_id and not handler.survives_reboot
    if lost:
        remarks: tuple[str, ...] = (_LOST,)
    else:
        journal.try_write("undo-begin", index=begun.index)
        remarks = handler.undo(begun.step, begun.trace, context)
    if isinstance(begun.step, CopyStep):
        copies = begun.step
        _tolerating_full_disk(lambda: note_end(context.plan.request.name, copies, context.machine, why))
    journal.try_write("undone", index=begun.index, notes=remarks)
    return remarks


def _handed(begun: Begun, heir: str, journal: Journal) -> tuple[str, ...]:
    journal.try_write("handed-over", index=begun.index, to=heir)
    return (f"left so: {heir} needs it too, and will put it back",)


def undo_context(plan: Plan, machine: Machine, progress: Progress, journal: Journal, begun: Begun) -> Context:
    """What the handler of a step works with while it undoes."""

    def amend(before: Json) -> None:
        journal.try_write("amend", index=begun.index, before=before)

    return Context(machine, plan, progress, amend)


def refuse_while_others_use_its_vfs(plan: Plan, machine: Machine) -> None:
    """Conflict if VFs that this deployment made would be taken from running VMs, which the kernel would not mind."""
    path = state.journal_path(plan.request.name)
    boot_id = state.boot_id(machine.files)
    made = [b for b in to_undo(read_events(machine.files, path), path) if isinstance(b.step, SetNumVfs)]
    if not any(begun.trace.before["count"] == 0 and begun.boot_id in ("", boot_id) for begun in made):
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


def forget(name: str, machine: Machine) -> tuple[str, tuple[str, ...]]:
    """Move the journal to the history and remove the state; where the journal went, and remarks.

    The state goes before the rest of its folder: without it nothing is left to be undone.
    """
    files = machine.files
    kept, remarks = _keep_journal(name, machine)
    _remove_run_folder(name, files)
    remove_whole(files, state.journal_path(name))
    remove_whole(files, state.state_path(name))
    remove_leftovers(name, files)
    boot_service.remove_after_last(machine)
    return kept, remarks


def remove_leftovers(name: str, files: Files) -> tuple[str, ...]:
    """Remove the folder of a deployment that has no state (nothing was begun, or all was undone).

    Returns what is in it besides: that is not touched.
    """
    folder = state.folder(name)
    kept = (kept_path(name, part) for part in PARTS)
    for path in (state.state_path(name), state.journal_path(name), *kept):
        remove_whole(files, path)
    others = files.list(folder)
    if others == ():
        files.remove_folder(folder)
    return others or ()


def _keep_journal(name: str, machine: Machine) -> tuple[str, tuple[str, ...]]:
    files = machine.files
    journal = files.read_text(state.journal_path(name))
    if journal is None:
        return "", ()
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(machine.clock.wall()))
    kept = f"{state.HISTORY}/{name}/journal-{stamp}.jsonl"
    try:
        files.make_folder(state.HISTORY, mode=0o700)
        files.replace(kept, journal.encode(), mode=0o600)
    except FileFailed as error:
        return "", (f"the journal could not be kept: {error.message}",)
    return kept, ()


def _remove_run_folder(name: str, files: Files) -> None:
    remove_whole(files, paths.guard_path(name))
    if files.exists(f"{state.RUN}/{name}"):
        files.remove_folder(f"{state.RUN}/{name}")


def _tolerating_full_disk(write: Callable[[], None]) -> None:
    """What is written while undoing helps the next try; that it cannot be written must not hinder this one."""
    try:
        write()
    except FileFailed:
        return


def _twice_if_interrupted(begun: Begun, context: Context, journal: Journal, why: str) -> tuple[str, ...]:
    try:
        return undo_one(begun, context, journal, why)
    except KeyboardInterrupt:
        return undo_one(begun, context, journal, why)


def _hint_of(error: BaseException) -> tuple[str, ...]:
    return (error.hint,) if isinstance(error, HpcapvfError) and error.hint else ()
