"""Verification as commands do it: the machine against its plan, then one proof for each traffic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from hpcapvf.apply.kept import VERIFIED, keep
from hpcapvf.host.acquainted import AcquaintedGuests
from hpcapvf.host.protocols import Clock, FrameSource, Machine, guest_access
from hpcapvf.host.source import open_source
from hpcapvf.model.codec import from_json, to_json
from hpcapvf.model.errors import BadSpec, HpcapvfError, NotFound, ProofFailed
from hpcapvf.model.host import Host
from hpcapvf.model.plan import Advice, Finding, Plan
from hpcapvf.model.progress import Progress
from hpcapvf.probe import probe_host
from hpcapvf.raw.pcap import read_pcap
from hpcapvf.verify.checks import GUEST_ANSWER_TIMEOUT_S, verify_plan
from hpcapvf.verify.clock import UNKNOWN, GuestClock, read_clock
from hpcapvf.verify.expect import targets_of
from hpcapvf.verify.mix import traffic_mix
from hpcapvf.verify.proof import Proof, prove
from orchestrator.answer import Part, Table
from orchestrator.phases import PhaseClock
from orchestrator.tables import pairs, show_findings, show_placement, table

OWN_MIX = "the project's own mix"
MIX_FRAMES = 5000
_COUNTED = ("missing", "altered", "out_of_order", "duplicated")


@dataclass(frozen=True)
class Traffic:
    """Frames of one proof. frames None: the project's own mix, which depends on the MACs of the host."""

    name: str
    frames: tuple[bytes, ...] | None = None


NO_TRAFFIC = Traffic("nothing sent", ())


@dataclass(frozen=True)
class Checks:
    """What the user wants proved: who sends, and what."""

    source: FrameSource
    traffics: tuple[Traffic, ...]


@dataclass(frozen=True)
class Verified:
    """What was found: checks of the machine, and a proof for each traffic.

    Without a source there is one proof of counters and files, with nothing sent.
    """

    host: Host
    findings: tuple[Finding, ...]
    proofs: tuple[tuple[str, Proof], ...]
    clock: GuestClock

    def result(self) -> dict[str, Any]:
        """For the JSON envelope: ``host, findings, proofs, clock``."""
        return {
            "host": to_json(self.host),
            "clock": asdict(self.clock) | {"text": self.clock.describe()},
            "findings": [to_json(finding) for finding in self.findings],
            "proofs": [{"traffic": name} | proof.report() for name, proof in self.proofs],
        }

    @staticmethod
    def from_result(result: Mapping[str, Any]) -> Verified:
        """The same from what ``result`` gave; ValueError, KeyError or TypeError if it is not of this version."""
        known = {field.name for field in fields(Proof)}
        proofs: list[tuple[str, Proof]] = [
            (str(one["traffic"]), from_json(Proof, {key: value for key, value in one.items() if key in known}))
            for one in result["proofs"]
        ]
        clock = {key: value for key, value in result["clock"].items() if key != "text"}
        findings: tuple[Finding, ...] = from_json(tuple[Finding, ...], result["findings"])
        return Verified(from_json(Host, result["host"]), findings, tuple(proofs), from_json(GuestClock, clock))


def read_checks(source: str, paths: list[str], clock: Clock, rate: float | None = None) -> Checks:
    """What the user named: the source with its rate, and pcap files or the own mix.

    NotFound or BadSpec for an unusable file.
    """
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
    return Checks(open_source(source, clock, rate), tuple(traffics) or (Traffic(OWN_MIX),))


def verify_deployment(
    plan: Plan, machine: Machine, checks: Checks, *, progress: Progress, clock: PhaseClock
) -> Verified:
    """Read the machine anew, check it against the plan, then send each traffic and compare what was stored."""
    machine = replace(machine, guests=AcquaintedGuests(machine.guests))
    with clock.measure("verify"):
        progress.phase("check the machine against the plan")
        host = probe_host(machine.files, commands=machine.commands, hypervisor=machine.hypervisor)
        findings = verify_plan(plan, host, machine)
    sends = checks.source.name != "none"
    proofs = []
    for traffic in checks.traffics if sends else (NO_TRAFFIC,):
        with clock.measure("proof"):
            targets = targets_of(plan, machine)
            frames = traffic_mix(MIX_FRAMES, targets=targets) if traffic.frames is None else traffic.frames
            proofs.append((traffic.name, prove(plan, machine, checks.source, frames, progress, targets=targets)))
    return Verified(host, findings, tuple(proofs), _clock_of_guest(plan, machine))


def keep_verified(name: str, verified: Verified, clock: PhaseClock, machine: Machine) -> str:
    """Keep what was found for the deployment's report, as ``hpcapvf.apply.kept.keep``."""
    return keep(name, VERIFIED, verified.result() | {"phases_s": clock.phases_s()}, machine)


def warn_unkept(why: str) -> tuple[Advice, ...]:
    """What was found stands in the answer all the same."""
    return (Advice(f"not kept for `hpcapvf report`: {why}", ""),) if why else ()


def _clock_of_guest(plan: Plan, machine: Machine) -> GuestClock:
    """Who keeps the guest's clock; unknown if the guest cannot be asked."""
    try:
        guest = machine.guests.connect(guest_access(plan), timeout_s=GUEST_ANSWER_TIMEOUT_S)
    except HpcapvfError as error:
        return GuestClock(UNKNOWN, note=error.message)
    return read_clock(guest)


def failure_of(verified: Verified) -> ProofFailed | None:
    """The error that a verification ends with, or None if all is well."""
    details = [_said(finding) for finding in verified.findings if not finding.ok]
    details += [f"{name}: {_said(f)}" for name, proof in verified.proofs for f in proof.findings if not f.ok]
    if not details:
        return None
    return ProofFailed(
        "the deployment runs, but not everything is as it must be",
        hint="the deployment stays for inspection; see `hpcapvf status` and the guest's journal",
        details=tuple(details),
    )


def show_proofs(proofs: tuple[tuple[str, Proof], ...]) -> Table:
    """Frames on the wire, in the VF, in the driver and on the disk, one line per traffic."""
    columns = (
        "traffic",
        "on the wire",
        "for it",
        "in the VF",
        "in the driver",
        "on the disk",
        "identical",
        "missing, altered …",
        "foreign",
        "",
    )
    rows: list[tuple[object, ...]] = []
    for name, proof in proofs:
        found = proof.comparison
        sent = ("-", "-") if proof.frames_sent is None else (proof.frames_sent, proof.frames_expected)
        verdict = "ok" if proof.ok else "FAILED"
        if found is None:
            rest: tuple[object, ...] = ("not stored", "-", "-", "-", f"{verdict}, by counters only")
        else:
            wrong = sum(getattr(found, f"frames_{count}") for count in _COUNTED)
            compared = ("-", "-") if proof.frames_sent is None else (found.frames_identical, wrong)
            rest = (proof.frames_stored, *compared, found.frames_foreign, verdict)
        rows.append((name, *sent, proof.frames_in_vf, proof.frames_received, *rest))
    return table("frames", columns, rows)


def show_phases(phases_s: Mapping[str, float]) -> Table:
    """Time of each phase."""
    return pairs("time", [(phase, f"{seconds:.1f} s") for phase, seconds in phases_s.items()])


def show_verified(plan: Plan, verified: Verified, phases_s: Mapping[str, float]) -> tuple[Part, ...]:
    """Everything that people are shown at the end of a verification."""
    parts: list[Part] = [show_placement(plan), show_findings(verified.findings), show_proofs(verified.proofs)]
    parts += [
        table(
            f"stored but not sent in {name}: made by the machines themselves",
            ("destination", "source", "ethertype", "length"),
            [(f.destination, f.source, f.ethertype, f.length) for f in proof.comparison.foreign],
        )
        for name, proof in verified.proofs
        if proof.comparison is not None and proof.comparison.foreign
    ]
    if any(proof.comparison is None for _, proof in verified.proofs):
        parts.append("storage.mode is none: frames were counted by driver and hpcapdd; what was in them nobody knows")
    if all(proof.frames_sent is None for _, proof in verified.proofs):
        parts.append("no frames were sent (--source none): counters and files were checked, storing was not proved")
    parts += [pairs("the guest's clock", [("", verified.clock.describe())]), show_phases(phases_s)]
    return tuple(parts)


def _said(finding: Finding) -> str:
    hint = f" ({finding.hint})" if finding.hint else ""
    return f"{finding.check}: expected {finding.expected}, found {finding.found}{hint}"
