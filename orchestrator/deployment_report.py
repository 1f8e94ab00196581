"""A deployment's report: everything that is known of it, gathered, as data and as one page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hpcapvf import __version__
from hpcapvf.apply import state
from hpcapvf.apply.journal import opened_by, read_events, to_undo
from hpcapvf.apply.kept import PLANNED, VERIFIED, read_kept
from hpcapvf.host.protocols import Machine, guest_access
from hpcapvf.model.changes import Change
from hpcapvf.model.codec import from_json, to_json
from hpcapvf.model.errors import HpcapvfError, NotFound
from hpcapvf.model.host import Host
from hpcapvf.model.plan import Plan
from hpcapvf.model.progress import Progress
from hpcapvf.probe import probe_host
from hpcapvf.verify.conversion import NANOSECONDS, Wish
from hpcapvf.verify.losses import Interval, intervals, watch_losses
from hpcapvf.verify.status import DeploymentStatus
from hpcapvf.verify.traffic import Traffic, sample_traffic
from orchestrator.proofs import Verified
from orchestrator.restored import say_before
from orchestrator.watching import status_of

T = TypeVar("T")
_VERSIONS = "uname -r; modinfo -F version hpcapvf 2>/dev/null || true"
_NOT_DONE = "not done"


@dataclass(frozen=True)
class Wanted:
    """What is read for a report. sample_bytes, watch_s: 0 for no sample, no watch. wait_s: for a guest's answer."""

    wish: Wish = field(default_factory=Wish)
    sample_bytes: int = 64 << 20
    watch_s: float = 10.0
    wait_s: float = 10.0


@dataclass(frozen=True)
class StepTold:
    """A step of the plan as the journal tells: before: what was there; outcome: done, skipped with the reason …"""

    text: str
    before: str
    outcome: str
    reversible: bool


@dataclass(frozen=True)
class Facts:
    """Everything of one deployment. missing: part of the report to the reason why it is not there. steps, changes, …:
    empty or None then. beside: the first probe that an agent watches. verified_at: in seconds since 1970."""

    name: str
    made_at_ns: int
    plan: Plan
    phases_s: dict[str, float]
    status: DeploymentStatus
    host: Host
    host_before: Host | None = None
    deployed_by: str = ""
    steps: tuple[StepTold, ...] = ()
    changes: tuple[Change, ...] = ()
    verified: Verified | None = None
    verified_at: float | None = None
    traffic: Traffic | None = None
    losses: tuple[Interval, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    beside: Plan | None = None
    missing: dict[str, str] = field(default_factory=dict)

    def result(self) -> dict[str, Any]:
        """For the JSON envelope."""
        return {
            "name": self.name,
            "made_at_ns": self.made_at_ns,
            "deployed_by": self.deployed_by,
            "versions": self.versions,
            "status": to_json(self.status),
            "traffic": to_json(self.traffic),
            "losses": to_json(self.losses),
            "steps": to_json(self.steps),
            "changes": to_json(self.changes),
            "verified_at": self.verified_at,
            "verified": None if self.verified is None else self.verified.result(),
            "plan": to_json(self.plan),
            "host": to_json(self.host),
            "phases_s": self.phases_s,
            "missing": self.missing,
        }


def gather(name: str, wanted: Wanted, machine: Machine, progress: Progress) -> Facts:
    """Read what there is; NotFound without such a deployment. A part that cannot be had is ``missing``, no error."""
    deployment = state.read_deployment(name, machine.files)
    plan, missing = deployment.plan, dict[str, str]()

    def attempt(part: str, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except (HpcapvfError, ValueError, KeyError, TypeError) as error:
            missing[part] = error.message if isinstance(error, HpcapvfError) else f"it cannot be used: {error}"
            return None

    progress.phase("read", name)
    status = status_of(deployment, machine, wanted.wait_s)
    planned = attempt("changes", lambda: _kept(name, PLANNED, machine)) or {}
    changes = attempt("changes", lambda: from_json(tuple[Change, ...], planned.get("changes", []))) or ()
    before: Host | None = attempt("changes", lambda: from_json(Host, planned["host"])) if planned else None
    found = attempt("proof", lambda: _kept(name, VERIFIED, machine))
    verified = attempt("proof", lambda: Verified.from_result(found)) if found else None
    events = attempt("steps", lambda: read_events(machine.files, state.journal_path(name))) or ()
    steps = attempt("steps", lambda: tell_steps(plan, events, state.journal_path(name))) or ()
    host = probe_host(machine.files, commands=machine.commands, hypervisor=machine.hypervisor, progress=progress)
    traffic, losses, guest = None, None, None
    if status.guest == "running":
        guest = attempt("versions", lambda: _guest_versions(plan, machine, wanted.wait_s))
        if wanted.watch_s:
            losses = attempt("losses", lambda: _losses(plan, machine, wanted, progress))
        if wanted.sample_bytes:
            traffic = attempt(
                "traffic", lambda: sample_traffic(plan, machine, wanted.wish, wanted.sample_bytes, progress)
            )
    else:
        missing |= dict.fromkeys(("versions", "losses", "traffic"), f"the guest is {status.guest or 'unknown'}")
    return Facts(
        name=name,
        made_at_ns=int(machine.clock.wall() * NANOSECONDS),
        plan=plan,
        phases_s=deployment.phases_s,
        status=status,
        host=host,
        host_before=before,
        deployed_by=opened_by(events),
        steps=steps,
        changes=changes,
        verified=verified,
        verified_at=found["at"] if found else None,
        traffic=traffic,
        losses=losses or (),
        versions={"hpcapvf": __version__, "host kernel": host.kernel_release or "unknown"} | (guest or {}),
        beside=_watched_probe(plan, machine),
        missing=missing,
    )


def tell_steps(plan: Plan, events: tuple[dict[str, Any], ...], path: str) -> tuple[StepTold, ...]:
    """The plan's steps with what the journal says of each."""
    begun = {one.index: one for one in to_undo(events, path)}
    outcomes: dict[int, str] = {}
    for event in events:
        if event["event"] in ("begin", "undone", "failed", "handed-over"):
            outcomes[event["index"]] = {"begin": "begun"}.get(event["event"], event["event"])
        elif event["event"] == "done":
            outcomes[event["index"]] = "done"
        elif event["event"] == "skipped":
            outcomes[event["index"]] = f"skipped: {event['why']}"
    return tuple(
        StepTold(
            step.describe(),
            say_before(begun[index].trace.before) if index in begun else "",
            outcomes.get(index, _NOT_DONE),
            step.reversible,
        )
        for index, step in enumerate(plan.steps)
    )


def _kept(name: str, part: str, machine: Machine) -> dict[str, Any]:
    found = read_kept(name, part, machine)
    if found is None:
        raise NotFound(f"none is kept: `hpcapvf verify {name}` keeps a proof, and a deployment its changes")
    return found


def _losses(plan: Plan, machine: Machine, wanted: Wanted, progress: Progress) -> tuple[Interval, ...]:
    return intervals(watch_losses(plan, machine, wanted.watch_s, wanted.wait_s, progress))


def _guest_versions(plan: Plan, machine: Machine, wait_s: float) -> dict[str, str]:
    guest = machine.guests.connect(guest_access(plan), timeout_s=wait_s)
    lines = guest.run(["sh", "-c", _VERSIONS], timeout_s=wait_s).stdout.splitlines()
    return {key: line.strip() for key, line in zip(("guest kernel", "guest driver"), lines, strict=False)}


def _watched_probe(plan: Plan, machine: Machine) -> Plan | None:
    """The first deployment of this host that an agent watches and whose state can be read."""
    for name in plan.request.watch:
        try:
            return state.read_deployment(name, machine.files).plan
        except HpcapvfError:
            continue  # a VM of somebody else
    return None
