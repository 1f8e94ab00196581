"""Many hosts: what the playbooks told, one JSON object a line, to one report per host. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from hpcapvf.model.errors import ExitCode, HpcapvfError
from orchestrator.answer import Answer, Part, Table
from orchestrator.tables import table

EVENTS = ("task", "result", "waiting")


class HostsFailed(HpcapvfError):
    """Not every host is as it was asked to be. The exit code is the largest of theirs."""

    def __init__(self, message: str, exit_code: ExitCode, *, hint: str = "", details: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint=hint, details=details)
        self.exit_code = exit_code


@dataclass(frozen=True)
class HostReport:
    """One host. state: ``ok`` (nothing was to be done), ``changed``, ``failed`` or ``unreachable``.

    changed: the tasks that changed it, or would. reason: why it failed, empty otherwise. exit_code: of the command
    that failed there, HOST_FAILED where it was none of hpcapvf's. diff: patches of files, of a check or a run. changes:
    of the plan that a check asked for, as ``hpcapvf plan --json`` tells them.
    """

    host: str
    state: str = "ok"
    changed: tuple[str, ...] = ()
    task: str = ""
    reason: str = ""
    hint: str = ""
    details: tuple[str, ...] = field(default=())
    exit_code: ExitCode = ExitCode.OK
    diff: tuple[str, ...] = ()
    changes: tuple[dict[str, Any], ...] = ()


def parse_event(line: str) -> dict[str, Any] | None:
    """A line of the playbooks' callback, or None if it is something else, such as a warning of Ansible's."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    known = isinstance(event, dict) and event.get("event") in EVENTS and isinstance(event.get("task"), str)
    return event if known else None


def summarize(events: Iterable[dict[str, Any]]) -> tuple[HostReport, ...]:
    """Reports by host's name."""
    reports: dict[str, HostReport] = {}
    answered: dict[str, dict[str, Any]] = {}
    for event in events:
        if event["event"] != "result":
            continue
        name = str(event["host"])
        report = reports.get(name, HostReport(name))
        if event.get("exit_code"):  # the task after the command fails with it; these are its words unshortened
            answered[name] = event
        report = _differing(report, event)
        if event["status"] == "changed":
            state = "changed" if report.state == "ok" else report.state
            report = replace(report, state=state, changed=(*report.changed, place(event)))
        elif event["status"] in ("failed", "unreachable"):
            report = _failed(report, event, answered.get(name))
        reports[name] = report
    return tuple(reports[name] for name in sorted(reports))


def _differing(report: HostReport, event: dict[str, Any]) -> HostReport:
    diff, changes = event.get("diff"), event.get("changes")
    if diff:
        report = replace(report, diff=(*report.diff, str(diff)))
    if isinstance(changes, list):
        report = replace(report, changes=(*report.changes, *(one for one in changes if isinstance(one, dict))))
    return report


def _failed(report: HostReport, event: dict[str, Any], answer: dict[str, Any] | None) -> HostReport:
    state, task = str(event["status"]), place(event)
    if state == "failed" and answer is not None:
        error = answer.get("error") or {}
        return replace(
            report,
            state=state,
            task=task,
            reason=str(error.get("message") or event.get("reason", "")),
            hint=str(error.get("hint", "")),
            details=tuple(map(str, error.get("details", ()))),
            exit_code=known_code(answer["exit_code"]),
        )
    reason = str(event.get("reason", "")) or "no reason given"
    return replace(report, state=state, task=task, reason=reason, exit_code=ExitCode.HOST_FAILED)


def known_code(number: int) -> ExitCode:
    """The exit code of this number; INTERNAL for one that only another version knows."""
    return ExitCode(number) if number in set(ExitCode) else ExitCode.INTERNAL


def place(event: dict[str, Any]) -> str:
    """Role and task in one text."""
    return f"{event['role']}: {event['task']}" if event.get("role") else str(event["task"])


def fleet_answer(reports: tuple[HostReport, ...], *, dry_run: bool) -> Answer:
    """The envelope's result: a host's report under its name, and how many are in each state."""
    hosts = {
        report.host: {
            "state": report.state,
            "changed": list(report.changed),
            "task": report.task,
            "reason": report.reason,
            "hint": report.hint,
            "details": list(report.details),
            "exit_code": int(report.exit_code),
            "diff": list(report.diff),
            "changes": list(report.changes),
        }
        for report in reports
    }
    states = [report.state for report in reports]
    counts = {state: states.count(state) for state in ("ok", "changed", "failed", "unreachable")}
    result = {"dry_run": dry_run, "changed": any(report.changed for report in reports), "counts": counts}
    shown: list[Part] = [show_hosts(reports, dry_run=dry_run), *filter(None, map(show_diff, reports))]
    return Answer(result | {"hosts": hosts}, shown=tuple(shown), error=failure_of(reports))


def show_diff(report: HostReport) -> str:
    """What of a host's files and plan is, or would be, different; empty if nothing is known of it."""
    rows = [f"  {change.get('place')}: {change.get('before')} -> {change.get('after')}" for change in report.changes]
    lines = [line for text in report.diff for line in text.splitlines() if line]
    return "\n".join((f"{report.host}:", *lines, *rows)) if lines or rows else ""


def failure_of(reports: tuple[HostReport, ...]) -> HostsFailed | None:
    """The error of a run in which a host failed; it names each with its reason."""
    bad = [report for report in reports if report.exit_code is not ExitCode.OK]
    if not bad:
        return None
    details = [f"{report.host}: {said(report)}" for report in bad]
    hint = bad[0].hint if len(bad) == 1 else "each host is listed above with its reason; the others were gone on with"
    worst = max(report.exit_code for report in bad)
    return HostsFailed(f"{len(bad)} of {len(reports)} hosts failed", worst, hint=hint, details=tuple(details))


def said(report: HostReport) -> str:
    """What is wrong with a host, in one line."""
    if report.state == "unreachable":
        return f"cannot be reached: {report.reason}".strip()
    return "; ".join((f"{report.task}: {report.reason}", *report.details))


def show_hosts(reports: tuple[HostReport, ...], *, dry_run: bool) -> Table:
    """One line per host."""
    rows = [
        (report.host, report.state, len(report.changed), said(report) if report.exit_code else _changes(report))
        for report in reports
    ]
    return table("hosts", ("host", "state", "would change" if dry_run else "changes", ""), rows)


def _changes(report: HostReport) -> str:
    return "; ".join(report.changed)
