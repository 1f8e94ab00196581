"""Running a command: exit codes, the envelope, and what is printed where."""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
from collections.abc import Callable

import pytest

from hpcapvf.model.errors import BadSpec, ExitCode, HpcapvfError, ProofFailed
from hpcapvf.model.plan import Advice
from hpcapvf.model.progress import Progress
from orchestrator.answer import Answer, Handler
from orchestrator.envelope import SCHEMA
from orchestrator.options import epilog, exit_code_meaning, output_options
from orchestrator.progress import make_progress
from orchestrator.runner import run


def _parser(handler: Handler) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sample", parents=[output_options()])
    parser.set_defaults(handler=handler, command_name="sample")
    return parser


def _raising(error: BaseException) -> Handler:
    def handler(_args: argparse.Namespace, _progress: Progress) -> Answer:
        raise error

    return handler


def _answering(answer: Answer) -> Handler:
    return lambda _args, _progress: answer


@pytest.mark.parametrize("kind", HpcapvfError.__subclasses__())
def test_each_error_class_ends_with_its_exit_code(kind: type[HpcapvfError], capsys: pytest.CaptureFixture[str]) -> None:
    if kind.__init__ not in (HpcapvfError.__init__, BadSpec.__init__):
        pytest.skip("has a constructor of its own")
    assert run(_parser(_raising(kind("it broke", hint="mend it"))), []) == kind.exit_code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "error: it broke" in printed.err
    assert "hint: mend it" in printed.err


def test_the_envelope_of_a_failure_has_message_hint_and_details(capsys: pytest.CaptureFixture[str]) -> None:
    error = HpcapvfError("no [card]", hint="look", details=("a: taken", "b: gone"))
    assert run(_parser(_raising(error)), ["--json"]) == ExitCode.INTERNAL
    found = json.loads(capsys.readouterr().out)
    assert found == {
        "schema": SCHEMA,
        "command": "sample",
        "ok": False,
        "exit_code": 70,
        "result": {},
        "warnings": [],
        "error": {"type": "HpcapvfError", "message": "no [card]", "hint": "look", "details": ["a: taken", "b: gone"]},
    }


def test_a_failure_may_have_a_result_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    answer = Answer(
        {"frames_sent": 3}, error=ProofFailed("one frame is missing"), warnings=(Advice("slow", "a table"),)
    )
    assert run(_parser(_answering(answer)), ["--json"]) == ExitCode.PROOF_FAILED
    found = json.loads(capsys.readouterr().out)
    assert found["result"] == {"frames_sent": 3}
    assert found["warnings"] == [{"text": "slow", "source": "a table"}]
    assert found["error"]["message"] == "one frame is missing"


def test_an_unforeseen_exception_is_a_defect_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(_parser(_raising(ZeroDivisionError("two\nlines"))), []) == ExitCode.INTERNAL
    printed = capsys.readouterr().err
    assert "defect: ZeroDivisionError: two lines" in printed
    assert "Traceback" not in printed


def test_debug_prints_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(_parser(_raising(ZeroDivisionError("x"))), ["--debug"]) == ExitCode.INTERNAL
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_says_what_was_not_put_back(capsys: pytest.CaptureFixture[str]) -> None:
    interrupt = KeyboardInterrupt()
    interrupt.add_note("NOT put back: a driver")
    assert run(_parser(_raising(interrupt)), []) == ExitCode.INTERRUPTED
    assert "NOT put back: a driver" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_end_of_the_session_interrupts(number: signal.Signals) -> None:
    def handler(_args: argparse.Namespace, _progress: Progress) -> Answer:
        os.kill(os.getpid(), number)
        return Answer({"ended": "normally"})

    before = signal.getsignal(number)
    assert run(_parser(handler), []) == ExitCode.INTERRUPTED
    assert signal.getsignal(number) is before


def test_every_exit_code_has_a_meaning_and_stands_in_the_help() -> None:
    text = epilog("sample")
    for code in ExitCode:
        assert f"{code.value:>3}  {exit_code_meaning(code)}" in text


def _shown(form: str, work: Callable[[Progress], None]) -> str:
    stream = io.StringIO()
    progress = make_progress(form, stream)
    work(progress)
    progress.close()
    return stream.getvalue()


def _work(progress: Progress) -> None:
    progress.phase("boot", "waiting [for] ssh")
    progress.advance(1, 2, "frames")
    progress.phase("send")
    progress.advance(2, 2, "frames")


def test_progress_without_a_terminal_is_plain_lines() -> None:
    text = _shown("auto", _work)
    assert text.splitlines()[0] == "boot: waiting [for] ssh"
    assert "  1 of 2 frames" in text
    assert "\x1b" not in text


def test_progress_as_json_is_one_object_a_line() -> None:
    events = [json.loads(line) for line in _shown("json", _work).splitlines()]
    assert [event["event"] for event in events] == ["phase", "advance", "phase", "advance", "end"]
    assert events[0]["detail"] == "waiting [for] ssh"
    assert events[3] | {"t_s": 0} == {"event": "advance", "done": 2, "total": 2, "unit": "frames", "t_s": 0}


def test_no_progress_prints_nothing() -> None:
    assert _shown("none", _work) == ""


@pytest.mark.parametrize("form", ["lines", "json"])
def test_a_closed_terminal_does_not_stop_the_work(form: str) -> None:
    stream = io.StringIO()
    progress = make_progress(form, stream)
    stream.close()
    _work(progress)
    progress.close()
