"""RAW capture files: reading and writing records, and the padding at the end of a file.

A RAW file is a chain of records without file header, magic number or checksum, all numbers little-endian::

    u32 seconds | u32 nanoseconds | u16 caplen | u16 len | caplen bytes of the frame

A record with seconds = nanoseconds = 0 is padding: caplen = len bytes follow that are no frame. The format is
that of HPCAP (thesis chapter 4); this module is the reference for the C tools.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from struct import Struct
from typing import NamedTuple

HEADER = Struct("<IIHH")
HEADER_BYTES = HEADER.size
LENGTH_MAX = 0xFFFF
SHORTEST_FRAME_BYTES = 14  # an Ethernet header: nothing shorter can be on a link
FILE_BYTES = 2 << 30
NS_PER_S = 1_000_000_000

# A header that is read at a wrong offset has seconds that are anything. Frames that follow each other on a link
# are close in time, unless the clock was set: then the records behind the jump agree with each other.
_EARLIER_S = 2
_LATER_S = 7 * 86_400
_FOLLOWERS = 2
# After one damaged header the next record begins within the longest record. Beyond this the rest is given up.
_SEARCH_BYTES = 1 << 20
_ZERO_STEP_BYTES = 1 << 16


class Record(NamedTuple):
    """One stored frame. offset: of its header in the file; ts_ns: since the epoch; length: bytes on the wire."""

    offset: int
    ts_ns: int
    length: int
    data: bytes


class FaultKind(Enum):
    """What is wrong at an offset of a file."""

    BEGINS_INSIDE_FRAME = "the file does not begin with a record"
    NOT_A_RECORD = "no record where one should be"
    TRUNCATED_FRAME = "the last frame is cut off"
    SHORT_TAIL = "fewer bytes are left than a record header has"
    BAD_PADDING = "padding that contradicts itself or exceeds the file"
    ZERO_FILL = "zeros that are not part of a padding record"
    DOUBTFUL_FRAME = "a frame that claims to be cut, before a fault: its own length may be what is damaged"
    FRAMES_AFTER_PADDING = "frames after padding in the middle of the file"


@dataclass(frozen=True)
class Fault:
    """Something a RAW file should not have. skipped: bytes from offset on that were not read as records."""

    offset: int
    kind: FaultKind
    skipped: int = 0

    @property
    def what(self) -> str:
        """One line for people."""
        skipped = f", {self.skipped} bytes skipped" if self.skipped else ""
        return f"byte {self.offset}: {self.kind.value}{skipped}"


@dataclass(frozen=True)
class RawFile:
    """What a RAW file holds: its frames in file order, what was wrong with it, and how much is padding."""

    records: tuple[Record, ...]
    faults: tuple[Fault, ...] = ()
    padding_bytes: int = 0
    size_bytes: int = 0


def read_records(data: bytes | bytearray | memoryview) -> RawFile:
    """Read a whole RAW file; never raises on any content, and reports as a fault whatever is no record.

    Accepted without a fault: padding at the start, at the end (in several records too), or none; a zero tail
    shorter than a header. Accepted with a fault: everything in ``FaultKind``; reading goes on where a chain of
    plausible records begins again. What no reader can see: damage inside a frame's bytes or inside the plausible
    range of its timestamp, since the format has no checksum.
    """
    return _Reader(memoryview(data)).read()


class _Reader:
    """One pass over one file."""

    def __init__(self, view: memoryview) -> None:
        self.view = view
        self.end = len(view)
        self.records: list[Record] = []
        self.faults: list[Fault] = []
        self.padding_bytes = 0
        self.padded_after_frames = False
        self.last_seconds: int | None = None

    def read(self) -> RawFile:
        offset = 0
        while offset < self.end:
            offset = self._step(offset)
        return RawFile(tuple(self.records), tuple(self.faults), self.padding_bytes, self.end)

    def _step(self, offset: int) -> int:
        """Read what stands at offset and return where to go on."""
        if self.end - offset < HEADER_BYTES:
            return self._short_tail(offset)
        seconds, nanoseconds, caplen, length = HEADER.unpack_from(self.view, offset)
        if seconds == 0 and nanoseconds == 0:
            return self._padding(offset, caplen, length)
        following = offset + HEADER_BYTES + caplen
        if not _plausible(seconds, nanoseconds, caplen, length):
            return self._resume(offset)
        if following > self.end:
            return self._resume(offset, FaultKind.TRUNCATED_FRAME if self._near_last(seconds) else None)
        if not self._near_last(seconds) and not self._confirmed(following, seconds):
            return self._resume(offset)
        if self.padded_after_frames:
            self._fault(offset, FaultKind.FRAMES_AFTER_PADDING)
            self.padded_after_frames = False
        frame = bytes(self.view[offset + HEADER_BYTES : following])
        self.records.append(Record(offset, seconds * NS_PER_S + nanoseconds, length, frame))
        self.last_seconds = seconds
        return int(following)

    def _short_tail(self, offset: int) -> int:
        if any(self.view[offset:]):
            self._fault(offset, FaultKind.SHORT_TAIL, self.end - offset)
        else:
            self.padding_bytes += self.end - offset
        return self.end

    def _padding(self, offset: int, caplen: int, length: int) -> int:
        next_offset: int = offset + HEADER_BYTES + caplen
        if caplen != length or next_offset > self.end:
            return self._resume(offset, FaultKind.BAD_PADDING)
        if caplen == 0 and next_offset < self.end and offset:
            # The lowest bytes of the next record's seconds may be zeros too.
            return self._resume(offset, FaultKind.ZERO_FILL, search_from=self._zeros_end(offset) - 3)
        self.padding_bytes += next_offset - offset
        self.padded_after_frames = bool(self.records)
        return next_offset

    def _zeros_end(self, offset: int) -> int:
        at = offset
        while at < self.end:
            chunk = bytes(self.view[at : at + _ZERO_STEP_BYTES])
            rest = chunk.lstrip(b"\0")
            at += len(chunk) - len(rest)
            if rest:
                break
        return at

    def _resume(self, offset: int, kind: FaultKind | None = None, *, search_from: int = 0) -> int:
        """Report a fault and search the next offset at which a chain of records begins."""
        start = max(offset + 1, search_from)
        kind = kind or (FaultKind.NOT_A_RECORD if offset else FaultKind.BEGINS_INSIDE_FRAME)
        stop = min(self.end - HEADER_BYTES, start + _SEARCH_BYTES)
        if kind is not FaultKind.TRUNCATED_FRAME:
            self._doubt_last(offset)
        found = next((at for at in range(start, stop + 1) if self._begins_chain(at)), self.end)
        self._fault(offset, kind, found - offset)
        return found

    def _doubt_last(self, offset: int) -> None:
        """Drop the record before a fault unless its two lengths vouch for each other: never garbage as a frame."""
        if not self.records:
            return
        last = self.records[-1]
        size = HEADER_BYTES + len(last.data)
        if last.offset + size == offset and len(last.data) < last.length:
            self.records.pop()
            self._fault(last.offset, FaultKind.DOUBTFUL_FRAME, size)

    def _begins_chain(self, offset: int) -> bool:
        """Whether a search may go on here. Without an earlier record to compare with, more proof is asked for."""
        seconds, nanoseconds, caplen, length = HEADER.unpack_from(self.view, offset)
        following = offset + HEADER_BYTES + caplen
        if following > self.end or not _plausible(seconds, nanoseconds, caplen, length):
            return False
        if self._near_last(seconds):
            return self._confirmed(following, seconds)
        count, to_the_end = self._followers(following, seconds)
        return count >= _FOLLOWERS or (count > 0 and to_the_end)

    def _confirmed(self, offset: int, seconds: int) -> bool:
        """Whether another record near that time follows at offset. The end of the file is enough only where no time
        is known that contradicts: else a damaged padding record could pass as a last frame."""
        count, to_the_end = self._followers(offset, seconds)
        return count > 0 or (to_the_end and (self.last_seconds is None or self._near_last(seconds)))

    def _followers(self, offset: int, seconds: int) -> tuple[int, bool]:
        """How many records near that time follow (at most _FOLLOWERS), and whether the file properly ends then."""
        for count in range(_FOLLOWERS + 1):
            if self.end - offset < HEADER_BYTES or self._only_padding(offset):
                return count, True
            later, nanoseconds, caplen, length = HEADER.unpack_from(self.view, offset)
            if not _plausible(later, nanoseconds, caplen, length) or not _near(later, seconds):
                return count, False
            seconds = later
            offset += HEADER_BYTES + caplen
        return _FOLLOWERS, False

    def _only_padding(self, offset: int) -> bool:
        """Whether padding records follow that end exactly with the file (a run of zeros alone does not count)."""
        while self.end - offset >= HEADER_BYTES:
            seconds, nanoseconds, caplen, length = HEADER.unpack_from(self.view, offset)
            offset += HEADER_BYTES + caplen
            if seconds or nanoseconds or caplen != length or (caplen == 0 and offset < self.end):
                return False
        return offset == self.end

    def _near_last(self, seconds: int) -> bool:
        return self.last_seconds is not None and _near(seconds, self.last_seconds)

    def _fault(self, offset: int, kind: FaultKind, skipped: int = 0) -> None:
        self.faults.append(Fault(offset, kind, skipped))


def _plausible(seconds: int, nanoseconds: int, caplen: int, length: int) -> bool:
    return seconds > 0 and nanoseconds < NS_PER_S and 0 < caplen <= length and length >= SHORTEST_FRAME_BYTES


def _near(seconds: int, earlier: int) -> bool:
    return earlier - _EARLIER_S <= seconds <= earlier + _LATER_S


def encode_record(ts_ns: int, frame: bytes, *, length: int | None = None) -> bytes:
    """One record. length: bytes on the wire if the frame was cut. ValueError for what RAW cannot express."""
    length = len(frame) if length is None else length
    if not NS_PER_S <= ts_ns < NS_PER_S << 32:
        raise ValueError(f"a RAW timestamp is between 1 s and 2^32 s after the epoch, not {ts_ns} ns")
    if not (0 < len(frame) <= length and SHORTEST_FRAME_BYTES <= length <= LENGTH_MAX):
        raise ValueError(f"{len(frame)} of {length} bytes: not a frame that RAW can hold")
    return HEADER.pack(*divmod(ts_ns, NS_PER_S), len(frame), length) + frame


def needs_padding(file_bytes: int, caplen: int, limit_bytes: int = FILE_BYTES) -> bool:
    """Whether a file must be ended before a record of caplen bytes (record, and a header for padding, must fit)."""
    return file_bytes + caplen + 2 * HEADER_BYTES > limit_bytes


def padding(gap_bytes: int) -> bytes:
    """Padding that fills a gap exactly. Several records if the gap exceeds one; ValueError if it holds no header."""
    if gap_bytes < HEADER_BYTES:
        raise ValueError(f"a gap of {gap_bytes} bytes has no room for a padding record")
    parts = []
    while gap_bytes:
        fill = min(gap_bytes - HEADER_BYTES, LENGTH_MAX)
        rest = gap_bytes - HEADER_BYTES - fill
        if 0 < rest < HEADER_BYTES:
            fill -= HEADER_BYTES
            rest += HEADER_BYTES
        parts.append(HEADER.pack(0, 0, fill, fill) + bytes(fill))
        gap_bytes = rest
    return b"".join(parts)


def write_records(
    frames: Iterable[tuple[int, bytes]], *, caplen: int = 0, limit_bytes: int = FILE_BYTES, pad_to: int = 0
) -> tuple[bytes, ...]:
    """RAW files of (ts_ns, frame) pairs: full ones are padded to limit_bytes by the original rule.

    caplen: bytes kept of each frame, 0 = all. pad_to: pad the last file to a multiple of it, 0 = not at all.
    """
    files: list[bytes] = []
    current = bytearray()
    for ts_ns, frame in frames:
        kept = frame[:caplen] if caplen else frame
        if needs_padding(len(current), len(kept), limit_bytes):
            if not current:
                raise ValueError(f"a file of {limit_bytes} bytes cannot hold a frame of {len(kept)} bytes")
            files.append(bytes(current) + padding(limit_bytes - len(current)))
            current.clear()
        current += encode_record(ts_ns, kept, length=len(frame))
    if current:
        files.append(bytes(current) + (padding(_gap(len(current), pad_to)) if pad_to else b""))
    return tuple(files)


def _gap(size: int, multiple: int) -> int:
    """Bytes from size to the next multiple that leaves room for a padding header."""
    return -(-(size + HEADER_BYTES) // multiple) * multiple - size
