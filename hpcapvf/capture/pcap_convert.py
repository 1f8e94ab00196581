"""Runs in a guest that captures with tcpdump or DPDK, by its own Python and nothing of ours: frames of a range of time.

It takes the options of raw2pcap(1) that ``fetch`` uses, and says of each file how many frames it took. Formats: pcap,
draft-ietf-opsawg-pcap (both byte orders, micro- and nanoseconds, Ethernet); pcapng, draft-ietf-opsawg-pcapng. With
--filter the frames come through tcpdump. Exit status: 0, 1 (a file is damaged), 2 (a file could not be used), 3 (the
filter is none).
"""

from __future__ import annotations

import argparse
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

NANOSECONDS = 1_000_000_000
ETHERNET = 1
LONGEST_FRAME = 262_144
# magic number, as the first four bytes: byte order, and nanoseconds in a unit of the second number of a time
FORMATS = {
    b"\xd4\xc3\xb2\xa1": ("<", 1_000),
    b"\xa1\xb2\xc3\xd4": (">", 1_000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
PCAP_HEADER = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, LONGEST_FRAME, ETHERNET)


class Unusable(Exception):
    """Not a file that can be read here."""


class Damaged(Exception):
    """What comes next is no frame."""


def main(argv: list[str]) -> int:
    """Convert; the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--format", choices=("pcap", "pcapng"), default="pcapng")
    parser.add_argument("--output", choices=("-",), default="-")
    parser.add_argument("--from", dest="begin", type=nanoseconds)
    parser.add_argument("--to", dest="end", type=nanoseconds)
    parser.add_argument("--filter", default="")
    parser.add_argument("files", nargs="+")
    args = parser.parse_args(argv)
    if args.filter and (problem := filter_problem(args.filter)):
        print(f"{args.filter}: {problem}", file=sys.stderr)
        return 3
    out, write = sys.stdout.buffer, write_pcapng if args.format == "pcapng" else write_pcap
    out.write(pcapng_header() if args.format == "pcapng" else PCAP_HEADER)
    worst = 0
    for name in args.files:
        taken = seen = 0
        try:
            for at, length, frame in frames_of(name, args.filter):
                seen += 1
                if (args.begin is None or at >= args.begin) and (args.end is None or at < args.end):
                    taken += 1
                    write(out, at, length, frame)
        except (Damaged, Unusable, OSError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            worst = max(worst, 1 if isinstance(error, Damaged) else 2)
        print(f"pcap: {name}: {taken} of {seen} frames", file=sys.stderr)
    out.flush()
    return worst


def nanoseconds(text: str) -> int:
    """Seconds with up to nine digits behind the point."""
    whole, _, part = text.partition(".")
    return int(whole) * NANOSECONDS + int(part.ljust(9, "0")[:9])


def frames_of(name: str, expression: str) -> Iterator[tuple[int, int, bytes]]:
    """Time in nanoseconds since 1970, length on the link, and the bytes of each frame. A file's last frame may not be
    whole yet: the capture goes on."""
    if not expression:
        with Path(name).open("rb") as file:
            yield from records(file)
        return
    words = ["tcpdump", "--time-stamp-precision=nano", "-n", "-r", name, "-w", "-", expression]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
        if program.stdout is not None:
            yield from records(program.stdout)


def filter_problem(expression: str) -> str:
    """Why tcpdump takes no such filter, or is not there; empty if it does."""
    try:
        words = ["tcpdump", "-y", "EN10MB", "-d", expression]
        result = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    except OSError as error:
        return f"tcpdump cannot be run: {error}"
    said = result.stderr.decode("utf-8", "replace").strip().splitlines()
    return "" if result.returncode == 0 else said[-1] if said else "tcpdump refused the filter"


def records(file: IO[bytes]) -> Iterator[tuple[int, int, bytes]]:
    """Frames of an open pcap file."""
    head = file.read(24)
    if len(head) < 24 or head[:4] not in FORMATS:
        raise Unusable("not a pcap file")
    order, unit = FORMATS[head[:4]]
    (link,) = struct.unpack(order + "I", head[20:24])
    if link & 0xFFFF != ETHERNET:
        raise Unusable(f"not a pcap file of Ethernet frames (link type {link & 0xFFFF})")
    record, at = struct.Struct(order + "IIII"), 24
    while True:
        text = file.read(16)
        if len(text) < 16:
            return
        second, part, kept, length = record.unpack(text)
        if kept > LONGEST_FRAME or part * unit >= NANOSECONDS:
            raise Damaged(f"byte {at}: no frame begins here, and nothing behind it was read")
        frame = file.read(kept)
        if len(frame) < kept:
            return
        at += 16 + kept
        yield second * NANOSECONDS + part * unit, length, frame


def pcapng_header() -> bytes:
    """A section, and one interface with times in nanoseconds (option if_tsresol: 9)."""
    section = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
    options = struct.pack("<HHB3xHH", 9, 1, 9, 0, 0)
    return (
        section
        + struct.pack("<IIHHI", 1, 20 + len(options), ETHERNET, 0, 0)
        + options
        + struct.pack("<I", 20 + len(options))
    )


def write_pcapng(out: IO[bytes], at: int, length: int, frame: bytes) -> None:
    """An enhanced packet block."""
    whole = 32 + len(frame) + -len(frame) % 4
    out.write(struct.pack("<IIIIIII", 6, whole, 0, at >> 32, at & 0xFFFF_FFFF, len(frame), length))
    out.write(frame + bytes(-len(frame) % 4) + struct.pack("<I", whole))


def write_pcap(out: IO[bytes], at: int, length: int, frame: bytes) -> None:
    """A record with nanoseconds."""
    out.write(struct.pack("<IIII", at // NANOSECONDS, at % NANOSECONDS, len(frame), length) + frame)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
