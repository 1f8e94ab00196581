"""``make demo``: the whole path in the emulated server, from a bare machine to proofs and a picture.

Two acts: a virtual network probe (``vnp``), and a monitoring agent beside it that watches the probe (``vnma``).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

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
from hpcapvf.verify.snapshot import snapshot_difference
from orchestrator.answer import Answer
from orchestrator.files import keep_logs, write_json, write_text
from orchestrator.options import epilog, output_options
from orchestrator.phases import PhaseClock
from orchestrator.remote import Envelope, ServerFailed, must, run_on_server
from orchestrator.report import AgentFacts, DemoFacts, demo_page, demo_picture, demo_report, show_demo
from orchestrator.runner import run
from orchestrator.suggest import suggest_monitor_spec, suggest_spec

PROBE, AGENT = "probe1", "agent1"
IMAGE = f"{MEDIA_PATH}/{GUEST_FILE}"
ACTS = ("all", "vnp", "vnma")
COMMAND_S = 180.0
DEPLOY_S = 1500.0
VERIFY_S = 600.0
WATCH_S = 60.0  # the agent watches for at least that long
DESTROY_S = 600.0
# The agent's time limit, counted from when the card begins to copy: its proof and the watching fit into it.
TTL = "180s"
END_S = 600.0  # until it is gone at the latest
_POLL_S = 5.0


def demo_parser() -> argparse.ArgumentParser:
    """The command line of the demo."""
    defaults = LabConfig()
    parser = argparse.ArgumentParser(
        prog="python -m orchestrator.demo",
        description="Boot an emulated server, deploy a virtual network probe in it, send frames, prove what was "
        "stored; then a monitoring agent that watches the probe, with a proof of its own; take everything away again. "
        "The report goes to build/demo.",
        parents=[output_options()],
        epilog=epilog("make demo", "make demo DEMO='--act vnp'", 'make demo DEMO="--keep --cpus 12"'),
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
    parser.add_argument(
        "--act",
        choices=ACTS,
        default="all",
        help="vnp: the probe; vnma: the agent, watching a probe that is sent no frames of its own; all: the probe with "
        "its proof, then the agent (default %(default)s)",
    )
    parser.add_argument("--keep", action="store_true", help="leave the deployments and the server running at the end")
    parser.set_defaults(handler=run_demo, command_name="demo")
    return parser


def run_demo(args: argparse.Namespace, progress: Progress) -> Answer:
    """The demo from end to end. The lab is gone afterwards, however it ends, unless it was to be kept."""
    lab = Lab(args.name)
    clock = PhaseClock()
    try:
        facts = gather(lab, progress, clock, args)
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
    write_text(args.out / "report.html", demo_page(facts))
    notes = [f"report: {args.out / 'report.html'}, {args.out / 'report.json'}", f"picture: {args.out / 'topology.svg'}"]
    if args.keep:
        notes.append(
            f"the server still runs: `hpcapvf lab ssh --name {args.name}`, there `hpcapvf status`; "
            f"`hpcapvf lab clean --name {args.name}` ends and removes it"
        )
    error = ProofFailed("the demo did not prove what it must", details=facts.failures) if facts.failures else None
    return Answer(report, shown=(*show_demo(facts), *notes), warnings=facts.warnings, error=error)


def gather(lab: Lab, progress: Progress, clock: PhaseClock, args: argparse.Namespace) -> DemoFacts:
    """Boot the server, play the acts, and take everything away unless it is to be kept."""
    config = LabConfig(name=args.name, cpus=args.cpus, memory_mib=args.memory, accel=args.accel)
    with clock.measure("lab up"):
        if lab.name in lab_names():
            progress.phase("remove an earlier lab of this name", lab.name)
            lab.down(clean=True)
        lab_facts = lab.up(config, progress)
    with clock.measure("lab push"):
        push(lab, progress)
    watched = args.act != "vnp"
    with clock.measure("probe and spec"):
        host = _look_at(lab, progress)
        spec = suggest_spec(host, name=PROBE, image=IMAGE, vfs=2 if watched else 1)
        path = _write_spec(lab, PROBE, spec)
        request = parse_spec(spec)
        devices = [
            str(next(i.pci for i in host.interfaces if i.name == request.network.card)),
            request.storage.controller,
        ]
        before = must(run_on_server(lab, ["hpcapvf", "snapshot", *devices], progress, timeout_s=COMMAND_S))
    with clock.measure("deploy-vnp"):
        source = "none" if args.act == "vnma" else "wire"
        deployed = _prove(lab, ["deploy-vnp", path, "--source", source], progress, timeout_s=DEPLOY_S)
    with clock.measure("verify"):
        checked = _prove(lab, ["hpcapvf", "verify", PROBE], progress, timeout_s=VERIFY_S)
    agent = _watch(lab, progress, clock, keep=args.keep) if watched else None
    differences: tuple[str, ...] | None = None
    if not args.keep:
        with clock.measure("destroy"):
            if agent is not None and agent.ended is not None and agent.ended["left"]:
                must(run_on_server(lab, ["hpcapvf", "destroy", AGENT], progress, timeout_s=DESTROY_S))
            must(run_on_server(lab, ["hpcapvf", "destroy", PROBE], progress, timeout_s=DESTROY_S))
            after = must(run_on_server(lab, ["hpcapvf", "snapshot", *devices], progress, timeout_s=COMMAND_S))
            differences = tuple(snapshot_difference(before.result["snapshot"], after.result["snapshot"]))
    return DemoFacts(lab_facts, deployed.result, checked.result, differences, clock.phases_s(), agent)


def _watch(lab: Lab, progress: Progress, clock: PhaseClock, *, keep: bool) -> AgentFacts:
    """The second act: an agent that watches the probe until its time is over. keep: it has no time limit."""
    with clock.measure("spec of the agent"):
        spec = suggest_monitor_spec(_look_at(lab, progress), name=AGENT, image=IMAGE, watch=PROBE)
        path = _write_spec(lab, AGENT, spec)
    with clock.measure("deploy-vnma"):
        limit = [] if keep else ["--ttl", TTL]
        deployed = _prove(lab, ["deploy-vnma", path, *limit, "--source", "wire"], progress, timeout_s=DEPLOY_S)
    began = time.monotonic()
    before_s = seconds_after_copy(deployed.result["phases_s"])
    with clock.measure("watch and mirrors"):
        progress.phase("watch", f"for {WATCH_S:.0f} s in all")
        time.sleep(max(0.0, WATCH_S - before_s))
        answer = must(run_on_server(lab, ["hpcapvf", "mirrors"], progress, timeout_s=COMMAND_S))
    watched_s = before_s + time.monotonic() - began
    facts = AgentFacts(deployed.result, _mirror_of_agent(answer), round(watched_s, 1))
    if keep:
        return facts
    with clock.measure("time limit"):
        left = _until_gone(lab, progress)
        ended_s = before_s + time.monotonic() - began
    return replace(facts, ended={"ttl": TTL, "left": left, "seconds": round(ended_s, 1)})


def _mirror_of_agent(answer: Envelope) -> dict[str, Any]:
    return next((found for found in answer.result["mirrors"] if found["monitor"] == AGENT), {})


def _until_gone(lab: Lab, progress: Progress) -> dict[str, Any]:
    """Wait until the time limit has taken the agent away: what is listed of it at last, nothing if all is well."""
    progress.phase("time limit", f"waiting until {AGENT} is gone by itself ({TTL} after copying began)")
    deadline = time.monotonic() + END_S
    while True:
        left = _mirror_of_agent(must(run_on_server(lab, ["hpcapvf", "mirrors"], progress, timeout_s=COMMAND_S)))
        if not left or time.monotonic() >= deadline:
            return left
        time.sleep(_POLL_S)


def seconds_after_copy(phases_s: Mapping[str, float]) -> float:
    """How long deploy-vnma went on after the card had begun to copy: its phases after the registers'."""
    names = list(phases_s)
    return sum(phases_s[name] for name in names[names.index("registers") + 1 :])


def _prove(lab: Lab, argv: Sequence[str], progress: Progress, *, timeout_s: float) -> Envelope:
    """Run what may end with a failed proof: that stands in the report. ServerFailed if it ended in another way."""
    answer = run_on_server(lab, argv, progress, timeout_s=timeout_s)
    if answer.exit_code not in (ExitCode.OK, ExitCode.PROOF_FAILED):
        raise ServerFailed(answer)
    return answer


def _look_at(lab: Lab, progress: Progress) -> Host:
    answer = must(run_on_server(lab, ["hpcapvf", "probe"], progress, timeout_s=COMMAND_S))
    host: Host = from_json(Host, answer.result["host"])
    return host


def _write_spec(lab: Lab, name: str, spec: str) -> str:
    """Put a spec on the server; returns its path there."""
    path = f"/root/{name}.yaml"
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder) / "spec.yaml"
        local.write_text(spec, encoding="utf-8")
        lab.put(local, path, timeout_s=60)
    return path


if __name__ == "__main__":
    sys.exit(run(demo_parser()))
