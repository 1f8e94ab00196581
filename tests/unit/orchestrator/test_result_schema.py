"""Every command has a schema of what it prints with ``--json``, and what it really prints fits it.

Beside these, ``conftest.py`` holds all that the other tests of commands print against the same schemas.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict

import pytest
from jsonschema import Draft202012Validator

from hpcapvf.apply.guard import run_guard
from hpcapvf.apply.run import apply_plan
from hpcapvf.lab.clean import clean_cache
from hpcapvf.lab.images import Image, Images
from hpcapvf.lab.machine import LabConfig
from hpcapvf.lab.server import Lab
from hpcapvf.lab.state import LabState, save_state
from hpcapvf.lab.wire_protocol import Run
from hpcapvf.model.codec import to_json
from hpcapvf.model.errors import ExitCode, LabFailed
from hpcapvf.model.plan import Finding
from hpcapvf.model.progress import Silent
from hpcapvf.model.shape import Joined, schema_of
from orchestrator.answer import Answer
from orchestrator.commands.deploy import deploy_vnma_parser, deploy_vnp_parser
from orchestrator.commands.lab import answer, describe_images, on_each
from orchestrator.envelope import envelope
from orchestrator.fleet import fleet_answer, summarize
from orchestrator.main import hpcapvf_parser
from orchestrator.result_schema import envelope_schema, told_commands
from orchestrator.results import NOT_TOLD
from tests.fakes import tree
from tests.kill.copies import agent_by_files, agent_by_tc, agent_on_the_link
from tests.unit.apply.world import NAME, PF, WATCHED, World, make_monitor_world, make_world
from tests.unit.orchestrator.conftest import breaches
from tests.unit.orchestrator.on_fakes import SPEC, Console, console_on, spec_file
from tests.unit.orchestrator.test_deployment_report import deployed
from tests.unit.orchestrator.test_fleet import EVENTS

AGENT = SPEC[: SPEC.index("storage:")].replace("receive: all", "receive: own") + (
    f"storage: {{mode: guest-disk}}\nwatch: [{WATCHED}]\n"
)


def commands_of(parser: argparse.ArgumentParser) -> Iterator[str]:
    """The names, as the envelope has them, of all commands below a parser."""
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    for action in below:
        for child in action.choices.values():
            yield from commands_of(child)
    if not below:
        yield str(parser.get_default("command_name") or parser.prog)


ALL = {*commands_of(hpcapvf_parser()), *commands_of(deploy_vnp_parser()), *commands_of(deploy_vnma_parser())}


def test_every_command_is_told_of() -> None:
    assert {*told_commands(), *NOT_TOLD} == ALL


@pytest.mark.parametrize("command", told_commands())
def test_each_schema_is_one(command: str) -> None:
    schema = envelope_schema(command)
    Draft202012Validator.check_schema(schema)
    assert schema["properties"]["command"] == {"const": command}


@pytest.fixture
def probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Console:
    return console_on(make_world(tmp_path / "world"), monkeypatch, capsys)


def words_of(folder: Path) -> tuple[tuple[str, ...], ...]:
    """Command lines in an order in which each has a result; the deployment is there after the second."""
    spec = spec_file(folder)
    return (
        ("deploy-vnp", spec, "--dry-run"),
        ("deploy-vnp", spec),
        ("deploy-vnp", spec),
        ("hpcapvf", "plan", spec),
        ("hpcapvf", "probe"),
        ("hpcapvf", "doctor"),
        ("hpcapvf", "snapshot", str(PF), tree.CONTROLLER),
        ("hpcapvf", "verify", NAME),
        ("hpcapvf", "status"),
        ("hpcapvf", "status", NAME),
        ("hpcapvf", "top", "--once"),
        ("hpcapvf", "metrics"),
        ("hpcapvf", "metrics", "--textfile", "/out/hpcapvf.prom"),
        ("hpcapvf", "metrics", "--print", "alerts"),
        ("hpcapvf", "topology"),
        ("hpcapvf", "topology", "--svg", "-"),
        ("hpcapvf", "topology", "--plan", spec),
        ("hpcapvf", "nic", "show", tree.PF_INTERFACE),
        ("hpcapvf", "advise", "--rate", "10G", "--frame", "64"),
        ("hpcapvf", "schema"),
        ("hpcapvf", "schema", "deploy-vnp"),
        ("hpcapvf", "schema", "nic", "show", "--output", str(folder / "schema.json")),
        ("hpcapvf", "report", NAME, "-o", str(folder / "r.html"), "--watch", "0", "--sample", "0", "--wait", "1"),
        ("hpcapvf", "recover"),
        ("hpcapvf", "destroy", NAME),
    )


# Tested with results of their own, but for what only a real server or a built image tells.
ELSEWHERE = {"deploy-vnma", "mirrors", "fetch", "guard", "image build"} | {c for c in ALL if c.startswith("lab ")}


def test_what_each_command_prints_fits_its_schema(probe: Console, tmp_path: Path, told: list[dict[str, Any]]) -> None:
    for words in words_of(tmp_path):
        found = probe.run(*words)
        assert found["result"], f"{words}: {found['error']}"
        assert found["exit_code"] in (ExitCode.OK, ExitCode.PROOF_FAILED, ExitCode.NOT_CAPABLE), (words, found["error"])
    assert {one["command"] for one in told} | ELSEWHERE == ALL


def test_an_agents_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    console = console_on(make_monitor_world(tmp_path / "world"), monkeypatch, capsys)
    planned = console.run("deploy-vnma", spec_file(tmp_path, AGENT), "--dry-run")
    assert planned["result"]["plan"]["request"]["watch"] == [WATCHED], planned["error"]
    apply_plan(console.world.plan, console.world.fake.machine, Silent())
    (mirror,) = console.run("hpcapvf", "mirrors")["result"]["mirrors"]
    assert mirror["watches"][0]["domain"] == WATCHED


@pytest.mark.parametrize("make", [agent_by_files, agent_by_tc, agent_on_the_link])
def test_mirrors_of_other_kinds(
    make: Callable[[Path], World], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world = make(tmp_path / "world")
    console = console_on(world, monkeypatch, capsys)
    apply_plan(world.plan, world.fake.machine, Silent())
    assert console.run("hpcapvf", "mirrors")["result"]["mirrors"]
    assert console.run("hpcapvf", "status", NAME)["result"]["plan"]["steps"]


def test_a_fetch_and_a_guard(probe: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = deployed(probe.world, monkeypatch).fake.machine
    fetched = probe.run("hpcapvf", "fetch", NAME, "-o", str(tmp_path / "f.pcapng"), "--from", "-10min")
    assert fetched["result"]["files_there"] > 0, fetched["error"]
    looks = iter((False, False, True))
    counts = run_guard(NAME, machine, stop=lambda: next(looks))
    assert counts.checks > 0
    assert not breaches("guard", envelope("guard", Answer(to_json(counts))))


def test_a_fleet() -> None:
    for name in ("deploy-vnp", "deploy-vnma"):
        assert not breaches(name, envelope(name, fleet_answer(summarize(EVENTS), dry_run=True)))


def test_a_failure_before_there_is_a_result(probe: Console, told: list[dict[str, Any]]) -> None:
    for words in (("verify", "nobody"), ("nic", "show", "eth9"), ("status", "nobody"), ("schema", "nonesuch")):
        assert probe.run("hpcapvf", *words)["result"] == {}
    assert len(told) == 4


def test_labs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("pair-1", "pair-2"):
        save_state(LabState(LabConfig(name), "a", "b", "c", "tcg", "no KVM", "10.0", "", "", 2222, None, None))

    def act(lab: Lab) -> dict[str, Any]:
        if lab.name == "pair-2":
            raise LabFailed("no answer")
        return lab.status() | {"labs": ["pair-1"]}

    image = Image(tmp_path, {"kernel_release": "6.12"})
    run = Run(1, 0, 100.0)
    told = {
        "lab status": [on_each("pair-1", ("pair-1",), act), on_each("pair", ("pair-1", "pair-2"), act)],
        "lab build": [answer("images", describe_images(Images(image, image, image, tmp_path, "")))],
        "lab clean": [answer("cache", clean_cache())],
        "lab wire send": [answer("", run.counters())],
    }
    for command, answers in told.items():
        for one in answers:
            assert not breaches(command, envelope(command, one))


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"result": {"name": "x", "changed": False}}, "condition"),
        ({"result": {"name": "x", "changed": "no", "condition": ""}}, "boolean"),
        ({"result": {"name": "x", "changed": False, "condition": "", "more": 1}}, "more"),
        ({"result": {}}, "required"),
        ({"exit_code": 99}, "exit_code"),
        ({"more": 1}, "more"),
        ({"error": {"type": "x", "message": "", "hint": ""}}, "details"),
    ],
)
def test_what_is_not_as_the_schema_says_is_seen(change: dict[str, Any], where: str) -> None:
    good = envelope("plan", Answer({"name": "x", "changed": False, "condition": "deployed"}))
    assert not breaches("plan", good)
    assert any(where in line for line in breaches("plan", good | change))


class Sample(TypedDict):
    """Every kind of type."""

    pair: tuple[int, str]
    several: tuple[Finding, ...]
    table: dict[str, float]
    joined: Annotated[dict[str, Any], Joined((Finding,), optional=(LabConfig,))]
    later: NotRequired[str | None]


def test_types_become_schemas() -> None:
    definitions: dict[str, Any] = {}
    schema = schema_of(Sample, definitions)
    validator = Draft202012Validator(schema | {"$defs": definitions})
    finding = {"check": "c", "ok": True, "expected": "", "found": "", "hint": ""}
    good = {"pair": [1, "x"], "several": [finding], "table": {"a": 1}, "joined": finding}
    for fits in (good, good | {"later": None}, good | {"joined": finding | {"cpus": 4}}):
        assert validator.is_valid(fits)
    wrong: list[dict[str, Any]] = [{"pair": [1]}, {"pair": [1, "x", 2]}, {"several": [{}]}, {"table": {"a": "b"}}]
    for change in (*wrong, {"joined": finding | {"cpus": "4"}}, {"joined": {}}, {"later": 1}):
        assert not validator.is_valid(good | change), change
    with pytest.raises(TypeError, match="no form in JSON"):
        schema_of(frozenset[int], {})


def test_the_command_prints_a_schema_and_names_those_there_are(
    probe: Console, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert probe.run("hpcapvf", "schema", "lab", "up")["result"] == json.loads(json.dumps(envelope_schema("lab up")))
    missing = probe.run("hpcapvf", "schema", "nonesuch")
    assert missing["exit_code"] == ExitCode.NOT_FOUND
    assert "nic show" in missing["error"]["hint"]
