"""``hpcapvf topology``: a picture of the host, its deployments, and what a plan would change."""

from __future__ import annotations

import argparse

from hpcapvf.apply import state
from hpcapvf.host.machine import local_machine
from hpcapvf.host.protocols import Files
from hpcapvf.model.host import DEPLOYED, Host
from hpcapvf.model.plan import Plan, Unchanged
from hpcapvf.model.progress import Progress
from hpcapvf.probe import probe_host
from orchestrator.answer import Answer
from orchestrator.commands.inspect import plan_on, recorded_files
from orchestrator.files import write_text
from orchestrator.options import Commands, add_command, add_force_option
from orchestrator.picture import Shown, render_change, render_topology
from orchestrator.spec_file import read_spec
from orchestrator.specs import plan_request
from orchestrator.topology_text import change_lines, topology_lines
from orchestrator.unchanged import unchanged_answer


def add_commands(commands: Commands) -> None:
    """Define topology."""
    parser = add_command(
        commands,
        "topology",
        "draw the host: NUMA nodes, CPUs and who is pinned there, memory, cards, VMs and who watches whom",
        "hpcapvf topology",
        "hpcapvf topology --svg host.svg",
        "hpcapvf topology --plan probe1.yaml",
        "hpcapvf topology --plan probe1.yaml --svg before-and-after.svg",
    )
    parser.add_argument("--plan", metavar="SPEC", help="the host now and as this spec's plan makes it, changes marked")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--text", action="store_true", help="lines of text (the default)")
    form.add_argument("--svg", metavar="FILE", help="a picture; - is standard output")
    parser.add_argument("--root", metavar="DIR", help="of a recorded /proc and /sys tree instead of this host")
    add_force_option(parser)
    parser.set_defaults(handler=run_topology)


def run_topology(args: argparse.Namespace, progress: Progress) -> Answer:
    """``hpcapvf topology``."""
    machine = None if args.root else local_machine()
    files: Files = machine.files if machine is not None else recorded_files(args.root)
    if not args.plan:
        progress.phase("probe host", args.root or "")
        hypervisor = machine.hypervisor if machine is not None else None
        host = probe_host(files, hypervisor=hypervisor, progress=progress)
        return picture_answer(host, deployed_plans(host, files), None, args.svg)
    request = read_spec(args.plan)
    found = (
        plan_on(machine, request, progress, args.force)
        if machine is not None
        else plan_request(request, files, progress=progress, force=args.force)
    )
    if isinstance(found.verdict, Unchanged):
        return unchanged_answer(found.verdict)
    return picture_answer(found.host, deployed_plans(found.host, files), found.verdict, args.svg)


def deployed_plans(host: Host, files: Files) -> list[Plan]:
    """Of what is deployed on the host now."""
    names = [d.name for d in host.deployments if d.condition == DEPLOYED]
    return [state.read_deployment(name, files).plan for name in names]


def picture_answer(host: Host, plans: list[Plan], planned: Plan | None, svg: str | None) -> Answer:
    """The lines, or the SVG in a file or on standard output."""
    lines = topology_lines(host, plans)
    changes = change_lines(lines, topology_lines(host, [*plans, planned])) if planned else ()
    result = {"name": planned.request.name if planned else None, "changed": False, "lines": list(changes or lines)}
    if svg is None:
        return Answer(result, shown=("\n".join(changes or lines),))
    shown = [Shown(plan) for plan in plans]
    text = render_change(host, shown, planned) if planned else render_topology(host, shown)
    if svg == "-":
        return Answer({**result, "svg": text}, shown=(text,))
    write_text(svg, text)
    return Answer({**result, "file": svg}, shown=(f"{svg} is written",))
