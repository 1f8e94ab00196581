"""``deploy-vnp``: from a spec to a verified probe. ``deploy-vnma``: the same for a monitoring agent."""

from __future__ import annotations

import argparse
from typing import Any

from hpcapvf.apply.run import Outcome, apply_plan
from hpcapvf.host.machine import local_machine
from hpcapvf.host.protocols import Machine
from hpcapvf.model.codec import to_json
from hpcapvf.model.errors import BadSpec, HpcapvfError
from hpcapvf.model.host import Host
from hpcapvf.model.plan import Plan, Unchanged
from hpcapvf.model.progress import Progress
from hpcapvf.model.request import Request
from orchestrator.answer import Answer
from orchestrator.commands.inspect import plan_answer, plan_on, unchanged_answer
from orchestrator.files import write_json
from orchestrator.options import add_force_option, epilog, output_options
from orchestrator.phases import PhaseClock
from orchestrator.playbooks import CannotRun, run_on_hosts
from orchestrator.proofs import Checks, Verified, failure_of, read_checks, show_verified, verify_deployment
from orchestrator.specs import read_spec
from orchestrator.suggest import MONITOR_SPEC_EXAMPLE
from orchestrator.tables import pairs


def deploy_vnp_parser() -> argparse.ArgumentParser:
    """The command line of ``deploy-vnp``."""
    parser = argparse.ArgumentParser(
        prog="deploy-vnp",
        description="Deploy a virtual network probe on this host and prove that it stores what is on the link. "
        "This unbinds network cards and storage controllers and may format disks: read the plan first (--dry-run).",
        parents=[output_options()],
        epilog=epilog(
            "deploy-vnp probe1.yaml --dry-run",
            "deploy-vnp probe1.yaml --source none",
            "deploy-vnp -i inventory/lab.yaml --limit lab-demo probe1.yaml",
            "deploy-vnp probe1.yaml --source './send-from-generator.sh' --pcap traffic.pcap",
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_deploy_options(parser)
    hosts = parser.add_argument_group("many hosts")
    hosts.add_argument(
        "-i",
        "--inventory",
        metavar="INVENTORY",
        help="not here, but on the hosts of the group hypervisors in this Ansible inventory: prepare each (kernel "
        "arguments, reboot), deploy and verify; a host that fails does not hold up the others",
    )
    hosts.add_argument("--limit", metavar="PATTERN", help="only the hosts of the inventory that match")
    parser.set_defaults(handler=run_deploy_vnp, command_name="deploy-vnp")
    return parser


def deploy_vnma_parser() -> argparse.ArgumentParser:
    """The command line of ``deploy-vnma``."""
    parser = argparse.ArgumentParser(
        prog="deploy-vnma",
        description="Deploy a virtual network monitoring agent: a VM on the same card as running VMs, which the card "
        "gives a copy of what they receive. The watched VMs (`watch` in the spec) go on undisturbed. `hpcapvf mirrors` "
        "lists who watches whom, `hpcapvf destroy NAME` ends it.",
        parents=[output_options()],
        epilog=epilog(
            "deploy-vnma agent1.yaml --dry-run",
            "deploy-vnma agent1.yaml",
            "deploy-vnma agent1.yaml --source './send-to-the-watched-vm.sh' --pcap traffic.pcap",
            "",
            "# a whole agent1.yaml",
            *(f"# {line}" for line in MONITOR_SPEC_EXAMPLE.splitlines()),
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_deploy_options(parser)
    parser.set_defaults(handler=run_deploy_vnma, command_name="deploy-vnma")
    return parser


def _add_deploy_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", metavar="SPEC", help="YAML file that says what is wanted")
    parser.add_argument("--dry-run", action="store_true", help="show the plan and change nothing")
    parser.add_argument("--report", metavar="FILE", help="write the result as JSON to a file as well")
    add_force_option(parser)
    add_proof_options(parser)


def add_proof_options(parser: argparse.ArgumentParser) -> None:
    """Options about how the proof gets its frames."""
    group = parser.add_argument_group("proof")
    group.add_argument(
        "--source",
        default="none",
        metavar="wire|COMMAND|none",
        help="who sends the frames of the proof: wire (the far end of the lab's link), a command that is run with the "
        "path of a pcap file as its last argument and returns when the frames are sent, or none (default): nothing is "
        "sent, only the machine is checked",
    )
    group.add_argument(
        "--pcap",
        action="append",
        default=[],
        metavar="FILE",
        help="frames to send, one proof per file (default: the project's own mix of 5000 frames)",
    )


def run_deploy_vnp(args: argparse.Namespace, progress: Progress) -> Answer:
    """``deploy-vnp``, here or on the hosts of an inventory."""
    if args.inventory:
        answer = run_on_hosts(args, progress)
        if args.report:
            write_json(args.report, answer.result)
        return answer
    if args.limit:
        raise CannotRun("--limit chooses among hosts of an inventory", hint="name the inventory with -i")
    return _deploy(args, progress, monitor=False)


def run_deploy_vnma(args: argparse.Namespace, progress: Progress) -> Answer:
    """``deploy-vnma``."""
    return _deploy(args, progress, monitor=True)


def check_kind(request: Request, *, monitor: bool) -> None:
    """BadSpec if a spec is for the other of the two commands."""
    if monitor and not request.watch:
        raise BadSpec("is missing: an agent needs a VM to watch", path="watch", hint="name running VMs: watch: [web1]")
    if request.watch and not monitor:
        raise BadSpec("a probe watches the link, not VMs", path="watch", hint="deploy-vnma deploys a monitoring agent")


def _deploy(args: argparse.Namespace, progress: Progress, *, monitor: bool) -> Answer:
    """Everything that the user gave is read before anything is changed."""
    request = read_spec(args.spec)  # once: it may be a pipe
    check_kind(request, monitor=monitor)
    clock = PhaseClock()
    machine = local_machine()
    with clock.measure("probe and plan"):
        checks = read_checks(args.source, args.pcap, machine.clock)
        planned = plan_on(machine, request, progress, args.force)
    plan = planned.verdict
    if isinstance(plan, Unchanged):
        return unchanged_answer(plan)
    if args.dry_run:
        return plan_answer(planned, machine)
    outcome = apply_plan(plan, machine, progress)
    clock.add(outcome.phases_s)
    verified = _verify(plan, machine, checks, progress=progress, clock=clock)
    result = _result(plan, planned.host, outcome, verified) | {"phases_s": clock.phases_s()}
    if args.report:
        write_json(args.report, to_json(result))
    notes = [("note", note) for report in outcome.steps for note in report.notes]
    shown = show_verified(plan, verified, clock.phases_s())
    return Answer(
        result,
        shown=(*([pairs("how it was done", notes)] if notes else []), *shown),
        warnings=plan.warnings,
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
