"""The demo's report, from what the commands on the server answer."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from hpcapvf.model.codec import to_json
from hpcapvf.model.plan import Finding
from hpcapvf.raw.records import Record
from hpcapvf.verify.compare import compare
from hpcapvf.verify.mix import MixTargets, traffic_mix
from hpcapvf.verify.proof import Proof
from orchestrator.report import (
    FRAME_FIGURES,
    AgentFacts,
    DemoFacts,
    demo_picture,
    demo_report,
    show_demo,
    with_disks_of,
)
from tests.unit.orchestrator.printed import text_of_parts
from tests.unit.orchestrator.sample_host import agent_plan, sample_host, sample_plan, watched_host

FRAMES = traffic_mix(50, targets=MixTargets(sample_plan().function_mac))
FOR_AGENT = FRAMES[::2]
FOREIGN = bytes.fromhex("333300000002020000000001") + b"\x86\xdd" + bytes(50)


def _proof(stored: tuple[bytes, ...], expected: tuple[bytes, ...] = FRAMES) -> Proof:
    records = tuple(Record(i, i, len(frame), frame) for i, frame in enumerate(stored))
    comparison = compare(expected, records)
    return Proof(
        source="wire",
        frames_sent=len(FRAMES),
        frames_expected=len(expected),
        source_seconds=0.1,
        frames_received=len(stored),
        frames_stored=comparison.frames_stored,
        bytes_stored=sum(map(len, stored)),
        counters={"received": len(stored)},
        nic_drops=0,
        guard={"drifts": 0},
        files=(),
        faults=(),
        comparison=comparison,
        findings=(Finding("every frame stored", comparison.ok, str(len(expected)), str(comparison.frames_identical)),),
    )


def _agent(stored: tuple[bytes, ...] = FOR_AGENT, backend: str | None = "replication") -> AgentFacts:
    steps: list[dict[str, Any]] = [
        {"kind": "make-disk", "notes": ["of no interest"]},
        {"kind": "replicate-traffic", "notes": ["mirror rules cannot be used: VMRCTL", "copied by replication"]},
    ]
    deployed: dict[str, Any] = {
        "plan": to_json(agent_plan()),
        "host": to_json(replace(watched_host(), disks=())),
        "steps": steps,
        "findings": [to_json(Finding("the copy", True, "on", "on"))],
        "proofs": [_proof(stored, FOR_AGENT).report()],
        "phases_s": {"guest boot": 50.0, "registers": 2.0, "verify": 1.0, "proof": 30.0},
    }
    mirror = {"monitor": "agent1", "backend": backend, "registers": "said"}
    return AgentFacts(json.loads(json.dumps(deployed)), mirror, 41.3)


def watched_demo(*, sent: bool = True) -> DemoFacts:
    """A good first act, or one that sends nothing, and the second."""
    proof = _proof(FRAMES)
    facts = replace(_facts(proof if sent else replace(proof, frames_sent=None, frames_expected=None)), agent=_agent())
    return facts


def _facts(proof: Proof, differences: tuple[str, ...] | None = ()) -> DemoFacts:
    host, plan = sample_host(), sample_plan()
    hidden = replace(host, disks=())
    deployed: dict[str, Any] = {
        "plan": to_json(plan),
        "host_before": to_json(host),
        "host": to_json(hidden),
        "findings": [],
        "proofs": [{"traffic": "mix"} | proof.report()],
        "phases_s": {"boot the guest": 60.0},
    }
    lab: dict[str, Any] = dict.fromkeys(("emulator", "emulator_reason", "accel", "accel_reason"), "said") | {
        "images": {}
    }
    checked: dict[str, Any] = {"findings": [], "proofs": []}
    return DemoFacts(lab, json.loads(json.dumps(deployed)), checked, differences, {"lab up": 50.0})


def test_a_good_run_is_ok_and_lists_foreign_frames() -> None:
    report = demo_report(_facts(_proof((*FRAMES[:10], FOREIGN, *FRAMES[10:]))))
    assert report["ok"] is True
    assert report["frames_sent"] == report["frames_stored"] == report["frames_identical"] == 50
    assert report["frames_foreign"] == 1
    assert report["foreign"][0]["ethertype"] == "0x86dd"
    assert report["loss"] == 0
    assert report["phases_s"] == {"lab up": 50.0}
    json.dumps(report)


@pytest.mark.parametrize(
    "stored",
    [FRAMES[:-1], (*FRAMES[:3], FRAMES[3][:-1] + b"\xff", *FRAMES[4:]), (FRAMES[1], FRAMES[0], *FRAMES[2:])],
    ids=["missing", "altered", "out of order"],
)
def test_one_frame_missing_altered_or_out_of_order_fails(stored: tuple[bytes, ...]) -> None:
    facts = _facts(_proof(stored))
    assert demo_report(facts)["ok"] is False
    assert any("frames sent, stored and identical" in failure for failure in facts.failures)


def test_a_server_that_is_not_as_before_fails() -> None:
    facts = _facts(_proof(FRAMES), differences=("hugepages on node 0: 0 before, 512 after",))
    assert facts.failures == ("not put back: hugepages on node 0: 0 before, 512 after",)


def test_the_picture_has_the_counts_and_the_disks_that_the_vm_took() -> None:
    picture = demo_picture(_facts(_proof(FRAMES)))
    assert "50 of 50 frames stored identical" in picture
    assert ">sdd<" in picture


def test_disks_still_in_sight_are_not_shown_twice() -> None:
    host = sample_host()
    assert with_disks_of(host, host).disks == host.disks


def test_a_kept_deployment_says_nothing_of_a_server_put_back() -> None:
    facts = _facts(_proof(FRAMES), differences=None)
    assert demo_report(facts)["host_put_back"] is None
    assert len(show_demo(facts)) == 3


def _text(facts: DemoFacts) -> str:
    return text_of_parts(show_demo(facts))


def test_without_an_agent_the_report_has_the_one_act() -> None:
    report = demo_report(_facts(_proof(FRAMES)))
    assert (report["acts"], report["agent"]) == (["vnp"], None)


def test_the_agents_figures_join_the_report() -> None:
    report = demo_report(watched_demo())
    assert report["ok"], report["failures"]
    assert report["acts"] == ["vnp", "vnma"]
    assert report["frames_identical"] == 50, "the probe's"
    agent = report["agent"]
    assert (agent["name"], agent["watches"], agent["backend"]) == ("agent1", ["probe1"], "replication")
    assert agent["notes"] == ["mirror rules cannot be used: VMRCTL", "copied by replication"]
    assert agent["frames_sent"] == 50
    assert agent["frames_expected"] == agent["frames_stored"] == agent["frames_identical"] == 25
    assert (agent["loss"], agent["frames_foreign"], agent["watched_s"]) == (0, 0, 41.3)
    assert agent["placement"]["controller"] is None
    assert agent["phases_s"]["proof"] == 30.0
    assert [finding["check"] for finding in agent["findings"]] == ["the copy", "every frame stored"]
    assert any("copied inside the card" in warning["text"] for warning in report["warnings"])
    json.dumps(report)


def test_with_the_agent_alone_the_probe_has_no_frame_figures() -> None:
    facts = watched_demo(sent=False)
    report = demo_report(facts)
    assert report["ok"], report["failures"]
    assert report["acts"] == ["vnma"]
    assert [report[name] for name in (*FRAME_FIGURES, "foreign")] == [None] * (len(FRAME_FIGURES) + 1)
    assert report["agent"]["frames_identical"] == 25
    assert "no frames counted" in demo_picture(facts)
    assert "frames of agent1" in _text(facts)


@pytest.mark.parametrize(
    ("agent", "failure"),
    [
        (_agent(FOR_AGENT[:-1]), "agent1: the agent's frames expected and identical are not the same number"),
        (_agent(FOR_AGENT[:-1]), "agent1: every frame stored: expected 25, found 24"),
        (_agent(backend=None), "agent1: hpcapvf mirrors: said"),
        (
            replace(_agent(), ended={"ttl": "180s", "left": {"monitor": "agent1"}, "seconds": 780.0}),
            "agent1: its time of 180s is over, and it still stands after 780.0 s",
        ),
        (replace(_agent(), mirror={}), "agent1: hpcapvf mirrors: the agent is not listed"),
    ],
)
def test_what_the_agent_lacks_fails_the_demo(agent: AgentFacts, failure: str) -> None:
    report = demo_report(replace(_facts(_proof(FRAMES)), agent=agent))
    assert report["ok"] is False
    assert failure in report["failures"]


def test_a_demo_that_sent_nothing_fails() -> None:
    assert replace(watched_demo(sent=False), agent=None).failures == ("no act proved any frames",)


def test_tables_and_picture_have_both_vms() -> None:
    facts = watched_demo()
    text, picture = _text(facts), demo_picture(facts)
    for wanted in (
        "placement of probe1",
        "placement of agent1",
        "that the agent was to see",
        "of deploy-vnma:",
        "41.3 s",
    ):
        assert wanted in text, wanted
    for wanted in ("50 of 50 frames stored", "25 of 25 frames that it was to see", ">sdd<", "for 41 s"):
        assert wanted in picture, wanted
