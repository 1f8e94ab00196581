"""``hpcapvf report``: everything about a deployment in one HTML file."""

from __future__ import annotations

import argparse

from hpcapvf.host.machine import local_machine
from hpcapvf.host.protocols import Machine
from hpcapvf.model.plan import Advice
from hpcapvf.model.progress import Progress
from hpcapvf.verify.conversion import Wish
from orchestrator.answer import Answer
from orchestrator.deployment_page import deployment_page
from orchestrator.deployment_report import Facts, Wanted, gather
from orchestrator.files import open_new_file
from orchestrator.moments import LOOKS_LIKE_A_TIME, parse_moment
from orchestrator.options import Commands, add_command, seconds_at_least
from orchestrator.proofs import failure_of
from orchestrator.tables import pairs

_SAMPLE_MIB, _SAMPLE_MOST_MIB = 64, 256
_WATCH_S = 10.0
_WAIT_S = 10.0


def add_commands(commands: Commands) -> None:
    """Define report."""
    report = add_command(
        commands,
        "report",
        "put everything about a deployment into one HTML file: plots of its traffic, topology, plan, proof, host",
        "hpcapvf report probe1",
        "hpcapvf report probe1 --from -10min -o last.html",
        "hpcapvf report probe1 --sample 0 --watch 60 --json",
    )
    report._negative_number_matcher = LOOKS_LIKE_A_TIME  # else argparse takes -10min for an option
    report.add_argument("name", metavar="NAME", help="the deployment: a probe or an agent")
    report.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="the file to make; it must not exist yet (default: NAME-report.html here)",
    )
    report.add_argument(
        "--from",
        dest="begin",
        metavar="TIME",
        type=parse_moment,
        help="plot captured frames of this time and later, as `hpcapvf fetch` takes it (default: the newest files)",
    )
    report.add_argument("--to", dest="end", metavar="TIME", type=parse_moment, help="and before this time")
    report.add_argument(
        "--sample",
        metavar="MIB",
        type=_mib,
        default=_SAMPLE_MIB,
        help=f"how much of the captures is read at most, 0 to {_SAMPLE_MOST_MIB} (default: %(default)s)",
    )
    report.add_argument(
        "--watch",
        metavar="SECONDS",
        type=seconds_at_least(0),
        default=_WATCH_S,
        help="how long losses are watched (default: %(default)g)",
    )
    report.add_argument(
        "--wait",
        metavar="SECONDS",
        type=seconds_at_least(1),
        default=_WAIT_S,
        help="how long a guest may take to answer (default: %(default)g); then its parts are not known",
    )
    report.set_defaults(handler=run_report)


def run_report(args: argparse.Namespace, progress: Progress) -> Answer:
    """``hpcapvf report``."""
    wanted = Wanted(Wish(args.begin, args.end), args.sample << 20, args.watch, args.wait)
    return report_answer(args.name, wanted, args.output or f"{args.name}-report.html", local_machine(), progress)


def report_answer(name: str, wanted: Wanted, output: str, machine: Machine, progress: Progress) -> Answer:
    """Make the file, which appears only when it is whole; what is not known is said there, and as a warning here."""
    with open_new_file(output) as file:
        facts = gather(name, wanted, machine, progress)
        progress.phase("write", output)
        file.write(deployment_page(facts).encode())
    rows: list[tuple[str, object]] = [
        ("file", output),
        ("condition", facts.status.condition),
        ("last proof", _said_proof(facts)),
        ("frames read", facts.traffic.frames if facts.traffic else None),
    ]
    warnings = tuple(Advice(f"not in the report: {part}: {why}", "") for part, why in facts.missing.items())
    return Answer({"output": output} | facts.result(), shown=(pairs(f"report of {name}", rows),), warnings=warnings)


def _said_proof(facts: Facts) -> str | None:
    if facts.verified is None:
        return None
    return "FAILED" if failure_of(facts.verified) else "ok"


def _mib(text: str) -> int:
    if not text.isdecimal() or len(text) > 4 or int(text) > _SAMPLE_MOST_MIB:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of MiB from 0 to {_SAMPLE_MOST_MIB}")
    return int(text)
