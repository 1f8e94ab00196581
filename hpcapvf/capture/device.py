"""A capture device: ``with CaptureDevice("/dev/hpcap_p7s0_0") as device: for batch in device.batches(): …``."""

from __future__ import annotations

import ctypes
import errno
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType

from hpcapvf.capture.library import (
    LISTENER_STATS,
    SONAME,
    STATS,
    FrameHead,
    Info,
    ListenerStats,
    Stats,
    load_library,
)
from hpcapvf.model.errors import Conflict, HpcapvfError, NotCapable, NotFound, StepFailed

BATCH_BYTES = 1 << 20
_WAIT_S_MAX = 3600.0  # of one call, which counts milliseconds in 32 bits
_TIMESTAMPS = ("frame", "udts", "wdts", "auto")
_CLOCKS = ("realtime", "tai")


@dataclass(frozen=True)
class Frame:
    """One captured frame. time_ns: since 1970, of the module's clock. length: bytes on the wire, without CRC."""

    time_ns: int
    length: int
    data: bytes


@dataclass(frozen=True)
class Loss:
    """What a lossy listener lost since the batch before. length: bytes on the wire."""

    frames: int
    length: int


@dataclass(frozen=True)
class Batch:
    """Whole frames in order. loss: what is missing right before them, or None. Both empty: nothing came in time."""

    frames: tuple[Frame, ...]
    loss: Loss | None = None


@dataclass(frozen=True)
class DeviceInfo:
    """What a device is. abi: (major, minor). caplen: 0 means frames are not cut. numa_node: None, if it has none."""

    abi: tuple[int, int]
    interface: str
    queue: int
    mac: str
    link: bool
    ring_bytes: int
    caplen: int
    frame_bytes_max: int
    cpu: int
    numa_node: int | None
    timestamp: str
    clock: str
    driver_version: str


class CaptureDevice:
    """One listener of a device; use it from one thread at a time.

    lossy: whether it may be overtaken instead of holding the ring for all. library: see load_library. Raises
    NotFound (no such device, or it went away), NotCapable (not allowed, or another ABI), Conflict (all places
    taken), StepFailed for anything else the library says.
    """

    def __init__(self, path: str, *, lossy: bool = False, library: str = SONAME) -> None:
        self._library = load_library(library)
        self._path = path
        self._handle = ctypes.c_void_p()
        self._lost = (0, 0)
        self._check(self._library.hpcapvf_open(os.fsencode(path), ctypes.byref(self._handle)), "open")
        try:
            if lossy:
                self.set_lossy(True)
        except HpcapvfError:
            self.close()
            raise

    def __enter__(self) -> CaptureDevice:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the place back; closing twice is allowed."""
        handle, self._handle = self._handle, ctypes.c_void_p()
        if handle:
            self._library.hpcapvf_close(handle)

    def info(self) -> DeviceInfo:
        """What the device is, now (link)."""
        raw = Info()
        self._ask(self._library.hpcapvf_info, raw)
        return DeviceInfo(
            abi=(raw.abi_version >> 16, raw.abi_version & 0xFFFF),
            interface=raw.interface.decode(),
            queue=raw.queue,
            mac=":".join(f"{byte:02x}" for byte in raw.mac),
            link=bool(raw.link),
            ring_bytes=raw.ring_bytes,
            caplen=raw.caplen,
            frame_bytes_max=raw.frame_bytes_max,
            cpu=raw.cpu,
            numa_node=None if raw.numa_node < 0 else raw.numa_node,
            timestamp=_name(_TIMESTAMPS, raw.timestamp),
            clock=_name(_CLOCKS, raw.clock),
            driver_version=raw.driver_version.decode(),
        )

    def stats(self) -> dict[str, int]:
        """The device's counters by the names of ``struct hpcapvf_stats``: one snapshot, whose equation holds."""
        raw = Stats()
        self._ask(self._library.hpcapvf_stats, raw)
        return {name: getattr(raw, name) for name in STATS}

    def listener_stats(self) -> dict[str, int]:
        """This listener's counters by the names of ``struct hpcapvf_listener_stats``."""
        raw = ListenerStats()
        self._ask(self._library.hpcapvf_listener_stats, raw)
        return {name: getattr(raw, name) for name in LISTENER_STATS}

    def set_lossy(self, lossy: bool) -> None:
        """Change the policy. Back to lossless, what was unread counts as lost."""
        self._check(self._library.hpcapvf_set_lossy(self._open(), lossy), "change the policy of")

    def read_batch(self, *, timeout_s: float | None = None, max_bytes: int = BATCH_BYTES) -> Batch:
        """Wait for frames, copy at most max_bytes bytes of them (at least one frame), and free their place.

        timeout_s None: without limit. The batch is empty when the time passed. NotFound once the device is gone and
        everything was read.
        """
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            came = self._wait(end)
            # before the frames are looked at: what is lost from here on is missing behind them
            lost = self._lost_now()
            size = ctypes.c_uint64()
            records = self._library.hpcapvf_unread(self._open(), ctypes.byref(size))
            # a record has at most 65535 bytes and its header: one always fits
            copy = ctypes.string_at(records, min(size.value, max(max_bytes, 1 << 17)))
            frames, used = self._frames(copy)
            error = self._library.hpcapvf_release(self._open(), used) if used else 0
            # overwritten before it was looked at, or while it was copied: the next look tells how much is lost
            overtaken = error == -errno.ESTALE or (came and not used and lost == self._lost)
            if not overtaken:
                break
        self._check(error, "read")
        before, self._lost = self._lost, lost
        return Batch(frames, None if lost == before else Loss(lost[0] - before[0], lost[1] - before[1]))

    def batches(self, *, timeout_s: float | None = None, max_bytes: int = BATCH_BYTES) -> Iterator[Batch]:
        """Batches until nothing comes for timeout_s seconds; NotFound when the device goes away."""
        while True:
            batch = self.read_batch(timeout_s=timeout_s, max_bytes=max_bytes)
            if not batch.frames and batch.loss is None:
                return
            yield batch

    def _wait(self, end: float | None) -> bool:
        """Until a byte is there (True) or the clock is at end. After a signal the rest is waited for."""
        while True:
            left_s = _WAIT_S_MAX if end is None else max(0.0, end - time.monotonic())
            error = self._library.hpcapvf_wait(self._open(), 1, round(min(left_s, _WAIT_S_MAX) * 1000))
            if error == -errno.EINTR or (error == -errno.ETIMEDOUT and left_s >= _WAIT_S_MAX):
                continue  # a signal is Python's to handle
            if error != -errno.ETIMEDOUT:
                self._check(error, "wait for")
            return bool(error == 0)

    def _frames(self, records: bytes) -> tuple[tuple[Frame, ...], int]:
        """The frames in a copy of records, and how many bytes they take. What is no frame is skipped.

        The copy may end within a record, and of a lossy listener it may be overwritten in part: release tells that.
        """
        base = ctypes.cast(ctypes.c_char_p(records), ctypes.c_void_p).value or 0
        position, head = ctypes.c_uint64(), FrameHead()
        found: list[Frame] = []
        while self._library.hpcapvf_next(records, len(records), ctypes.byref(position), ctypes.byref(head)) == 1:
            if head.seconds:
                start = head.data - base
                data = records[start : start + head.caplen]
                found.append(Frame(head.seconds * 1_000_000_000 + head.nanoseconds, head.len, data))
        return tuple(found), position.value

    def _lost_now(self) -> tuple[int, int]:
        """Frames and bytes lost up to now, from the listener's account."""
        account = self.listener_stats()
        return account["lost"], account["lost_bytes"]

    def _ask(self, function: Callable[..., int], target: ctypes.Structure) -> None:
        self._check(function(self._open(), ctypes.byref(target)), "ask")

    def _open(self) -> ctypes.c_void_p:
        if not self._handle:
            raise StepFailed(f"{self._path} was closed already")
        return self._handle

    def _check(self, result: int, doing: str) -> None:
        """Raise what a negative result of the library means."""
        if result >= 0:
            return
        code = -result
        message = f"cannot {doing} {self._path}: {os.strerror(code)}"
        if code in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
            raise NotFound(message, hint="is the module hpcapvf loaded and bound to the virtual function?")
        if code in (errno.EACCES, errno.EPERM):
            raise NotCapable(message, hint="become a member of the group hpcap: usermod --append --groups hpcap USER")
        if code == errno.EPROTO:
            raise NotCapable(message, hint="module and library are of different versions: install matching ones")
        if code == errno.EBUSY:
            raise Conflict(message, hint="all places for listeners are taken: end another reader")
        raise StepFailed(message, hint="see the kernel's log (dmesg)")


def _name(names: tuple[str, ...], number: int) -> str:
    """A number's name; a newer module may know more of them."""
    return names[number] if number < len(names) else str(number)
