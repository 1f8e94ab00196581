"""A program whose output is too large to be kept: handed on as it comes, a piece at a time."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import IO

from hpcapvf.host.commands import end, feed, start
from hpcapvf.model.errors import StepFailed, WaitTimedOut

_PIPE_CHUNK = 1 << 16
_LINE_LIMIT = 1 << 16
_SLICE_S = 0.5
_REAP_S = 10.0


def stream_command(
    argv: Sequence[str],
    *,
    take: Callable[[bytes], None],
    tell: Callable[[str], None],
    silence_s: float,
    stdin: bytes = b"",
) -> int:
    """Run a program; its exit status. take gets its output in pieces, tell each line that it complains of.

    The program waits while take works, so memory stays bounded. WaitTimedOut if nothing comes for silence_s. If take
    or tell raises, the program is ended and the exception passes on.
    """
    process = start(argv, with_stdin=True)
    try:
        _pump(process, stdin, take, tell, silence_s)
        return process.wait(_REAP_S)
    except subprocess.TimeoutExpired:
        raise StepFailed(f"{argv[0]} closed its output but does not end") from None
    finally:
        end(process)


def _pump(
    process: subprocess.Popen[bytes],
    stdin: bytes,
    take: Callable[[bytes], None],
    tell: Callable[[str], None],
    silence_s: float,
) -> None:
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None  # noqa: S101
    pending, said = memoryview(stdin), b""
    heard = time.monotonic()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdin, selectors.EVENT_WRITE)
        for pipe in (process.stdout, process.stderr):
            selector.register(pipe, selectors.EVENT_READ)
        while process.stdout in selector.get_map() or process.stderr in selector.get_map():
            events = selector.select(_SLICE_S)
            if not events and process.poll() is not None:
                break  # it has ended; what it left in the background (ssh's shared connection) still holds a pipe
            if not events and time.monotonic() - heard > silence_s:
                raise WaitTimedOut(f"nothing came for {silence_s:g} s", hint="is the guest's storage stuck? see dmesg")
            for key, mask in events:
                heard = time.monotonic()
                if mask & selectors.EVENT_WRITE:
                    pending = feed(process.stdin, pending, selector)
                elif key.fileobj is process.stdout:
                    _hand_on(process.stdout, take, selector)
                else:
                    said = _split(process.stderr, said, tell, selector)
    if said:
        tell(said.decode(errors="replace"))


def _hand_on(pipe: IO[bytes], take: Callable[[bytes], None], selector: selectors.BaseSelector) -> None:
    chunk = os.read(pipe.fileno(), _PIPE_CHUNK)
    if chunk:
        take(chunk)
    else:
        selector.unregister(pipe)


def _split(pipe: IO[bytes], before: bytes, tell: Callable[[str], None], selector: selectors.BaseSelector) -> bytes:
    """Whole lines are told; what is left of the last one is returned."""
    chunk = os.read(pipe.fileno(), _PIPE_CHUNK)
    if not chunk:
        selector.unregister(pipe)
    *lines, rest = (before + chunk).split(b"\n")
    for line in lines:
        tell(line.decode(errors="replace"))
    return rest[-_LINE_LIMIT:]
