"""Handlers for the card's registers: receiving everything, and being given what others receive."""

from __future__ import annotations

from hpcapvf.apply import state
from hpcapvf.apply.card import Card, key_of, mirrors_of, open_card, want_of, wants_of
from hpcapvf.apply.handler import Context, Handler, Json, Trace
from hpcapvf.apply.journal import Begun, Journal, read_events, to_undo
from hpcapvf.model.errors import RegisterRefused
from hpcapvf.model.steps import ProgramReceiveAll, RegisterStep, ReplicateTraffic
from hpcapvf.nic.mirror import Mirror
from hpcapvf.nic.receive import RegisterWant, drift, held_before
from hpcapvf.nic.tables import register_table


class ProgramReceiveAllHandler(Handler[ProgramReceiveAll]):
    """Write what ``nic.receive`` wants; ``before`` holds the same bits as they were, key by key (``card.key_of``).

    Undo writes bits, not registers. A bit that the PF driver rewrote meanwhile is as before already, so putting all of
    them back never takes away what is the PF driver's.
    """

    phase = "registers"
    survives_reboot = False

    def satisfied(self, step: ProgramReceiveAll, context: Context) -> str | None:
        """All that can be read back is set."""
        with open_card(step, context.machine) as card:
            return "the registers hold it" if not drift(wants_of(step, card), card.read) else None

    def observe(self, step: ProgramReceiveAll, context: Context) -> Json:
        """The bits that will be written."""
        with open_card(step, context.machine) as card:
            return {key_of(held): held.value for held in held_before(wants_of(step, card), card.read)}

    def do(self, step: ProgramReceiveAll, before: Json, context: Context) -> Json:
        """Write and read back. A MAC filter that came up since ``observe`` is journalled first."""
        with open_card(step, context.machine) as card:
            wants = wants_of(step, card)
            _journal_new(held_before(wants, card.read), before, context)
            card.ensure(wants)
            return {"registers": len(wants)}

    def undo(self, step: ProgramReceiveAll, trace: Trace, context: Context) -> tuple[str, ...]:
        """Put the bits back, last written first. What another deployment found as this one had set it stays: the other
        needs it too, and from now on is the one that knows what was there before."""
        heirs = _others_that_receive_all(step, context)
        with open_card(step, context.machine) as card:
            wants = wants_of(step, card)
        ours = {key_of(want): want.value for want in wants}
        unreadable = {key_of(want) for want in wants if not want.reads_back}
        left = dict(trace.before)
        for name, heir in heirs:
            theirs = heir.trace.before
            handed = {
                key: bits
                for key, bits in trace.before.items()
                if key in theirs and (key in unreadable or theirs[key] == ours.get(key))
            }
            machine = context.machine
            journal = Journal(machine.files, machine.clock, state.journal_path(name))
            journal.write("inherit", index=heir.index, before=handed)
            left = {key: bits for key, bits in left.items() if key not in handed}
        _put_back(step, Trace(left, trace.after), context)
        return tuple(f"{name} still receives everything: the card stays as it needs it" for name, _ in heirs)


class ReplicateTrafficHandler(Handler[ReplicateTraffic]):
    """Try each way to copy traffic (``nic.mirror``) until one reads back; ``after`` names it and why others do not.

    ``before`` holds the bits of every way as they were. Undo writes those bits only: others may have changed the rest
    of a register since.
    """

    phase = "registers"
    survives_reboot = False

    def satisfied(self, step: ReplicateTraffic, context: Context) -> str | None:
        """The card does it in one of the ways."""
        with open_card(step, context.machine) as card:
            holding = [mirror.name for mirror in mirrors_of(step) if mirror.holds(card.read)]
        return f"the registers hold it ({holding[0]})" if holding else None

    def observe(self, step: ReplicateTraffic, context: Context) -> Json:
        """The bits that any of the ways would write."""
        with open_card(step, context.machine) as card:
            held = [h for mirror in mirrors_of(step) for h in _held_for(mirror, card)]
        return {key_of(h): h.value for h in held}

    def do(self, step: ReplicateTraffic, before: Json, context: Context) -> Json:
        """Write and read back; a way that the card does not take is put back before the next is tried."""
        reasons: list[str] = []
        with open_card(step, context.machine) as card:
            for mirror in mirrors_of(step):
                held: tuple[RegisterWant, ...] = ()
                try:
                    wants = mirror.wants(card.read)
                    held = held_before(wants, card.read)
                    _journal_new(held, before, context)
                    card.ensure(wants)
                except RegisterRefused as error:
                    card.ensure(reversed(held))
                    reasons.append(f"{mirror.name} cannot be used: {error.message} ({error.hint or 'no remedy known'})")
                else:
                    notes = [*reasons, f"traffic is copied by {mirror.name}"]
                    return {"backend": mirror.name, "registers": len(wants), "notes": notes}
        raise RegisterRefused(
            f"{step.pf} ({step.family}) can copy traffic in no way that is known",
            hint="watch from a probe that receives everything (deploy-vnp), or use another card",
            details=tuple(reasons),
        )

    def undo(self, step: ReplicateTraffic, trace: Trace, context: Context) -> tuple[str, ...]:
        """Put the bits back, last written first."""
        _put_back(step, trace, context)
        return ()


def _others_that_receive_all(step: ProgramReceiveAll, context: Context) -> list[tuple[str, Begun]]:
    """Other deployments whose registers of the same card are programmed now, with that step of theirs."""
    files = context.machine.files
    now = ("", state.boot_id(files))
    names = [d.name for d in state.list_deployments(files) if d.receive_all_pf == step.pf]
    found = []
    for name in names:
        if name != context.plan.request.name:
            path = state.journal_path(name)
            begun = to_undo(read_events(files, path), path)
            theirs = (other for other in begun if isinstance(other.step, ProgramReceiveAll))
            found += [(name, other) for other in theirs if other.boot_id in now]
    return found


def _held_for(mirror: Mirror, card: Card) -> tuple[RegisterWant, ...]:
    try:
        return held_before(mirror.wants(card.read), card.read)
    except RegisterRefused:
        return ()  # no room for it; ``do`` says so


def _journal_new(held: tuple[RegisterWant, ...], before: Json, context: Context) -> None:
    """A filter that came up since ``observe`` is journalled before its bits are written."""
    new = {key_of(h): h.value for h in held if key_of(h) not in before}
    if new:
        context.amend(new)


def _put_back(step: RegisterStep, trace: Trace, context: Context) -> None:
    table = register_table(step.family)
    with open_card(step, context.machine) as card:
        card.ensure(want_of(key, bits, table) for key, bits in reversed(trace.before.items()))
