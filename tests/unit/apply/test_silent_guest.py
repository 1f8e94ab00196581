"""A guest that stops answering after it was deployed."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpcapvf.apply.run import apply_plan, destroy
from hpcapvf.apply.state import list_deployments
from hpcapvf.model.errors import UndoIncomplete
from hpcapvf.model.progress import Silent
from tests.unit.apply.world import NAME, World, make_world


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def test_a_guest_that_hangs_goes_with_what_it_held_and_the_rest_is_put_back(world: World) -> None:
    before = world.snapshot()
    apply_plan(world.plan, world.fake.machine, Silent())
    world.fake.guests.silent = "10.0.0.2 does not answer"
    report = destroy(NAME, world.fake.machine, Silent())
    assert world.snapshot() == before
    assert list_deployments(world.fake.files) == ()
    assert [note for note in report.notes if "does not answer: what it had not written to its disks is lost" in note]
    assert [text for text in report.restored if "start capture" in text]


def test_a_guest_that_hangs_and_cannot_be_switched_off_is_told(world: World) -> None:
    apply_plan(world.plan, world.fake.machine, Silent())
    world.fake.guests.silent = "10.0.0.2 does not answer"
    world.fake.hypervisor.stop = lambda name, timeout_s: False  # type: ignore[method-assign]
    with pytest.raises(UndoIncomplete) as caught:
        destroy(NAME, world.fake.machine, Silent())
    assert any("start capture" in line and "does not answer" in line for line in caught.value.details)
    assert any("still runs" in line for line in caught.value.details)
