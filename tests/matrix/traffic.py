"""What is sent to see how much a configuration stores: frames of one size, the simple IMIX. Each frame is unique."""

from __future__ import annotations

from hpcapvf.raw.pcap import Frame, write_pcap

FRAMES = 36_000
# Frames a second, for every configuration alike; more than the slowest carries, so that the shares differ.
RATE = 12_000
_FCS_BYTES = 4
_HEADER = bytes.fromhex("0200000000fe0200000000fd88b5")  # locally administered MACs, ethertype for experiments
# Sizes on the wire, checksum included; the simple IMIX is 7 : 4 : 1.
TRAFFICS: dict[str, tuple[int, ...]] = {
    "64 B": (64,),
    "IMIX": (64, 594, 64, 594, 64, 64, 1518, 64, 594, 64, 594, 64),
}


def pcap_of(name: str) -> bytes:
    """The traffic of this name as a pcap file."""
    sizes = TRAFFICS[name]
    frames = (_frame(number, sizes[number % len(sizes)]) for number in range(FRAMES))
    return write_pcap(Frame(number * 1_000_000_000 // RATE, data) for number, data in enumerate(frames))


def _frame(number: int, wire_bytes: int) -> bytes:
    return (_HEADER + number.to_bytes(8, "big")).ljust(wire_bytes - _FCS_BYTES, b"\xa5")
