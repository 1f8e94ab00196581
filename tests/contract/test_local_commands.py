"""Programs really run: deadlines, pipes, bounds. They touch nothing, so they run anywhere."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from hpcapvf.host.commands import LocalCommands
from hpcapvf.model.errors import StepFailed, WaitTimedOut

RUN = LocalCommands().run


def test_status_and_both_outputs() -> None:
    result = RUN(["sh", "-c", "echo out; echo err >&2; exit 3"], timeout_s=20)
    assert (result.returncode, result.stdout, result.stderr) == (3, "out\n", "err\n")


def test_much_goes_in_and_comes_out_without_a_deadlock() -> None:
    data = os.urandom(3 << 20)
    status, out, _ = LocalCommands().run_bytes(["cat"], timeout_s=60, stdin=data)
    assert (status, out == data) == (0, True)


def test_a_program_that_reads_nothing_is_no_error() -> None:
    assert RUN(["true"], timeout_s=20, stdin=b"x" * (1 << 20)).returncode == 0


def test_without_stdin_a_program_reads_an_end() -> None:
    assert RUN(["cat"], timeout_s=20).stdout == ""


def test_at_the_deadline_the_whole_group_ends(tmp_path: os.PathLike[str]) -> None:
    mark = f"{tmp_path}/alive"
    script = f"(sleep 3; touch {mark}) & echo started; sleep 60"
    began = time.monotonic()
    with pytest.raises(WaitTimedOut, match=r"within 1 s") as timed_out:
        RUN(["sh", "-c", script], timeout_s=1)
    assert time.monotonic() - began < 20
    assert timed_out.value.details == ("started",)
    time.sleep(3.5)
    assert not os.path.exists(mark)  # noqa: PTH110 - the child was ended too


def test_what_a_program_leaves_in_the_background_does_not_hold_us() -> None:
    began = time.monotonic()
    assert RUN(["sh", "-c", "sleep 8 & echo done"], timeout_s=60).stdout == "done\n"
    assert time.monotonic() - began < 7


def test_too_much_output_is_refused() -> None:
    with pytest.raises(StepFailed, match="printed more than"):
        LocalCommands(output_limit=1 << 20).run(["yes"], timeout_s=60)


def test_a_missing_program_is_named_and_input_is_never_shown() -> None:
    with pytest.raises(StepFailed, match="no such program: hpcapvf-nonesuch"):
        RUN(["hpcapvf-nonesuch"], timeout_s=5)
    with pytest.raises(WaitTimedOut) as timed_out:
        RUN(["sleep", "60"], timeout_s=0.3, stdin=b"secret")
    assert "secret" not in f"{timed_out.value.message} {timed_out.value.details}"


def test_programs_speak_english() -> None:
    assert "No such file" in RUN(["ls", "/nonesuch"], timeout_s=20).stderr


def test_a_program_that_was_begun_runs_beside_its_caller() -> None:
    began = time.monotonic()
    running = LocalCommands().begin(["sh", "-c", "sleep 1; echo done; exit 3"], timeout_s=30)
    assert time.monotonic() - began < 1
    result = running.wait()
    assert (result.returncode, result.stdout) == (3, "done\n")
    running.end()  # nothing to end any more


def test_a_program_that_was_begun_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    mark = tmp_path / "late"
    running = LocalCommands().begin(["sh", "-c", f"(sleep 2; touch {mark}) & wait"], timeout_s=30)
    running.end()
    time.sleep(2.5)
    assert not mark.exists()


def test_a_program_that_was_begun_has_a_deadline() -> None:
    with pytest.raises(WaitTimedOut):
        LocalCommands().begin(["sleep", "60"], timeout_s=0.5).wait()
