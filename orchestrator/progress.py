"""Progress of a command where no terminal draws it: lines, JSON, nothing."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, TextIO

from hpcapvf.model.progress import Progress

_PLAIN_TERMINALS = ("dumb", "unknown")  # term(7)
_ADVANCE_EVERY_S = 1.0  # at most one "advance" line in this time where lines are kept


class ClosingProgress(Progress, Protocol):
    """Progress that must be closed before anything else is printed."""

    def close(self) -> None:
        """End the phase that is open and give the terminal back."""


def make_progress(form: str, stream: TextIO) -> ClosingProgress:
    """The progress display of one of ``options.PROGRESS_FORMS``."""
    if form == "auto":
        form = "bars" if can_repaint(stream) else "lines"
    if form == "bars":
        from orchestrator.terminal import BarsProgress  # noqa: PLC0415 - slow to load, and only a terminal needs it

        return BarsProgress(stream)
    makers: dict[str, Callable[[TextIO], ClosingProgress]] = {"lines": LinesProgress, "json": JsonProgress}
    maker = makers.get(form)
    return maker(stream) if maker is not None else NoProgress()


def can_repaint(stream: TextIO) -> bool:
    """Whether a stream is a terminal on which the cursor can be moved; one in an editor or a log often cannot."""
    return stream.isatty() and os.environ.get("TERM", "").lower() not in _PLAIN_TERMINALS


class NoProgress:
    """Shows nothing."""

    def phase(self, name: str, detail: str = "") -> None:
        """Ignore."""

    def advance(self, done: int, total: int, unit: str = "") -> None:
        """Ignore."""

    def close(self) -> None:
        """Nothing is open."""


class LinesProgress:
    """One plain line per phase, and at most one line a second inside a phase."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._name = ""
        self._began = 0.0
        self._last_advance = 0.0

    def phase(self, name: str, detail: str = "") -> None:
        """Print that a phase begins, and how long the one before took."""
        self.close()
        self._name, self._began = name, time.monotonic()
        _line(self._stream, f"{name}: {detail}" if detail else name)

    def advance(self, done: int, total: int, unit: str = "") -> None:
        """Print how far the phase is, not more often than once a second."""
        now = time.monotonic()
        if now - self._last_advance >= _ADVANCE_EVERY_S:
            self._last_advance = now
            _line(self._stream, f"  {amount(done, total, unit)}")

    def close(self) -> None:
        """Print how long the open phase took."""
        if self._name:
            _line(self._stream, f"  {self._name}: {time.monotonic() - self._began:.1f} s")
            self._name = ""


class JsonProgress:
    """One JSON object a line: ``{"event":"phase",…}``, ``{"event":"advance",…}`` (docs/reference.md)."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._began = time.monotonic()
        self._last_advance = 0.0

    def phase(self, name: str, detail: str = "") -> None:
        """A phase begins."""
        self._event({"event": "phase", "name": name, "detail": detail})

    def advance(self, done: int, total: int, unit: str = "") -> None:
        """How far the phase is, at most once a second, and always at its end."""
        now = time.monotonic()
        if done == total or now - self._last_advance >= _ADVANCE_EVERY_S:
            self._last_advance = now
            self._event({"event": "advance", "done": done, "total": total, "unit": unit})

    def close(self) -> None:
        """The last phase ended."""
        self._event({"event": "end"})

    def _event(self, fields: dict[str, object]) -> None:
        _line(self._stream, json.dumps(fields | {"t_s": round(time.monotonic() - self._began, 3)}))


def amount(done: int, total: int, unit: str) -> str:
    """How much is done, in words."""
    return f"{done} of {total} {unit}".rstrip() if total else f"{done} {unit}".rstrip()


def _line(stream: TextIO, text: str) -> None:
    with suppress(OSError, ValueError):  # a closed terminal must not stop work that is under way
        stream.write(text + "\n")
        stream.flush()
