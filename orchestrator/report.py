"""The demo's report: from what the commands on the server answered to one document, tables and a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hpcapvf import __version__
from hpcapvf.model.codec import from_json, to_json
from hpcapvf.model.host import Host
from hpcapvf.model.plan import Advice, Finding, Plan
from hpcapvf.model.steps import ReplicateTraffic, WatchLink
from orchestrator.answer import Part, Table
from orchestrator.picture import CaptureCounts, Shown, render_topology
from orchestrator.report_page import PICTURE_CAPTION, Figure, Section, render_page
from orchestrator.tables import pairs, show_findings, show_placement, table

FRAME_FIGURES = (
    "frames_sent",
    "frames_received",
    "frames_stored",
    "frames_identical",
    "frames_foreign",
    "bytes_stored",
    "loss",
)


class _Deployment:
    """deployed: what the command answered that made it."""

    deployed: Mapping[str, Any]

    @property
    def proof(self) -> dict[str, Any]:
        """The proof of the deployment."""
        return dict(self.deployed["proofs"][0])

    @property
    def plan(self) -> Plan:
        """What was deployed."""
        plan: Plan = from_json(Plan, self.deployed["plan"])
        return plan


@dataclass(frozen=True)
class AgentFacts(_Deployment):
    """What the second act gathered. deployed: result of deploy-vnma. mirror: the agent's entry of ``hpcapvf mirrors``,
    empty if there is none. watched_s: from the copy's beginning to when mirrors were asked for. ended: how its time
    limit ended it: ``ttl`` as given, ``left`` (what ``hpcapvf mirrors`` listed of it at last: nothing), and ``seconds``
    from the copy's beginning until then; None if it was to stay.
    """

    deployed: Mapping[str, Any]
    mirror: Mapping[str, Any]
    watched_s: float
    ended: Mapping[str, Any] | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """How the card was made to copy, and why not in another way."""
        kinds = (ReplicateTraffic.kind, WatchLink.kind)
        return tuple(note for step in self.deployed["steps"] if step["kind"] in kinds for note in step["notes"])

    @property
    def failures(self) -> tuple[str, ...]:
        """Everything of the second act that is not as it must be."""
        found = _failed_checks(self.deployed)
        proof = self.proof
        if proof["frames_identical"] is None or proof["frames_identical"] != proof["frames_expected"]:
            found.append("the agent's frames expected and identical are not the same number")
        if not self.mirror.get("backend"):
            found.append(f"hpcapvf mirrors: {self.mirror.get('registers', 'the agent is not listed')}")
        if self.ended is not None and self.ended["left"]:
            found.append(
                f"its time of {self.ended['ttl']} is over, and it still stands after {self.ended['seconds']} s"
            )
        return tuple(f"{self.plan.request.name}: {text}" for text in found)

    def report(self) -> dict[str, Any]:
        """The report's ``agent``."""
        proof, plan = self.proof, self.plan
        return {
            "name": plan.request.name,
            "watches": list(plan.request.watch),
            "backend": self.mirror.get("backend"),
            "notes": list(self.notes),
            "frames_expected": proof["frames_expected"],
            **{figure: proof[figure] for figure in FRAME_FIGURES},
            "watched_s": self.watched_s,
            "ended": None if self.ended is None else dict(self.ended),
            "placement": _placement(plan),
            "phases_s": self.deployed["phases_s"],
            "findings": [*self.deployed["findings"], *proof["findings"]],
        }


@dataclass(frozen=True)
class DemoFacts(_Deployment):
    """What the demo gathered. lab: ``hpcapvf lab status``. deployed: result of deploy-vnp. checked: result of the
    later ``hpcapvf verify``. differences: what differs between the snapshots before and after, None if the
    deployment was kept. phases_s: of the whole demo. agent: of the second act, None without it.
    """

    lab: Mapping[str, Any]
    deployed: Mapping[str, Any]
    checked: Mapping[str, Any]
    differences: tuple[str, ...] | None
    phases_s: Mapping[str, float]
    agent: AgentFacts | None = None

    @property
    def warnings(self) -> tuple[Advice, ...]:
        """What the plans warn of, each once."""
        return tuple(dict.fromkeys([*self.plan.warnings, *(self.agent.plan.warnings if self.agent else ())]))

    @property
    def acts(self) -> tuple[str, ...]:
        """The acts that proved frames: ``vnp`` the probe's, ``vnma`` the agent's."""
        probe = ("vnp",) if self.proof["frames_sent"] is not None else ()
        return probe if self.agent is None else (*probe, "vnma")

    @property
    def failures(self) -> tuple[str, ...]:
        """Everything that is not as it must be; empty if the demo succeeded."""
        found = [*_failed_checks(self.deployed), *_failed_checks(self.checked)]
        proof = self.proof
        counts = {proof[name] for name in ("frames_sent", "frames_stored", "frames_identical")}
        if "vnp" in self.acts and len(counts) != 1:
            found.append("frames sent, stored and identical are not the same number")
        if self.agent is not None:
            found += self.agent.failures
        if not self.acts:
            found.append("no act proved any frames")
        found += [f"not put back: {line}" for line in self.differences or ()]
        return tuple(found)


def _failed_checks(part: Mapping[str, Any]) -> list[str]:
    return [
        f"{finding['check']}: expected {finding['expected']}, found {finding['found']}"
        for finding in [*part["findings"], *(f for proof in part["proofs"] for f in proof["findings"])]
        if not finding["ok"]
    ]


def _placement(plan: Plan) -> dict[str, Any]:
    pins = plan.placement
    return {
        "node": pins.node,
        "vcpu_pins": [str(cpus) for cpus in pins.vcpu_pins],
        "emulator_pins": str(pins.emulator_pins),
        "io_pins": str(pins.io_pins),
        "polling_vcpu": pins.polling_vcpu,
        "reader_vcpu": pins.reader_vcpu,
        "hugepages": pins.hugepages,
        "hugepage_kib": pins.hugepage_kib,
        "pf": str(plan.pf),
        "vf": str(plan.function),
        "controller": None if plan.controller is None else str(plan.controller),
    }


def demo_report(facts: DemoFacts) -> dict[str, Any]:
    """``build/demo/report.json``. Times are seconds; loss is the share of missing frames.

    Figures of the probe's frames are None if only the agent proved any.
    """
    proof, plan = facts.proof, facts.plan
    proved = "vnp" in facts.acts
    return {
        "schema": "hpcapvf-demo/1",
        "ok": not facts.failures,
        "failures": list(facts.failures),
        "acts": list(facts.acts),
        **{figure: proof[figure] if proved else None for figure in FRAME_FIGURES},
        "foreign": proof["comparison"]["foreign"] if proved else None,
        "never_seen": list(plan.never_seen),
        "phases_s": dict(facts.phases_s),
        "deployment_phases_s": facts.deployed["phases_s"],
        "placement": _placement(plan),
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
        "warnings": [to_json(warning) for warning in facts.warnings],
        "findings": facts.deployed["findings"],
        "proof": proof,
        "plan": facts.deployed["plan"],
        "agent": None if facts.agent is None else facts.agent.report(),
    }


def demo_picture(facts: DemoFacts) -> str:
    """The server as deployed, with the frames of the proofs, as SVG."""
    shown = [Shown(facts.plan, counts_of(facts.proof) if "vnp" in facts.acts else None)]
    last = facts.deployed
    if facts.agent is not None:
        shown.append(Shown(facts.agent.plan, counts_of(facts.agent.proof), facts.agent.watched_s))
        last = facts.agent.deployed
    before: Host = from_json(Host, facts.deployed["host_before"])
    after: Host = from_json(Host, last["host"])
    return render_topology(with_disks_of(after, before), shown)


def counts_of(proof: Mapping[str, Any]) -> CaptureCounts:
    """A proof's counts for the picture."""
    return CaptureCounts(
        sent=proof["frames_sent"],
        expected=proof["frames_expected"],
        received=proof["frames_received"],
        stored=proof["frames_stored"],
        identical=proof["frames_identical"],
        foreign=proof["frames_foreign"],
    )


def demo_page(facts: DemoFacts) -> str:
    """The same as one HTML page."""
    failures = facts.failures
    verdict = "; ".join(failures) if failures else "Every frame was stored, unaltered and in order."
    sections = [
        Section("What came of it", (verdict,), parts=show_demo(facts)),
        Section("The server as deployed", figures=(Figure(demo_picture(facts), PICTURE_CAPTION, wide=True),)),
        Section("Checks", parts=(show_findings(from_json(tuple[Finding, ...], facts.deployed["findings"])),)),
    ]
    return render_page("Demo of hpcapvf", f"hpcapvf {__version__}: {'failed' if failures else 'ok'}", sections)


def with_disks_of(after: Host, before: Host) -> Host:
    """The host as it is, with the disks that it had: those of a controller that was passed on are out of its sight."""
    kept = {disk.name for disk in after.disks}
    return replace(after, disks=(*after.disks, *(disk for disk in before.disks if disk.name not in kept)))


def show_demo(facts: DemoFacts) -> tuple[Part, ...]:
    """The tables at the end of the demo."""
    agent = facts.agent
    parts: list[Part] = [show_placement(facts.plan)]
    times = [(phase, f"{seconds:.1f} s") for phase, seconds in facts.phases_s.items()]
    times += _inside("deploy-vnp", facts.deployed["phases_s"])
    frames: list[Part] = []
    if "vnp" in facts.acts:
        sent = ("sent on the wire", facts.proof["frames_sent"])
        frames.append(table("frames", ("", "count"), [sent, *_frame_rows(facts.proof)]))
    if agent is not None:
        parts.append(show_placement(agent.plan))
        times += _inside("deploy-vnma", agent.deployed["phases_s"])
        frames.append(_show_agent(agent))
    parts += [table("time", ("phase", "seconds"), times), *frames]
    if facts.differences is not None:
        state = "as it was before" if not facts.differences else f"{len(facts.differences)} differences"
        parts.append(pairs("the server after hpcapvf destroy", [("", state)]))
    return tuple(parts)


def _show_agent(agent: AgentFacts) -> Table:
    proof = agent.proof
    rows = [
        ("sent on the wire", proof["frames_sent"]),
        ("that the agent was to see", proof["frames_expected"]),
        *_frame_rows(proof),
        ("copied by", agent.mirror.get("backend")),
        ("watched for", f"{agent.watched_s:.1f} s"),
        *([("gone by itself", _said_end(agent.ended))] if agent.ended else []),
        *(("note", note) for note in agent.notes),
    ]
    return table(f"frames of {agent.plan.request.name}", ("", "count"), rows)


def _said_end(ended: Mapping[str, Any]) -> str:
    how = "still there" if ended["left"] else "gone"
    return f"{how} {ended['seconds']:.0f} s after copying began (time limit {ended['ttl']})"


def _frame_rows(proof: Mapping[str, Any]) -> list[tuple[str, object]]:
    return [
        ("received by the driver", proof["frames_received"]),
        ("stored, from the wire", proof["frames_stored"]),
        ("identical, in order", proof["frames_identical"]),
        ("foreign (made by the machines)", proof["frames_foreign"]),
        ("bytes stored", proof["bytes_stored"]),
    ]


def _inside(command: str, phases_s: Mapping[str, float]) -> list[tuple[str, str]]:
    return [(f"of {command}:", ""), *((f"  {phase}", f"{seconds:.1f} s") for phase, seconds in phases_s.items())]
