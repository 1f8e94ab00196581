"""Run a command whose standard error is read line by line while it runs."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import IO

from hpcapvf.lab.process import TAIL_LINES, Result
from hpcapvf.model.errors import WaitTimedOut

_END_GRACE_S = 10.0


def run_streaming(
    argv: Sequence[str],
    *,
    on_line: Callable[[str], None],
    timeout_s: float,
    env: Mapping[str, str] | None = None,
) -> Result:
    """Run a command to its end; on_line gets each line of its standard error as it comes, from another thread.

    The result holds the whole standard output and the last lines of standard error. WaitTimedOut when timeout_s
    seconds pass; the command's process group is killed then, and when the caller is interrupted. env: the whole
    environment, None for this process' own.
    """
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env=env,
    )
    assert process.stdout is not None and process.stderr is not None  # noqa: S101 - PIPE was asked for
    last: deque[str] = deque(maxlen=TAIL_LINES)
    output: list[bytes] = []
    readers = (
        threading.Thread(target=_read_lines, args=(process.stderr, last, on_line), daemon=True),
        threading.Thread(target=_read_all, args=(process.stdout, output), daemon=True),
    )
    for reader in readers:
        reader.start()
    try:
        process.wait(timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise WaitTimedOut(f"{argv[0]} did not finish within {timeout_s:.0f} s", details=tuple(last)) from error
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for reader in readers:
            reader.join(_END_GRACE_S)
    return Result(tuple(argv), process.returncode, b"".join(output), "\n".join(last).encode())


def _read_lines(stream: IO[bytes], last: deque[str], on_line: Callable[[str], None]) -> None:
    for line in stream:
        text = line.decode("utf-8", "replace").rstrip("\n")
        last.append(text)
        on_line(text)


def _read_all(stream: IO[bytes], output: list[bytes]) -> None:
    output.append(stream.read())
