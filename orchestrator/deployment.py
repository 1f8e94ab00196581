"""A deployment from its request to its proof, and what is told about it."""

from __future__ import annotations

import argparse
from typing import Any

from hpcapvf.apply.kept import PLANNED, keep
from hpcapvf.apply.lock import wait_for_host
from hpcapvf.apply.run import Outcome, apply_plan
from hpcapvf.host.bindings import require_bindings
from hpcapvf.host.machine import local_machine
from hpcapvf.host.protocols import Machine
from hpcapvf.model.codec import to_json
from hpcapvf.model.errors import HpcapvfError
from hpcapvf.model.host import Host
from hpcapvf.model.plan import Plan, Unchanged
from hpcapvf.model.progress import Progress
from hpcapvf.model.request import Request
from hpcapvf.plan.changes import changes_of
from orchestrator.answer import Answer
from orchestrator.commands.inspect import plan_answer, plan_on
from orchestrator.files import write_json
from orchestrator.phases import PhaseClock
from orchestrator.proofs import (
    Checks,
    Verified,
    failure_of,
    keep_verified,
    read_checks,
    show_verified,
    verify_deployment,
    warn_unkept,
)
from orchestrator.specs import facts_now
from orchestrator.tables import pairs
from orchestrator.unchanged import unchanged_answer


def deploy(args: argparse.Namespace, request: Request, progress: Progress) -> Answer:
    """Plan, apply, verify and prove. Everything that the user gave is read before anything is changed."""
    clock = PhaseClock()
    machine = local_machine()
    if not args.dry_run:
        require_bindings()
        wait_for_host(machine, f"deployment of {request.name}", progress, args.wait)
    with clock.measure("probe and plan"):
        checks = read_checks(args.source, args.pcap, machine.clock, args.rate)
        planned = plan_on(machine, request, progress, args.force)
    plan = planned.verdict
    if isinstance(plan, Unchanged):
        return unchanged_answer(plan)
    if args.dry_run:
        return plan_answer(planned, machine)
    outcome = apply_plan(
        plan, machine, progress, wait_s=args.wait, look_again=lambda: facts_now(plan, machine, progress)
    )
    clock.add(outcome.phases_s)
    changes = changes_of(plan, planned.host)
    unkept = keep(request.name, PLANNED, {"changes": changes, "host": planned.host}, machine)
    verified = _verify(plan, machine, checks, progress=progress, clock=clock)
    unkept = keep_verified(request.name, verified, clock, machine) or unkept
    result = _result(plan, planned.host, outcome, verified) | {"phases_s": clock.phases_s()}
    if args.report:
        write_json(args.report, to_json(result))
    notes = [("note", note) for report in outcome.steps for note in report.notes]
    shown = show_verified(plan, verified, clock.phases_s())
    return Answer(
        result,
        shown=(*([pairs("how it was done", notes)] if notes else []), *shown),
        warnings=(*plan.warnings, *warn_unkept(unkept)),
        error=failure_of(verified),
    )


def _verify(plan: Plan, machine: Machine, checks: Checks, *, progress: Progress, clock: PhaseClock) -> Verified:
    """Verify; whatever goes wrong now, the user is told that the deployment stands."""
    name = plan.request.name
    stands = f"{name} stays deployed: `hpcapvf verify {name}` checks it again, `hpcapvf destroy {name}` takes it away"
    try:
        return verify_deployment(plan, machine, checks, progress=progress, clock=clock)
    except HpcapvfError as error:
        error.details += (stands,)
        raise
    except KeyboardInterrupt as interrupt:
        interrupt.add_note(stands)
        raise


def _result(plan: Plan, host_before: Host, outcome: Outcome, verified: Verified) -> dict[str, Any]:
    return {
        "name": plan.request.name,
        "changed": True,
        "condition": "deployed",
        "steps": [to_json(report) for report in outcome.steps],
        "plan": to_json(plan),
        "host_before": to_json(host_before),
    } | verified.result()
