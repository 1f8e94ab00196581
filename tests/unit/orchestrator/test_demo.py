"""The demo: its acts, and what is asked of the server in which order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hpcapvf.model.codec import to_json
from hpcapvf.model.errors import ExitCode
from hpcapvf.model.progress import Silent
from hpcapvf.spec import parse_spec
from orchestrator import demo
from orchestrator.demo import TTL, WATCH_S, demo_parser, gather, seconds_after_copy
from orchestrator.phases import PhaseClock
from orchestrator.remote import Envelope, ServerFailed
from orchestrator.report import DemoFacts
from tests.unit.orchestrator.sample_host import sample_host, watched_host

PHASES = {"guest boot": 50.0, "registers": 2.0, "verify": 1.0, "proof": 30.0}
PROBE_ALONE = [
    "hpcapvf probe",
    "hpcapvf snapshot 0000:21:00.0 0000:22:00.0",
    "deploy-vnp /root/probe1.yaml --source wire",
    "hpcapvf verify probe1",
    "hpcapvf destroy probe1",
    "hpcapvf snapshot 0000:21:00.0 0000:22:00.0",
]
SECOND_ACT = [
    "hpcapvf probe",
    "deploy-vnma /root/agent1.yaml --ttl 180s --source wire",
    "hpcapvf mirrors",
    "hpcapvf mirrors",
    "hpcapvf mirrors",
]


class FakeTime:
    """Stands still but in sleep."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class FakeServer:
    """A lab that answers what the demo asks, and remembers it."""

    name = "demo"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.specs: dict[str, str] = {}
        self.exit_codes: dict[str, ExitCode] = {}
        self.looks_until_gone = 3

    def up(self, *_: object) -> dict[str, Any]:
        return {}

    def put(self, local: Path, path: str, *, timeout_s: float) -> None:
        assert timeout_s
        self.specs[path] = local.read_text()

    def mirrors(self) -> list[dict[str, str]]:
        self.looks_until_gone -= 1
        agent = [{"monitor": "agent1", "backend": "replication"}] if self.looks_until_gone > 0 else []
        return [{"monitor": "another"}, *agent]

    def answer(self, _lab: object, argv: Sequence[str], _progress: object, *, timeout_s: float) -> Envelope:
        assert timeout_s
        deployed = any(words.startswith("deploy-vnp") for words in self.asked)
        self.asked.append(" ".join(argv))
        result: dict[str, Any] = {
            "host": to_json(watched_host() if deployed else sample_host()),
            "snapshot": {},
            "phases_s": PHASES,
            "mirrors": self.mirrors() if argv[1] == "mirrors" else [],
        }
        return Envelope(argv[0], self.exit_codes.get(argv[0], ExitCode.OK), result)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    fake = FakeServer()
    monkeypatch.setattr(demo, "run_on_server", fake.answer)
    monkeypatch.setattr(demo, "push", lambda *_: None)
    monkeypatch.setattr(demo, "lab_names", tuple)
    monkeypatch.setattr(demo, "time", FakeTime())
    return fake


def _run(server: FakeServer, *words: str) -> DemoFacts:
    return gather(server, Silent(), PhaseClock(), demo_parser().parse_args(words))  # type: ignore[arg-type]


def test_the_first_act_alone(server: FakeServer) -> None:
    facts = _run(server, "--act", "vnp")
    assert server.asked == PROBE_ALONE
    assert parse_spec(server.specs["/root/probe1.yaml"]).network.vfs == 1
    assert (facts.agent, facts.differences) == (None, ())


def test_both_acts_the_agent_goes_first(server: FakeServer) -> None:
    facts = _run(server, "--act", "all")
    assert server.asked == [*PROBE_ALONE[:4], *SECOND_ACT, *PROBE_ALONE[4:]]
    assert parse_spec(server.specs["/root/probe1.yaml"]).network.vfs == 2
    assert parse_spec(server.specs["/root/agent1.yaml"]).watch == ("probe1",)
    assert facts.agent is not None
    assert facts.agent.mirror["backend"] == "replication"
    assert facts.agent.watched_s == WATCH_S == 60.0  # it waits for what is missing
    assert facts.agent.ended == {"ttl": TTL, "left": {}, "seconds": 65.0}


def test_an_agent_that_outlives_its_time_is_told_and_taken_away(server: FakeServer) -> None:
    server.looks_until_gone = 10_000
    facts = _run(server, "--act", "all")
    assert facts.agent is not None
    assert facts.agent.ended == {"ttl": TTL, "left": {"monitor": "agent1", "backend": "replication"}, "seconds": 660.0}
    assert server.asked[-3:] == ["hpcapvf destroy agent1", *PROBE_ALONE[-2:]]


def test_the_second_act_alone_sends_the_probe_nothing(server: FakeServer) -> None:
    _run(server, "--act", "vnma")
    assert server.asked[2] == "deploy-vnp /root/probe1.yaml --source none"
    assert server.asked[4:9] == SECOND_ACT


def test_what_is_kept_is_not_destroyed(server: FakeServer) -> None:
    assert _run(server, "--keep").differences is None
    assert not [words for words in server.asked if "destroy" in words or "--ttl" in words]


def test_a_failed_proof_is_reported_and_any_other_failure_ends_the_demo(server: FakeServer) -> None:
    server.exit_codes["deploy-vnma"] = ExitCode.PROOF_FAILED
    assert _run(server, "--act", "all").agent is not None
    server.exit_codes["deploy-vnma"] = ExitCode.REFUSED
    with pytest.raises(ServerFailed):
        _run(server, "--act", "all")


@pytest.mark.parametrize(("words", "act"), [((), "all"), (("--act", "vnp"), "vnp"), (("--act", "vnma"), "vnma")])
def test_the_acts_can_be_chosen(words: tuple[str, ...], act: str) -> None:
    assert demo_parser().parse_args([*words]).act == act
    assert "{all,vnp,vnma}" in demo_parser().format_help()


def test_an_act_that_does_not_exist_is_refused() -> None:
    with pytest.raises(SystemExit):
        demo_parser().parse_args(["--act", "vnx"])


def test_watching_begins_when_the_registers_stand() -> None:
    assert seconds_after_copy(PHASES) == 31.0
