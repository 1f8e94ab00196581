"""``make demo``: the whole path in the emulated server, from a bare machine to a proof and a picture."""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from hpcapvf.lab.images import GUEST_FILE, MEDIA_PATH
from hpcapvf.lab.machine import LabConfig
from hpcapvf.lab.push import push
from hpcapvf.lab.server import Lab
from hpcapvf.lab.state import lab_names
from hpcapvf.model.codec import from_json
from hpcapvf.model.errors import ExitCode, HpcapvfError, ProofFailed
from hpcapvf.model.host import Host
from hpcapvf.model.progress import Progress
from hpcapvf.spec import parse_spec
from hpcapvf.verify import snapshot_difference
from orchestrator.answer import Answer
from orchestrator.files import keep_logs, write_json, write_text
from orchestrator.options import epilog, output_options
from orchestrator.phases import PhaseClock
from orchestrator.remote import ServerFailed, must, run_on_server
from orchestrator.report import DemoFacts, demo_picture, demo_report, show_demo
from orchestrator.runner import run
from orchestrator.suggest import suggest_spec

PROBE = "probe1"
SPEC_PATH = "/root/probe1.yaml"
COMMAND_S = 180.0
DEPLOY_S = 1500.0
VERIFY_S = 600.0
DESTROY_S = 600.0


def demo_parser() -> argparse.ArgumentParser:
    """The command line of the demo."""
    defaults = LabConfig()
    parser = argparse.ArgumentParser(
        prog="python -m orchestrator.demo",
        description="Boot an emulated server, deploy a virtual network probe in it, send frames, prove what was "
        "stored, take everything away again. The report goes to build/demo.",
        parents=[output_options()],
        epilog=epilog("make demo", 'make demo DEMO="--keep --cpus 12"'),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--name", default="demo", help="name of the lab; a lab of this name is removed first")
    parser.add_argument("--cpus", type=int, default=defaults.cpus, help="CPUs of the server (default %(default)s)")
    parser.add_argument(
        "--memory", type=int, default=defaults.memory_mib, metavar="MIB", help="its memory (default %(default)s)"
    )
    parser.add_argument("--accel", choices=("auto", "tcg", "kvm"), default=defaults.accel, help="how QEMU runs it")
    parser.add_argument(
        "--out", type=Path, default=Path("build/demo"), help="folder of the report (default %(default)s)"
    )
    parser.add_argument("--keep", action="store_true", help="leave the deployment and the server running at the end")
    parser.set_defaults(handler=run_demo, command_name="demo")
    return parser


def run_demo(args: argparse.Namespace, progress: Progress) -> Answer:
    """The demo from end to end. The lab is gone afterwards, however it ends, unless it was to be kept."""
    lab = Lab(args.name)
    clock = PhaseClock()
    config = LabConfig(name=args.name, cpus=args.cpus, memory_mib=args.memory, accel=args.accel)
    try:
        facts = _whole_path(lab, config, progress, clock, keep=args.keep)
    except BaseException as failure:
        kept = keep_logs(lab.folder, args.out)
        if isinstance(failure, HpcapvfError) and kept:
            failure.details += (f"logs of the server: {', '.join(map(str, kept))}",)
        raise
    finally:
        if not args.keep and args.name in lab_names():
            with clock.measure("shut down"):
                progress.phase("shut the server down")
                lab.down(clean=True)
    facts = replace(facts, phases_s=clock.phases_s())
    report = demo_report(facts)
    write_json(args.out / "report.json", report)
    write_text(args.out / "topology.svg", demo_picture(facts))
    notes = [f"report: {args.out / 'report.json'}", f"picture: {args.out / 'topology.svg'}"]
    if args.keep:
        notes.append(
            f"the server still runs: `hpcapvf lab ssh --name {args.name}`, there `hpcapvf status {PROBE}`; "
            f"`hpcapvf lab clean --name {args.name}` ends and removes it"
        )
    error = ProofFailed("the demo did not prove what it must", details=facts.failures) if facts.failures else None
    return Answer(report, shown=(*show_demo(facts), *notes), warnings=facts.plan.warnings, error=error)


def _whole_path(lab: Lab, config: LabConfig, progress: Progress, clock: PhaseClock, *, keep: bool) -> DemoFacts:
    with clock.measure("lab up"):
        if lab.name in lab_names():
            progress.phase("remove an earlier lab of this name", lab.name)
            lab.down(clean=True)
        lab_facts = lab.up(config, progress)
    with clock.measure("lab push"):
        push(lab, progress)
    with clock.measure("probe and spec"):
        host, spec = _write_spec(lab, progress)
        request = parse_spec(spec)
        devices = [
            str(next(i.pci for i in host.interfaces if i.name == request.network.pf)),
            request.storage.controller,
        ]
        before = must(run_on_server(lab, ["hpcapvf", "snapshot", *devices], progress, timeout_s=COMMAND_S))
    with clock.measure("deploy-vnp"):
        deployed = run_on_server(lab, ["deploy-vnp", SPEC_PATH, "--source", "wire"], progress, timeout_s=DEPLOY_S)
        if deployed.exit_code not in (ExitCode.OK, ExitCode.PROOF_FAILED):
            raise ServerFailed(deployed)
    with clock.measure("verify"):
        checked = run_on_server(lab, ["hpcapvf", "verify", PROBE], progress, timeout_s=VERIFY_S)
        if checked.exit_code not in (ExitCode.OK, ExitCode.PROOF_FAILED):
            raise ServerFailed(checked)
    differences: tuple[str, ...] | None = None
    if not keep:
        with clock.measure("destroy"):
            must(run_on_server(lab, ["hpcapvf", "destroy", PROBE], progress, timeout_s=DESTROY_S))
            after = must(run_on_server(lab, ["hpcapvf", "snapshot", *devices], progress, timeout_s=COMMAND_S))
            differences = tuple(snapshot_difference(before.result["snapshot"], after.result["snapshot"]))
    return DemoFacts(lab_facts, deployed.result, checked.result, differences, clock.phases_s())


def _write_spec(lab: Lab, progress: Progress) -> tuple[Host, str]:
    """Ask the server what it is and write a spec for it there."""
    answer = must(run_on_server(lab, ["hpcapvf", "probe"], progress, timeout_s=COMMAND_S))
    host: Host = from_json(Host, answer.result["host"])
    spec = suggest_spec(host, name=PROBE, image=f"{MEDIA_PATH}/{GUEST_FILE}")
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder) / "probe1.yaml"
        local.write_text(spec, encoding="utf-8")
        lab.put(local, SPEC_PATH, timeout_s=60)
    return host, spec


if __name__ == "__main__":
    sys.exit(run(demo_parser()))
