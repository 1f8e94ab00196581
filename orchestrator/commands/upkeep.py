"""Commands for a deployment that exists: verify, destroy, recover."""

from __future__ import annotations

import argparse
import sys
from typing import TextIO

from hpcapvf.apply.captures import Amount, count_captures
from hpcapvf.apply.end import DESTROYED
from hpcapvf.apply.journal import read_events
from hpcapvf.apply.recover import BACK, BY_SPEC, FORWARD, Recovered, RecoverReport, recover_all, recover_one
from hpcapvf.apply.run import destroy
from hpcapvf.apply.state import read_deployment
from hpcapvf.host.machine import local_machine
from hpcapvf.model.codec import to_json
from hpcapvf.model.errors import BadSpec, Conflict, ExitCode, HpcapvfError
from hpcapvf.model.progress import Progress
from orchestrator.answer import Answer, Part
from orchestrator.options import Commands, add_command, add_wait_option
from orchestrator.phases import PhaseClock
from orchestrator.proof_options import add_proof_options
from orchestrator.proofs import (
    failure_of,
    keep_verified,
    read_checks,
    show_verified,
    verify_deployment,
    warn_unkept,
)
from orchestrator.restored import put_back_lines
from orchestrator.tables import pairs

_LONGEST_REASON = 200


def add_commands(commands: Commands) -> None:
    """Define verify, destroy and recover."""
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
    taken.add_argument(
        "--because", metavar="TEXT", default=DESTROYED, help="of an agent: why, for the audit file (default: destroyed)"
    )
    add_wait_option(taken)
    taken.set_defaults(handler=run_destroy)
    _add_recover(commands)


def _add_recover(commands: Commands) -> None:
    recover = add_command(
        commands,
        "recover",
        "after a kill, a power cut or a reboot: put back what was cut short, make anew what persists",
        "hpcapvf recover",
        "hpcapvf recover probe1 --forward",
    )
    recover.add_argument("name", metavar="NAME", nargs="?", help="one deployment (default: all, as their specs say)")
    ways = recover.add_mutually_exclusive_group()
    ways.add_argument("--forward", action="store_true", help="make all of NAME that does not hold (any more)")
    ways.add_argument("--back", action="store_true", help="undo NAME, although its spec says persist: true")
    add_wait_option(recover)
    recover.set_defaults(handler=run_recover)


def run_verify(args: argparse.Namespace, progress: Progress) -> Answer:
    """``hpcapvf verify``."""
    clock = PhaseClock()
    machine = local_machine()
    checks = read_checks(args.source, args.pcap, machine.clock, args.rate)
    deployment = read_deployment(args.name, machine.files)
    if deployment.condition != "deployed":
        raise Conflict(
            f"{args.name} is {deployment.condition}",
            hint=f"see `hpcapvf status {args.name}`, then run `hpcapvf recover {args.name}`",
        )
    verified = verify_deployment(deployment.plan, machine, checks, progress=progress, clock=clock)
    unkept = keep_verified(args.name, verified, clock, machine)
    result = {"name": args.name, "plan": to_json(deployment.plan)} | verified.result() | {"phases_s": clock.phases_s()}
    shown = show_verified(deployment.plan, verified, clock.phases_s())
    return Answer(result, shown=shown, warnings=warn_unkept(unkept), error=failure_of(verified))


def run_destroy(args: argparse.Namespace, progress: Progress) -> Answer:
    """``hpcapvf destroy``."""
    machine = local_machine()
    if args.purge and not args.yes:
        plan = read_deployment(args.name, machine.files).plan
        confirm_purge(args.name, count_captures(plan, machine), sys.stdin, sys.stderr)
    report = destroy(
        args.name, machine, progress, purge=args.purge, wait_s=args.wait, because=args.because[:_LONGEST_REASON]
    )
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


def run_recover(args: argparse.Namespace, progress: Progress) -> Answer:
    """``hpcapvf recover``."""
    machine = local_machine()
    if args.name is None:
        if args.forward or args.back:
            raise BadSpec("--forward and --back are for one deployment", hint="name it: hpcapvf recover NAME --forward")
        report = recover_all(machine, progress, wait_s=args.wait)
    else:
        direction = FORWARD if args.forward else BACK if args.back else BY_SPEC
        done = recover_one(args.name, machine, progress, direction=direction, wait_s=args.wait)
        report = RecoverReport((done,))
    error = report.errors[0] if report.errors else None
    if error is not None and len(report.errors) > 1:
        error.details += tuple(other.message for other in report.errors[1:])
    shown: list[Part] = [show_recovered(one) for one in report.deployments]
    result = {"deployments": [to_json(one) for one in report.deployments]}
    return Answer(result, shown=tuple(shown) or ("no deployments on this host",), error=error)


def show_recovered(one: Recovered) -> Part:
    """What was done about one deployment."""
    rows: list[tuple[str, object]] = [
        ("it was", one.condition),
        *(("step", line) for line in one.steps),
        *(("note", n) for n in one.notes),
    ]
    rows += [("error", one.error)] if one.error else []
    rows += [("journal", one.journal)] if one.journal else []
    return pairs(f"{one.name}: {one.action}", rows)
