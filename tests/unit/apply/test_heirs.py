"""Two deployments that need the same of a card: whoever goes first leaves it so, whoever goes last puts it back."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest

from hpcapvf.apply import state
from hpcapvf.apply.journal import read_events
from hpcapvf.apply.recover import recover_all
from hpcapvf.apply.run import apply_plan, destroy
from hpcapvf.apply.undo import DestroyReport
from hpcapvf.model.errors import UndoIncomplete
from hpcapvf.model.progress import Silent
from hpcapvf.model.request import GuestRequest
from hpcapvf.model.steps import SetAutoprobe, SetLink, SetOffloads, SetPause, StartNetwork, Step
from orchestrator.restored import put_back_lines
from tests.fakes import tree
from tests.fakes.faults import Killed
from tests.unit.apply.world import PF, World, make_world

FIRST, SECOND = "probe1", "probe2"
CARD: tuple[Step, ...] = (
    SetLink(tree.PF_INTERFACE),
    SetPause(tree.PF_INTERFACE, rx=False, tx=False),
    SetOffloads(tree.PF_INTERFACE, ("generic-receive-offload",)),
    SetAutoprobe(PF, enabled=False),
    StartNetwork("default"),
)


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def deploy(world: World, name: str, steps: tuple[Step, ...] = CARD, *, persist: bool = False) -> None:
    request = replace(world.plan.request, guest=GuestRequest(name, tree.IMAGE), persist=persist)
    apply_plan(replace(world.plan, request=request, steps=steps), world.fake.machine, Silent())


def take(world: World, name: str) -> DestroyReport:
    return destroy(name, world.fake.machine, Silent())


@pytest.mark.parametrize("order", [(FIRST, SECOND), (SECOND, FIRST)])
def test_whoever_goes_last_puts_it_back(world: World, order: tuple[str, str]) -> None:
    before = world.fake.snapshot()
    deploy(world, FIRST)
    deploy(world, SECOND)
    both = world.fake.snapshot()
    assert both != before
    report = take(world, order[0])
    assert world.fake.snapshot() == both
    assert report.restored == ()
    handed = [note for note in report.notes if f"left so: {order[1]} needs it too" in note]
    assert len(handed) == (len(CARD) if order[0] == FIRST else 0)
    last = take(world, order[1])
    assert world.fake.snapshot() == before
    assert len(last.restored) == len(CARD)
    assert put_back_lines(read_events(world.fake.files, report.journal)) == ()
    told = put_back_lines(read_events(world.fake.files, last.journal))
    assert (CARD[0].describe(), "up: no") in told and len(told) == len(CARD)


def test_it_goes_on_to_the_third(world: World) -> None:
    before = world.fake.snapshot()
    for name in (FIRST, SECOND, "probe3"):
        deploy(world, name)
    all_three = world.fake.snapshot()
    for name in (FIRST, SECOND):
        take(world, name)
        assert world.fake.snapshot() == all_three
    take(world, "probe3")
    assert world.fake.snapshot() == before


def test_what_the_other_does_not_need_is_put_back_at_once(world: World) -> None:
    deploy(world, FIRST)
    deploy(world, SECOND, CARD[:1])
    report = take(world, FIRST)
    assert len(report.restored) == len(CARD) - 1
    assert world.fake.commands.link(tree.PF_INTERFACE).pause["rx"]
    assert world.fake.kernel.tree.read(f"/sys/bus/pci/devices/{PF}/sriov_drivers_autoprobe") == "1"
    take(world, SECOND)


def test_one_that_is_being_taken_away_inherits_nothing(world: World) -> None:
    before = world.fake.snapshot()
    deploy(world, FIRST)
    deploy(world, SECOND)
    state.write_state(world.fake.files, state.read_deployment(SECOND, world.fake.files).plan, "undoing", {})
    assert len(take(world, FIRST).restored) == len(CARD)
    take(world, SECOND)
    assert world.fake.snapshot() == before


def test_a_damaged_journal_of_another_leaves_the_card_alone_and_is_named(world: World) -> None:
    before = world.fake.snapshot()
    deploy(world, FIRST)
    deploy(world, SECOND)
    both = world.fake.snapshot()
    journal = world.fake.root / state.journal_path(SECOND).lstrip("/")
    whole = journal.read_text()
    journal.write_text(whole.replace('{"event":"skipped"', '{"event":', 1))
    with pytest.raises(UndoIncomplete) as caught:
        take(world, FIRST)
    assert world.fake.snapshot() == both
    assert len(caught.value.details) == len(CARD)
    assert all(f"whether {SECOND} needs it too cannot be told" in line for line in caught.value.details)
    journal.write_text(whole)
    take(world, FIRST)
    take(world, SECOND)
    assert world.fake.snapshot() == before


def test_what_a_reboot_took_is_not_inherited(world: World) -> None:
    deploy(world, FIRST)
    deploy(world, SECOND, persist=True)
    world.reboot()
    before = world.fake.snapshot()
    recover_all(world.fake.machine, Silent())  # makes the second anew, which now knows itself what was there before
    made = world.fake.snapshot()
    assert made != before
    assert not any("left so" in note for note in take(world, FIRST).notes)
    assert world.fake.snapshot() == made
    take(world, SECOND)
    before["enabled"] = []  # the service that recovers at boot goes with the last deployment
    assert world.fake.snapshot() == before


def test_killed_anywhere_while_it_hands_over(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    before = world.snapshot()
    for at in range(1, 200):
        deploy(world, FIRST)
        deploy(world, SECOND)
        both = world.fake.snapshot()
        world.fake.faults.kill_at(at)
        with contextlib.suppress(Killed):
            take(world, FIRST)
        killed = world.fake.faults.revive()
        world.fake.faults.kill_at(0)
        assert not recover_all(world.fake.machine, Silent()).errors
        assert world.fake.snapshot() == both, at
        for name in state.names(world.fake.files):
            take(world, name)
        assert world.snapshot() == before, at
        if not killed:
            break
    else:
        raise AssertionError("it never came to its end")
    assert at > len(CARD)
