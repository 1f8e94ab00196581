"""Several programs in one round trip, by a real shell and a real tar; ssh only carries the script to them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from hpcapvf.host.commands import LocalCommands
from hpcapvf.host.protocols import CommandResult, Job, NewFile
from hpcapvf.host.round_trip import UNPACK, results_of, script_of, tar_of
from hpcapvf.model.errors import StepFailed

MARK = "hpcapvf-0123456789abcdef"


def run(jobs: Sequence[Job], files: Sequence[NewFile] = (), shell: str = "sh") -> tuple[CommandResult, ...]:
    todo = (UNPACK, *jobs) if files else tuple(jobs)
    script = script_of(todo, MARK, unpacks=bool(files))
    stdin = tar_of(files) if files else None
    _, out, err = LocalCommands().run_bytes([shell, "-c", script], timeout_s=60, stdin=stdin)
    return results_of(todo, MARK, out, err)


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_each_program_has_its_own_status_output_and_complaints(shell: str) -> None:
    jobs = [
        Job(("printf", "%s|", "a b", "$HOME", "it's", "")),
        Job(("sh", "-c", "echo out; echo err >&2; exit 7")),
        Job(("true",)),
        Job(("printf", "no newline at the end")),
        Job(("no-such-program-here",)),
        Job(("printf", r"a\n\nb\n")),
    ]
    found = run(jobs, shell=shell)
    assert [r.argv for r in found] == [job.argv for job in jobs]
    assert [r.returncode for r in found] == [0, 7, 0, 0, 127, 0]
    assert [r.stdout for r in found] == ["a b|$HOME|it's||", "out\n", "", "no newline at the end", "", "a\n\nb\n"]
    assert found[1].stderr == "err\n"
    assert "no-such-program-here" in found[4].stderr
    assert [found[n].stderr for n in (0, 2, 3, 5)] == ["", "", "", ""]


def test_a_program_is_given_its_own_input_and_nobody_elses(tmp_path: Path) -> None:
    path = str(tmp_path / "attribute")
    text = 'it\'s 100 % \\n $HOME `id` "quoted"\nsecond line'
    _, read, rest = run([Job(("tee", path), stdin=text), Job(("cat", path)), Job(("cat",))])
    assert read.stdout == text
    assert rest.stdout == ""
    assert (tmp_path / "attribute").read_text() == text


def test_nothing_runs_after_a_needed_program_that_failed(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    found = run([Job(("false",)), Job(("false",), needed=True), Job(("touch", str(mark)))])
    assert [r.returncode for r in found] == [1, 1]
    assert not mark.exists()


def test_files_are_there_before_the_first_program_runs(tmp_path: Path) -> None:
    path = f"{tmp_path}/new folder/a file's name"
    data = bytes(range(256)) * 2048
    files = [NewFile(path, data, 0o640), NewFile(f"{tmp_path}/tool", b"#!/bin/sh\necho made\n", 0o755)]
    size, made = run([Job(("stat", "-c", "%s %a", path)), Job((f"{tmp_path}/tool",))], files)[1:]
    assert (size.stdout, made.stdout) == (f"{len(data)} 640\n", "made\n")
    assert Path(path).read_bytes() == data


def test_a_file_that_is_in_use_is_replaced_and_not_written_into(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", tool)
    before = tool.stat().st_ino
    with subprocess.Popen([str(tool), "60"]) as busy:
        assert run([], [NewFile(str(tool), b"new", 0o755)])[0].returncode == 0
        busy.kill()
    assert tool.read_bytes() == b"new"
    assert tool.stat().st_ino != before


def test_files_that_cannot_be_written_are_told_and_nothing_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    ran = tmp_path / "ran"
    found = run([Job(("touch", str(ran)))], [NewFile(f"{tmp_path}/file/below", b"x")])
    assert len(found) == 1 and found[0].returncode != 0 and "below" in found[0].stderr
    assert not ran.exists()


def test_a_shell_that_ends_in_the_middle_is_no_answer() -> None:
    with pytest.raises(StepFailed, match=r"broke off after 1 of 3"):
        run([Job(("true",)), Job(("sh", "-c", "kill -9 $PPID; sleep 5")), Job(("true",))])


def test_what_no_script_can_say_is_refused() -> None:
    with pytest.raises(StepFailed, match="not a command"):
        script_of([Job(("tee", "x"), stdin="a\0b")], MARK, unpacks=False)


@pytest.mark.parametrize("kept", range(1, len(MARK) + 5))
def test_an_answer_that_was_cut_anywhere_is_no_answer(kept: int) -> None:
    jobs = [Job(("true",)), Job(("false",))]
    out = f"\n{MARK} 0\n\n{MARK} 1\n".encode()
    err = f"\n{MARK}\n\n{MARK}\n".encode()
    assert [r.returncode for r in results_of(jobs, MARK, out, err)] == [0, 1]
    with pytest.raises(StepFailed, match=r"broke off after [01] of 2"):
        results_of(jobs, MARK, out[:-kept], err)


def test_what_comes_after_the_mark_of_a_needed_failure_is_not_waited_for() -> None:
    jobs = [Job(("false",), needed=True), Job(("true",))]
    assert [r.returncode for r in results_of(jobs, MARK, f"\n{MARK} 1\n".encode(), f"\n{MARK}\n".encode())] == [1]
