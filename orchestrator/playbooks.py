"""Runs the site playbook with the Ansible of this Python's own environment, and passes its progress on."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orchestrator
from hpcapvf.lab.stream import run_streaming
from hpcapvf.model.errors import ExitCode, HpcapvfError, NotFound
from hpcapvf.model.progress import Progress
from orchestrator.answer import Answer
from orchestrator.fleet import fleet_answer, parse_event, place, summarize

PLAYBOOKS = "playbooks"
CALLBACK = "hpcapvf_lines"
# A host's own deadlines (reboot, deployment) are shorter and say more; this one ends what they cannot.
TIMEOUT_S = 4 * 3600.0


class CannotRun(HpcapvfError):
    """Ansible is not there, or what it was given cannot be used."""

    exit_code = ExitCode.USAGE


def playbooks_folder() -> Path:
    """The playbooks beside the packages in a source tree, inside this package when installed."""
    package = Path(orchestrator.__file__).parent
    for folder in (package.parent / PLAYBOOKS, package / PLAYBOOKS):
        if (folder / "site.yml").is_file():
            return folder
    raise NotFound("this installation has no playbooks", hint="use a source tree, or install the package again")


def run_on_hosts(args: argparse.Namespace, progress: Progress) -> Answer:
    """``-i INVENTORY SPEC`` of the deploying commands: every host of the inventory, or those that ``--limit`` names."""
    folder = playbooks_folder()
    argv = playbook_command(args, folder)
    events: list[dict[str, Any]] = []
    progress.phase("ansible", f"{PLAYBOOKS}/site.yml for {args.inventory}")
    result = run_streaming(
        argv, on_line=event_reader(events, progress), timeout_s=TIMEOUT_S, env=ansible_environment(folder)
    )
    answer = fleet_answer(summarize(events), dry_run=args.dry_run)
    if not answer.result["hosts"] or (result.returncode != 0 and answer.error is None):
        raise CannotRun(
            "Ansible could not run the playbook" if result.returncode else "the inventory names no host to deploy to",
            hint=f"hosts belong into the group hypervisors of {args.inventory}; --limit may leave none of them",
            details=tuple(line for line in result.error_text.splitlines() if line and parse_event(line) is None),
        )
    return answer


def playbook_command(args: argparse.Namespace, folder: Path) -> list[str]:
    """The ansible-playbook command line. CannotRun or NotFound before anything is started."""
    spec, inventory = Path(args.spec), Path(args.inventory)
    if importlib.util.find_spec("ansible") is None:
        raise CannotRun(
            "Ansible is not installed beside this program", hint="pip install ansible-core, or apt install ansible-core"
        )
    if args.pcap:
        raise CannotRun("--pcap names files of one host", hint="with --inventory use --source and its own frames")
    if args.rate:
        raise CannotRun("--rate is for one host", hint="with --inventory the wire keeps its own pace")
    for what, path in (("spec file", spec), ("inventory", inventory)):
        if not path.exists():
            raise NotFound(f"no {what} {path}", hint="inventory/example.yml shows one" if path == inventory else "")
    variables = {
        "hpcapvf_spec": str(spec.resolve()),
        "hpcapvf_source": args.source,
        "hpcapvf_force": args.force,
        "hpcapvf_kind": args.command_name.removeprefix("deploy-"),
    }
    if getattr(args, "ttl", None):  # only an agent's command has it
        variables["hpcapvf_ttl"] = args.ttl
    argv = [sys.executable, "-m", "ansible", "playbook", "--inventory", str(inventory.resolve())]
    argv += ["--extra-vars", json.dumps(variables)]
    argv += ["--limit", args.limit] if args.limit else []
    argv += ["--check", "--diff"] if args.dry_run else []
    return [*argv, str(folder / "site.yml")]


def ansible_environment(folder: Path) -> dict[str, str]:
    """The user's own Ansible settings hold, except for how results are told."""
    return dict(os.environ) | {
        "ANSIBLE_STDOUT_CALLBACK": CALLBACK,
        "ANSIBLE_CALLBACK_PLUGINS": str(folder / "callback_plugins"),
        "ANSIBLE_RETRY_FILES_ENABLED": "0",
        "ANSIBLE_NOCOLOR": "1",
        "LC_ALL": "C.UTF-8",  # Ansible refuses to run in any other encoding
    }


def event_reader(events: list[dict[str, Any]], progress: Progress) -> Callable[[str], None]:
    """Reads the callback's lines: each task is a phase; a host that waits or failed is named as it happens."""

    def read(line: str) -> None:
        event = parse_event(line)
        if event is None:
            return
        events.append(event)
        if event["event"] == "task":
            progress.phase(place(event))
        elif event.get("status") in ("failed", "unreachable"):
            progress.phase(f"{event['host']} {event['status']}", str(event.get("reason", "")).partition("\n")[0])

    return read
