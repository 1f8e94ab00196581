"""Whatever a test of a command makes it print as JSON is held against that command's schema."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from orchestrator.answer import Answer
from orchestrator.envelope import envelope
from orchestrator.result_schema import envelope_schema, told_commands


@cache
def validator(command: str) -> Draft202012Validator:
    """Of the envelope of a command."""
    return Draft202012Validator(envelope_schema(command))


def breaches(command: str, told: dict[str, Any]) -> list[str]:
    """Where an envelope is not as its schema says; of alternatives those that came nearest."""
    return [
        f"{'/'.join(map(str, inner.absolute_path))}: {inner.message[:300]}"
        for error in validator(command).iter_errors(told)
        for inner in (error.context or [error])
    ]


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """All envelopes that commands print in a test; each fits its schema. Commands of a test's own have none."""
    seen: list[dict[str, Any]] = []

    def checked(command: str, answer: Answer) -> dict[str, Any]:
        found = envelope(command, answer)
        if command in told_commands():
            seen.append(found)
            assert not breaches(command, found)
        return found

    monkeypatch.setattr("orchestrator.runner.envelope", checked)
    return seen
