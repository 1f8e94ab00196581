"""Programs, each with a deadline, a process group of its own and a bound on what it may print."""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import IO

from hpcapvf.host.protocols import CommandResult
from hpcapvf.model.errors import StepFailed, WaitTimedOut

_OUTPUT_LIMIT = 16 << 20
_PIPE_CHUNK = 1 << 16
_REAP_S = 5.0
_SLICE_S = 0.5
_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"  # ip, modprobe, mdadm live there


class LocalCommands:
    """Runs programs of this machine. What goes in by stdin is never shown: it may be a secret."""

    def __init__(self, output_limit: int = _OUTPUT_LIMIT) -> None:
        self._output_limit = output_limit

    def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None) -> CommandResult:
        """Run to the end, in English (LC_ALL=C.UTF-8). StepFailed if the program is missing or prints too much."""
        result = self.run_bytes(argv, timeout_s=timeout_s, stdin=stdin)
        return CommandResult(tuple(argv), result[0], _text(result[1]), _text(result[2]))

    def run_bytes(
        self, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None
    ) -> tuple[int, bytes, bytes]:
        """As ``run``, but (status, stdout, stderr) with the output as it came."""
        process = start(argv, with_stdin=stdin is not None)
        return self._to_the_end(process, stdin, argv, time.monotonic() + timeout_s, timeout_s=timeout_s)

    def begin(self, argv: Sequence[str], *, timeout_s: float) -> LocalRunning:
        """Start it; the deadline counts from now."""
        process, deadline = start(argv, with_stdin=False), time.monotonic() + timeout_s

        def wait() -> CommandResult:
            status, out, err = self._to_the_end(process, None, argv, deadline, timeout_s=timeout_s)
            return CommandResult(tuple(argv), status, _text(out), _text(err))

        return LocalRunning(wait, process)

    def _to_the_end(
        self,
        process: subprocess.Popen[bytes],
        stdin: bytes | None,
        argv: Sequence[str],
        deadline: float,
        *,
        timeout_s: float,
    ) -> tuple[int, bytes, bytes]:
        try:
            out, err = self._exchange(process, stdin, argv, deadline)
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise _timed_out(argv, timeout_s, b"") from None
        except _DeadlineError as passed:
            raise _timed_out(argv, timeout_s, passed.seen) from None
        finally:
            end(process)
        return process.returncode, out, err

    def _exchange(
        self, process: subprocess.Popen[bytes], stdin: bytes | None, argv: Sequence[str], deadline: float
    ) -> tuple[bytes, bytes]:
        """Feed and drain the pipes until both outputs are closed."""
        assert process.stdout is not None and process.stderr is not None  # noqa: S101 - made by _start
        taken: dict[IO[bytes], bytearray] = {process.stdout: bytearray(), process.stderr: bytearray()}
        pending = memoryview(stdin or b"")
        with selectors.DefaultSelector() as selector:
            for pipe in taken:
                selector.register(pipe, selectors.EVENT_READ)
            if process.stdin is not None:
                selector.register(process.stdin, selectors.EVENT_WRITE)
            while selector.get_map():
                left = deadline - time.monotonic()
                if left <= 0:
                    raise _DeadlineError(bytes(taken[process.stderr]) or bytes(taken[process.stdout]))
                events = selector.select(min(left, _SLICE_S))
                if not events and process.poll() is not None:
                    break  # it has ended; what it left in the background still holds the pipe
                for key, mask in events:
                    if mask & selectors.EVENT_WRITE:
                        pending = feed(key.fileobj, pending, selector)  # type: ignore[arg-type]
                    else:
                        _drain(key.fileobj, taken, selector)  # type: ignore[arg-type]
                if sum(map(len, taken.values())) > self._output_limit:
                    raise StepFailed(
                        f"{argv[0]} printed more than {self._output_limit >> 20} MiB",
                        hint="it was ended; run it by hand to see what it prints",
                    )
        return bytes(taken[process.stdout]), bytes(taken[process.stderr])


class LocalRunning:
    """A program of this machine that was begun."""

    def __init__(self, wait: Callable[[], CommandResult], process: subprocess.Popen[bytes]) -> None:
        self.wait = wait
        self._process = process

    def end(self) -> None:
        """End its process group, if it still runs."""
        end(self._process)


class _DeadlineError(Exception):
    def __init__(self, seen: bytes) -> None:
        super().__init__()
        self.seen = seen


def start(argv: Sequence[str], *, with_stdin: bool) -> subprocess.Popen[bytes]:
    """A program in a process group of its own, in English, with pipes. StepFailed if there is none of that name."""
    if not argv or any("\0" in word for word in argv):
        raise StepFailed(f"not a command: {list(argv)!r}")
    program = shutil.which(argv[0], path=_PATH)
    if program is None:
        raise StepFailed(f"no such program: {argv[0]}", hint=f"install the package that provides {argv[0]}")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LC_") and k != "LANGUAGE"}
    try:
        return subprocess.Popen(
            list(argv),
            executable=program,
            stdin=subprocess.PIPE if with_stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment | {"LC_ALL": "C.UTF-8", "PATH": _PATH},
            start_new_session=True,  # so that the whole group can be ended, and nothing else
        )
    except OSError as error:
        raise StepFailed(f"cannot start {argv[0]}: {error.strerror}") from error


def feed(pipe: IO[bytes], pending: memoryview, selector: selectors.BaseSelector) -> memoryview:
    """Write as much as cannot block; what is left. The pipe is closed when all is written or nobody reads it."""
    if pending:
        try:
            pending = pending[os.write(pipe.fileno(), pending[:4096]) :]  # 4096: a write that cannot block
        except BrokenPipeError:  # the program does not want more: its status tells the rest
            pending = pending[len(pending) :]
    if not pending:
        selector.unregister(pipe)
        with contextlib.suppress(BrokenPipeError):
            pipe.close()
    return pending


def _drain(pipe: IO[bytes], taken: dict[IO[bytes], bytearray], selector: selectors.BaseSelector) -> None:
    chunk = os.read(pipe.fileno(), _PIPE_CHUNK)
    if chunk:
        taken[pipe] += chunk
    else:
        selector.unregister(pipe)


def end(process: subprocess.Popen[bytes]) -> None:
    """End the program's own process group if it still runs; give back its pipes."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # the leader is not reaped yet, so the number is still ours
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_REAP_S)  # a process in uninterruptible sleep must not hold us
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def _timed_out(argv: Sequence[str], timeout_s: float, seen: bytes) -> WaitTimedOut:
    last = tuple(_text(seen[-4096:]).strip().splitlines()[-5:])
    return WaitTimedOut(f"{argv[0]} did not end within {timeout_s:g} s and was ended", details=last)


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")
