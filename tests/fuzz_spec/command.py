"""Runs ``hpcapvf plan`` on fuzzed specs and says which of them ended otherwise than a command may end."""

from __future__ import annotations

import io
import traceback
from collections import Counter
from collections.abc import Iterable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

from hpcapvf.model.errors import ExitCode
from orchestrator.main import hpcapvf_parser
from orchestrator.runner import run
from tests.fakes.tree import Shape, build
from tests.fuzz_spec.specs import spec_of

# What a spec may come to. INTERNAL is what the command makes of an exception that nobody foresaw.
ALLOWED = frozenset({ExitCode.OK, ExitCode.BAD_SPEC, ExitCode.NOT_FOUND, ExitCode.NOT_CAPABLE, ExitCode.REFUSED})


@dataclass
class Outcome:
    """How many specs ended with each exit code, and the numbers and last words of those that did not end well."""

    codes: Counter[str] = field(default_factory=Counter)
    defects: dict[int, str] = field(default_factory=dict)


def fuzz(numbers: Iterable[int], folder: Path) -> Outcome:
    """Plan each spec for a small recorded server below ``folder``, in turn with and without ``--json``."""
    tree = build(folder / "host", Shape())
    spec, parser, outcome = folder / "spec.yaml", hpcapvf_parser(["plan"]), Outcome()
    for number in numbers:
        spec.write_bytes(spec_of(number))
        words = ["plan", str(spec), "--root", str(tree.root), "--progress", "none", *(["--json"] if number % 2 else [])]
        out, err = _stream(), _stream()
        try:
            with redirect_stdout(out), redirect_stderr(err):
                code = run(parser, words)
        except (Exception, SystemExit):
            outcome.codes["traceback"] += 1
            outcome.defects[number] = traceback.format_exc().splitlines()[-1]
            continue
        outcome.codes[ExitCode(code).name] += 1
        if code not in ALLOWED:
            outcome.defects[number] = _said(out, err)
    return outcome


def _stream() -> io.TextIOWrapper:
    """Like a terminal: text that is no UTF-8 cannot be printed."""
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8")


def _said(*streams: io.TextIOWrapper) -> str:
    found = []
    for stream in streams:
        stream.seek(0)
        found.append(stream.read())
    return "\n".join(found)[:500]
