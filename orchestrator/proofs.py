"""Verification as commands do it: the machine against its plan, then one proof for each traffic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from hpcapvf.host.protocols import Clock, FrameSource, Machine
from hpcapvf.host.source import open_source
from hpcapvf.model.codec import to_json
from hpcapvf.model.errors import BadSpec, NotFound, ProofFailed
from hpcapvf.model.host import Host
from hpcapvf.model.plan import Finding, Plan
from hpcapvf.model.progress import Progress
from hpcapvf.raw.pcap import read_pcap
from hpcapvf.verify import Proof, prove, verify_plan
from hpcapvf.verify.mix import MixTargets, traffic_mix
from orchestrator.phases import PhaseClock
from orchestrator.tables import pairs, show_findings, show_placement, table

OWN_MIX = "the project's own mix"
MIX_FRAMES = 5000


@dataclass(frozen=True)
class Traffic:
    """Frames of one proof. frames None: the project's own mix, which depends on the MACs of the host."""

    name: str
    frames: tuple[bytes, ...] | None = None


@dataclass(frozen=True)
class Checks:
    """What the user wants proved: who sends, and what."""

    source: FrameSource
    traffics: tuple[Traffic, ...]


@dataclass(frozen=True)
class Verified:
    """What was found: checks of the machine, and a proof for each traffic (none without a source)."""

    host: Host
    findings: tuple[Finding, ...]
    proofs: tuple[tuple[str, Proof], ...]

    def result(self) -> dict[str, Any]:
        """For the JSON envelope: ``host, findings, proofs``."""
        return {
            "host": to_json(self.host),
            "findings": [to_json(finding) for finding in self.findings],
            "proofs": [{"traffic": name, "ok": proof.ok} | to_json(proof) for name, proof in self.proofs],
        }


def read_checks(source: str, paths: list[str], clock: Clock) -> Checks:
    """What the user named: the source, and pcap files or the own mix. NotFound or BadSpec for an unusable file."""
    traffics = []
    for path in paths:
        try:
            frames = tuple(frame.data for frame in read_pcap(Path(path).read_bytes()))
        except FileNotFoundError:
            raise NotFound(f"no pcap file {path}") from None
        except (OSError, ValueError) as error:
            raise BadSpec(
                f"{path} cannot be used as traffic: {error}", hint="classic pcap of Ethernet frames"
            ) from error
        traffics.append(Traffic(Path(path).name, frames))
    return Checks(open_source(source, clock), tuple(traffics) or (Traffic(OWN_MIX),))


def verify_deployment(
    plan: Plan, host: Host, machine: Machine, checks: Checks, *, progress: Progress, clock: PhaseClock
) -> Verified:
    """Check the machine against the plan; then, if there is a source, send each traffic and compare what was stored."""
    with clock.measure("verify"):
        progress.phase("check the machine against the plan")
        findings = verify_plan(plan, host, machine)
    proofs = []
    if checks.source.name != "none":
        for traffic in checks.traffics:
            with clock.measure("proof"):
                targets = mix_targets(plan, host)
                frames = traffic.frames if traffic.frames is not None else traffic_mix(MIX_FRAMES, targets=targets)
                proofs.append((traffic.name, prove(plan, machine, checks.source, frames, progress, targets=targets)))
    return Verified(host, findings, tuple(proofs))


def mix_targets(plan: Plan, host: Host) -> MixTargets:
    """The MACs on the host that frames of the own mix are sent to."""
    macs = {interface.name: interface.mac for interface in host.interfaces if interface.mac is not None}
    pf_mac = macs.pop(plan.pf_interface, None)
    others = tuple(sorted(set(macs.values()) - {plan.vf_mac, pf_mac}))
    return MixTargets(plan.vf_mac, pf_mac, others)


def failure_of(verified: Verified) -> ProofFailed | None:
    """The error that a verification ends with, or None if all is well."""
    details = [f"{f.check}: expected {f.expected}, found {f.found}" for f in verified.findings if not f.ok]
    details += [f"{name}: {verdict(proof)}" for name, proof in verified.proofs if not proof.ok]
    if not details:
        return None
    return ProofFailed(
        "the deployment runs, but not everything is as it must be",
        hint="the deployment stays for inspection; see `hpcapvf status` and the guest's journal",
        details=tuple(details),
    )


def verdict(proof: Proof) -> str:
    """A proof in one line."""
    found = proof.comparison
    return (
        f"{found.frames_sent} sent, {found.frames_stored} stored, {found.frames_identical} identical, "
        f"{found.frames_missing} missing, {found.frames_altered} altered, {found.frames_out_of_order} out of order, "
        f"{found.frames_duplicated} doubled"
    )


def show_proofs(proofs: tuple[tuple[str, Proof], ...]) -> RenderableType:
    """Frames sent, received, stored and identical, one line per traffic."""
    columns = ("traffic", "sent", "received by the driver", "stored", "identical", "lost", "foreign", "verdict")
    rows = [
        (
            name,
            proof.comparison.frames_sent,
            proof.frames_received,
            proof.comparison.frames_stored,
            proof.comparison.frames_identical,
            proof.comparison.frames_missing,
            proof.comparison.frames_foreign,
            "ok" if proof.ok else "FAILED",
        )
        for name, proof in proofs
    ]
    return table("frames", columns, rows)


def show_phases(phases_s: Mapping[str, float]) -> RenderableType:
    """Time of each phase."""
    return pairs("time", [(phase, f"{seconds:.1f} s") for phase, seconds in phases_s.items()])


def show_verified(plan: Plan, verified: Verified, phases_s: Mapping[str, float]) -> tuple[RenderableType, ...]:
    """Everything that people are shown at the end of a verification."""
    parts: list[RenderableType] = [show_placement(plan), show_findings(verified.findings)]
    if verified.proofs:
        parts.append(show_proofs(verified.proofs))
    else:
        parts.append("no frames were sent (--source none): the machine was checked, storing was not proved")
    parts.append(show_phases(phases_s))
    return tuple(parts)
