"""The demo's report: from what the commands on the server answered to one document and one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rich.console import RenderableType

from hpcapvf import __version__
from hpcapvf.model.codec import from_json, to_json
from hpcapvf.model.host import Host
from hpcapvf.model.plan import Plan
from orchestrator.picture import CaptureCounts, render_topology
from orchestrator.tables import pairs, show_placement, table


@dataclass(frozen=True)
class DemoFacts:
    """What the demo gathered. lab: ``hpcapvf lab status``. deployed: result of deploy-vnp. checked: result of the
    later ``hpcapvf verify``. differences: what differs between the snapshots before and after, None if the
    deployment was kept. phases_s: of the whole demo.
    """

    lab: Mapping[str, Any]
    deployed: Mapping[str, Any]
    checked: Mapping[str, Any]
    differences: tuple[str, ...] | None
    phases_s: Mapping[str, float]

    @property
    def proof(self) -> dict[str, Any]:
        """The proof of the deployment."""
        return dict(self.deployed["proofs"][0])

    @property
    def plan(self) -> Plan:
        """What was deployed."""
        plan: Plan = from_json(Plan, self.deployed["plan"])
        return plan

    @property
    def failures(self) -> tuple[str, ...]:
        """Everything that is not as it must be; empty if the demo succeeded."""
        found = [
            f"{finding['check']}: expected {finding['expected']}, found {finding['found']}"
            for part in (self.deployed, self.checked)
            for finding in [*part["findings"], *(f for proof in part["proofs"] for f in proof["findings"])]
            if not finding["ok"]
        ]
        proof = self.proof
        counts = {proof[name] for name in ("frames_sent", "frames_stored", "frames_identical")}
        if len(counts) != 1:
            found.append("frames sent, stored and identical are not the same number")
        found += [f"not put back: {line}" for line in self.differences or ()]
        return tuple(found)


def demo_report(facts: DemoFacts) -> dict[str, Any]:
    """``build/demo/report.json``. Times are seconds; loss is the share of sent frames that is missing."""
    proof, plan = facts.proof, facts.plan
    comparison = proof["comparison"]
    return {
        "schema": "hpcapvf-demo/1",
        "ok": not facts.failures,
        "failures": list(facts.failures),
        "frames_sent": proof["frames_sent"],
        "frames_received": proof["frames_received"],
        "frames_stored": proof["frames_stored"],
        "frames_identical": proof["frames_identical"],
        "frames_foreign": proof["frames_foreign"],
        "foreign": comparison["foreign"],
        "bytes_stored": proof["bytes_stored"],
        "loss": proof["loss"],
        "never_seen": list(plan.never_seen),
        "phases_s": dict(facts.phases_s),
        "deployment_phases_s": facts.deployed["phases_s"],
        "placement": {
            "node": plan.placement.node,
            "vcpu_pins": [str(pins) for pins in plan.placement.vcpu_pins],
            "emulator_pins": str(plan.placement.emulator_pins),
            "polling_vcpu": plan.placement.polling_vcpu,
            "reader_vcpu": plan.placement.reader_vcpu,
            "hugepages": plan.placement.hugepages,
            "hugepage_kib": plan.placement.hugepage_kib,
            "pf": str(plan.pf),
            "vf": str(plan.vf),
            "controller": None if plan.controller is None else str(plan.controller),
        },
        "host_put_back": None if facts.differences is None else not facts.differences,
        "guard": proof["guard"],
        "versions": {
            "hpcapvf": __version__,
            "server_kernel": facts.deployed["host"]["kernel_release"],
            "qemu": facts.lab["emulator"],
            "qemu_reason": facts.lab["emulator_reason"],
            "accel": facts.lab["accel"],
            "accel_reason": facts.lab["accel_reason"],
            "images": facts.lab["images"],
        },
        "warnings": [to_json(warning) for warning in plan.warnings],
        "findings": facts.deployed["findings"],
        "proof": proof,
        "plan": facts.deployed["plan"],
    }


def demo_picture(facts: DemoFacts) -> str:
    """The server as deployed, with the frames of the proof, as SVG."""
    proof = facts.proof
    counts = CaptureCounts(
        sent=proof["frames_sent"],
        received=proof["frames_received"],
        stored=proof["frames_stored"],
        identical=proof["frames_identical"],
        foreign=proof["frames_foreign"],
    )
    before: Host = from_json(Host, facts.deployed["host_before"])
    after: Host = from_json(Host, facts.deployed["host"])
    return render_topology(with_disks_of(after, before), facts.plan, counts)


def with_disks_of(after: Host, before: Host) -> Host:
    """The host as it is, with the disks that it had: those of a controller that was passed on are out of its sight."""
    kept = {disk.name for disk in after.disks}
    return replace(after, disks=(*after.disks, *(disk for disk in before.disks if disk.name not in kept)))


def show_demo(facts: DemoFacts) -> tuple[RenderableType, ...]:
    """The tables at the end of the demo."""
    proof = facts.proof
    frames = [
        ("sent on the wire", proof["frames_sent"]),
        ("received by the driver", proof["frames_received"]),
        ("stored, from the wire", proof["frames_stored"]),
        ("identical, in order", proof["frames_identical"]),
        ("foreign (made by the machines)", proof["frames_foreign"]),
        ("bytes stored", proof["bytes_stored"]),
    ]
    times = [(phase, f"{seconds:.1f} s") for phase, seconds in facts.phases_s.items()]
    inside = [(f"  {phase}", f"{seconds:.1f} s") for phase, seconds in facts.deployed["phases_s"].items()]
    parts: list[RenderableType] = [
        show_placement(facts.plan),
        table("time", ("phase", "seconds"), [*times, ("of deploy-vnp:", ""), *inside]),
        table("frames", ("", "count"), frames),
    ]
    if facts.differences is not None:
        state = "as it was before" if not facts.differences else f"{len(facts.differences)} differences"
        parts.append(pairs("the server after hpcapvf destroy", [("", state)]))
    return tuple(parts)
