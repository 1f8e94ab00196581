"""What people see while a command runs and when it ends: progress, tables' console, errors."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

from hpcapvf.model.errors import HpcapvfError
from hpcapvf.model.plan import Advice
from hpcapvf.model.progress import Progress

_PIPE_WIDTH = 140  # columns of a table when no terminal says how wide it is
_ADVANCE_EVERY_S = 1.0  # at most one "advance" line in this time where lines are kept


class ClosingProgress(Progress, Protocol):
    """Progress that must be closed before anything else is printed."""

    def close(self) -> None:
        """End the phase that is open and give the terminal back."""


def console(stream: TextIO | None = None) -> Console:
    """A console for standard output or another stream; colours follow the terminal and NO_COLOR."""
    target = sys.stdout if stream is None else stream
    return Console(file=target, width=None if target.isatty() else _PIPE_WIDTH, highlight=False, soft_wrap=False)


def make_progress(form: str, stream: TextIO) -> ClosingProgress:
    """The progress display of one of ``options.PROGRESS_FORMS``."""
    if form == "auto":
        form = "bars" if stream.isatty() else "lines"
    makers: dict[str, Callable[[TextIO], ClosingProgress]] = {
        "bars": BarsProgress,
        "lines": LinesProgress,
        "json": JsonProgress,
    }
    maker = makers.get(form)
    return maker(stream) if maker is not None else NoProgress()


class NoProgress:
    """Shows nothing."""

    def phase(self, name: str, detail: str = "") -> None:
        """Ignore."""

    def advance(self, done: int, total: int, unit: str = "") -> None:
        """Ignore."""

    def close(self) -> None:
        """Nothing is open."""


class BarsProgress:
    """One line per phase on a terminal: a bar when the total is known, a spinner when not, and the time taken."""

    def __init__(self, stream: TextIO) -> None:
        self._bars = RichProgress(
            SpinnerColumn(finished_text="[green]✓[/green]"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[amount]}"),
            TimeElapsedColumn(),
            console=Console(file=stream),
            refresh_per_second=4,
        )
        self._bars.start()
        self._task: TaskID | None = None

    def phase(self, name: str, detail: str = "") -> None:
        """End the line before and begin a new one."""
        self._finish()
        text = escape(name) + (f" [dim]{escape(detail)}[/dim]" if detail else "")
        self._task = self._bars.add_task(text, total=None, amount="")

    def advance(self, done: int, total: int, unit: str = "") -> None:
        """Move the bar of the current phase."""
        if self._task is not None:
            self._bars.update(self._task, completed=done, total=total or None, amount=_amount(done, total, unit))

    def close(self) -> None:
        """Finish the last line and stop drawing."""
        self._finish()
        self._bars.stop()

    def _finish(self) -> None:
        if self._task is not None:
            self._bars.update(self._task, total=1, completed=1)
            self._bars.stop_task(self._task)
            self._task = None


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
            _line(self._stream, f"  {_amount(done, total, unit)}")

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


def print_error(error: HpcapvfError, stream: TextIO) -> None:
    """Print what happened, the lines that support it, and what the user can do."""
    out = console(stream)
    with suppress(OSError):
        out.print(f"[bold red]error:[/bold red] {escape(error.message)}", soft_wrap=True)
        for detail in error.details:
            out.print(f"  - {escape(detail)}", soft_wrap=True)
        if error.hint:
            out.print(f"[bold]hint:[/bold] {escape(error.hint)}", soft_wrap=True)


def print_warning(warning: Advice, stream: TextIO) -> None:
    """Print a warning with its source."""
    source = f" ({warning.source})" if warning.source else ""
    with suppress(OSError):
        console(stream).print(f"[yellow]warning:[/yellow] {escape(warning.text + source)}", soft_wrap=True)


def _amount(done: int, total: int, unit: str) -> str:
    return f"{done} of {total} {unit}".rstrip() if total else f"{done} {unit}".rstrip()


def _line(stream: TextIO, text: str) -> None:
    with suppress(OSError, ValueError):  # a closed terminal must not stop work that is under way
        stream.write(text + "\n")
        stream.flush()
