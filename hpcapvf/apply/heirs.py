"""Changes that several deployments rely on: whoever goes last undoes them.

A deployment that finds a card as it needs it skips the step, so only the first has in its journal what was there
before. When that one goes, it hands this over to another that needs the same, and leaves the card alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from hpcapvf.apply import state
from hpcapvf.apply.handler import Context, Json
from hpcapvf.apply.handlers import handler_of
from hpcapvf.apply.journal import Begun, Journal, boot_of, read_events, to_undo
from hpcapvf.host.protocols import Machine
from hpcapvf.model.codec import to_json
from hpcapvf.model.errors import HpcapvfError, StepFailed
from hpcapvf.model.host import DEPLOYED, INCOMPLETE


def hand_over(begun: Begun, context: Context) -> str:
    """The deployment that needs what this step did and will put it back; empty if there is none.

    StepFailed if the state or journal of another is damaged: what it relies on is not changed on a guess. Done twice,
    as after a kill, it changes nothing: what the heir inherited is what it inherits again.
    """
    files = context.machine.files
    of_this_boot = begun.boot_id in ("", state.boot_id(files))
    if not (handler_of(begun.step).common and begun.is_done and of_this_boot):
        return ""
    for other in state.list_deployments(files):
        stands = other.condition in (DEPLOYED, INCOMPLETE) and other.name != context.plan.request.name
        try:
            if stands and _inherits(other.name, begun, context.machine):
                return other.name
        except HpcapvfError as error:
            raise StepFailed(
                f"whether {other.name} needs it too cannot be told: {error}",
                hint=f"destroy {other.name} first, or have its journal mended: {error.hint}",
            ) from error
    return ""


def _inherits(name: str, begun: Begun, machine: Machine) -> bool:
    """Whether a deployment needs the same; then its journal says what was there before."""
    files, path = machine.files, state.journal_path(name)
    events = read_events(files, path)
    boot_id = state.boot_id(files)
    same = {index for index, step in enumerate(state.read_deployment(name, files).plan.steps) if step == begun.step}
    own = next((other for other in to_undo(events, path) if other.index in same), None)
    if own is not None and own.boot_id in ("", boot_id):
        return True  # it changed the card itself, and knows what was there before that
    found = [index for index in _found_so(events, boot_id) if index in same]
    if not found or boot_of(events) not in ("", boot_id):
        return False
    journal = Journal(files, machine.clock, path)
    journal.go_on(boot_id)
    journal.write("inherit", index=found[0], step=to_json(begun.step), before=begun.trace.before)
    return True


def _found_so(events: tuple[Json, ...], boot_id: str) -> Iterator[int]:
    """The steps that had nothing to do, in this boot."""
    then = ""
    for event in events:
        then = str(event.get("boot_id") or then)
        if event["event"] == "skipped" and then in ("", boot_id):
            yield int(event["index"])
