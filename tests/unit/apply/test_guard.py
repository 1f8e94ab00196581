"""The register guard: re-applies what the PF driver wiped, counts, and makes new bits undoable."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from hpcapvf.apply import state
from hpcapvf.apply.guard import GuardCounts, guard_once, run_guard
from hpcapvf.apply.run import apply_plan, destroy
from hpcapvf.model import paths
from hpcapvf.model.errors import NotFound
from hpcapvf.model.progress import Silent
from tests.fakes.registers import MPME, ROMPE
from tests.unit.apply.world import NAME, World, make_world


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = make_world(tmp_path)
    apply_plan(world.plan, world.fake.machine, Silent())
    return world


def look(world: World, counts: GuardCounts | None = None) -> GuardCounts:
    return guard_once(world.plan, world.fake.machine, counts or GuardCounts(), lambda held: None)


def test_quiet_card_is_only_looked_at(world: World) -> None:
    writes = world.fake.faults.count("register")
    assert look(world) == GuardCounts(checks=1)
    assert world.fake.faults.count("register") == writes


def test_wipe_is_repaired_and_counted(world: World) -> None:
    world.fake.registers.wipe()
    assert not world.fake.registers.get("VMOLR") & ROMPE
    counts = look(world, GuardCounts(checks=4, drifts=1, registers_reapplied=2, registers={"VMOLR[0]": 1}))
    assert world.fake.registers.get("VMOLR") & (ROMPE | MPME) == ROMPE | MPME
    assert world.fake.registers.get("MTA", 127) == 0xFFFF_FFFF
    assert (counts.checks, counts.drifts) == (5, 2)
    assert counts.registers["VMOLR[0]"] == 2
    assert counts.registers["MTA[0]"] == 1
    assert counts.registers_reapplied == 2 + 128 + 2  # MTA, VMOLR[0] and RCTL
    assert counts.last_drift_at == world.fake.clock.wall()
    assert look(world, counts).drifts == 2


def test_registers_that_do_not_read_back_are_written_with_any_drift(world: World) -> None:
    world.fake.registers.set("UTA", 5, 0)
    look(world)
    assert world.fake.registers.get("UTA", 5) == 0  # nobody can see it
    world.fake.registers.wipe()
    look(world)
    assert world.fake.registers.get("UTA", 5) == 0xFFFF_FFFF


def run_rounds(world: World, rounds: int, between: dict[int, object]) -> tuple[GuardCounts, list[str]]:
    """The loop for a number of rounds; ``between`` has what happens before a round."""
    lines: list[str] = []
    done = 0

    def stop() -> bool:
        nonlocal done
        action = between.get(done)
        if callable(action):
            action()
        done += 1
        return done > rounds

    return run_guard(NAME, world.fake.machine, stop=stop, log=lines.append), lines


def test_loop_reports_and_logs_one_line_per_drift(world: World) -> None:
    counts, lines = run_rounds(world, 4, {1: world.fake.registers.wipe, 3: world.fake.registers.wipe})
    assert (counts.checks, counts.drifts) == (4, 2)
    assert len(lines) == 2
    assert "MTA (128)" in lines[0]
    assert json.loads(world.fake.files.read_text(paths.guard_path(NAME)) or "")["drifts"] == 2


def test_new_mac_filter_gets_the_pool_and_is_restored_by_destroy(world: World) -> None:
    filter_of_pool_3 = 1 << 31 | 1 << (18 + 3) | 0x0002

    def add_filter() -> None:
        world.fake.registers.set("RAH", 5, filter_of_pool_3)

    run_rounds(world, 2, {1: add_filter})
    assert world.fake.registers.get("RAH", 5) == filter_of_pool_3 | 1 << 18
    destroy(NAME, world.fake.machine, Silent())
    assert world.fake.registers.get("RAH", 5) == filter_of_pool_3


def test_refused_window_is_reported_once_and_tried_again(world: World) -> None:
    def refuse() -> None:
        world.fake.registers.refuse = "Operation not permitted"

    def allow() -> None:
        world.fake.registers.refuse = ""

    counts, lines = run_rounds(world, 5, {1: refuse, 4: allow})
    assert counts.error == ""
    assert counts.checks == 5
    assert [line for line in lines if "not permitted" in line] == lines
    assert len(lines) == 1


def test_counts_that_cannot_be_written_do_not_end_the_guard(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full /run: registers are re-applied all the same, it is said once, and the counts come as soon as they can."""
    replace = os.replace

    def full(source: str, target: str) -> None:
        if target.endswith("/guard.json"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    def fill() -> None:
        monkeypatch.setattr("os.replace", full)
        world.fake.registers.wipe()

    counts, lines = run_rounds(world, 5, {1: fill, 4: lambda: monkeypatch.setattr("os.replace", replace)})
    assert (counts.checks, counts.drifts) == (5, 1)
    assert world.fake.registers.get("VMOLR") & ROMPE
    assert [line for line in lines if "ENOSPC" in line] == lines[1:]
    assert len(lines) == 2
    assert json.loads(world.fake.files.read_text(paths.guard_path(NAME)) or "")["checks"] == 5


def test_guard_ends_when_the_deployment_is_gone(world: World) -> None:
    counts, _ = run_rounds(world, 100, {3: lambda: world.fake.files.remove(state.state_path(NAME))})
    assert counts.checks == 3
    with pytest.raises(NotFound):
        run_guard(NAME, world.fake.machine)
