"""What is said to the process that owns the far end of a lab's NIC port. Pure: bytes to requests, replies to bytes.

Both sockets of the wire speak it: ``control.sock`` on this machine, and a virtio-serial port named
``org.hpcapvf.wire`` inside the server (``/dev/virtio-ports/org.hpcapvf.wire``).

One request is one line of JSON (an object, at most LONGEST_LINE_BYTES), one reply is one line of JSON, in the order of
the requests. Empty lines are ignored: a client that does not know what was written before it begins with a newline.
Every reply has ``"ok"``; when it is false, ``"error"`` says why. A request may carry an ``"id"``, which its
reply repeats: a client of the virtio-serial port drops replies whose id is not its own.

``{"op": "send", …}`` puts frames into the queue and returns ``{"run": N, "queued": frames}`` at once.
    ``"frames_b64"``: list of base64 texts, or ``"pcap"``: path of a file (only on this machine's socket).
    ``"rate"``: frames per second (default DEFAULT_RATE), or ``"as_recorded": true``: at the file's own times
    (``"times_ns"`` with frames_b64). ``"loop"``: how often the frames are sent (default 1).
    ``"more": true``: the run stays open, and further requests with ``"run": N`` add to it; the last one has no more.
    ``"port"``: 0 for the first card (default), 1 for the second.
``{"op": "wait", "run": N, "timeout_s": S}`` answers when that run is over or after S seconds, with the run's counters:
    ``{"run": N, "state": "waiting|sending|done|failed|cancelled", "frames_sent", "bytes_sent", "seconds", "error"}``.
``{"op": "cancel"}`` drops everything that is still queued.
``{"op": "record", "pcap": PATH}`` writes every frame that comes from the server to a nanosecond pcap file (only on this
    machine's socket), ``{"op": "record", "stop": true}`` ends that and returns ``{"frames", "bytes"}``.
``{"op": "stats"}`` returns ``{"ports": [{"frames_sent", "bytes_sent", "frames_received", "bytes_received",
    "send_retries"}, …], "runs": [the last 32 runs], "recording": PATH or null, "uptime_s"}``.
``{"op": "quit"}`` ends the process (only on this machine's socket).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

LONGEST_LINE_BYTES = 2 * 1024 * 1024
BATCH_BYTES = 1024 * 1024
DEFAULT_RATE = 5000.0
HIGHEST_RATE = 1e6
LONGEST_CATCH_UP_S = 0.004
SHORTEST_FRAME_BYTES = 14
LONGEST_FRAME_BYTES = 9216


class BadRequest(Exception):
    """A request that cannot be followed; its text goes into the reply."""


@dataclass(frozen=True)
class SendRequest:
    """Frames to be sent. rate: frames per second, None for the recorded times. run: 0 for a new run."""

    frames: tuple[bytes, ...]
    times_ns: tuple[int, ...]
    pcap: str
    rate: float | None
    loop: int
    run: int
    more: bool
    port: int


class LineBuffer:
    """Cuts a stream of bytes into lines; a line that is too long is reported once and skipped."""

    def __init__(self, longest_bytes: int = LONGEST_LINE_BYTES) -> None:
        self.longest_bytes = longest_bytes
        self.pending = bytearray()
        self.skipping = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The complete lines after these bytes, without empty ones. Raises BadRequest for a line that is too long."""
        self.pending += data
        while (end := self.pending.find(b"\n")) >= 0:
            line = bytes(self.pending[:end])
            del self.pending[: end + 1]
            if self.skipping:
                self.skipping = False
            elif line.strip():
                yield line
        if len(self.pending) > self.longest_bytes:
            self.pending.clear()
            if not self.skipping:
                self.skipping = True
                raise BadRequest(f"a line is longer than {self.longest_bytes} bytes")


@dataclass(eq=False)
class Run:
    """One queue of frames with its own pace; counters are what the socket really took.

    Times are on the monotonic clock. started_s: what the pace counts from (moved on when lateness is forgiven).
    first_s, progress_s: first and last frame taken. seconds: between those two.
    """

    number: int
    port: int
    rate: float | None
    loop: int = 1
    is_open: bool = False
    frames: list[bytes] = field(default_factory=list)
    times_ns: list[int] = field(default_factory=list)
    next_frame: int = 0
    loops_done: int = 0
    frames_sent: int = 0
    bytes_sent: int = 0
    state: str = "waiting"
    error: str = ""
    started_s: float = 0.0
    first_s: float = 0.0
    progress_s: float = 0.0
    seconds: float = 0.0

    def counters(self) -> dict[str, Any]:
        """The public view of a run."""
        names = ("number", "state", "frames_sent", "bytes_sent", "error")
        view = {name: getattr(self, name) for name in names}
        view["run"] = view.pop("number")
        return view | {"seconds": round(self.seconds, 6)}


def parse_line(line: bytes) -> dict[str, Any]:
    """One request from one line; BadRequest when it is not a JSON object with an op."""
    try:
        request = json.loads(line)
    except ValueError as error:
        raise BadRequest(f"not JSON: {error}") from error
    if not isinstance(request, dict) or not isinstance(request.get("op"), str):
        raise BadRequest('a request is an object with "op"')
    return request


def parse_send(request: dict[str, Any]) -> SendRequest:
    """The fields of a send request, checked."""
    as_recorded = request.get("as_recorded", False) is True
    rate = request.get("rate", DEFAULT_RATE)
    if not isinstance(rate, int | float) or isinstance(rate, bool) or not 0 < rate <= HIGHEST_RATE:
        raise BadRequest(f"rate must be a number of frames per second from more than 0 to {HIGHEST_RATE:.0f}")
    frames = tuple(decode_frame(text, number) for number, text in enumerate(list_of(request, "frames_b64"), start=1))
    times_ns = tuple(list_of(request, "times_ns"))
    pcap = request.get("pcap", "")
    if bool(frames) == bool(pcap) and not ("run" in request and not pcap):
        raise BadRequest("give either frames_b64 or pcap")
    if not isinstance(pcap, str):
        raise BadRequest("pcap must be a path")
    if as_recorded and frames and len(times_ns) != len(frames):
        raise BadRequest("as_recorded needs one of times_ns for each frame")
    if not all(isinstance(time_ns, int) for time_ns in times_ns):
        raise BadRequest("times_ns must be whole numbers")
    return SendRequest(
        frames=frames,
        times_ns=times_ns,
        pcap=pcap,
        rate=None if as_recorded else float(rate),
        loop=whole(request, "loop", default=1, lowest=1),
        run=whole(request, "run", default=0, lowest=0),
        more=request.get("more", False) is True,
        port=whole(request, "port", default=0, lowest=0),
    )


def list_of(request: dict[str, Any], key: str) -> list[Any]:
    """A list field, empty when absent."""
    value = request.get(key, [])
    if not isinstance(value, list):
        raise BadRequest(f"{key} must be a list")
    return value


def whole(request: dict[str, Any], key: str, *, default: int, lowest: int) -> int:
    """A field that is a whole number of at least lowest."""
    value = request.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < lowest:
        raise BadRequest(f"{key} must be a whole number of at least {lowest}")
    return value


def seconds_of(request: dict[str, Any], key: str, *, default: float, highest: float) -> float:
    """A field that is a number of seconds, at most highest."""
    value = request.get(key, default)
    if not isinstance(value, int | float) or isinstance(value, bool) or not value >= 0:
        raise BadRequest(f"{key} must be a number of seconds")
    return min(float(value), highest)


def decode_frame(text: object, number: int) -> bytes:
    """One frame from base64. A frame below 60 bytes is legal here: the card pads it."""
    try:
        frame = base64.b64decode(text if isinstance(text, str) else b"?", validate=True)
    except binascii.Error as error:
        raise BadRequest(f"frame {number} is not base64: {error}") from error
    return check_frame(frame, number)


def check_frame(frame: bytes, number: int) -> bytes:
    """The frame itself, if the wire can carry it."""
    if not SHORTEST_FRAME_BYTES <= len(frame) <= LONGEST_FRAME_BYTES:
        allowed = f"{SHORTEST_FRAME_BYTES} to {LONGEST_FRAME_BYTES}"
        raise BadRequest(f"frame {number} has {len(frame)} bytes; the wire carries {allowed}")
    return frame


def due_s(run: Run) -> float:
    """When the next frame of a run is due, in seconds after the run's start."""
    if run.rate is not None:
        return run.frames_sent / run.rate
    if run.next_frame >= len(run.frames):
        return 0.0
    return (run.times_ns[run.next_frame] - run.times_ns[0]) / 1e9


def forgiven_s(run: Run, elapsed_s: float) -> float:
    """By how much to move a run's start so that lost time is not made good in one burst.

    A burst is what overruns a receiver's ring; lateness up to LONGEST_CATCH_UP_S is made good, the rest is forgiven.
    """
    return max(0.0, elapsed_s - due_s(run) - LONGEST_CATCH_UP_S)


def encode_reply(request: dict[str, Any] | None, content: dict[str, Any]) -> bytes:
    """One reply line; the request's id comes back with it."""
    identity = {"id": request["id"]} if request and "id" in request else {}
    return json.dumps({"ok": True, **content, **identity}, separators=(",", ":")).encode() + b"\n"


def encode_error(request: dict[str, Any] | None, error: str) -> bytes:
    """One reply line for a request that was not followed."""
    return encode_reply(request, {"ok": False, "error": error})


def batches(frames: Sequence[bytes], longest_bytes: int = BATCH_BYTES) -> Iterable[list[str]]:
    """Frames as base64 in lists whose JSON stays below longest_bytes each, for several send requests of one run."""
    batch: list[str] = []
    size = 0
    for frame in frames:
        text = base64.b64encode(frame).decode()
        if batch and size + len(text) + 3 > longest_bytes - 1024:
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text) + 3
    if batch:
        yield batch
