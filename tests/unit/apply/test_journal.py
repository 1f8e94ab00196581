"""The journal as text: what is folded, what is tolerated, what is not."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from hpcapvf.apply.handler import Trace
from hpcapvf.apply.journal import Journal, read_events, to_undo
from hpcapvf.model.errors import FileFailed, HpcapvfError
from hpcapvf.model.steps import SetLink
from tests.fakes.machine import FakeMachine, fake_machine

PATH = "/var/lib/hpcapvf/deployments/x/journal.jsonl"
STEP = SetLink("enp2s0")
BEGIN = '{"event":"begin","at":1.5,"index":0,"step":{"kind":"set-link","interface":"enp2s0"},"before":{}}\n'


@pytest.fixture
def fake(tmp_path: Path) -> FakeMachine:
    return fake_machine(tmp_path)


def opened(fake: FakeMachine) -> Journal:
    journal = Journal(fake.files, fake.clock, PATH)
    journal.open("x", "0" * 64, "boot-1")
    return journal


def left(fake: FakeMachine) -> list[tuple[int, Trace]]:
    return [(b.index, b.trace) for b in to_undo(read_events(fake.files, PATH), PATH)]


def test_steps_come_back_last_first_with_what_was_before_and_after(fake: FakeMachine) -> None:
    journal = opened(fake)
    journal.write("begin", index=0, step=STEP, before={"up": False})
    journal.write("done", index=0, after={"a": 1}, seconds=0.1)
    journal.write("skipped", index=1, kind="set-pause", why="as wanted")
    journal.write("begin", index=2, step=STEP, before={"up": True})
    journal.write("failed", index=2, message="no")
    assert left(fake) == [(2, Trace({"up": True}, None)), (0, Trace({"up": False}, {"a": 1}))]
    assert to_undo(read_events(fake.files, PATH), PATH)[0].step == STEP


def test_undone_steps_are_gone_and_failed_undos_stay(fake: FakeMachine) -> None:
    journal = opened(fake)
    for index in (0, 1):
        journal.write("begin", index=index, step=STEP, before={})
    journal.write("undo-begin", index=1)
    journal.write("undone", index=1, notes=[])
    journal.write("undo-begin", index=0)
    journal.write("undo-failed", index=0, message="busy")
    assert left(fake) == [(0, Trace({}, None))]


def test_amend_adds_keys_and_never_replaces_one(fake: FakeMachine) -> None:
    journal = opened(fake)
    journal.write("begin", index=0, step=STEP, before={"a": 1})
    journal.write("done", index=0, after={})
    journal.write("amend", index=0, before={"a": 9, "b": 2})
    assert left(fake) == [(0, Trace({"a": 1, "b": 2}, {}))]


def test_torn_last_line_is_ignored_and_mended_before_the_next(fake: FakeMachine) -> None:
    journal = opened(fake)
    journal.write("begin", index=0, step=STEP, before={})
    place = fake.root / PATH.lstrip("/")
    place.write_text(place.read_text() + '{"event":"done","ind')
    assert left(fake) == [(0, Trace({}, None))]
    journal.go_on("boot-1")
    journal.write("undone", index=0, notes=[])
    assert left(fake) == []


@pytest.mark.parametrize(
    "text",
    [
        '{"event":"open","version":1}\nnonsense\n{"event":"undone","index":0}\n',
        '{"event":"open","version":0}\n',
        '{"event":"begin","index":0}\n',
        '{"event":"open","version":1}\n{"event":"begin","index":0,"step":{"kind":"dance"},"before":{}}\n',
        '{"event":"open","version":1}\n{"event":"begin","index":0}\n',
        '{"event":"open","version":1}\nnonsense\n',
        '{"event":"open","version":1}\n' + BEGIN + BEGIN.replace('"index":0', '"index":"0"'),
        '{"event":"open","version":1}\n' + BEGIN.replace('"enp2s0"', "7"),
        '{"event":"open","version":1}\n' + BEGIN.replace('"at":1.5', '"at":"x"'),
        '{"event":"open","version":1}\n{"event":"begin","at":1.5,"index":0,"step":'
        '{"kind":"bind-driver","device":7,"driver":"vfio-pci"},"before":{}}\n',
    ],
    ids=["middle", "version", "no-open", "unknown-step", "no-step", "last-but-whole", "index", "step", "at", "address"],
)
def test_damage_is_an_error_never_a_guess(fake: FakeMachine, text: str) -> None:
    fake.files.replace(PATH, text.encode())
    with pytest.raises(HpcapvfError, match="cannot be used") as caught:
        left(fake)
    assert "by hand" in caught.value.hint


def test_no_journal_is_nothing_to_undo(fake: FakeMachine) -> None:
    assert left(fake) == []


def test_the_journal_of_a_newer_program_names_both_versions(fake: FakeMachine) -> None:
    fake.files.replace(PATH, b'{"event":"open","version":2}\n')
    with pytest.raises(HpcapvfError, match="it has version 2, and this program knows 1") as caught:
        left(fake)
    assert "a newer hpcapvf" in caught.value.hint


def test_steps_know_the_boot_in_which_they_were_begun(fake: FakeMachine) -> None:
    journal = opened(fake)
    journal.write("begin", index=0, step=STEP, before={})
    journal.write("begin", index=1, step=STEP, before={"old": 1})
    journal.go_on("boot-1")
    journal.go_on("boot-2")
    journal.go_on("boot-2")
    journal.write("begin", index=1, step=STEP, before={"new": 1})
    events = read_events(fake.files, PATH)
    assert [event["boot_id"] for event in events if event["event"] == "boot"] == ["boot-2"]
    found = [(b.index, b.boot_id, b.trace.before) for b in to_undo(events, PATH)]
    assert found == [(1, "boot-2", {"new": 1}), (0, "boot-1", {})]


def test_a_line_that_does_not_fit_leaves_nothing(fake: FakeMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk takes half of the line, as write(2) may."""
    journal = opened(fake)
    before = fake.files.read_text(PATH)
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if len(data) < 30:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data[: len(data) // 2])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(FileFailed, match="No space left"):
            journal.write("begin", index=0, step=STEP, before={})
    assert fake.files.read_text(PATH) == before
    journal.write("begin", index=0, step=STEP, before={})
    assert left(fake) == [(0, Trace({}, None))]
