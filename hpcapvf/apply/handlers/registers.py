"""Handler for the card's registers."""

from __future__ import annotations

from hpcapvf.apply.card import key_of, open_card, want_of, wants_of
from hpcapvf.apply.handler import Context, Handler, Json, Trace
from hpcapvf.model.steps import ProgramReceiveAll
from hpcapvf.nic.receive import drift, held_before
from hpcapvf.nic.registers import register_table


class ProgramReceiveAllHandler(Handler[ProgramReceiveAll]):
    """Write what ``nic.receive`` wants; ``before`` holds the same bits as they were, key by key (``card.key_of``).

    Undo writes bits, not registers. A bit that the PF driver rewrote meanwhile is as before already, so putting all of
    them back never takes away what is the PF driver's.
    """

    phase = "registers"

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
            new = {key_of(h): h.value for h in held_before(wants, card.read) if key_of(h) not in before}
            if new:
                context.amend(new)
            card.ensure(wants)
            return {"registers": len(wants)}

    def undo(self, step: ProgramReceiveAll, trace: Trace, context: Context) -> tuple[str, ...]:
        """Put the bits back, last written first."""
        table = register_table(step.family)
        with open_card(step, context.machine) as card:
            card.ensure(want_of(key, bits, table) for key, bits in reversed(trace.before.items()))
        return ()
