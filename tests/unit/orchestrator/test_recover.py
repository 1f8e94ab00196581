"""``hpcapvf recover`` and what ``status`` says of a deployment that a reboot took."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hpcapvf.apply.run import apply_plan
from hpcapvf.model.errors import ExitCode
from hpcapvf.model.progress import Silent
from orchestrator.main import hpcapvf_parser
from orchestrator.runner import run
from tests.fakes.faults import Killed
from tests.unit.apply.world import World, make_world


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = make_world(tmp_path)
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    for module in ("upkeep", "status"):
        monkeypatch.setattr(f"orchestrator.commands.{module}.local_machine", lambda: made.fake.machine)
    return made


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    run(hpcapvf_parser(words), [*words, "--json", "--progress", "none"])
    envelope: dict[str, Any] = json.loads(capsys.readouterr().out)
    return envelope


def test_a_reboot_is_told_by_status_and_mended_by_recover(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    apply_plan(world.plan, world.fake.machine, Silent())
    world.reboot()
    assert asked(capsys, "status")["result"]["deployments"][0]["condition"] == "lost by reboot"
    (done,) = asked(capsys, "recover")["result"]["deployments"]
    assert done["action"] == "left as it is"
    (done,) = asked(capsys, "recover", "probe1", "--forward")["result"]["deployments"]
    assert done["action"] == "made anew"
    assert asked(capsys, "status", "probe1")["result"]["condition"] == "deployed"


def test_what_was_cut_short_is_put_back(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.fake.faults.kill_at(50)
    with pytest.raises(Killed):
        apply_plan(world.plan, world.fake.machine, Silent())
    world.fake.faults.revive()
    told = asked(capsys, "status", "probe1")["result"]
    assert told["condition"] == "incomplete" and "`hpcapvf recover probe1` takes it back" in told["how_to_go_on"]
    (done,) = asked(capsys, "recover", "--wait", "1")["result"]["deployments"]
    assert (done["condition"], done["action"]) == ("incomplete", "put back")
    assert asked(capsys, "recover")["result"] == {"deployments": []}


def test_a_direction_is_for_one_deployment(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(capsys, "recover", "--back")["exit_code"] == ExitCode.BAD_SPEC
    assert asked(capsys, "recover", "nobody")["exit_code"] == ExitCode.NOT_FOUND


def test_people_see_it_too(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    apply_plan(world.plan, world.fake.machine, Silent())
    world.reboot()
    words = ("recover", "--progress", "none")
    assert run(hpcapvf_parser(words), words) == ExitCode.OK
    assert "probe1: left as it is" in capsys.readouterr().out
