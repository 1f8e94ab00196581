"""``hpcapvf metrics``: how the deployments of this host fare, for Prometheus."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from hpcapvf.host.machine import local_machine
from hpcapvf.host.protocols import Machine
from hpcapvf.model.codec import to_json
from hpcapvf.model.errors import HpcapvfError
from hpcapvf.model.progress import Progress
from hpcapvf.verify.metrics import Sample, render_metrics, samples_of
from orchestrator.answer import Answer
from orchestrator.options import Commands, add_command, seconds_at_least
from orchestrator.watching import Watcher

_WAIT_S = 10.0
# What goes with the metrics, by the word that prints it: files of playbooks/monitoring.
SHIPPED = {"alerts": "alerts.yml", "dashboard": "dashboard.json", "service": "hpcapvf-metrics.service"}


def add_commands(commands: Commands) -> None:
    """Define metrics."""
    metrics = add_command(
        commands,
        "metrics",
        "print how the deployments of this host fare as Prometheus metrics, or write them to a file",
        "hpcapvf metrics",
        "hpcapvf metrics --textfile /var/lib/prometheus/node-exporter/hpcapvf.prom --every 15",
        "hpcapvf metrics --print alerts > /etc/prometheus/hpcapvf-alerts.yml",
    )
    metrics.add_argument(
        "--textfile", metavar="FILE", help="write to FILE, replaced as a whole, for node_exporter's textfile collector"
    )
    metrics.add_argument(
        "--every",
        metavar="SECONDS",
        type=seconds_at_least(1),
        help="with --textfile: go on until SIGTERM or SIGINT, and take FILE away at the end, since it would grow old",
    )
    metrics.add_argument(
        "--wait",
        metavar="SECONDS",
        type=seconds_at_least(1),
        default=_WAIT_S,
        help="how long a guest may take to answer (default: %(default)g); then hpcapvf_up is 0 and its part is absent",
    )
    metrics.add_argument(
        "--print",
        choices=sorted(SHIPPED),
        dest="shipped",
        help="print what goes with the metrics and end: alert rules, a Grafana dashboard, a systemd service",
    )
    metrics.set_defaults(handler=run_metrics, usage_error=metrics.error)


def run_metrics(args: argparse.Namespace, progress: Progress) -> Answer:
    """``hpcapvf metrics``."""
    if args.every is not None and args.textfile is None:
        args.usage_error("--every needs --textfile FILE")
    if args.shipped:
        text = shipped_text(args.shipped)
        return Answer({"file": SHIPPED[args.shipped], "text": text}, shown=(text.rstrip("\n"),))
    watcher, machine = Watcher(local_machine, wait_s=args.wait), local_machine()
    if args.textfile is None:
        progress.phase("read deployments")
        samples = samples_of(watcher.look(), machine.clock.wall())
        return Answer(_result(samples), shown=(render_metrics(samples).rstrip("\n"),))
    path = str(Path(args.textfile).absolute())
    if args.every is None:
        progress.phase("read deployments")
        samples = write_once(watcher, machine, path)
        return Answer(_result(samples) | {"file": path}, shown=(f"{len(samples)} values in {path}",))
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _signum, _frame: ended.set())
    rounds = write_every(watcher, machine, path, every_s=args.every, ended=ended)
    return Answer({"file": path, "rounds": rounds}, shown=(f"written {rounds} times; {path} is taken away",))


def shipped_text(word: str) -> str:
    """The file that goes by this word."""
    from orchestrator.playbooks import playbooks_folder  # noqa: PLC0415 - slow to load, and the metrics need none of it

    return (playbooks_folder() / "monitoring" / SHIPPED[word]).read_text(encoding="utf-8")


def write_once(watcher: Watcher, machine: Machine, path: str) -> tuple[Sample, ...]:
    """Read everything and replace the file, which any user may read."""
    samples = samples_of(watcher.look(), machine.clock.wall())
    machine.files.replace(path, render_metrics(samples).encode(), mode=0o644)
    return samples


def write_every(watcher: Watcher, machine: Machine, path: str, *, every_s: float, ended: threading.Event) -> int:
    """Until ended is set; how often the file was written. A full disk or a folder that is gone is told on standard
    error, once for each reason, and tried again."""
    rounds, said = 0, ""
    due = machine.clock.monotonic()
    try:
        while not ended.is_set():
            try:
                write_once(watcher, machine, path)
                rounds, said = rounds + 1, ""
            except HpcapvfError as error:
                if error.message != said:
                    print(f"metrics: {error.message}", file=sys.stderr, flush=True)
                said = error.message
            due = max(due + every_s, machine.clock.monotonic())
            ended.wait(due - machine.clock.monotonic())
    finally:
        machine.files.remove(path)
    return rounds


def _result(samples: tuple[Sample, ...]) -> dict[str, object]:
    return {"metrics": to_json(samples)}
