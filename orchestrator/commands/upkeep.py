"""Commands for a deployment that exists: verify, destroy, guard."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from typing import TextIO

from hpcapvf.apply.captures import Amount, count_captures
from hpcapvf.apply.guard import run_guard
from hpcapvf.apply.journal import read_events
from hpcapvf.apply.run import destroy
from hpcapvf.apply.state import read_deployment
from hpcapvf.host.machine import local_machine
from hpcapvf.model.codec import to_json
from hpcapvf.model.errors import Conflict, ExitCode, HpcapvfError
from hpcapvf.model.progress import Progress
from orchestrator.answer import Answer
from orchestrator.commands.deploy import add_proof_options
from orchestrator.options import Commands, add_command
from orchestrator.phases import PhaseClock
from orchestrator.proofs import failure_of, read_checks, show_verified, verify_deployment
from orchestrator.restored import put_back_lines
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
        commands,
        "destroy",
        "take a deployment away and put the host back as it was; its captures stay",
        "hpcapvf destroy probe1",
        "hpcapvf destroy probe1 --purge",
    )
    taken.add_argument("name", metavar="NAME", help="the deployment")
    taken.add_argument(
        "--purge", action="store_true", help="delete its captures as well, after a question; this cannot be undone"
    )
    taken.add_argument("--yes", action="store_true", help="with --purge: do not ask")
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
    machine = local_machine()
    if args.purge and not args.yes:
        plan = read_deployment(args.name, machine.files).plan
        confirm_purge(args.name, count_captures(plan, machine), sys.stdin, sys.stderr)
    report = destroy(args.name, machine, progress, purge=args.purge)
    undone = put_back_lines(read_events(machine.files, report.journal)) if report.journal else ()
    rows: list[tuple[str, object]] = [
        ("undone", text + (f" (before it, {there})" if there else "")) for text, there in undone
    ]
    rows += [("note", line) for line in report.notes]
    rows += [("captures", report.captures), ("journal", report.journal)]
    result = to_json(report) | {"put_back": [{"step": text, "before": there} for text, there in undone]}
    return Answer(result, shown=(pairs(f"{args.name} is gone", rows),))


class NotConfirmed(HpcapvfError):
    """The user did not agree to what cannot be undone."""

    exit_code = ExitCode.REFUSED


def confirm_purge(name: str, amount: Amount | None, answers: TextIO, questions: TextIO) -> None:
    """Ask for the deployment's name; NotConfirmed without a terminal, or if something else is answered."""
    if not answers.isatty():
        raise NotConfirmed(
            f"deleting the captures of {name} must be confirmed, and there is no terminal to ask",
            hint="run it on a terminal, or add --yes",
        )
    much = "an unknown number of files" if amount is None else f"{amount.files} files, {amount.size_bytes} bytes"
    questions.write(f"\nAll captures of {name} will be deleted for good ({much}). Type its name to agree: ")
    questions.flush()
    if answers.readline().strip() != name:
        raise NotConfirmed("nothing was deleted, nothing was changed", hint="leave --purge out to keep the captures")


def run_guard_service(args: argparse.Namespace, _progress: Progress) -> Answer:
    """``hpcapvf guard``: until SIGTERM or SIGINT, which end it between two checks and are its normal end."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _signum, _frame: ended.set())

    def log(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    counts = run_guard(args.name, local_machine(), stop=ended.is_set, log=log)
    return Answer(to_json(counts))
