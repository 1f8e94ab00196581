"""What ``deploy-vnp`` and ``verify`` keep for the report: both through their real command lines, on a fake machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hpcapvf.apply.kept import PLANNED, VERIFIED, kept_path
from hpcapvf.model.errors import ExitCode
from orchestrator.proofs import MIX_FRAMES
from tests.unit.apply.world import NAME, make_world
from tests.unit.orchestrator.on_fakes import Console, console_on, spec_file
from tests.unit.orchestrator.test_deployment_report import Page

# No process runs behind the fake machine's VM: of a whole verification this is what is not as planned.
NOT_FAKED = ["QEMU process"]
LOST = f"the project's own mix: frames stored identical and in order: expected {MIX_FRAMES}, found {MIX_FRAMES - 3} of"


@pytest.fixture
def console(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Console:
    return console_on(make_world(tmp_path / "world"), monkeypatch, capsys)


def kept(console: Console, part: str) -> dict[str, Any]:
    text = console.world.fake.machine.files.read_text(kept_path(NAME, part))
    assert text is not None, f"{part} is not kept"
    found: dict[str, Any] = json.loads(text)
    return found


def failed(result: dict[str, Any]) -> list[str]:
    findings = [*result["findings"], *(finding for proof in result["proofs"] for finding in proof["findings"])]
    return [finding["check"] for finding in findings if not finding["ok"]]


def without_registers(changes: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(c["step"], c["area"], c["place"], c["before"], c["after"]) for c in changes if c["area"] != "registers"]


def reported(console: Console, page: Path) -> tuple[dict[str, Any], str]:
    page.unlink(missing_ok=True)
    envelope = console.run("hpcapvf", "report", NAME, "-o", str(page), "--watch", "0", "--sample", "0", "--wait", "1")
    assert envelope["exit_code"] == ExitCode.OK, envelope["error"]
    assert not {"changes", "proof", "steps"} & set(envelope["result"]["missing"])
    return envelope["result"], Page(page.read_text()).text


def test_a_deployment_keeps_plan_and_proof_and_the_report_shows_both(console: Console, tmp_path: Path) -> None:
    spec = spec_file(tmp_path)
    planned = console.run("hpcapvf", "plan", spec)["result"]
    made = console.run("deploy-vnp", spec)
    result = made["result"]
    assert (result["changed"], failed(result)) == (True, NOT_FAKED), made["error"]
    assert result["proofs"][0]["frames_identical"] == MIX_FRAMES
    assert kept(console, PLANNED)["host"] == result["host_before"]
    assert kept(console, VERIFIED).items() >= {key: result[key] for key in ("findings", "proofs", "host")}.items()
    told, text = reported(console, tmp_path / "r.html")
    # registers are read for `plan` alone; what was in them is in the journal
    assert without_registers(told["changes"]) == without_registers(planned["changes"])
    assert told["verified"]["proofs"] == result["proofs"]
    assert (told["plan"], len(told["steps"])) == (result["plan"], len(result["steps"]))
    for _, _, place, _, _ in without_registers(planned["changes"]):
        assert place in text
    assert "the project's own mix" in text and "not kept" not in text


def test_a_verification_takes_the_place_of_the_proof_and_leaves_the_plan(console: Console, tmp_path: Path) -> None:
    console.run("deploy-vnp", spec_file(tmp_path))
    planned, at = kept(console, PLANNED), kept(console, VERIFIED)["at"]
    good, text = reported(console, tmp_path / "r.html")
    assert LOST not in text
    console.world.fake.clock.now += 60.0
    console.wire.loses = 3
    verified = console.run("hpcapvf", "verify", NAME)
    assert verified["exit_code"] == ExitCode.PROOF_FAILED
    assert verified["result"]["proofs"][0]["frames_identical"] == MIX_FRAMES - 3
    assert kept(console, PLANNED) == planned
    assert kept(console, VERIFIED)["at"] > at
    told, text = reported(console, tmp_path / "r.html")
    assert (told["changes"], told["verified"]["proofs"]) == (good["changes"], verified["result"]["proofs"])
    assert told["verified_at"] == kept(console, VERIFIED)["at"]
    assert LOST in text


def test_neither_outlives_the_deployment(console: Console, tmp_path: Path) -> None:
    console.run("deploy-vnp", spec_file(tmp_path))
    assert console.run("hpcapvf", "destroy", NAME)["exit_code"] == ExitCode.OK
    for part in (PLANNED, VERIFIED):
        assert not console.world.fake.machine.files.exists(kept_path(NAME, part))
    assert console.run("hpcapvf", "report", NAME)["exit_code"] == ExitCode.NOT_FOUND


def test_a_dry_run_keeps_nothing(console: Console, tmp_path: Path) -> None:
    before = console.world.snapshot()
    assert console.run("deploy-vnp", spec_file(tmp_path), "--dry-run")["exit_code"] == ExitCode.OK
    assert console.world.snapshot() == before
