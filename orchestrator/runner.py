"""Runs one command: signals, errors to exit codes, and what is printed at the end."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from hpcapvf.model.errors import ExitCode, HpcapvfError
from orchestrator.answer import Answer, Handler
from orchestrator.envelope import envelope
from orchestrator.progress import make_progress


class Interrupted(HpcapvfError):
    """The user, or the end of the session, stopped the command."""

    exit_code = ExitCode.INTERRUPTED


class Defect(HpcapvfError):
    """An exception that nobody foresaw."""

    exit_code = ExitCode.INTERNAL


def run(parser: argparse.ArgumentParser, argv: Sequence[str] | None = None) -> int:
    """Parse, run the chosen command's handler, print its answer, return the exit code."""
    args = parser.parse_args(argv)
    command = str(getattr(args, "command_name", parser.prog))
    with _stop_signals_interrupt():
        answer = _answer(args.handler, args)
    _print(command, answer, as_json=bool(args.json))
    return int(answer.final_code)


def _answer(handler: Handler, args: argparse.Namespace) -> Answer:
    progress = make_progress(args.progress, sys.stderr)
    try:
        return handler(args, progress)
    except HpcapvfError as error:
        return Answer({}, error=error)
    except KeyboardInterrupt as interrupt:
        notes = tuple(getattr(interrupt, "__notes__", ()))
        return Answer({}, error=Interrupted("interrupted", details=notes))
    except Exception as error:  # the last line of defence: anything else is a defect of this program
        trace = tuple(traceback.format_exc().splitlines()) if args.debug else ()
        hint = "" if args.debug else "run again with --debug for the traceback, and report it"
        text = f"defect: {type(error).__name__}: {error}".replace("\n", " ")
        return Answer({}, error=Defect(text, hint=hint, details=trace))
    finally:
        progress.close()


def _print(command: str, answer: Answer, *, as_json: bool) -> None:
    try:
        if as_json:  # warnings and the error are in it
            sys.stdout.write(json.dumps(envelope(command, answer), indent=2) + "\n")
        else:
            from orchestrator.terminal import print_answer  # noqa: PLC0415 - slow to load, and programs ask for JSON

            print_answer(answer, sys.stdout, sys.stderr)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader (head, less) went away; Python would complain once more at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _stop_signals_interrupt() -> Iterator[None]:
    """SIGTERM and SIGHUP (a lost ssh session) undo what was begun, as the interrupt key does."""

    def interrupt(signum: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt(signal.Signals(signum).name)

    kept = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
