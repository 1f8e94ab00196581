"""The demo's report, from what the commands on the server answer."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from hpcapvf.model.codec import to_json
from hpcapvf.model.plan import Finding
from hpcapvf.raw.records import Record
from hpcapvf.verify import Proof
from hpcapvf.verify.compare import compare
from hpcapvf.verify.mix import MixTargets, traffic_mix
from orchestrator.report import DemoFacts, demo_picture, demo_report, show_demo, with_disks_of
from tests.unit.orchestrator.sample_host import sample_host, sample_plan

FRAMES = traffic_mix(50, targets=MixTargets(sample_plan().vf_mac))
FOREIGN = bytes.fromhex("333300000002020000000001") + b"\x86\xdd" + bytes(50)


def _proof(stored: tuple[bytes, ...]) -> Proof:
    records = tuple(Record(i, i, len(frame), frame) for i, frame in enumerate(stored))
    comparison = compare(FRAMES, records)
    return Proof(
        source="wire",
        frames_sent=len(FRAMES),
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
        findings=(Finding("every frame stored", comparison.ok, "50", str(comparison.frames_identical)),),
    )


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
