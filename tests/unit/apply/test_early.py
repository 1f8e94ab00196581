"""What is read ahead of its turn: the image's checksum, beside the steps before the guest's disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hpcapvf.apply.run import apply_plan
from hpcapvf.model.errors import Conflict, NotFound, StepFailed
from hpcapvf.model.progress import Silent
from hpcapvf.model.steps import MakeDisk, ReserveHugepages
from tests.fakes import tree
from tests.unit.apply.world import World, make_world


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def position(world: World, words: str) -> int:
    return next(n for n, (_, what) in enumerate(world.fake.faults.log) if words in what)


def test_the_checksum_begins_before_memory_is_reserved_and_is_computed_once(world: World) -> None:
    apply_plan(world.plan, world.fake.machine, Silent())
    assert position(world, "sha256sum") < position(world, "nr_hugepages")
    assert sum("sha256sum" in what for _, what in world.fake.faults.log) == 1


def test_it_is_ended_if_a_step_before_fails(world: World) -> None:
    too_much = tuple(
        replace(step, free_pages=1 << 30) if isinstance(step, ReserveHugepages) else step for step in world.plan.steps
    )
    with pytest.raises(StepFailed, match="free pages"):
        apply_plan(replace(world.plan, steps=too_much), world.fake.machine, Silent())
    assert [program.ended for program in world.fake.commands.begun] == [True]


def test_a_damaged_image_is_refused_when_its_turn_comes(world: World) -> None:
    before = world.snapshot()
    wrong = tuple(replace(s, sha256="0" * 64) if isinstance(s, MakeDisk) else s for s in world.plan.steps)
    with pytest.raises(Conflict, match=r"make disk.*SHA-256"):
        apply_plan(replace(world.plan, steps=wrong), world.fake.machine, Silent())
    assert world.snapshot() == before


def test_an_image_that_is_not_there_is_not_read(world: World) -> None:
    (world.fake.root / tree.IMAGE.lstrip("/")).unlink()
    with pytest.raises(NotFound, match="make disk") as failed:
        apply_plan(world.plan, world.fake.machine, Silent())
    assert "does not exist" in failed.value.message
    assert world.fake.commands.begun == []
