"""``deploy-vnp``: from a spec to a verified probe. ``deploy-vnma``: the same for a monitoring agent."""

from __future__ import annotations

import argparse

from hpcapvf.host.files import LocalFiles
from hpcapvf.model.errors import BadSpec
from hpcapvf.model.plan import unchanged_by
from hpcapvf.model.progress import Progress
from hpcapvf.model.request import Request
from hpcapvf.probe.state import read_deployments
from hpcapvf.spec import spec_sha256
from orchestrator.answer import Answer
from orchestrator.completion import add_completion_option
from orchestrator.options import add_force_option, add_wait_option, epilog, output_options
from orchestrator.proof_options import add_proof_options
from orchestrator.spec_file import read_spec
from orchestrator.suggest import MONITOR_SPEC_EXAMPLE
from orchestrator.unchanged import unchanged_answer


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
            "deploy-vnma agent1.yaml --ttl 2h",
            "deploy-vnma -i inventory/lab.yaml --limit lab-demo agent1.yaml",
            "deploy-vnma agent1.yaml --source './send-to-the-watched-vm.sh' --pcap traffic.pcap",
            "",
            "# a whole agent1.yaml",
            *(f"# {line}" for line in MONITOR_SPEC_EXAMPLE.splitlines()),
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_deploy_options(parser)
    parser.add_argument(
        "--ttl",
        metavar="TIME",
        help="take the agent away after 90s, 30m, 2h or 1d, its copies first, whatever happens to this command or the "
        "host meanwhile; goes before `ttl` in the spec (default: no limit)",
    )
    parser.set_defaults(handler=run_deploy_vnma, command_name="deploy-vnma")
    return parser


def _add_deploy_options(parser: argparse.ArgumentParser) -> None:
    add_completion_option(parser)
    parser.add_argument("spec", metavar="SPEC", help="YAML file that says what is wanted")
    parser.add_argument("--dry-run", action="store_true", help="show the plan and change nothing")
    add_wait_option(parser)
    parser.add_argument("--report", metavar="FILE", help="write the result as JSON to a file as well")
    add_force_option(parser)
    add_proof_options(parser)
    hosts = parser.add_argument_group("many hosts")
    hosts.add_argument(
        "-i",
        "--inventory",
        metavar="INVENTORY",
        help="not here, but on the hosts of the group hypervisors in this Ansible inventory: prepare each (packages, "
        "kernel arguments, reboot), deploy and verify; a host that fails does not hold up the others",
    )
    hosts.add_argument("--limit", metavar="PATTERN", help="only the hosts of the inventory that match")


def run_deploy_vnp(args: argparse.Namespace, progress: Progress) -> Answer:
    """``deploy-vnp``, here or on the hosts of an inventory."""
    return _deploy_somewhere(args, progress, monitor=False)


def run_deploy_vnma(args: argparse.Namespace, progress: Progress) -> Answer:
    """``deploy-vnma``, here or on the hosts of an inventory."""
    return _deploy_somewhere(args, progress, monitor=True)


def _deploy_somewhere(args: argparse.Namespace, progress: Progress, *, monitor: bool) -> Answer:
    if args.inventory:
        from orchestrator.files import write_json  # noqa: PLC0415 - as below
        from orchestrator.playbooks import run_on_hosts  # noqa: PLC0415

        answer = run_on_hosts(args, progress)
        if args.report:
            write_json(args.report, answer.result)
        return answer
    if args.limit:
        from orchestrator.playbooks import CannotRun  # noqa: PLC0415

        raise CannotRun("--limit chooses among hosts of an inventory", hint="name the inventory with -i")
    return _deploy(args, progress, monitor=monitor)


def check_kind(request: Request, *, monitor: bool) -> None:
    """BadSpec if a spec is for the other of the two commands."""
    if monitor and not request.watch:
        raise BadSpec("is missing: an agent needs a VM to watch", path="watch", hint="name running VMs: watch: [web1]")
    if request.watch and not monitor:
        raise BadSpec("a probe watches the link, not VMs", path="watch", hint="deploy-vnma deploys a monitoring agent")


def _deploy(args: argparse.Namespace, progress: Progress, *, monitor: bool) -> Answer:
    """A second run of the same spec is over before most of the program is loaded: a slow host feels every module."""
    limit = {"ttl": args.ttl} if monitor and args.ttl is not None else {}
    request = read_spec(args.spec, limit)  # once: it may be a pipe
    check_kind(request, monitor=monitor)
    if not (args.wait or args.pcap) and args.source == "none":
        standing = unchanged_by(request.name, spec_sha256(request), read_deployments(LocalFiles()))
        if standing is not None:
            return unchanged_answer(standing)
    from orchestrator.deployment import deploy  # noqa: PLC0415 - this is most of the program

    return deploy(args, request, progress)
