"""``hpcapvf top``: rates, loss, listeners, ring and disk of every deployment, again and again."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from hpcapvf.host.machine import local_machine
from hpcapvf.model.codec import to_json
from hpcapvf.model.progress import Progress
from hpcapvf.verify.status import DROPS, CaptureRates, DeploymentStatus
from orchestrator.answer import Answer, Table
from orchestrator.commands.status import say_duration, say_fill
from orchestrator.options import Commands, add_command, seconds_at_least
from orchestrator.progress import can_repaint
from orchestrator.tables import table
from orchestrator.watching import Watcher

_INTERVAL_S = 2.0
_WAIT_S = 10.0
_COLUMNS = (
    "name", "state", "frames/s", "Mbit/s", "lost/s", "lost", "missed by card", "listeners", "ring", "free", "full in",
)  # fmt: skip
_NONE = "no deployments on this host"
Show = Callable[[Sequence[DeploymentStatus]], None]


def add_commands(commands: Commands) -> None:
    """Define top."""
    top = add_command(
        commands,
        "top",
        "watch the rates, losses, listeners, ring and disk of every deployment",
        "hpcapvf top",
        "hpcapvf top --once --json",
        "hpcapvf top --interval 10 | tee -a probes.log",
    )
    top.add_argument("--once", action="store_true", help="look once and end; so does --json")
    top.add_argument(
        "--interval",
        metavar="SECONDS",
        type=seconds_at_least(0.1),
        default=_INTERVAL_S,
        help="from the begin of one look to the next (default: %(default)g); a look takes a second at least",
    )
    top.add_argument(
        "--wait",
        metavar="SECONDS",
        type=seconds_at_least(1),
        default=_WAIT_S,
        help="how long a guest may take to answer (default: %(default)g); then its part is unknown",
    )
    top.set_defaults(handler=run_top)


def run_top(args: argparse.Namespace, progress: Progress) -> Answer:
    """``hpcapvf top``: repainted on a terminal, lines elsewhere; the interrupt key and a closed pipe end it well."""
    look = Watcher(local_machine, wait_s=args.wait).look
    if args.once or args.json:
        progress.phase("read deployments")
        statuses = look()
        return Answer({"deployments": to_json(statuses)}, shown=(show_top(statuses),))
    last: tuple[DeploymentStatus, ...] = ()
    try:
        with _shown_on(sys.stdout) as show:
            while True:
                begun = time.monotonic()
                last = look()
                show(last)
                time.sleep(max(0.0, begun + args.interval - time.monotonic()))
    except (KeyboardInterrupt, BrokenPipeError):
        pass
    result = {"deployments": to_json(last)}
    # What stood on the screen goes with it; lines are printed already.
    return Answer(result, shown=(show_top(last),) if last and can_repaint(sys.stdout) else ())


def show_top(statuses: Sequence[DeploymentStatus]) -> Table:
    """One line per deployment."""
    return table("deployments" if statuses else _NONE, _COLUMNS, map(_row, statuses))


def line_of(status: DeploymentStatus, now: float) -> str:
    """One deployment as words ``name=value``, with the time; for logs. What is unknown is left out."""
    words: dict[str, object] = {"guest": status.guest, "card_missed": status.nic_missed}
    capture = status.capture
    if capture is not None:
        words |= {
            "frames_per_s": round(capture.per_s.get("received", 0)),
            "bits_per_s": round(8 * capture.per_s.get("received_bytes", 0)),
            "lost_per_s": round(capture.drops_per_s),
            "lost": _lost(capture),
            "listeners": capture.listeners,
            "ring_held_bytes": capture.ring_held_bytes,
            "ring_bytes": capture.ring_bytes,
            "service": capture.unit,
            "free_bytes": capture.free_bytes,
        }
    return " ".join(
        [_stamp(now), status.name, *(f"{key}={value}" for key, value in words.items() if value is not None)]
    )


def _stamp(now: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))


def _row(status: DeploymentStatus) -> tuple[object, ...]:
    capture = status.capture
    if capture is None:
        return (status.name, status.guest, None, None, None, None, status.nic_missed, *[None] * 4)
    return (
        status.name,
        "captures" if capture.unit == "active" else f"capture {capture.unit}",
        f"{capture.per_s.get('received', 0):.0f}",
        f"{8e-6 * capture.per_s.get('received_bytes', 0):.2f}",
        f"{capture.drops_per_s:.0f}",
        _lost(capture),
        status.nic_missed,
        capture.listeners,
        say_fill(capture.ring_held_bytes, capture.ring_bytes),
        None if capture.free_bytes is None else f"{capture.free_bytes >> 20} MiB",
        say_duration(capture.full_in_s),
    )


def _lost(capture: CaptureRates) -> int:
    """Since the driver took the VF; what the card missed is not among it."""
    return sum(capture.counters.get(name, 0) for name in DROPS)


@contextmanager
def _shown_on(stream: TextIO) -> Iterator[Show]:
    if can_repaint(stream):
        from orchestrator.terminal import repainted  # noqa: PLC0415 - slow to load, and lines need none of it

        with repainted(stream) as paint:
            yield lambda statuses: paint((show_top(statuses),))
        return

    def lines(statuses: Sequence[DeploymentStatus]) -> None:
        now = time.time()
        for line in [line_of(status, now) for status in statuses] or [f"{_stamp(now)} {_NONE}"]:
            stream.write(line + "\n")
        stream.flush()

    yield lines
