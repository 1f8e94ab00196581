"""Effects with their check: commands that must succeed, writes that are read back, waits that end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from hpcapvf.host.protocols import Clock, CommandResult, Files, Guest, Machine
from hpcapvf.model.errors import StepFailed, WaitTimedOut

T = TypeVar("T")

COMMAND_TIMEOUT_S = 120.0
_DETAIL_LINES = 12


def run_checked(
    runner: Machine | Guest,
    argv: Sequence[str],
    *,
    timeout_s: float = COMMAND_TIMEOUT_S,
    stdin: bytes | None = None,
    hint: str = "",
) -> str:
    """Run a program on the host (a Machine) or in a guest; its standard output, or StepFailed with its last lines."""
    result = run_any(runner, argv, timeout_s=timeout_s, stdin=stdin)
    if result.returncode != 0:
        raise command_failed(result, hint)
    return result.stdout


def run_any(
    runner: Machine | Guest, argv: Sequence[str], *, timeout_s: float = COMMAND_TIMEOUT_S, stdin: bytes | None = None
) -> CommandResult:
    """Run a program and return whatever came."""
    target = runner.commands if isinstance(runner, Machine) else runner
    return target.run(argv, timeout_s=timeout_s, stdin=stdin)


def command_failed(result: CommandResult, hint: str = "") -> StepFailed:
    """The error that a failed command makes."""
    lines = [line for line in (result.stderr.strip() or result.stdout.strip()).splitlines() if line.strip()]
    last = lines[-1].strip() if lines else "it printed nothing"
    return StepFailed(
        f"`{' '.join(result.argv)}` ended with status {result.returncode}: {last}",
        hint=hint,
        details=tuple(lines[-_DETAIL_LINES:]),
    )


def read_word(files: Files, path: str) -> str:
    """The stripped text of an attribute file; StepFailed if there is none."""
    text = files.read_text(path)
    if text is None:
        raise StepFailed(f"{path} does not exist", hint="the device or the kernel feature is gone; probe again")
    return text.strip()


def read_int(files: Files, path: str) -> int:
    """The number in an attribute file."""
    text = read_word(files, path)
    try:
        return int(text, 0)
    except ValueError:
        raise StepFailed(f"{path} holds {text!r}, not a number") from None


def write_and_read_back(files: Files, path: str, value: str, hint: str = "") -> None:
    """Write an attribute and read it back; StepFailed if it did not take."""
    files.write_text(path, value)
    found = read_word(files, path)
    if found != value:
        raise StepFailed(f"wrote {value} to {path} but it reads {found}", hint=hint)


def remove_torn(files: Files, path: str) -> None:
    """Remove what an atomic write of a file that was cut short left beside it (``NAME.new.PROCESS``)."""
    folder, _, name = path.rpartition("/")
    for left in files.list(folder) or ():
        if left.startswith(f"{name}.new."):
            files.remove(f"{folder}/{left}")


def remove_whole(files: Files, path: str) -> None:
    """Remove a file, and what a write of it that was cut short left."""
    remove_torn(files, path)
    files.remove(path)


def wait_until(clock: Clock, what: str, timeout_s: float, probe: Callable[[], T | None], poll_s: float = 0.2) -> T:
    """Poll until ``probe`` gives something; WaitTimedOut says what was waited for."""
    end = clock.monotonic() + timeout_s
    while True:
        found = probe()
        if found is not None:
            return found
        if clock.monotonic() >= end:
            raise WaitTimedOut(f"waited {timeout_s:g} s for {what}", hint="see the kernel log (dmesg) of the machine")
        clock.sleep(poll_s)
