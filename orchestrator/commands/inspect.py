"""Commands that change nothing: probe, plan, status, snapshot."""

from __future__ import annotations

import argparse
import json

from hpcapvf.apply.recover import how_to_go_on
from hpcapvf.apply.state import Deployment, list_deployments, read_deployment
from hpcapvf.host.files import LocalFiles
from hpcapvf.host.machine import local_machine
from hpcapvf.host.protocols import Machine
from hpcapvf.model.address import PciAddress
from hpcapvf.model.codec import to_json
from hpcapvf.model.errors import NotFound
from hpcapvf.model.host import LOST
from hpcapvf.model.plan import Unchanged
from hpcapvf.model.progress import Progress
from hpcapvf.model.request import Request
from hpcapvf.nic.devices import pf_family
from hpcapvf.probe import probe_host
from hpcapvf.verify.readings import read_guard
from hpcapvf.verify.snapshot import take_snapshot
from orchestrator.answer import Answer
from orchestrator.options import Commands, add_command
from orchestrator.specs import Planned, plan_request, read_spec
from orchestrator.tables import pairs, show_deployments, show_host, show_placement, show_plan


def add_commands(commands: Commands) -> None:
    """Define probe, plan, status and snapshot."""
    probe = add_command(
        commands, "probe", "show what this host is", "hpcapvf probe", "hpcapvf probe --root recorded/ --json"
    )
    probe.add_argument("--root", metavar="DIR", help="read a recorded /proc and /sys tree instead of this host")
    probe.set_defaults(handler=run_probe)
    plan = add_command(commands, "plan", "show what a deployment would do; change nothing", "hpcapvf plan probe1.yaml")
    plan.add_argument("spec", metavar="SPEC", help="YAML file that says what is wanted")
    plan.add_argument("--root", metavar="DIR", help="plan for a recorded /proc and /sys tree instead of this host")
    plan.set_defaults(handler=run_plan)
    status = add_command(
        commands, "status", "show the deployments of this host", "hpcapvf status", "hpcapvf status probe1"
    )
    status.add_argument("name", metavar="NAME", nargs="?", help="one deployment, in detail")
    status.set_defaults(handler=run_status)
    snapshot = add_command(
        commands,
        "snapshot",
        "show what a deployment may change: VFs, bindings, registers, domains, hugepages",
        "hpcapvf snapshot 0000:05:00.0 0000:06:00.0 --json",
    )
    snapshot.add_argument("pf", metavar="PF", type=_pci_address, help="PCI address of the network card")
    snapshot.add_argument(
        "controller",
        metavar="CONTROLLER",
        type=_pci_address,
        nargs="?",
        help="PCI address of the storage controller",
    )
    snapshot.set_defaults(handler=run_snapshot)


def run_probe(args: argparse.Namespace, progress: Progress) -> Answer:
    """``hpcapvf probe``."""
    progress.phase("probe host", args.root or "")
    if args.root:
        host = probe_host(LocalFiles(_folder(args.root)), progress=progress)
    else:
        machine = local_machine()
        host = probe_host(machine.files, commands=machine.commands, hypervisor=machine.hypervisor, progress=progress)
    return Answer({"host": to_json(host)}, shown=show_host(host))


def run_plan(args: argparse.Namespace, progress: Progress) -> Answer:
    """``hpcapvf plan``."""
    if args.root:
        return plan_answer(plan_request(read_spec(args.spec), LocalFiles(_folder(args.root)), progress=progress))
    return plan_answer(plan_on(local_machine(), read_spec(args.spec), progress))


def plan_on(machine: Machine, request: Request, progress: Progress) -> Planned:
    """Probe this machine and plan."""
    return plan_request(
        request, machine.files, progress=progress, commands=machine.commands, hypervisor=machine.hypervisor
    )


def plan_answer(planned: Planned) -> Answer:
    """What a plan looks like when nothing is done."""
    verdict = planned.verdict
    if isinstance(verdict, Unchanged):
        return unchanged_answer(verdict)
    result = {"name": planned.request.name, "changed": False, "plan": to_json(verdict)}
    return Answer(result, shown=show_plan(verdict), warnings=verdict.warnings)


def unchanged_answer(unchanged: Unchanged) -> Answer:
    """The same spec is deployed already."""
    result = {"name": unchanged.name, "changed": False, "condition": unchanged.condition}
    return Answer(result, shown=(f"{unchanged.name} is deployed from this very spec: nothing to do, nothing changed",))


def run_status(args: argparse.Namespace, progress: Progress) -> Answer:
    """``hpcapvf status``."""
    machine = local_machine()
    progress.phase("read deployments")
    if args.name is None:
        found = list_deployments(machine.files)
        shown = show_deployments(found) if found else "no deployments on this host"
        return Answer({"deployments": [to_json(deployed) for deployed in found]}, shown=(shown,))
    deployment = read_deployment(args.name, machine.files)
    domain = _domain_state(machine, deployment)
    guard = read_guard(args.name, machine.files) or {}
    rows: list[tuple[str, object]] = [("condition", deployment.condition), ("domain", domain)]
    if deployment.condition == LOST:
        rows.append(("how to go on", how_to_go_on(deployment.name)))
    rows += [(f"guard: {key}", value) for key, value in guard.items()]
    rows += [(f"deployed in: {phase}", f"{seconds:.1f} s") for phase, seconds in deployment.phases_s.items()]
    result = {
        "name": deployment.name,
        "condition": deployment.condition,
        "domain": domain,
        "guard": guard,
        "phases_s": deployment.phases_s,
        "plan": to_json(deployment.plan),
    }
    return Answer(result, shown=(pairs(deployment.name, rows), show_placement(deployment.plan)))


def run_snapshot(args: argparse.Namespace, progress: Progress) -> Answer:
    """``hpcapvf snapshot``."""
    machine = local_machine()
    progress.phase("snapshot", str(args.pf))
    host = probe_host(machine.files, progress=progress)
    device = host.device(args.pf)
    if device is None:
        raise NotFound(f"no PCI function {args.pf}", hint="`hpcapvf probe` lists them")
    family = pf_family(device.vendor, device.device)
    if family is None:
        raise NotFound(f"{args.pf} ({device.vendor:04x}:{device.device:04x}) is not of a known card family")
    snapshot = take_snapshot(machine, args.pf, args.controller, family.name)
    return Answer({"snapshot": to_json(snapshot)}, shown=(json.dumps(to_json(snapshot), indent=2),))


def _pci_address(text: str) -> PciAddress:
    try:
        return PciAddress.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _domain_state(machine: Machine, deployment: Deployment) -> str:
    wanted = deployment.plan.request.name
    for domain in machine.hypervisor.domains():
        if domain.name == wanted:
            return "running" if domain.running else "off"
    return "absent"


def _folder(root: str) -> str:
    files = LocalFiles(root)
    if files.list("/") is None:
        raise NotFound(f"no folder {root}", hint="--root names a folder that holds proc/ and sys/")
    return root
