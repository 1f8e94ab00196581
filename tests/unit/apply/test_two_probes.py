"""Two probes that each receive everything from one card: whoever goes last puts it back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hpcapvf.apply import state
from hpcapvf.apply.handler import Context
from hpcapvf.apply.handlers import handler_of
from hpcapvf.apply.journal import Journal, read_events, to_undo
from hpcapvf.apply.run import run_steps
from hpcapvf.model.progress import Silent
from hpcapvf.model.request import GuestRequest
from hpcapvf.model.steps import ProgramReceiveAll
from tests.unit.apply.world import PF, make_world


@pytest.mark.parametrize("first_goes_first", [True, False])
def test_of_two_that_receive_everything_the_last_puts_the_card_back(tmp_path: Path, first_goes_first: bool) -> None:
    world = make_world(tmp_path)
    card, files, clock = world.fake.registers, world.fake.files, world.fake.clock
    card.set("MTA", 3, 0x10)
    before = {k: v for k, v in card.values.items() if v}
    probes = {"probe1": ProgramReceiveAll(PF, "82576", 0), "probe2": ProgramReceiveAll(PF, "82576", 1, False)}
    for name, step in probes.items():
        plan = replace(world.plan, request=replace(world.plan.request, guest=GuestRequest(name, "/i")), steps=(step,))
        state.write_state(files, plan, "deployed", {})
        journal = Journal(files, clock, state.journal_path(name))
        journal.open(name, "f" * 64, state.boot_id(files))
        run_steps(plan, world.fake.machine, Silent(), journal)
    order = list(probes) if first_goes_first else list(reversed(probes))
    notes = []
    for name in order:
        path = state.journal_path(name)
        (begun,) = to_undo(read_events(files, path), path)
        plan = state.read_deployment(name, files).plan
        notes.append(
            handler_of(begun.step).undo(
                begun.step, begun.trace, Context(world.fake.machine, plan, Silent(), lambda before: None)
            )
        )
        assert notes[1:] or card.get("MTA", 3) == card.get("UTA", 0) == 0xFFFF_FFFF
        files.remove(path)
        files.remove(state.state_path(name))
    assert {k: v for k, v in card.values.items() if v} == before
    assert notes == [(f"{order[1]} still receives everything: the card stays as it needs it",), ()]
