"""Reports for tests: a probe of which everything is known, an agent, and a deployment that tells nothing."""

from __future__ import annotations

import random
from dataclasses import replace

from hpcapvf.model.plan import Finding, Plan
from hpcapvf.plan.changes import changes_of
from hpcapvf.raw.records import Record
from hpcapvf.verify.clock import GuestClock
from hpcapvf.verify.compare import compare
from hpcapvf.verify.conversion import CaptureFile, Retrieved
from hpcapvf.verify.losses import Look, intervals
from hpcapvf.verify.mix import MixTargets, traffic_mix
from hpcapvf.verify.proof import Proof
from hpcapvf.verify.status import unknown_status
from hpcapvf.verify.traffic import Traffic, traffic_of
from orchestrator.deployment_report import Facts, StepTold
from orchestrator.proofs import Verified
from tests.unit.orchestrator.sample_host import agent_plan, sample_host, sample_plan, watched_host
from tests.unit.verify.test_metrics import told

NASTY = "<script>alert('x')</script>&\"<img src=http://example.org/x.png>"
BEGIN_NS = 1_700_000_000_000_000_000


def sample_traffic(frames: int = 4000) -> Traffic:
    """Poisson traffic with a burst in its middle and frames of one time."""
    chance = random.Random(7)  # noqa: S311
    times, sizes, at = [], [], BEGIN_NS
    for i in range(frames):
        times.append(at)
        sizes.append(chance.choice((60, 576, 1514)))
        at += 0 if i % 50 == 0 else int(chance.expovariate(1e-6 if frames // 3 < i < frames // 2 else 2e-7)) + 700
    files = (CaptureFile("1699999200/1700000000_hpcapp5s16_0.raw", "p5s16_0", 1_700_000_000, 0, 1 << 22),)
    part = Retrieved(None, None, files, frames, frames, 1 << 22, 0, (), files_there=3)
    return traffic_of(part, times, sizes)


def sample_proof(plan: Plan, *, lost: int = 0) -> Proof:
    """Fifty frames sent, some of them lost."""
    frames = traffic_mix(50, targets=MixTargets(plan.function_mac))
    records = tuple(Record(i, i + 1, len(frame), frame) for i, frame in enumerate(frames[lost:]))
    found = compare(frames, records)
    finding = Finding("every frame stored", found.ok, "50", str(found.frames_identical))
    return Proof(
        source="wire", frames_sent=50, frames_expected=50, source_seconds=0.1, frames_received=50 - lost,
        frames_stored=found.frames_stored, bytes_stored=found.bytes_stored, counters={"received": 50 - lost},
        nic_drops=0, guard={"drifts": 0}, files=(), faults=(), comparison=found, findings=(finding,),
    )  # fmt: skip


def probe_facts(*, lost: int = 0) -> Facts:
    """A probe with all there is; names and texts that the machine tells are nasty."""
    plan, host = sample_plan(), replace(sample_host(), hostname=f"host {NASTY}")
    looks = [Look(float(i), {"received": 900 * i, "ring_full_drops": 40 * max(0, i - 6) * lost}) for i in range(11)]
    steps = tuple(StepTold(step.describe(), NASTY if i == 1 else "", "done", step.reversible)
                  for i, step in enumerate(plan.steps))  # fmt: skip
    verified = Verified(host, (Finding("hugepages of the guest", True, "512", "512"),),
                        (("the project's own mix", sample_proof(plan, lost=lost)),), GuestClock("chrony"))  # fmt: skip
    return Facts(
        name=plan.request.name,
        made_at_ns=BEGIN_NS + 10**12,
        plan=plan,
        phases_s={"guest boot": 50.0, "registers": 2.0},
        status=told(),
        host=host,
        host_before=host,
        deployed_by="operator",
        steps=steps,
        changes=changes_of(plan, host),
        verified=verified,
        verified_at=1_700_000_100.0,
        traffic=sample_traffic(),
        losses=intervals(looks),
        versions={"hpcapvf": "1", "guest kernel": NASTY},
    )


def agent_facts() -> Facts:
    """An agent beside the probe that it watches."""
    return replace(probe_facts(), name="agent1", plan=agent_plan(), host=watched_host(), beside=sample_plan())


def silent_facts() -> Facts:
    """A deployment of which only the plan is left."""
    reasons = dict.fromkeys(("traffic", "losses", "proof", "steps", "changes", "versions"), "the guest is off")
    return Facts("probe1", BEGIN_NS, sample_plan(), {}, unknown_status("probe1", "lost by reboot", "hangs"),
                 sample_host(), missing=reasons)  # fmt: skip
