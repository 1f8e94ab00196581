"""``hpcapvf report``: what is kept, gathered and shown, and what is told where something cannot be had."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from hpcapvf.apply.kept import PLANNED, VERIFIED, keep, kept_path, read_kept
from hpcapvf.apply.run import apply_plan, destroy
from hpcapvf.model.errors import ExitCode, FileFailed, HpcapvfError
from hpcapvf.model.progress import Silent
from hpcapvf.plan.changes import changes_of
from hpcapvf.probe import probe_host
from hpcapvf.raw.pcap import Frame, write_pcap
from orchestrator.deployment_page import deployment_page
from orchestrator.main import hpcapvf_parser
from orchestrator.proofs import Verified
from orchestrator.runner import run
from tests.unit.apply.world import NAME, World, make_monitor_world, make_world
from tests.unit.orchestrator.sample_report import NASTY, agent_facts, probe_facts, sample_traffic, silent_facts
from tests.unit.verify.test_metrics import ALL_PRINTED
from tests.unit.verify.test_retrieve import LISTING

STORED = write_pcap([Frame(10**18 + i * 10**6, bytes(60)) for i in range(100)]).decode("latin-1")


def deployed(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    monkeypatch.setattr("orchestrator.commands.report.local_machine", lambda: world.fake.machine)
    apply_plan(world.plan, world.fake.machine, Silent())
    guest = world.fake.guest

    def shell(argv: tuple[str, ...], _stdin: bytes) -> tuple[int, str, str]:
        if any("raw2pcap" in word for word in argv):
            return 0, STORED, ""
        if "uptime" in argv[2]:
            world.fake.clock.now += 1.5  # the script looks twice
            return 0, ALL_PRINTED, ""
        return 0, "6.1.0\n1.0\n" if "uname" in argv[2] else "", ""

    guest.on("sh", shell)
    guest.on("date", lambda _a, _i: (0, "1800000000000000000\n", ""))
    guest.on("find", lambda _a, _i: (0, LISTING, ""))
    guest.on("systemctl", lambda _a, _i: (3, "", ""))
    return world


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return deployed(make_world(tmp_path / "world"), monkeypatch)


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code = run(hpcapvf_parser(["report"]), ["report", *words, "--json", "--progress", "none"])
    envelope: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, envelope


class Page(HTMLParser):
    """Tags by name, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_command_makes_a_page_and_tells_the_same(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine, out = world.fake.machine, tmp_path / "r.html"
    host = probe_host(machine.files)
    assert keep(NAME, PLANNED, {"changes": changes_of(world.plan, host), "host": host}, machine) == ""
    verified = probe_facts().verified
    assert verified is not None
    assert keep(NAME, VERIFIED, verified.result(), machine) == ""
    code, envelope = asked(capsys, NAME, "-o", str(out), "--watch", "1")
    assert (code, envelope["warnings"]) == (ExitCode.OK, [])
    result = envelope["result"]
    assert (result["output"], result["missing"]) == (str(out), {})
    assert (result["traffic"]["frames"], result["versions"]["guest kernel"]) == (100, "6.1.0")
    assert result["verified"]["proofs"][0]["frames_identical"] == 50
    assert len(result["steps"]) == len(world.plan.steps)
    assert {step["outcome"].partition(":")[0] for step in result["steps"]} <= {"done", "skipped"}
    assert any(step["before"] for step in result["steps"])
    page = Page(out.read_text())
    assert page.tags.count("svg") == 5
    assert "the project's own mix" in page.text


def test_what_is_not_known_is_a_warning_and_stands_in_the_page(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.fake.hypervisor.stop(NAME, 1.0)
    code, envelope = asked(capsys, NAME, "-o", str(tmp_path / "r.html"))
    assert code == ExitCode.OK
    assert set(envelope["result"]["missing"]) == {"changes", "proof", "versions", "losses", "traffic"}
    assert len(envelope["warnings"]) == 5
    text = Page((tmp_path / "r.html").read_text()).text
    assert "the guest is off" in text
    assert "hpcapvf verify" in text


def test_a_file_that_is_there_stays(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r.html").write_text("mine")
    assert asked(capsys, NAME, "-o", str(tmp_path / "r.html"))[0] == ExitCode.CONFLICT
    assert (tmp_path / "r.html").read_text() == "mine"
    assert asked(capsys, "nobody", "-o", str(tmp_path / "n.html"))[0] == ExitCode.NOT_FOUND
    assert not (tmp_path / "n.html").exists()


@pytest.mark.parametrize("words", [["--sample", "257"], ["--sample", "x"], ["--watch", "-1"], ["--from", "soon"]])
def test_only_bounded_reading_is_taken(words: list[str]) -> None:
    with pytest.raises(SystemExit):
        hpcapvf_parser(["report"]).parse_args(["report", NAME, *words])


def test_an_agents_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    agent = deployed(make_monitor_world(tmp_path / "world"), monkeypatch)
    code, _ = asked(capsys, agent.plan.request.name, "-o", str(tmp_path / "r.html"), "--watch", "0", "--sample", "0")
    assert code == ExitCode.OK
    text = Page((tmp_path / "r.html").read_text()).text
    assert "Monitoring agent" in text
    assert "it was not asked for" in text


def test_what_is_kept_goes_with_the_deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    world = make_world(tmp_path)
    machine = world.fake.machine
    apply_plan(world.plan, machine, Silent())
    for part in (PLANNED, VERIFIED):
        assert keep(NAME, part, {"x": 1}, machine) == ""
        assert (read_kept(NAME, part, machine) or {})["x"] == 1
    destroy(NAME, machine, Silent())
    assert not machine.files.exists(kept_path(NAME, PLANNED).rpartition("/")[0])
    assert keep(NAME, VERIFIED, {}, machine) == f"{NAME} is gone"
    assert not machine.files.exists(kept_path(NAME, VERIFIED))


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"version": 9, "at": 1}', '{"version": 1}'])
def test_a_damaged_part_is_told(world: World, text: str) -> None:
    world.fake.machine.files.replace(kept_path(NAME, VERIFIED), text.encode())
    with pytest.raises(HpcapvfError, match="cannot be used"):
        read_kept(NAME, VERIFIED, world.fake.machine)


def test_a_full_disk_fails_no_verification(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: str, *_: object, **__: object) -> None:
        raise FileFailed(path, "write", 28, reason="No space left on device")

    monkeypatch.setattr(world.fake.machine.files, "replace", full)
    assert "No space left" in keep(NAME, VERIFIED, {}, world.fake.machine)


def test_a_verification_comes_back_as_it_was() -> None:
    verified = probe_facts(lost=2).verified
    assert verified is not None
    told = json.loads(json.dumps(verified.result()))
    assert Verified.from_result(told) == verified


@pytest.mark.parametrize("facts", [probe_facts(), probe_facts(lost=2), agent_facts(), silent_facts()])
def test_nothing_that_a_machine_says_becomes_a_tag(facts: Any) -> None:
    html = deployment_page(facts)
    page = Page(html)
    assert not {"script", "img", "link", "iframe", "object"} & set(page.tags)
    assert "url(" not in html.replace("url(#head", "")
    assert (NASTY in page.text) == (facts.host.hostname != "lab" or bool(facts.steps))


def test_a_proof_that_failed_says_so() -> None:
    assert "FAILED: the project's own mix" in Page(deployment_page(probe_facts(lost=2))).text
    assert "FAILED" not in Page(deployment_page(probe_facts())).text


def test_a_sample_that_was_cut_says_which_part_was_read() -> None:
    traffic = sample_traffic()
    cut = replace(traffic, part=replace(traffic.part, cut_short=True))
    text = Page(deployment_page(replace(probe_facts(), traffic=cut))).text
    assert "4000 frames of 1 of 3 capture files, from 2023-11-14T22:13:20" in text
    assert "(--sample)" in text
