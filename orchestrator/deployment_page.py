"""What was gathered of a deployment, as the sections of one HTML page."""

from __future__ import annotations

from hpcapvf.verify.conversion import NANOSECONDS
from orchestrator.answer import Part
from orchestrator.commands.status import capture_rows, show_statuses
from orchestrator.deployment_report import Facts
from orchestrator.diff import show_changes
from orchestrator.moments import say_moment
from orchestrator.picture import Shown, render_topology
from orchestrator.proofs import failure_of, show_verified
from orchestrator.report import counts_of, with_disks_of
from orchestrator.report_charts import describe_part, gap_figure, loss_figure, rate_figures
from orchestrator.report_page import PICTURE_CAPTION, Figure, Section, render_page
from orchestrator.tables import pairs, show_backends, show_host, table

_FEW = "Too few frames for a curve."


def deployment_page(facts: Facts) -> str:
    """The whole report of a deployment."""
    kind = "monitoring agent" if facts.plan.request.watch else "virtual network probe"
    made = _second(facts.made_at_ns)
    where = facts.host.hostname or "a host without a name"
    summary = f"{kind.capitalize()} on {where}, {facts.status.condition}; made {made}."
    sections = (_proof(facts), _traffic(facts), _now(facts), _picture(facts), _plan(facts), _host(facts))
    return render_page(f"{facts.name}: report", summary, sections)


def _proof(facts: Facts) -> Section:
    if facts.verified is None:
        return Section("Proof", (_missing(facts, "proof"),))
    failed = failure_of(facts.verified)
    at = _second(int((facts.verified_at or 0) * NANOSECONDS))
    sent = any(proof.frames_sent is not None for _, proof in facts.verified.proofs)
    good = (
        "every check passed and every frame was stored as it was sent"
        if sent
        else "every check passed; no frames were sent"
    )
    verdict = f"FAILED: {'; '.join(failed.details)}" if failed else good
    notes = (f"Last verified {at}: {verdict}.",)
    return Section("Proof", notes, parts=show_verified(facts.plan, facts.verified, {})[1:-1])


def _traffic(facts: Facts) -> Section:
    figures: tuple[Figure, ...] = ()
    notes: list[str] = []
    traffic = facts.traffic
    if traffic is None:
        notes.append(f"Throughput and gaps: {_missing(facts, 'traffic')}")
    else:
        notes.append(f"Read: {describe_part(traffic)}")
        notes += traffic.part.complaints
        figures += rate_figures(traffic.rates) if traffic.rates else ()
        notes += () if traffic.rates else (_FEW,)
    if facts.losses:
        figures += (loss_figure(facts.losses),)
    else:
        notes.append(f"Loss over time: {_missing(facts, 'losses')}")
    gaps = gap_figure(traffic.gaps) if traffic and traffic.gaps else None
    return Section("Traffic", tuple(notes), (*figures, gaps) if gaps else figures)


def _now(facts: Facts) -> Section:
    status = facts.status
    parts: list[Part] = [show_statuses([status])]
    parts += (
        [pairs("capture since the driver took the function", capture_rows(status.capture))] if status.capture else []
    )
    parts += [pairs("unknown", list(status.unknown.items()))] if status.unknown else []
    return Section("Now", parts=tuple(parts))


def _picture(facts: Facts) -> Section:
    proofs = facts.verified.proofs if facts.verified else ()
    last = next((proof for _, proof in reversed(proofs) if proof.frames_sent is not None and proof.comparison), None)
    shown = [Shown(facts.beside)] if facts.beside else []
    shown.append(Shown(facts.plan, counts_of(last.report()) if last else None))
    host = with_disks_of(facts.host, facts.host_before) if facts.host_before else facts.host
    return Section("Topology", figures=(Figure(render_topology(host, shown), PICTURE_CAPTION, wide=True),))


def _plan(facts: Facts) -> Section:
    columns = ("step", "what", "was there before", "outcome", "")
    rows = [
        (number, step.text, step.before, step.outcome, "" if step.reversible else "cannot be undone")
        for number, step in enumerate(facts.steps, 1)
    ]
    notes = [f"Deployed by {facts.deployed_by}."] if facts.deployed_by else []
    notes += (
        ["Changes are told as planned; what was really there before stands with the steps."] if facts.changes else []
    )
    notes += [f"Steps: {_missing(facts, 'steps')}"] if not facts.steps else []
    notes += [f"Changes: {_missing(facts, 'changes')}"] if not facts.changes else []
    parts: list[Part] = [table("steps, by the journal", columns, rows)] if rows else []
    parts += show_changes(facts.changes) if facts.changes else ()
    parts += show_backends(facts.plan)
    parts.append(pairs("deployed in", [(phase, f"{seconds:.1f} s") for phase, seconds in facts.phases_s.items()]))
    return Section("Plan and what it changed", tuple(notes), parts=tuple(parts), folded=True)


def _host(facts: Facts) -> Section:
    versions: list[tuple[str, object]] = [*facts.versions.items()]
    versions += [("in the guest", _missing(facts, "versions"))] if "versions" in facts.missing else []
    return Section("Versions and host", parts=(pairs("versions", versions), *show_host(facts.host)), folded=True)


def _missing(facts: Facts, part: str) -> str:
    return f"not known: {facts.missing.get(part, 'it was not asked for')}."


def _second(ns: int) -> str:
    return f"{(say_moment(ns) or '')[:19]}Z"
