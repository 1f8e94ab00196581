"""Commands and long-lived processes: run with a deadline, start detached, recognise and end by recorded identity."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hpcapvf.model.errors import LabFailed, WaitTimedOut

TAIL_LINES = 15
_EXEC_TIMEOUT_S = 5.0
# Commands that run now, in whatever thread: an interrupted main thread must be able to end those of the others.
RUNNING: set[subprocess.Popen[bytes]] = set()


@dataclass(frozen=True)
class Result:
    """What a finished command left: exit status and its two outputs as bytes."""

    argv: tuple[str, ...]
    returncode: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Standard output as text; undecodable bytes are replaced."""
        return self.stdout.decode("utf-8", "replace")

    @property
    def error_text(self) -> str:
        """Standard error as text; undecodable bytes are replaced."""
        return self.stderr.decode("utf-8", "replace")


def tail(text: str, lines: int = TAIL_LINES) -> tuple[str, ...]:
    """The last lines of a text, without empty ones."""
    return tuple(line for line in text.splitlines() if line.strip())[-lines:]


def tail_of_file(path: Path, lines: int = TAIL_LINES) -> tuple[str, ...]:
    """The last lines of a log file; says so when there is no such file."""
    try:
        with path.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - 64 * 1024))
            return tail(stream.read().decode("utf-8", "replace"), lines)
    except FileNotFoundError:
        return (f"({path} was never written)",)


def run(
    argv: Sequence[str],
    *,
    timeout_s: float,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    log: Path | None = None,
) -> Result:
    """Run a command to its end. With log, both outputs go to that file (appended) instead of the result.

    Raises WaitTimedOut when timeout_s seconds pass (the command's whole process group is killed) and LabFailed
    when the program does not exist.
    """
    log_stream = log.open("ab") if log else None
    output = log_stream if log_stream else subprocess.PIPE
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=output,
            stderr=output,
            env=None if env is None else {**os.environ, **env},
            cwd=cwd,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise LabFailed(f"the program {argv[0]} is not installed", hint=f"Install {argv[0]} and try again.") from error
    finally:
        if log_stream:
            log_stream.close()
    RUNNING.add(process)
    try:
        stdout, stderr = process.communicate(stdin, timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        os.killpg(process.pid, signal.SIGKILL)
        stdout, stderr = process.communicate()
        lines = tail_of_file(log) if log else tail(((stdout or b"") + (stderr or b"")).decode("utf-8", "replace"))
        raise WaitTimedOut(f"{argv[0]} did not finish within {timeout_s:.0f} s", details=lines) from error
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    finally:
        RUNNING.discard(process)
    return Result(tuple(argv), process.returncode, stdout or b"", stderr or b"")


def kill_running() -> None:
    """Kill every command that run() waits for now; their callers see a failure."""
    for process in tuple(RUNNING):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def run_ok(
    argv: Sequence[str],
    *,
    doing: str,
    timeout_s: float,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    log: Path | None = None,
    hint: str = "",
) -> Result:
    """Like run, and a non-zero exit status raises LabFailed that says what was being done and the last lines."""
    result = run(argv, timeout_s=timeout_s, stdin=stdin, env=env, cwd=cwd, log=log)
    if result.returncode != 0:
        lines = tail_of_file(log) if log else tail(result.text + "\n" + result.error_text)
        where = f"; the whole log is {log}" if log else ""
        raise LabFailed(f"{doing} failed: {argv[0]} ended with {result.returncode}{where}", hint=hint, details=lines)
    return result


@dataclass(frozen=True)
class ProcessId:
    """A process that can be recognised later: its number, its start time in clock ticks and a word of its command line.

    Numbers are used again by the kernel; the start time and the word make sure that only our own process is ended.
    """

    pid: int
    start_ticks: int
    marker: str


def start_ticks_of(stat_text: str) -> int:
    """Field 22 of /proc/PID/stat; the name in field 2 may hold spaces and parentheses (proc(5))."""
    return int(stat_text.rpartition(")")[2].split()[19])


def identify(pid: int, marker: str) -> ProcessId:
    """Record a running process. Raises LabFailed when it is already gone.

    For a moment within execve(2) a new process has no command line yet, so its own is waited for.
    """
    try:
        deadline = time.monotonic() + _EXEC_TIMEOUT_S
        while marker.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes() and time.monotonic() < deadline:
            time.sleep(0.01)
        return ProcessId(pid, start_ticks_of(Path(f"/proc/{pid}/stat").read_text()), marker)
    except (FileNotFoundError, ProcessLookupError) as error:
        raise LabFailed(f"process {pid} ({marker}) ended as soon as it was started") from error


def is_alive(process: ProcessId) -> bool:
    """Whether exactly this process still runs (a zombie does not)."""
    try:
        stat = Path(f"/proc/{process.pid}/stat").read_text()
        command_line = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    state = stat.rpartition(")")[2].split()[0]
    # While it becomes another program (nice, then QEMU) it has no command line for a moment: long, on a starved host.
    named = not command_line or process.marker.encode() in command_line
    return start_ticks_of(stat) == process.start_ticks and named and state not in "ZX"


def start_detached(
    argv: Sequence[str], *, marker: str, log: Path, cwd: Path, env: Mapping[str, str] | None = None
) -> ProcessId:
    """Start a process that outlives this one; both outputs go to log. marker: a word of its command line."""
    with log.open("ab") as stream:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            cwd=cwd,
            env=None if env is None else {**os.environ, **env},
            start_new_session=True,
        )
    return identify(process.pid, marker)


def end(process: ProcessId, *, timeout_s: float = 10) -> bool:
    """End a recorded process: SIGTERM, and SIGKILL when timeout_s passed. Returns whether it had to be ended."""
    if not is_alive(process):
        return False
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return True
        if wait_gone(process, timeout_s=timeout_s):
            return True
    raise WaitTimedOut(f"process {process.pid} ({process.marker}) did not end within {2 * timeout_s:.0f} s")


def wait_gone(process: ProcessId, *, timeout_s: float) -> bool:
    """Wait until the process is gone; False when timeout_s seconds passed first."""
    deadline = time.monotonic() + timeout_s
    while is_alive(process):
        if time.monotonic() > deadline:
            return False
        reap(process.pid)
        time.sleep(0.05)
    return True


def reap(pid: int) -> None:
    """Collect a child of this very process, so that it does not stay a zombie; others are not our business."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
