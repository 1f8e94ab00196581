"""``hpcapvf doctor``: what stands in a deployment's way on this host, or on a recorded one. It changes nothing."""

from __future__ import annotations

import argparse
from collections import Counter

from hpcapvf.doctor import examine
from hpcapvf.host.machine import local_machine
from hpcapvf.model.codec import to_json
from hpcapvf.model.errors import NotCapable
from hpcapvf.model.progress import Progress
from hpcapvf.model.vitals import Diagnosis, Verdict
from hpcapvf.probe import probe_host
from hpcapvf.probe.vitals import probe_vitals
from orchestrator.answer import Answer, Part
from orchestrator.commands.inspect import recorded_files
from orchestrator.options import Commands, add_command
from orchestrator.tables import table

_WORST_FIRST = (Verdict.FAULT, Verdict.WARNING, Verdict.UNKNOWN, Verdict.OK)


def add_commands(commands: Commands) -> None:
    """Define doctor."""
    doctor = add_command(
        commands,
        "doctor",
        "say what stands in a deployment's way on this host, why, and what helps; change nothing; exit code 4 if "
        "there is a fault",
        "hpcapvf doctor",
        "hpcapvf doctor --json",
        "hpcapvf doctor --root recorded/",
    )
    doctor.add_argument("--root", metavar="DIR", help="read a recorded /proc and /sys tree instead of this host")
    doctor.set_defaults(handler=run_doctor)


def run_doctor(args: argparse.Namespace, progress: Progress) -> Answer:
    """``hpcapvf doctor``."""
    progress.phase("examine host", args.root or "")
    if args.root:
        files = recorded_files(args.root)
        host = probe_host(files, progress=progress)
        return doctor_answer(host.hostname, examine(host, probe_vitals(files, host)))
    machine = local_machine()
    host = probe_host(machine.files, commands=machine.commands, hypervisor=machine.hypervisor, progress=progress)
    return doctor_answer(host.hostname, examine(host, probe_vitals(machine.files, host, commands=machine.commands)))


def doctor_answer(hostname: str | None, findings: tuple[Diagnosis, ...]) -> Answer:
    """All findings; NotCapable with those that are faults."""
    counts = Counter(finding.verdict for finding in findings)
    faults = [f for f in findings if f.verdict is Verdict.FAULT]
    error = None
    if faults:
        error = NotCapable(
            f"{len(faults)} of {len(findings)} checks found a fault",
            hint="each names its remedy above; `hpcapvf plan SPEC` says whether a deployment is refused",
            details=tuple(f"{f.check}: {f.found}: {f.cause}" for f in faults),
        )
    result = {
        "hostname": hostname,
        "counts": {verdict.value: counts[verdict] for verdict in _WORST_FIRST},
        "findings": [to_json(finding) for finding in findings],
    }
    return Answer(result, shown=show_diagnoses(findings), error=error)


def show_diagnoses(findings: tuple[Diagnosis, ...]) -> tuple[Part, ...]:
    """The checks in a table, then a paragraph for each that is not ok, worst first: remedies are to be copied whole."""
    rows = [(str(f.verdict), f.check, f.found) for f in findings]
    parts: list[Part] = [table("examination", ("", "check", "found"), rows)]
    for verdict in _WORST_FIRST[:-1]:
        parts += [_paragraph(finding) for finding in findings if finding.verdict is verdict]
    return tuple(parts)


def _paragraph(finding: Diagnosis) -> str:
    return (
        f"{finding.verdict}: {finding.check}: {finding.found}\n"
        f"  why:    {finding.cause}\n  remedy: {finding.remedy}\n  source: {finding.source}"
    )
