"""Commands that change nothing: probe, plan, snapshot."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from contextlib import suppress

from hpcapvf.host.files import LocalFiles
from hpcapvf.host.machine import local_machine
from hpcapvf.host.protocols import Machine
from hpcapvf.model.address import PciAddress
from hpcapvf.model.changes import Change
from hpcapvf.model.codec import to_json
from hpcapvf.model.errors import NotFound, RegisterRefused
from hpcapvf.model.host import Host
from hpcapvf.model.plan import Plan, Unchanged
from hpcapvf.model.progress import Progress
from hpcapvf.model.request import Request
from hpcapvf.nic.devices import pf_family
from hpcapvf.plan.changes import changes_of
from hpcapvf.probe import probe_host
from hpcapvf.verify.readings import open_registers
from hpcapvf.verify.snapshot import take_snapshot
from orchestrator.answer import Answer
from orchestrator.diff import show_changes
from orchestrator.options import Commands, add_command, add_force_option
from orchestrator.spec_file import read_spec
from orchestrator.specs import Planned, plan_request
from orchestrator.tables import show_host, show_plan
from orchestrator.unchanged import unchanged_answer


def add_commands(commands: Commands) -> None:
    """Define probe, plan and snapshot."""
    probe = add_command(
        commands, "probe", "show what this host is", "hpcapvf probe", "hpcapvf probe --root recorded/ --json"
    )
    probe.add_argument("--root", metavar="DIR", help="read a recorded /proc and /sys tree instead of this host")
    probe.set_defaults(handler=run_probe)
    plan = add_command(commands, "plan", "show what a deployment would do; change nothing", "hpcapvf plan probe1.yaml")
    plan.add_argument("spec", metavar="SPEC", help="YAML file that says what is wanted")
    plan.add_argument("--root", metavar="DIR", help="plan for a recorded /proc and /sys tree instead of this host")
    add_force_option(plan)
    plan.set_defaults(handler=run_plan)
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
        host = probe_host(recorded_files(args.root), progress=progress)
    else:
        machine = local_machine()
        host = probe_host(machine.files, commands=machine.commands, hypervisor=machine.hypervisor, progress=progress)
    return Answer({"host": to_json(host)}, shown=show_host(host))


def run_plan(args: argparse.Namespace, progress: Progress) -> Answer:
    """``hpcapvf plan``."""
    if args.root:
        files = recorded_files(args.root)
        return plan_answer(plan_request(read_spec(args.spec), files, progress=progress, force=args.force))
    machine = local_machine()
    return plan_answer(plan_on(machine, read_spec(args.spec), progress, args.force), machine)


def plan_on(machine: Machine, request: Request, progress: Progress, force: Sequence[str]) -> Planned:
    """Probe this machine and plan; force: names of guards to lift."""
    return plan_request(
        request,
        machine.files,
        progress=progress,
        commands=machine.commands,
        hypervisor=machine.hypervisor,
        force=force,
    )


def plan_answer(planned: Planned, machine: Machine | None = None) -> Answer:
    """What a plan looks like when nothing is done. machine: to read the card's registers, if it is this one."""
    verdict = planned.verdict
    if isinstance(verdict, Unchanged):
        return unchanged_answer(verdict)
    changes = _changes(verdict, planned.host, machine)
    result = {
        "name": planned.request.name,
        "changed": False,
        "plan": to_json(verdict),
        "changes": [to_json(change) for change in changes],
    }
    return Answer(result, shown=(*show_plan(verdict), *show_changes(changes)), warnings=verdict.warnings)


def _changes(plan: Plan, host: Host, machine: Machine | None) -> tuple[Change, ...]:
    """With the registers' old values if they can be read; reading them changes nothing."""
    if machine is not None:
        with suppress(RegisterRefused), open_registers(plan.pf, plan.family, machine) as read:
            return changes_of(plan, host, read)
    return changes_of(plan, host)


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


def recorded_files(root: str) -> LocalFiles:
    """The files of a recorded tree; NotFound if there is no such folder."""
    files = LocalFiles(root)
    if files.list("/") is None:
        raise NotFound(f"no folder {root}", hint="--root names a folder that holds proc/ and sys/")
    return files
