"""Answers of commands that ran elsewhere."""

from __future__ import annotations

import json

import pytest

from hpcapvf.model.errors import ExitCode, PlacementRefused
from orchestrator.answer import Answer
from orchestrator.envelope import envelope
from orchestrator.remote import ServerFailed, event_reader, must, parse_envelope


class Recorder:
    """Progress as a list."""

    def __init__(self) -> None:
        self.seen: list[tuple[object, ...]] = []

    def phase(self, name: str, detail: str = "") -> None:
        self.seen.append((name, detail))

    def advance(self, done: int, total: int, unit: str = "") -> None:
        self.seen.append((done, total, unit))


def test_an_envelope_survives_the_way() -> None:
    error = PlacementRefused("no room", hint="fewer vCPUs", details=("node 0: 1 core",))
    read = parse_envelope(json.dumps(envelope("deploy-vnp", Answer({"a": 1}, error=error))))
    assert read.exit_code is ExitCode.REFUSED
    assert read.result == {"a": 1}
    with pytest.raises(ServerFailed, match="no room") as raised:
        must(read)
    assert raised.value.exit_code is ExitCode.REFUSED
    assert raised.value.details == ("node 0: 1 core",)


@pytest.mark.parametrize("text", ["", "bash: hpcapvf: command not found", "[]", '{"schema": "other/1"}'])
def test_anything_else_is_no_envelope(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_envelope(text)


def test_events_become_progress_and_other_lines_are_left_alone() -> None:
    recorder = Recorder()
    read = event_reader(recorder)
    for line in (
        '{"event": "phase", "name": "boot", "detail": "now", "t_s": 1}',
        "Warning: something else",
        '{"event": "advance", "done": 3, "total": 5, "unit": "frames"}',
        '{"event": "advance"}',
        "[1]",
    ):
        read(line)
    assert recorder.seen == [("boot", "now"), (3, 5, "frames")]
