"""``hpcapvf fetch``: a range of time of a probe's captures, as one pcapng file."""

from __future__ import annotations

import argparse

from hpcapvf.apply.state import read_deployment
from hpcapvf.host.machine import local_machine
from hpcapvf.host.protocols import Machine
from hpcapvf.model.codec import to_json
from hpcapvf.model.errors import ProofFailed
from hpcapvf.model.plan import Advice
from hpcapvf.model.progress import Progress
from hpcapvf.verify.conversion import Retrieved, Wish
from hpcapvf.verify.retrieve import retrieve
from orchestrator.answer import Answer
from orchestrator.files import open_new_file
from orchestrator.moments import LOOKS_LIKE_A_TIME, parse_moment, say_moment
from orchestrator.options import Commands, add_command
from orchestrator.tables import pairs

_FAULTY = "some of what was stored could not be read"


def add_commands(commands: Commands) -> None:
    """Define fetch."""
    fetch = add_command(
        commands,
        "fetch",
        "bring a range of time of a probe's captures here as one pcapng file",
        "hpcapvf fetch probe1 --from -10min -o last.pcapng",
        "hpcapvf fetch probe1 --from 2026-01-31T12:00Z --to 2026-01-31T12:05Z --filter 'tcp port 443' -o a.pcapng",
    )
    fetch._negative_number_matcher = LOOKS_LIKE_A_TIME  # else argparse takes -10min for an option
    fetch.add_argument("name", metavar="NAME", help="the deployment")
    fetch.add_argument(
        "--from",
        dest="begin",
        metavar="TIME",
        type=parse_moment,
        help="frames of this time and later: RFC 3339 (UTC without an offset), or before the guest's now: -30s, "
        "-10min, -2h, -1d (default: the oldest)",
    )
    fetch.add_argument(
        "--to", dest="end", metavar="TIME", type=parse_moment, help="frames before this time (default: all up to now)"
    )
    fetch.add_argument(
        "--filter",
        dest="expression",
        metavar="EXPR",
        default="",
        help="only frames that match, in the language of pcap-filter(7); the guest needs libpcap",
    )
    fetch.add_argument("-o", "--output", metavar="FILE", required=True, help="the file to make; it must not exist yet")
    fetch.set_defaults(handler=run_fetch)


def run_fetch(args: argparse.Namespace, progress: Progress) -> Answer:
    """``hpcapvf fetch``."""
    wish = Wish(args.begin, args.end, args.expression)
    return fetch_answer(args.name, wish, args.output, local_machine(), progress)


def fetch_answer(name: str, wish: Wish, output: str, machine: Machine, progress: Progress) -> Answer:
    """Fetch into a file that appears only when it is whole. ProofFailed (exit code 1) with the file kept if captures
    had faults."""
    plan = read_deployment(name, machine.files).plan
    with open_new_file(output) as file:
        found = retrieve(plan, machine, wish, file.write, progress)
    rows: list[tuple[str, object]] = [
        ("file", output),
        ("from", say_moment(found.from_ns) or "the oldest"),
        ("to", say_moment(found.to_ns) or "now"),
        ("frames", f"{found.frames} of {found.frames_looked_at} in {len(found.files)} files"),
        ("bytes", found.bytes_written),
    ]
    result = {"name": name, "output": output, "filter": wish.expression} | to_json(found)
    return Answer(result, shown=(pairs(f"fetched from {name}", rows),), warnings=_warnings(found), error=_error(found))


def _warnings(found: Retrieved) -> tuple[Advice, ...]:
    if len(found.queues) < 2:
        return ()
    names = ", ".join(found.queues)
    text = f"frames of several queues ({names}) stand one queue after the other: reordercap puts them into order"
    return (Advice(text, "hpcapdd(1): files are per interface and queue"),)


def _error(found: Retrieved) -> ProofFailed | None:
    if found.status == 0:
        return None
    return ProofFailed(_FAULTY, hint="the file holds all that could be told apart", details=found.complaints)
