"""Where the frames of a proof come from: the lab's wire, a command that somebody else wrote, or nowhere."""

from __future__ import annotations

import base64
import contextlib
import errno
import json
import os
import select
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hpcapvf.host.commands import LocalCommands
from hpcapvf.host.protocols import Clock, Commands, FrameSource, SendReport
from hpcapvf.model.errors import BadSpec, NotCapable, StepFailed, WaitTimedOut
from hpcapvf.raw.pcap import Frame, write_pcap

WIRE_PORT = "/dev/virtio-ports/org.hpcapvf.wire"
_BATCH_CHARS = 512 << 10
_WAIT_SLICE_S = 5.0
_POLL_MS = 200
_REPLY_LIMIT = 4 << 20
_LAST_LINES = 5
_SPACING_NS = 200_000  # for commands that replay at the recorded times: 5 000 frames a second


def open_source(text: str, clock: Clock, rate: float | None = None) -> FrameSource:
    """``wire``, ``none``, or a command line. rate: frames per second, where the source can be told.

    BadSpec for an empty text or one that is no command line, or a rate that the source cannot be told.
    """
    if rate is not None and text != "wire":
        raise BadSpec("only the wire can be told a rate", path="rate", hint="a command paces its frames itself")
    if text == "none":
        return NoSource()
    if text == "wire":
        return WireSource(clock, rate=rate)
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise BadSpec(f"not a command line: {text!r} ({error})", path="source") from None
    if not words:
        raise BadSpec("the source is empty", path="source", hint="wire, none, or a command that sends a pcap file")
    return CommandSource(words, LocalCommands(), clock)


class NoSource:
    """Sends nothing: only counters and files are checked."""

    name = "none"

    def send(self, frames: Sequence[bytes], *, timeout_s: float) -> SendReport:
        """Nothing leaves."""
        return SendReport(0, 0.0)


class CommandSource:
    """Runs a program with the path of a pcap file as its last argument; status 0 means that all frames were sent."""

    name = "command"

    def __init__(self, argv: tuple[str, ...], commands: Commands, clock: Clock) -> None:
        self._argv = argv
        self._commands = commands
        self._clock = clock

    def send(self, frames: Sequence[bytes], *, timeout_s: float) -> SendReport:
        """Write the file, run the program, remove the file."""
        with tempfile.TemporaryDirectory(prefix="hpcapvf-frames-") as folder:
            path = Path(folder) / "frames.pcap"
            path.write_bytes(write_pcap(Frame(number * _SPACING_NS, frame) for number, frame in enumerate(frames)))
            started = self._clock.monotonic()
            result = self._commands.run([*self._argv, str(path)], timeout_s=timeout_s)
            seconds = self._clock.monotonic() - started
        if result.returncode != 0:
            raise StepFailed(
                f"the frame source {self._argv[0]} failed with status {result.returncode}",
                hint="it must send the frames of the pcap file given as its last argument, and end with status 0",
                details=tuple((result.stderr or result.stdout).strip().splitlines()[-_LAST_LINES:]),
            )
        return SendReport(len(frames), seconds)


class WireSource:
    """The far end of the emulated card's wire, reached by JSON lines through a virtio-serial port.

    Requests and replies are those of the lab (``hpcapvf/lab/wire_protocol.py``): frames go over in batches of one
    run, the last of which closes it, and then ``wait`` is asked until the run is over.
    """

    name = "wire"

    def __init__(self, clock: Clock, path: str = WIRE_PORT, rate: float | None = None) -> None:
        self._clock = clock
        self._path = path
        self._rate = rate

    def send(self, frames: Sequence[bytes], *, timeout_s: float) -> SendReport:
        """Send all frames in order, at the wire's own pace unless a rate was given."""
        if not frames:
            return SendReport(0, 0.0)
        with _Channel(self._path, self._clock, timeout_s) as channel:
            run = self._queue(channel, frames)
            while True:
                reply = channel.ask({"op": "wait", "run": run, "timeout_s": min(_WAIT_SLICE_S, channel.left_s())})
                if reply.get("state") not in {"waiting", "sending"}:
                    break
                if channel.left_s() <= 0:
                    with contextlib.suppress(StepFailed, WaitTimedOut):
                        channel.tell({"op": "cancel"})
                    raise WaitTimedOut(
                        f"the wire had sent {reply.get('frames_sent')} of {len(frames)} frames after {timeout_s:g} s"
                    )
        if reply.get("state") != "done":
            raise StepFailed(f"the wire did not send all frames: {reply.get('state')}: {reply.get('error')}")
        return SendReport(int(reply["frames_sent"]), float(reply["seconds"]))

    def _queue(self, channel: _Channel, frames: Sequence[bytes]) -> int:
        run: dict[str, Any] = {} if self._rate is None else {"rate": self._rate}
        for batch, is_last in _batches(frames):
            reply = channel.ask({"op": "send", "frames_b64": batch, "more": not is_last, **run})
            run = {"run": reply["run"]}
        return int(run["run"])


class _Channel:
    """One open port. Each request carries an id; replies to others (of a client that died) are dropped."""

    def __init__(self, path: str, clock: Clock, timeout_s: float) -> None:
        self._path = path
        self._clock = clock
        self._deadline = clock.monotonic() + timeout_s
        self._timeout_s = timeout_s
        self._descriptor = -1
        self._pending = bytearray()
        self._asked = 0
        self._tag = f"{os.getpid()}-{clock.wall():.3f}"

    def __enter__(self) -> _Channel:
        try:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            raise NotCapable(
                f"there is no {self._path}: this machine has no wire",
                hint="the wire belongs to the emulated server; elsewhere give a command with --source, or none",
            ) from None
        except OSError as error:
            hint = "another proof or wire command uses it" if error.errno == errno.EBUSY else "needs root"
            raise StepFailed(f"cannot open {self._path}: {error.strerror}", hint=hint) from error
        self._write(b"\n")  # ends whatever a client that was cut off had begun
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def left_s(self) -> float:
        """Seconds to the deadline, not below 0."""
        return max(0.0, self._deadline - self._clock.monotonic())

    def tell(self, request: dict[str, Any]) -> None:
        """Send a request and wait for no reply."""
        self._deadline = max(self._deadline, self._clock.monotonic() + 1.0)
        self._write(json.dumps(request).encode() + b"\n")

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The reply to a request. StepFailed if the wire refuses it, WaitTimedOut at the deadline."""
        self._asked += 1
        identity = f"{self._tag}-{self._asked}"
        self._write(json.dumps({**request, "id": identity}, separators=(",", ":")).encode() + b"\n")
        while True:
            reply = self._reply()
            if reply.get("id") != identity:
                continue
            if reply.get("ok") is not True:
                raise StepFailed(f"the wire refused to {request['op']}: {reply.get('error')}")
            return reply

    def _reply(self) -> dict[str, Any]:
        while (end := self._pending.find(b"\n")) < 0:
            if len(self._pending) > _REPLY_LIMIT:
                raise StepFailed("the wire's answer is too long")
            self._await(select.POLLIN)
            with contextlib.suppress(BlockingIOError):
                self._pending += os.read(self._descriptor, 1 << 16)
        line = bytes(self._pending[:end])
        del self._pending[: end + 1]
        try:
            reply = json.loads(line)
        except ValueError:
            return {}  # the rest of a reply that was begun before this client came
        return reply if isinstance(reply, dict) else {}

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self._await(select.POLLOUT)
            with contextlib.suppress(BlockingIOError):
                view = view[os.write(self._descriptor, view[: 32 << 10]) :]

    def _await(self, event: int) -> None:
        """Until the port is ready. Nobody at the other end shows as a hang-up; somebody may still come."""
        poll = select.poll()
        poll.register(self._descriptor, event)
        while True:
            state = dict(poll.poll(_POLL_MS)).get(self._descriptor, 0)
            if state & event:
                return
            if self.left_s() <= 0:
                why = "nobody is at its other end" if state & select.POLLHUP else "it does not answer"
                raise WaitTimedOut(f"the wire was not ready within {self._timeout_s:g} s: {why}")
            if state:  # a hang-up makes poll return at once
                self._clock.sleep(_POLL_MS / 1000)


def _batches(frames: Sequence[bytes]) -> Iterator[tuple[list[str], bool]]:
    """Frames as base64 in lists of bounded size, each with whether it is the last."""
    batch: list[str] = []
    size = 0
    for frame in frames:
        text = base64.b64encode(frame).decode()
        if batch and size + len(text) > _BATCH_CHARS:
            yield batch, False
            batch, size = [], 0
        batch.append(text)
        size += len(text) + 3
    yield batch, True
