"""The end of an agent: by its timer, by its guest's death, after a reboot; and what the audit keeps of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpcapvf.apply import state
from hpcapvf.apply.end import ENDS_AT, ends_at
from hpcapvf.apply.guard import run_guard
from hpcapvf.apply.recover import PUT_BACK, recover_all, recover_one
from hpcapvf.apply.run import apply_plan, destroy
from hpcapvf.model.copy_steps import PrepareEnd
from hpcapvf.model.errors import Conflict, HpcapvfError, StepFailed
from hpcapvf.model.paths import AUDIT, SYSTEMD_UNITS, end_service, end_timer, guard_unit
from hpcapvf.model.progress import Silent
from tests.unit.apply.world import NAME, PF, TTL_S, WATCHED, World, make_monitor_world

SERVICE, TIMER = end_service(NAME), end_timer(NAME)


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody pulls the plug of this machine."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_monitor_world(tmp_path)


def deploy(world: World) -> None:
    apply_plan(world.plan, world.fake.machine, Silent())


def unit(world: World, name: str) -> str | None:
    return world.fake.machine.files.read_text(f"{SYSTEMD_UNITS}/{name}")


def audit(world: World) -> list[dict[str, Any]]:
    text = world.fake.machine.files.read_text(AUDIT) or ""
    return [json.loads(line) for line in text.splitlines()]


def without_limit(world: World) -> None:
    steps = tuple(replace(s, ttl_s=None) if isinstance(s, PrepareEnd) else s for s in world.plan.steps)
    world.plan = replace(world.plan, steps=steps, request=replace(world.plan.request, ttl_s=None))


def test_a_timer_waits_for_the_end_and_ends_with_the_agent(world: World) -> None:
    before = world.snapshot()
    begin = world.fake.clock.wall()
    deploy(world)
    end = ends_at(NAME, world.fake.machine.files)
    assert end is not None
    assert begin + TTL_S <= end <= world.fake.clock.wall() + TTL_S
    assert f'destroy {NAME} --wait 300 --because "time over"' in (unit(world, SERVICE) or "")
    assert "Persistent=true" in (unit(world, TIMER) or "")
    assert {TIMER} <= world.fake.commands.units & world.fake.commands.enabled
    destroy(NAME, world.fake.machine, Silent())
    assert world.snapshot() == before
    assert (unit(world, SERVICE), unit(world, TIMER)) == (None, None)


def test_the_service_that_runs_the_undo_is_not_stopped_by_it(world: World) -> None:
    deploy(world)
    calls = len(world.fake.commands.calls)
    destroy(NAME, world.fake.machine, Silent())
    assert ("systemctl", "stop", TIMER) in world.fake.commands.calls[calls:]
    assert not any(SERVICE in call for call in world.fake.commands.calls[calls:])


def test_the_end_stands_before_anything_is_copied(world: World) -> None:
    world.fake.commands.on("systemctl", _refusing_timers(world))
    with pytest.raises(StepFailed, match="prepare the end"):
        deploy(world)
    assert audit(world) == []


def _refusing_timers(world: World) -> Any:
    plain = world.fake.commands._systemctl

    def run(argv: tuple[str, ...], stdin: bytes) -> tuple[int, str, str]:
        return (1, "", "no timers here\n") if argv[1:] == ("start", TIMER) else plain(argv, stdin)

    return run


def test_without_a_limit_only_the_death_of_its_guest_ends_it(world: World) -> None:
    without_limit(world)
    deploy(world)
    assert ends_at(NAME, world.fake.machine.files) is None
    assert unit(world, TIMER) is None
    assert '--because "its guest died"' in (unit(world, SERVICE) or "")


def test_a_guest_that_dies_ends_the_agent(world: World) -> None:
    deploy(world)
    rounds = 0

    def stop() -> bool:
        nonlocal rounds
        rounds += 1
        if rounds == 20:
            world.fake.hypervisor.stop(NAME, 0)
        return rounds > 200

    lines: list[str] = []
    run_guard(NAME, world.fake.machine, stop=stop, log=lines.append)
    assert 20 < rounds < 60
    assert lines == [f"guard: the guest of {NAME} does not run any more: the agent is ended"]
    assert SERVICE in world.fake.commands.units


def test_a_libvirt_that_does_not_answer_is_no_death(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy(world)

    def fails() -> Any:
        raise HpcapvfError("libvirt is restarted")

    monkeypatch.setattr(world.fake.hypervisor, "domains", fails)
    rounds = iter(range(101))
    run_guard(NAME, world.fake.machine, stop=lambda: next(rounds) == 100)
    assert SERVICE not in world.fake.commands.units


@pytest.mark.parametrize("persist", [False, True])
@pytest.mark.parametrize("reboot", [False, True])
def test_one_whose_time_is_over_is_put_back_by_recover(world: World, persist: bool, reboot: bool) -> None:
    before = world.snapshot()
    world.plan = replace(world.plan, request=replace(world.plan.request, persist=persist))
    deploy(world)
    if reboot:
        world.reboot()
    world.fake.clock.sleep(TTL_S + 60)
    with pytest.raises(Conflict, match=r"time of .* is over"):
        recover_one(NAME, world.fake.machine, Silent(), direction="forward")
    report = recover_all(world.fake.machine, Silent())
    assert [one.action for one in report.deployments] == [PUT_BACK]
    assert audit(world)[-1]["why"] == "time over"
    assert world.snapshot() == before


def test_one_that_is_made_anew_after_a_reboot_keeps_its_first_end(world: World) -> None:
    world.plan = replace(world.plan, request=replace(world.plan.request, persist=True))
    deploy(world)
    end, timer = ends_at(NAME, world.fake.machine.files), unit(world, TIMER)
    world.reboot()
    world.fake.clock.sleep(3600)
    assert not recover_all(world.fake.machine, Silent()).errors
    assert (ends_at(NAME, world.fake.machine.files), unit(world, TIMER)) == (end, timer)
    assert guard_unit(NAME) in world.fake.commands.units


def test_the_audit_has_begin_and_end_and_survives(world: World) -> None:
    deploy(world)
    destroy(NAME, world.fake.machine, Silent(), because="time over")
    begin, end = audit(world)
    assert begin | {"at": 0, "ends_at": 0} == {
        "at": 0, "event": "begin", "agent": NAME, "watched": [WATCHED], "pf": str(PF), "by": "", "ends_at": 0,
    }  # fmt: skip
    assert (end["event"], end["agent"], end["watched"], end["why"]) == ("end", NAME, [WATCHED], "time over")
    assert begin["at"] <= end["at"]
    path = world.fake.root / AUDIT.lstrip("/")
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_deployment_that_fails_is_in_the_audit_as_well(world: World) -> None:
    world.fake.commands.on("systemd-run", lambda _argv, _stdin: (1, "", "no more units\n"))
    with pytest.raises(StepFailed, match="start guard"):
        deploy(world)
    assert [line.get("why") for line in audit(world)] == [None, "deployment failed"]


def test_nobody_is_watched_without_a_record(world: World) -> None:
    folder = world.fake.root / AUDIT.lstrip("/")
    folder.mkdir(parents=True)  # a folder where the file should be
    before = world.snapshot()
    with pytest.raises(HpcapvfError, match="audit"):
        deploy(world)
    assert world.snapshot() == before


def test_a_damaged_journal_has_no_end(world: World) -> None:
    deploy(world)
    world.fake.machine.files.append_durably(state.journal_path(NAME), "no event")
    assert ENDS_AT
    assert ends_at(NAME, world.fake.machine.files) is None
