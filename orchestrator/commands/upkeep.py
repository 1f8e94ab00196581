"""Commands for a deployment that exists: verify, destroy, recover, guard."""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from hpcapvf.apply.guard import run_guard
from hpcapvf.apply.recover import BACK, BY_SPEC, FORWARD, Recovered, RecoverReport, recover_all, recover_one
from hpcapvf.apply.run import destroy
from hpcapvf.apply.state import read_deployment
from hpcapvf.host.machine import local_machine
from hpcapvf.model.codec import to_json
from hpcapvf.model.errors import BadSpec, Conflict
from hpcapvf.model.progress import Progress
from orchestrator.answer import Answer, Part
from orchestrator.commands.deploy import add_proof_options
from orchestrator.options import Commands, add_command, add_wait_option
from orchestrator.phases import PhaseClock
from orchestrator.proofs import failure_of, read_checks, show_verified, verify_deployment
from orchestrator.tables import pairs


def add_commands(commands: Commands) -> None:
    """Define verify, destroy, recover and guard."""
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
    add_wait_option(taken)
    taken.set_defaults(handler=run_destroy)
    _add_recover(commands)
    guard = add_command(
        commands, "guard", "hold the card's registers of a deployment (its service runs this)", "hpcapvf guard probe1"
    )
    guard.add_argument("name", metavar="NAME", help="the deployment")
    guard.set_defaults(handler=run_guard_service)


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
    checks = read_checks(args.source, args.pcap, machine.clock)
    deployment = read_deployment(args.name, machine.files)
    if deployment.condition != "deployed":
        raise Conflict(
            f"{args.name} is {deployment.condition}",
            hint=f"see `hpcapvf status {args.name}`, then run `hpcapvf recover {args.name}`",
        )
    verified = verify_deployment(deployment.plan, machine, checks, progress=progress, clock=clock)
    result = {"name": args.name, "plan": to_json(deployment.plan)} | verified.result() | {"phases_s": clock.phases_s()}
    shown = show_verified(deployment.plan, verified, clock.phases_s())
    return Answer(result, shown=shown, error=failure_of(verified))


def run_destroy(args: argparse.Namespace, progress: Progress) -> Answer:
    """``hpcapvf destroy``."""
    report = destroy(args.name, local_machine(), progress, wait_s=args.wait)
    rows: list[tuple[str, object]] = [("put back", line) for line in report.restored]
    rows += [("note", line) for line in report.notes]
    rows.append(("journal", report.journal))
    return Answer(to_json(report), shown=(pairs(f"{args.name} is gone", rows),))


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


def run_guard_service(args: argparse.Namespace, _progress: Progress) -> Answer:
    """``hpcapvf guard``: until SIGTERM or SIGINT, which end it between two checks and are its normal end."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _signum, _frame: ended.set())

    def log(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    counts = run_guard(args.name, local_machine(), stop=ended.is_set, log=log)
    return Answer(to_json(counts))
