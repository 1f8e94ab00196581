"""What a command gives back to be printed: data for programs and renderables for people."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hpcapvf.model.errors import ExitCode, HpcapvfError
from hpcapvf.model.plan import Advice
from hpcapvf.model.progress import Progress


@dataclass(frozen=True)
class Table:
    """A table of texts for people. header: whether the columns' names are shown. How it is drawn: terminal.py."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    header: bool = True


Part = str | Table


@dataclass(frozen=True)
class Answer:
    """The end of a command. result: JSON-ready. shown: printed in order when ``--json`` was not given.

    error: set when the command has a result and failed all the same (a proof with a missing frame); its exit code
    then wins over ``exit_code``.
    """

    result: dict[str, Any]
    shown: tuple[Part, ...] = ()
    exit_code: ExitCode = ExitCode.OK
    warnings: tuple[Advice, ...] = ()
    error: HpcapvfError | None = field(default=None)

    @property
    def final_code(self) -> ExitCode:
        """The exit code of the command."""
        return self.error.exit_code if self.error is not None else self.exit_code


Handler = Callable[[argparse.Namespace, Progress], Answer]
