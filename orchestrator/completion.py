"""``--print-completion bash|zsh``: the shell's completion of a command, made from the very parser that reads it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

SHELLS = ("bash", "zsh")


class _PrintCompletion(argparse.Action):
    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        print(completion(parser, str(values)))
        parser.exit()


def completion(parser: argparse.ArgumentParser, shell: str) -> str:
    """The script that a shell sources to complete the parser's words."""
    import shtab  # noqa: PLC0415 - no other run of a command should wait for it

    return str(shtab.complete(parser, shell=shell))


def add_completion_option(parser: argparse.ArgumentParser) -> None:
    """``--print-completion SHELL``, for the three commands."""
    parser.add_argument(
        "--print-completion",
        action=_PrintCompletion,
        choices=SHELLS,
        default=argparse.SUPPRESS,
        help="print the completion script of this command for a shell, and end",
    )
