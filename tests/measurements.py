"""docs/measurements.md, made from docs/results/*.json: ``python -m tests.measurements``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.watching.table import markdown

DOCS = Path(__file__).parents[1] / "docs"
RESULTS = DOCS / "results"
PAGE = DOCS / "measurements.md"
HEAD = """# Measurements

Made from `docs/results/*.json` by `python -m tests.measurements`; each file holds more.
All in emulation on the machine named: they show that it works, their times say nothing about a real card.

| result | date | commit | machine | outcome |
| --- | --- | --- | --- | --- |
"""
WATCHING = RESULTS / "watching.json"
_WATCHED = """
## An agent and the VMs that it watches

`make test-watching` prints it, in the form of the thesis' Table 6.5.

"""


def _stages(found: dict[str, Any]) -> str:
    return f"{sum(stage['passed'] for stage in found['stages'])} of {len(found['stages'])} stages passed"


def _cases(found: dict[str, Any]) -> str:
    cases = found["cases"]
    passed = [case.get("passed", case.get("ok")) for case in (cases.values() if isinstance(cases, dict) else cases)]
    return f"{sum(passed)} of {len(passed)} cases passed"


def _cells(found: dict[str, Any]) -> str:
    good = sum(not cell["problems"] for cell in found["cells"].values())
    return f"{good} of {len(found['cells'])} configurations without a problem"


def _targets(found: dict[str, Any]) -> str:
    runs, findings = (sum(target[key] for target in found["targets"]) for key in ("runs", "findings"))
    return f"{runs} runs, {findings} findings"


def _builds(found: dict[str, Any]) -> str:
    return f"{len(found['builds'])} builds, {sum(len(build['warnings']) for build in found['builds'])} warnings"


def _problems(found: dict[str, Any]) -> str:
    wrong = found["problems"]
    return f"{sum(map(len, wrong.values())) if isinstance(wrong, dict) else len(wrong)} problems"


# The key by which a form of result is known -> what it says of itself.
OUTCOMES: dict[str, Callable[[dict[str, Any]], str]] = {
    "passed": lambda found: f"{found['passed']} passed, {found['failed']} failed",
    "stages": _stages,
    "cases": _cases,
    "cells": _cells,
    "targets": _targets,
    "specs": lambda found: f"{found['specs']} specs, {len(found['defects'])} defects",
    "builds": _builds,
    "disagreements": lambda found: f"{found['frames']} frames, {len(found['disagreements'])} disagreements",
    "problems": _problems,
}


def outcome(found: dict[str, Any]) -> str:
    """What a result says of itself, in a few words."""
    return next((say(found) for key, say in OUTCOMES.items() if key in found), "see the file")


def page() -> str:
    """The whole page."""
    rows = ""
    for path in sorted(RESULTS.glob("*.json")):
        found = json.loads(path.read_text())
        machine = found.get("machine")
        about = f"{machine['cpus']} CPUs, {machine['cpu']}" if isinstance(machine, dict) else "not recorded"
        commit = str(found.get("commit", "not recorded"))[:12]
        changed = ", tree changed" if found.get("changed_since") else ""
        date = str(found.get("date", "not recorded"))[:10] if found.get("date") else "not recorded"
        name = path.stem.replace("_", " ")
        rows += f"| {name} | {date} | {commit}{changed} | {about} | {outcome(found)} |\n"
    cases = json.loads(WATCHING.read_text())["cases"] if WATCHING.exists() else {}
    return HEAD + rows + _WATCHED + markdown(cases)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
