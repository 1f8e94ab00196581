"""Classic pcap files to frames and back (libpcap's pcap-savefile(5)). Pure functions."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable
from dataclasses import dataclass

from hpcapvf.model.errors import BadSpec

ETHERNET = 1
FILE_HEADER_BYTES = 24
RECORD_HEADER_BYTES = 16
LONGEST_FRAME_BYTES = 262144
# First four bytes of the file → (byte order for struct, nanoseconds per unit of the second timestamp field).
MAGICS = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}


@dataclass(frozen=True)
class Frame:
    """One frame. ts_ns: nanoseconds since 1970. data: the bytes kept. wire_bytes: its length on the wire."""

    ts_ns: int
    data: bytes
    wire_bytes: int = -1

    def __post_init__(self) -> None:
        if self.wire_bytes < 0:
            object.__setattr__(self, "wire_bytes", len(self.data))


def read_pcap(content: bytes) -> list[Frame]:
    """All frames of a pcap file of either byte order and either time unit.

    Raises BadSpec when it is not an Ethernet pcap file or ends within a record; the message gives the byte offset.
    """
    order, unit_ns = read_file_header(content)
    record = struct.Struct(order + "IIII")
    frames: list[Frame] = []
    offset = FILE_HEADER_BYTES
    while offset < len(content):
        if offset + RECORD_HEADER_BYTES > len(content):
            raise BadSpec(f"pcap: the file ends within the header of frame {len(frames) + 1} (byte {offset})")
        seconds, fraction, kept, wire = record.unpack_from(content, offset)
        start = offset + RECORD_HEADER_BYTES
        if kept > LONGEST_FRAME_BYTES:
            raise BadSpec(f"pcap: frame {len(frames) + 1} (byte {offset}) claims {kept} bytes; the file is damaged")
        if start + kept > len(content):
            raise BadSpec(f"pcap: the file ends within frame {len(frames) + 1} (byte {offset})")
        frames.append(Frame(seconds * 1_000_000_000 + fraction * unit_ns, content[start : start + kept], wire))
        offset = start + kept
    return frames


class FrameTimes:
    """Times and lengths of the frames of a pcap file that comes in pieces; of their bytes nothing is kept.

    times_ns: nanoseconds since 1970, in file order. wire_bytes: lengths on the wire. After BadSpec (as ``read_pcap``,
    but for an end within a record, which ``rest_bytes`` tells) nothing more may be added.
    """

    def __init__(self) -> None:
        self.times_ns = array("Q")
        self.wire_bytes = array("L")
        self._rest = b""
        self._unit_ns = 0
        self._record = struct.Struct("<IIII")

    @property
    def rest_bytes(self) -> int:
        """Bytes of a record that is not whole yet."""
        return len(self._rest)

    def add(self, piece: bytes) -> None:
        """The next bytes of the file."""
        data, offset = self._rest + piece, 0
        if not self._unit_ns and len(data) >= FILE_HEADER_BYTES:
            order, self._unit_ns = read_file_header(data)
            self._record, offset = struct.Struct(order + "IIII"), FILE_HEADER_BYTES
        while self._unit_ns and offset + RECORD_HEADER_BYTES <= len(data):
            seconds, fraction, kept, wire = self._record.unpack_from(data, offset)
            if kept > LONGEST_FRAME_BYTES:
                raise BadSpec(f"pcap: frame {len(self.times_ns) + 1} claims {kept} bytes; the file is damaged")
            if offset + RECORD_HEADER_BYTES + kept > len(data):
                break
            self.times_ns.append(seconds * 1_000_000_000 + fraction * self._unit_ns)
            self.wire_bytes.append(wire)
            offset += RECORD_HEADER_BYTES + kept
        self._rest = data[offset:]


def read_file_header(content: bytes) -> tuple[str, int]:
    """Byte order and time unit (ns) of a pcap file; BadSpec when it is none that we read."""
    if len(content) < FILE_HEADER_BYTES:
        raise BadSpec(f"pcap: {len(content)} bytes are too few for a pcap file")
    if content[:4] == b"\x0a\x0d\x0d\x0a":
        raise BadSpec("pcap: this is a pcapng file", hint="Convert it: tcpdump -r IN.pcapng -w OUT.pcap")
    if content[:4] not in MAGICS:
        raise BadSpec(f"pcap: the file begins with {content[:4].hex()}, which is no pcap magic number")
    order, unit_ns = MAGICS[content[:4]]
    # The upper bits of the link type field hold what is known about frame check sequences.
    link_type = struct.unpack_from(order + "I", content, 20)[0] & 0xFFFF
    if link_type != ETHERNET:
        raise BadSpec(f"pcap: link type {link_type} is not Ethernet (1)")
    return order, unit_ns


def write_pcap(frames: Iterable[Frame]) -> bytes:
    """A little-endian pcap file with nanosecond timestamps."""
    return b"".join([pcap_file_header(), *(pcap_record(frame) for frame in frames)])


def pcap_file_header() -> bytes:
    """The first 24 bytes of what write_pcap makes."""
    return b"\x4d\x3c\xb2\xa1" + struct.pack("<HHiIII", 2, 4, 0, 0, LONGEST_FRAME_BYTES, ETHERNET)


def pcap_record(frame: Frame) -> bytes:
    """One frame with its header, as write_pcap makes it."""
    seconds, fraction_ns = divmod(frame.ts_ns, 1_000_000_000)
    return struct.pack("<IIII", seconds, fraction_ns, len(frame.data), frame.wire_bytes) + frame.data
