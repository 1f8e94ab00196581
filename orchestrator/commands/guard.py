"""``hpcapvf guard``: on its own, because a deployment waits until it is loaded."""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from hpcapvf.apply.guard import run_guard
from hpcapvf.host.machine import local_machine
from hpcapvf.model.codec import to_json
from hpcapvf.model.progress import Progress
from orchestrator.answer import Answer
from orchestrator.options import Commands, add_command


def add_commands(commands: Commands) -> None:
    """Define guard."""
    guard = add_command(
        commands, "guard", "hold the card's registers of a deployment (its service runs this)", "hpcapvf guard probe1"
    )
    guard.add_argument("name", metavar="NAME", help="the deployment")
    guard.set_defaults(handler=run_guard_service)


def run_guard_service(args: argparse.Namespace, _progress: Progress) -> Answer:
    """``hpcapvf guard``: until SIGTERM or SIGINT, which end it between two checks and are its normal end."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _signum, _frame: ended.set())

    def log(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    counts = run_guard(args.name, local_machine(), stop=ended.is_set, log=log)
    return Answer(to_json(counts))
