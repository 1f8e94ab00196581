"""What ``hpcapvf recover`` does about each condition; the cuts themselves are in tests/kill."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpcapvf.apply import state
from hpcapvf.apply.handlers.port import HoldPortHandler
from hpcapvf.apply.recover import BACK, FORWARD, how_to_go_on, recover_all, recover_one
from hpcapvf.apply.run import apply_plan, destroy
from hpcapvf.apply.state import list_deployments, read_deployment
from hpcapvf.model.errors import Conflict
from hpcapvf.model.paths import RECOVER_UNIT, RECOVER_UNIT_PATH, token_path
from hpcapvf.model.progress import Silent
from tests.fakes.faults import Killed
from tests.kill.cuts import essence
from tests.unit.apply.world import NAME, World, make_dpdk_world, make_world


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    return make_world(tmp_path)


def deploy(world: World, *, persist: bool = False) -> None:
    world.plan = replace(world.plan, request=replace(world.plan.request, persist=persist))
    apply_plan(world.plan, world.fake.machine, Silent())


def killed(world: World, n: int, *, persist: bool = False) -> None:
    world.fake.faults.kill_at(n)
    with pytest.raises(Killed):
        deploy(world, persist=persist)
    world.fake.faults.revive()


def actions(world: World) -> list[tuple[str, str]]:
    return [(done.name, done.action) for done in recover_all(world.fake.machine, Silent()).deployments]


def test_the_service_is_there_from_the_first_deployment_to_the_last(world: World) -> None:
    deploy(world)
    text = world.fake.files.read_text(RECOVER_UNIT_PATH) or ""
    assert "ExecStart=/usr/local/bin/hpcapvf recover" in text
    assert RECOVER_UNIT in world.fake.commands.enabled
    other = world.fake.root / state.folder("other").lstrip("/") / "state.json"
    other.parent.mkdir()
    other.write_text("{}")
    destroy(NAME, world.fake.machine, Silent())
    assert world.fake.files.exists(RECOVER_UNIT_PATH)
    other.unlink()
    recover_all(world.fake.machine, Silent())
    assert not world.fake.files.exists(RECOVER_UNIT_PATH)
    assert world.fake.commands.enabled == set()


def test_a_probe_that_a_reboot_took_is_told_and_left(world: World) -> None:
    before = world.snapshot()
    deploy(world)
    deployed = essence(world)
    world.reboot()
    (found,) = list_deployments(world.fake.files)
    assert found.condition == "lost by reboot"
    rebooted = world.snapshot()
    (done,) = recover_all(world.fake.machine, Silent()).deployments
    assert (done.action, done.condition) == ("left as it is", "lost by reboot")
    assert "--forward" in done.notes[0]
    assert world.snapshot() == rebooted
    assert recover_one(NAME, world.fake.machine, Silent(), direction=FORWARD).action == "made anew"
    assert essence(world) == deployed
    world.reboot()
    assert recover_one(NAME, world.fake.machine, Silent(), direction=BACK).action == "put back"
    assert world.snapshot() == before


def test_one_that_persists_is_made_anew_and_formats_nothing_twice(world: World) -> None:
    deploy(world, persist=True)
    deployed = essence(world)
    for _ in range(2):
        world.reboot()
        assert actions(world) == [(NAME, "made anew")]
        assert essence(world) == deployed
        assert world.guest.formatted == 1
        assert read_deployment(NAME, world.fake.files).condition == "deployed"
    assert actions(world) == [(NAME, "left as it is")]


def test_a_reboot_is_not_undone_with_what_was_before_it(world: World) -> None:
    """Pages that the host has at boot are its own, although there were more of them when the step was made."""
    pool = "/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages"
    deploy(world)
    world.fake.kernel.shape.hugepages = 6
    world.reboot()
    report = destroy(NAME, world.fake.machine, Silent())
    assert world.fake.files.read_text(pool) == "6\n"
    assert any("a reboot took it back" in note for note in report.notes)


def test_what_is_being_taken_away_never_goes_forward(world: World) -> None:
    before = world.snapshot()
    deploy(world, persist=True)
    world.fake.faults.kill_at(9)
    with pytest.raises(Killed):
        destroy(NAME, world.fake.machine, Silent())
    world.fake.faults.revive()
    with pytest.raises(Conflict, match="being taken away"):
        recover_one(NAME, world.fake.machine, Silent(), direction=FORWARD)
    assert actions(world) == [(NAME, "put back")]
    assert world.snapshot() == before


def test_a_step_that_fails_on_the_way_forward_keeps_the_rest(world: World) -> None:
    deploy(world, persist=True)
    world.reboot()
    world.fake.registers.refuse = "Operation not permitted"
    report = recover_all(world.fake.machine, Silent())
    assert len(report.errors) == 1
    assert any("recover probe1 --forward" in line for line in report.errors[0].details)
    assert read_deployment(NAME, world.fake.files).condition == "incomplete"
    world.fake.registers.refuse = ""
    assert actions(world) == [(NAME, "completed")]


def test_one_that_stands_is_not_put_back(world: World) -> None:
    deploy(world)
    with pytest.raises(Conflict, match="deployed, and whole"):
        recover_one(NAME, world.fake.machine, Silent(), direction=BACK)


def damage(world: World, change: Any) -> None:
    path = world.fake.root / state.journal_path(NAME).lstrip("/")
    path.write_text(change(path.read_text()))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace('"begin"', "begin", 1), "is not an event"),
        (lambda text: text.replace('"version":1', '"version":2', 1), "version 2"),
        (lambda text: text.replace('"kind":"set-link"', '"kind":"set-lynx"', 1), "unknown kind"),
    ],
    ids=["damaged", "newer", "unknown step"],
)
def test_a_journal_that_cannot_be_used_is_told_and_nothing_is_changed(world: World, change: Any, said: str) -> None:
    killed(world, 60)
    damage(world, change)
    before = world.snapshot()
    report = recover_all(world.fake.machine, Silent())
    assert [done.action for done in report.deployments] == ["failed"]
    assert said in report.errors[0].message
    assert world.snapshot() == before


def test_a_state_that_cannot_be_read_holds_up_no_other(world: World) -> None:
    killed(world, 60)
    bad = world.fake.root / state.folder("bad").lstrip("/") / "state.json"
    bad.parent.mkdir()
    bad.write_text(json.dumps({"version": 99}))
    assert actions(world) == [("bad", "failed"), (NAME, "put back")]
    assert [(d.name, d.condition) for d in list_deployments(world.fake.files)] == [("bad", "unreadable")]


def test_a_journal_without_a_state_is_told(world: World) -> None:
    killed(world, 60)
    world.fake.files.remove(state.state_path(NAME))
    (done,) = recover_all(world.fake.machine, Silent()).deployments
    assert done.action == "failed"
    assert "no state.json" in done.error
    assert world.fake.files.exists(state.journal_path(NAME))


def test_a_folder_in_which_nothing_was_begun_is_cleared(world: World) -> None:
    world.fake.files.make_folder(state.folder("empty"))
    assert actions(world) == [("empty", "cleared away")]
    assert not world.fake.files.exists(state.folder("empty"))


def test_a_token_that_the_domain_knows_outlives_a_recovery_that_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_dpdk_world(tmp_path)
    before = world.snapshot()
    deploy(world, persist=True)
    token = world.fake.files.read_text(token_path(NAME))
    world.reboot()
    with monkeypatch.context() as patched:
        patched.setattr(HoldPortHandler, "do", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            recover_all(world.fake.machine, Silent())
    assert actions(world) == [(NAME, "completed")]
    assert world.fake.files.read_text(token_path(NAME)) == token
    assert f"<title>{token}</title>" in (world.fake.machine.hypervisor.xml(NAME) or "")
    destroy(NAME, world.fake.machine, Silent())
    assert world.snapshot() == before


@pytest.mark.parametrize(
    ("condition", "persists", "said"),
    [
        ("lost by reboot", True, "--forward` makes it anew"),
        ("incomplete", False, "recover probe1` takes it back"),
        ("incomplete", True, "recover probe1` makes it to the end"),
        ("undoing", True, "takes it away to the end"),
    ],
)
def test_what_was_cut_short_says_how_to_go_on(condition: str, persists: bool, said: str) -> None:
    assert said in how_to_go_on(NAME, condition, persists)
    assert how_to_go_on(NAME, "deployed", persists) == ""
