"""Commands for a deployment that exists: verify, destroy, guard."""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from hpcapvf.apply.guard import run_guard
from hpcapvf.apply.run import destroy
from hpcapvf.apply.state import read_deployment
from hpcapvf.host.machine import local_machine
from hpcapvf.model.codec import to_json
from hpcapvf.model.errors import Conflict
from hpcapvf.model.progress import Progress
from orchestrator.answer import Answer
from orchestrator.commands.deploy import add_proof_options
from orchestrator.options import Commands, add_command
from orchestrator.phases import PhaseClock
from orchestrator.proofs import failure_of, read_checks, show_verified, verify_deployment
from orchestrator.tables import pairs


def add_commands(commands: Commands) -> None:
    """Define verify, destroy and guard."""
    verify = add_command(
        commands,
        "verify",
        "check a deployment again and prove that it stores what is on the link",
        "hpcapvf verify probe1 --source wire",
        "hpcapvf verify probe1 --source ./send.sh --pcap a.pcap --pcap b.pcap",
    )
    verify.add_argument("name", metavar="NAME", help="the deployment")
    add_proof_options(verify)
    verify.set_defaults(handler=run_verify)
    taken = add_command(
        commands, "destroy", "take a deployment away and put the host back as it was", "hpcapvf destroy probe1"
    )
    taken.add_argument("name", metavar="NAME", help="the deployment; captures on its disks are kept")
    taken.set_defaults(handler=run_destroy)
    guard = add_command(
        commands, "guard", "hold the card's registers of a deployment (its service runs this)", "hpcapvf guard probe1"
    )
    guard.add_argument("name", metavar="NAME", help="the deployment")
    guard.set_defaults(handler=run_guard_service)


def run_verify(args: argparse.Namespace, progress: Progress) -> Answer:
    """``hpcapvf verify``."""
    clock = PhaseClock()
    machine = local_machine()
    checks = read_checks(args.source, args.pcap, machine.clock)
    deployment = read_deployment(args.name, machine.files)
    if deployment.condition != "deployed":
        raise Conflict(
            f"{args.name} is {deployment.condition}", hint=f"run `hpcapvf destroy {args.name}` and deploy it again"
        )
    verified = verify_deployment(deployment.plan, machine, checks, progress=progress, clock=clock)
    result = {"name": args.name, "plan": to_json(deployment.plan)} | verified.result() | {"phases_s": clock.phases_s()}
    shown = show_verified(deployment.plan, verified, clock.phases_s())
    return Answer(result, shown=shown, error=failure_of(verified))


def run_destroy(args: argparse.Namespace, progress: Progress) -> Answer:
    """``hpcapvf destroy``."""
    report = destroy(args.name, local_machine(), progress)
    rows: list[tuple[str, object]] = [("put back", line) for line in report.restored]
    rows += [("note", line) for line in report.notes]
    rows.append(("journal", report.journal))
    return Answer(to_json(report), shown=(pairs(f"{args.name} is gone", rows),))


def run_guard_service(args: argparse.Namespace, _progress: Progress) -> Answer:
    """``hpcapvf guard``: until SIGTERM or SIGINT, which end it between two checks and are its normal end."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _signum, _frame: ended.set())

    def log(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    counts = run_guard(args.name, local_machine(), stop=ended.is_set, log=log)
    return Answer(to_json(counts))
