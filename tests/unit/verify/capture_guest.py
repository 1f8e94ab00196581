"""A guest in memory that captures: a driver's counters, an hpcapdd that really writes RAW, and misfortunes to order."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hpcapvf.host.protocols import CommandResult
from hpcapvf.model.errors import NotFound
from hpcapvf.raw.records import read_records, write_records
from hpcapvf.verify.capture import STATUS_PATH
from tests.fakes.streams import StreamsByRunning

FOLDER = "/sys/bus/pci/drivers/hpcapvf/0000:07:00.0/hpcapvf"
Arrival = Callable[[list[bytes]], list[bytes]]


@dataclass
class CaptureGuest(StreamsByRunning):
    """arrival: what the wire and the driver make of the frames. damage: what storage makes of a file's bytes."""

    arrival: Arrival = lambda frames: frames
    damage: Callable[[bytes], bytes] = lambda data: data
    padded: bool = True
    deaf: bool = False
    counters: dict[str, int] = field(
        default_factory=lambda: {
            "received": 100,
            "received_bytes": 6400,
            "ring_full_drops": 7,
            "no_listener_drops": 93,
            "errors": 0,
            "resets": 1,
            "listeners": 1,
            "link": 1,
        }
    )
    folder: str = "/srv/capture"
    limit_bytes: int = 1 << 16
    ts_ns: int = 1_700_000_001_000_000_000
    status: str = '{"event":"started"}\n'
    files: dict[str, bytes] = field(default_factory=dict)
    pending: list[tuple[int, bytes]] = field(default_factory=list)
    flushes: int = 0
    announced: int = 0  # added to the number of frames that a closed event says

    def receive(self, frames: Sequence[bytes]) -> None:
        for frame in self.arrival([f.ljust(60, b"\0") if self.padded else f for f in frames]):
            self.ts_ns += 1000
            self.counters["received"] += 1
            self.pending.append((self.ts_ns, frame))

    def close_file(self) -> None:
        for number, data in enumerate(write_records(self.pending, limit_bytes=self.limit_bytes, pad_to=4096)):
            path = f"{self.folder}/1700000000/{self.flushes}_{number}.raw"
            self.files[path] = self.damage(data)
            frames = data_frames(data)
            self.emit(
                event="closed", file=path, frames=frames + self.announced, bytes=0, file_bytes=len(self.files[path])
            )
        self.pending.clear()
        self.flushes += 1
        self.emit(event="flushed", seq=self.flushes)

    def emit(self, **event: object) -> None:
        self.status += json.dumps(event) + "\n"

    def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None) -> CommandResult:
        code, text = self._answer(list(argv))
        return CommandResult(tuple(argv), code, text, "")

    def _answer(self, argv: list[str]) -> tuple[int, str]:
        match argv:
            case ["stat", "-c", "%s", path] if path == STATUS_PATH:
                return 0, f"{len(self.status)}\n"
            case ["tail", "-c", position, path] if path == STATUS_PATH:
                return 0, self.status[int(position) - 1 :]
            case ["systemctl", "kill", "--kill-whom=main", "--signal=HUP", "hpcapvf-capture.service"]:
                if not self.deaf:
                    self.close_file()
                return 0, ""
            case ["sh", "-c", script] if script.startswith("grep -sHZ"):
                lines = [f"{FOLDER}/{name}\0{value}" for name, value in self.counters.items()]
                return 0, "\n".join([*lines, f"{FOLDER}/mac\00002:00:00:00:00:11"]) + "\n"
            case ["journalctl", *_]:
                return 0, "one line\nanother line\n"
        raise AssertionError(f"unexpected command in the guest: {argv}")

    def put(self, data: bytes, path: str, mode: int = 0o644) -> None:
        raise AssertionError("a proof writes nothing into the guest")

    def get(self, path: str, limit: int) -> bytes:
        if path not in self.files:
            raise NotFound(f"no {path}")
        return self.files[path][:limit]


def data_frames(data: bytes) -> int:
    return len(read_records(data).records)
