"""What a person sees: bars while a command runs, tables and messages when it ends. Loaded only when it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TextIO

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress
from rich.table import Table as RichTable
from rich.text import Text

from hpcapvf.model.errors import HpcapvfError
from hpcapvf.model.plan import Advice
from orchestrator.answer import Answer, Part, Table
from orchestrator.progress import amount

_PIPE_WIDTH = 140  # columns of a table when no terminal says how wide it is


def print_answer(answer: Answer, out: TextIO, messages: TextIO) -> None:
    """Print what an answer shows on one stream, its warnings and its error on the other.

    BrokenPipeError if nobody reads ``out`` any more; the messages are printed all the same.
    """
    try:
        print_parts(answer.shown, console(out))
        out.flush()
    finally:
        for warning in answer.warnings:
            print_warning(warning, messages)
        if answer.error is not None:
            print_error(answer.error, messages)


def console(stream: TextIO) -> Console:
    """A console for a stream; colours follow the terminal and NO_COLOR."""
    return Console(file=stream, width=None if stream.isatty() else _PIPE_WIDTH, highlight=False, soft_wrap=False)


def print_parts(parts: Sequence[Part], out: Console) -> None:
    """Print texts as they are, and draw tables."""
    for part in parts:
        if isinstance(part, str):
            out.print(Text(part), soft_wrap=True)  # commands in it are to be copied whole
        else:
            out.print(_drawn(part))


@contextmanager
def repainted(stream: TextIO) -> Iterator[Callable[[Sequence[Table]], None]]:
    """The whole terminal, for tables that replace each other; what stood there before comes back at the end."""
    with Live(console=console(stream), screen=True, auto_refresh=False) as live:
        yield lambda tables: live.update(Group(*map(_drawn, tables)), refresh=True)


def _drawn(part: Table) -> RichTable:
    drawn = RichTable(title=Text(part.title), title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    drawn.pad_edge, drawn.show_header, drawn.min_width = False, part.header, len(part.title)
    for column in part.columns:
        drawn.add_column(Text(column), overflow="fold")
    for row in part.rows:
        drawn.add_row(*map(Text, row))
    return drawn


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
        self._task: TaskID | None = None

    def phase(self, name: str, detail: str = "") -> None:
        """End the line before and begin a new one."""
        self._finish()
        self._bars.start()  # not before the first phase: a command may have a question to ask; a second start is none
        text = escape(name) + (f" [dim]{escape(detail)}[/dim]" if detail else "")
        self._task = self._bars.add_task(text, total=None, amount="")

    def advance(self, done: int, total: int, unit: str = "") -> None:
        """Move the bar of the current phase."""
        if self._task is not None:
            self._bars.update(self._task, completed=done, total=total or None, amount=amount(done, total, unit))

    def close(self) -> None:
        """Finish the last line and stop drawing."""
        self._finish()
        self._bars.stop()

    def _finish(self) -> None:
        if self._task is not None:
            self._bars.update(self._task, total=1, completed=1)
            self._bars.stop_task(self._task)
            self._task = None


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
