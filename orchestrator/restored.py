"""What a destruction put back, in words, from the journal: each step that was undone and what was there before it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hpcapvf.model.codec import from_json
from hpcapvf.model.steps import Step

_VALUES_TOLD = 5


def put_back_lines(events: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    """Pairs of the step's text and what is there again, last undone last. Steps that were not undone are left out."""
    before: dict[int, tuple[Step, dict[str, Any]]] = {}
    lines = []
    for event in events:
        if event["event"] == "begin":
            step: Step = from_json(Step, event["step"])
            before[event["index"]] = (step, dict(event["before"]))
        elif event["event"] == "amend" and event["index"] in before:
            step, known = before[event["index"]]
            before[event["index"]] = (step, dict(event["before"]) | known)
        elif event["event"] == "inherit":
            known = before[event["index"]][1] if event["index"] in before else {}
            step = from_json(Step, event["step"]) if "step" in event else before[event["index"]][0]
            before[event["index"]] = (step, known | dict(event["before"]))
        elif event["event"] == "handed-over":
            before.pop(event["index"], None)
        elif event["event"] == "undone" and event["index"] in before:
            step, known = before.pop(event["index"])
            lines.append((step.describe(), say_before(known)))
    return tuple(lines)


def say_before(before: Mapping[str, Any]) -> str:
    """A journal's ``before`` in a few words; nothing if there was nothing to remember."""
    if len(before) > _VALUES_TOLD:
        return f"{len(before)} values as before"
    return ", ".join(f"{name}: {_value(value)}" for name, value in before.items())


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
