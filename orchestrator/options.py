"""Options that every command has, and the texts of ``--help``."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from hpcapvf.model.errors import ExitCode
from hpcapvf.plan.guards import FORCEABLE, GUARDS, guard_named

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
else:  # generic for type checkers only
    Commands = argparse._SubParsersAction

_MEANINGS = {
    ExitCode.OK: "done, or nothing to do",
    ExitCode.PROOF_FAILED: "a frame is missing, altered or out of order, or a check after deployment failed",
    ExitCode.USAGE: "wrong command line, or the spec file that it names cannot be read",
    ExitCode.BAD_SPEC: "the spec cannot be read or says something impossible",
    ExitCode.NOT_CAPABLE: "this host lacks something the request needs",
    ExitCode.REFUSED: "the host could, but it would hurt or does not fit",
    ExitCode.CONFLICT: "the name is taken by another spec, or somebody else holds the lock",
    ExitCode.STEP_FAILED: "a step failed; everything before it was undone",
    ExitCode.REGISTER_REFUSED: "the card's registers cannot be reached or did not keep a value",
    ExitCode.TIMEOUT: "a bounded wait ran out",
    ExitCode.UNDO_INCOMPLETE: "something could not be put back; the message lists it",
    ExitCode.NOT_FOUND: "no deployment, lab, image or file of that name",
    ExitCode.LAB_FAILED: "the emulated server could not be built, started or reached",
    ExitCode.HOST_FAILED: "a host of the inventory cannot be reached, or failed before a command of hpcapvf ran there",
    ExitCode.INTERNAL: "a defect of this program",
    ExitCode.INTERRUPTED: "interrupted; what was begun was undone",
}

_DAY_S = 86400
PROGRESS_FORMS = ("auto", "bars", "lines", "json", "none")


def exit_code_meaning(code: ExitCode) -> str:
    """What an exit code tells the user, in a few words."""
    return _MEANINGS[code]


def epilog(*examples: str) -> str:
    """The end of a help text: examples, then the exit codes."""
    lines = ["examples:", *(f"  {example}" for example in examples), "", "exit codes:"]
    lines += [f"  {code.value:>3}  {exit_code_meaning(code)}" for code in ExitCode]
    return "\n".join(lines)


def output_options() -> argparse.ArgumentParser:
    """A parent parser with the options about output that every command accepts."""
    parser = argparse.ArgumentParser(add_help=False)
    group = parser.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="print one JSON envelope on standard output")
    group.add_argument(
        "--progress",
        choices=PROGRESS_FORMS,
        default="auto",
        help="how progress is shown on standard error: bars (a terminal), lines, json (one object a line), none; "
        "auto takes bars on a terminal that can be repainted (TERM) and lines elsewhere",
    )
    group.add_argument("--debug", action="store_true", help="print the traceback of a defect")
    return parser


def add_force_option(parser: argparse.ArgumentParser) -> None:
    """``--force GUARD``, for commands that plan."""
    parser.add_argument(
        "--force",
        metavar="GUARD",
        action="append",
        default=[],
        type=_guard,
        help="lift one guard by its name (repeatable); the plan warns of what that means, and the deployment remembers "
        f"it: {', '.join(FORCEABLE)}",
    )


def _guard(name: str) -> str:
    guard = guard_named(name)
    if guard is None:
        raise argparse.ArgumentTypeError(f"no guard is named {name!r}; guards: {', '.join(g.name for g in GUARDS)}")
    if guard.never:
        raise argparse.ArgumentTypeError(f"{name} cannot be forced: {guard.never}")
    return name


def seconds_at_least(least: float) -> Callable[[str], float]:
    """The type of an option that takes so many seconds or more, a day at most."""

    def seconds(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= _DAY_S:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from {least:g} to {_DAY_S}")
        return value

    return seconds


def add_wait_option(parser: argparse.ArgumentParser) -> None:
    """For commands that change the host: only one at a time may."""
    parser.add_argument(
        "--wait",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="wait so long for another run that changes this host (default: refuse at once, and say who it is)",
    )


def add_command(commands: Commands, name: str, help_text: str, *examples: str) -> argparse.ArgumentParser:
    """Define a command with its help, examples, exit codes and the output options."""
    parser = commands.add_parser(
        name,
        help=help_text,
        description=help_text[0].upper() + help_text[1:] + ".",
        parents=[output_options()],
        epilog=epilog(*examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command_name=name)
    return parser
