"""The capture service in a guest as a proof uses it: counters, closing files on demand, fetching them, reading them.

What an engine does in its own way is in ``Capture``'s two forms: here HPCAPvf, in ``pcap_capture`` those that write
pcap files. Of HPCAPvf, files are closed by SIGHUP to hpcapdd, which then appends to its status file one ``closed``
event for each file and a ``flushed`` event with a running number. Everything that the guest says is checked before it
is used.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Protocol

from hpcapvf.host.protocols import Clock, CommandResult, Guest, Job
from hpcapvf.model.errors import StepFailed, WaitTimedOut
from hpcapvf.model.paths import CAPTURE_UNIT, PORT_UNIT
from hpcapvf.model.plan import Plan
from hpcapvf.model.steps import StartCapture
from hpcapvf.raw.records import Record, read_records

STATUS_PATH = "/run/hpcapvf/capture.jsonl"
# Of a VF that the driver has taken, and of an interface that keeps its own driver.
DRIVER_FOLDERS = ("/sys/bus/pci/drivers/hpcapvf/*:*/hpcapvf", "/sys/class/net/*/hpcapvf")
# The NUL after the name (-Z) keeps the colons of PCI addresses and of MACs apart from grep's own.
READ_ATTRIBUTES = ("sh", "-c", f"grep -sHZ . {' '.join(f'{folder}/*' for folder in DRIVER_FOLDERS)}")
COUNTERS = (
    "received",
    "received_bytes",
    "published",
    "published_bytes",
    "duplicates",
    "ring_full_drops",
    "no_listener_drops",
    "errors",
    "vlan_reinserted",
    "resets",
    "clock_steps_back",
)
COMMAND_TIMEOUT_S = 120.0
# Counters of the driver that must not move, and what helps if they do.
_LOSS_COUNTERS = {
    "ring_full_drops": "the reader was too slow: see the storage's speed, or give the ring more MiB (engine.ring_mib)",
    "no_listener_drops": "hpcapdd did not have the device open: see its unit in the guest",
    "errors": "the card flagged frames as bad, or they were longer than one receive buffer",
    "resets": "the PF reset the card during the proof: see the host's kernel log",
}
_POLL_S = 0.5
_JOURNAL_LINES = 12


@dataclass(frozen=True)
class StoredFile:
    """A file as the capture service closed it. frames: as the service says, None if it does not. frame_bytes: on the
    wire; file_bytes: of the whole file."""

    path: str
    frames: int | None
    frame_bytes: int | None
    file_bytes: int
    unsaved_frames: int


@dataclass(frozen=True)
class Flush:
    """The files closed since the flush before. restarted: the service ended or began in between by itself."""

    sequence: int
    files: tuple[StoredFile, ...]
    restarted: bool
    next_byte: int


class Capture(Protocol):
    """One engine's capture service. loss_counters: counters that must not move, to what helps if they do."""

    loss_counters: Mapping[str, str]

    def counters(self) -> dict[str, int]:
        """Counters by name, ``received`` among them; what the engine does not count is absent."""

    def flush(self, timeout_s: float) -> Flush:
        """Have the file that is written closed; the first call only marks where the second begins."""

    def read(self, content: bytes) -> tuple[tuple[Record, ...], tuple[str, ...]]:
        """Frames of a closed file, and its faults."""


class HpcapvfCapture:
    """hpcapdd on our own driver."""

    loss_counters: Mapping[str, str] = _LOSS_COUNTERS

    def __init__(self, guest: Guest, clock: Clock) -> None:
        self._guest = guest
        self._clock = clock
        self._last: Flush | None = None

    def counters(self) -> dict[str, int]:
        """The driver's counters."""
        return read_counters(self._guest)

    def flush(self, timeout_s: float) -> Flush:
        """SIGHUP, and the events that follow."""
        last = self._last
        self._last = flush(
            self._guest,
            self._clock,
            after_sequence=last.sequence if last else -1,
            from_byte=last.next_byte if last else None,
            timeout_s=timeout_s,
        )
        return self._last

    def read(self, content: bytes) -> tuple[tuple[Record, ...], tuple[str, ...]]:
        """Records of a RAW file."""
        found = read_records(content)
        return tuple(found.records), tuple(fault.what for fault in found.faults)


def capture_step(plan: Plan) -> StartCapture:
    """The plan's capture service; StepFailed if it has none."""
    step = next((s for s in plan.steps if isinstance(s, StartCapture)), None)
    if step is None:
        raise StepFailed("the plan starts no capture, so nothing can be proved", hint="deploy with storage")
    return step


def read_attributes(guest: Guest) -> dict[str, str]:
    """All the driver says about its device, by file name; StepFailed unless it has exactly one."""
    return parse_attributes(guest.run(READ_ATTRIBUTES, timeout_s=COMMAND_TIMEOUT_S))


def parse_attributes(result: CommandResult) -> dict[str, str]:
    """``read_attributes`` of what ``READ_ATTRIBUTES`` gave back."""
    devices: dict[str, dict[str, str]] = {}
    for line in result.stdout.splitlines():
        path, _, value = line.partition("\0")
        folder, _, name = path.rpartition("/")
        if folder:
            devices.setdefault(folder, {})[name] = value.strip()
    if len(devices) != 1:
        raise StepFailed(
            f"{len(devices)} devices in the guest are captured by the hpcapvf driver, not one",
            hint="see `lspci -k` and `dmesg` in the guest: is the module loaded and the VF bound to it?",
            details=tuple(result.stderr.splitlines()[-3:]),
        )
    return next(iter(devices.values()))


def read_counters(guest: Guest) -> dict[str, int]:
    """The driver's counters since it took the VF, those that it has."""
    attributes = read_attributes(guest)
    return {name: int(attributes[name]) for name in COUNTERS if attributes.get(name, "").isdecimal()}


def flush(guest: Guest, clock: Clock, *, after_sequence: int, from_byte: int | None, timeout_s: float) -> Flush:
    """Make hpcapdd close its file and wait until it says so. from_byte None: from the end of the status file on.

    StepFailed if the service cannot be told, WaitTimedOut with its last words if it does not answer.
    """
    kill = Job(("systemctl", "kill", "--kill-whom=main", "--signal=HUP", CAPTURE_UNIT))
    size, result = guest.run_all([Job(("stat", "-c", "%s", STATUS_PATH)), kill], timeout_s=COMMAND_TIMEOUT_S)
    start = _status_bytes(size) if from_byte is None else from_byte
    if result.returncode != 0:
        reason = result.stderr.strip() or f"status {result.returncode}"
        raise StepFailed(
            f"{CAPTURE_UNIT} cannot be told to close its file: {reason}",
            hint="start it in the guest: systemctl restart hpcapvf-capture",
            details=last_words(guest),
        )
    end = clock.monotonic() + timeout_s
    while True:
        found = _read_flush(guest, start, after_sequence)
        if found is not None:
            return found
        if clock.monotonic() >= end:
            raise WaitTimedOut(
                f"{CAPTURE_UNIT} did not close its file within {timeout_s:g} s",
                hint="is the storage in the guest stuck or full? see df and dmesg there",
                details=last_words(guest),
            )
        clock.sleep(_POLL_S)


def _status_bytes(result: CommandResult) -> int:
    """Size of the status file as stat told it; 0 if the service has not written one yet."""
    text = result.stdout.strip()
    return int(text) if result.returncode == 0 and text.isdigit() else 0


def _read_flush(guest: Guest, start: int, after_sequence: int) -> Flush | None:
    """The events from byte start up to the first flush with a higher number, or None if there is none yet."""
    text = guest.run(["tail", "-c", f"+{start + 1}", STATUS_PATH], timeout_s=COMMAND_TIMEOUT_S).stdout
    files: list[StoredFile] = []
    restarted = False
    known_sequence = after_sequence
    position = start
    for line in text.splitlines(keepends=True):
        if not line.endswith("\n"):
            break
        position += len(line.encode())
        event = _event(line)
        kind = event.get("event")
        if kind == "closed":
            files.append(_stored_file(event, line))
        elif kind in ("started", "stopped"):
            restarted = True
            known_sequence = -1  # a new process counts from the start
        elif kind == "flushed" and _number(event, "seq", line) > known_sequence:
            return Flush(_number(event, "seq", line), tuple(files), restarted, position)
    return None


def _event(line: str) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    if not isinstance(event, dict):
        raise StepFailed(f"{STATUS_PATH} in the guest holds a line that is no event: {line[:120]!r}")
    return event


def _number(event: dict[str, Any], key: str, line: str) -> int:
    value = event.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise StepFailed(f"{STATUS_PATH} in the guest: {key} is missing or no number in {line[:200]!r}")
    return value


def _stored_file(event: dict[str, Any], line: str) -> StoredFile:
    path = event.get("file")
    if not isinstance(path, str):
        raise StepFailed(f"{STATUS_PATH} in the guest: a closed file without a name: {line[:200]!r}")
    numbers = {key: _number(event, key, line) for key in ("frames", "bytes", "file_bytes")}
    unsaved = _number(event, "unsaved_frames", line) if "unsaved_frames" in event else 0
    return StoredFile(path, numbers["frames"], numbers["bytes"], numbers["file_bytes"], unsaved)


def fetch(guest: Guest, file: StoredFile, directory: str) -> bytes:
    """The content of a closed file; StepFailed if it lies elsewhere or has another size than was said."""
    path = PurePosixPath(file.path)
    if not path.is_relative_to(directory) or ".." in path.parts:
        raise StepFailed(f"the capture service names {file.path}, which is not below {directory}")
    data = guest.get(file.path, file.file_bytes + 1)
    if len(data) != file.file_bytes:
        raise StepFailed(
            f"{file.path} in the guest has {len(data)} bytes, the capture service said {file.file_bytes}",
            hint="something else writes to the capture folder, or the file system lost data: see dmesg in the guest",
        )
    return data


def last_words(guest: Guest) -> tuple[str, ...]:
    """The last lines that the capture service logged, and DPDK's port, which it may depend on."""
    argv = ["journalctl", "-u", CAPTURE_UNIT, "-u", PORT_UNIT, "-n", str(_JOURNAL_LINES), "--no-pager", "-o", "cat"]
    return tuple(guest.run(argv, timeout_s=COMMAND_TIMEOUT_S).stdout.splitlines()[-_JOURNAL_LINES:])


def settle(
    read: Callable[[], dict[str, int]],
    clock: Clock,
    *,
    received_at_least: int,
    still_s: float,
    quiet_s: float,
    timeout_s: float,
) -> dict[str, int]:
    """Counters once they stand still: for still_s when enough frames were received, for quiet_s when not.

    Returns what was read last at the deadline too; whether that is enough is for the comparison to say.
    """
    end = clock.monotonic() + timeout_s
    last, since = read(), clock.monotonic()
    while True:
        now = clock.monotonic()
        patience = still_s if last.get("received", 0) >= received_at_least else quiet_s
        if now - since >= patience or now >= end:
            return last
        clock.sleep(_POLL_S)
        current = read()
        if current != last:
            last, since = current, clock.monotonic()
