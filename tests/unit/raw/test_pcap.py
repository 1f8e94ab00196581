"""pcap files of every byte order and time unit, and damaged ones."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcapvf.model.errors import BadSpec
from hpcapvf.raw.pcap import Frame, read_pcap, write_pcap

FRAMES = st.lists(st.builds(Frame, st.integers(0, 2**32 * 10**9 - 1), st.binary(max_size=200)), max_size=8)


def file_of(order: str, magic: int, fraction: int, link_type: int = 1) -> bytes:
    header = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link_type)
    return header + struct.pack(order + "IIII", 7, fraction, 3, 60) + b"abc"


@given(FRAMES)
def test_what_is_written_is_read(frames: list[Frame]) -> None:
    assert read_pcap(write_pcap(frames)) == frames


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "unit_ns"), [(0xA1B2C3D4, 1000), (0xA1B23C4D, 1)])
def test_both_byte_orders_and_time_units(order: str, magic: int, unit_ns: int) -> None:
    assert read_pcap(file_of(order, magic, 5)) == [Frame(7_000_000_000 + 5 * unit_ns, b"abc", 60)]


def test_frame_check_sequence_bits_beside_the_link_type_are_ignored() -> None:
    assert len(read_pcap(file_of("<", 0xA1B2C3D4, 0, link_type=0x54000001))) == 1


@pytest.mark.parametrize("cut", [1, 3, 4, 18])
def test_a_file_that_ends_early_is_refused_with_the_place(cut: int) -> None:
    whole = file_of("<", 0xA1B2C3D4, 0)
    with pytest.raises(BadSpec, match=r"frame 1 \(byte 24\)"):
        read_pcap(whole[:-cut])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "too few"),
        (b"\x0a\x0d\x0d\x0a" + bytes(40), "pcapng"),
        (bytes(40), "no pcap magic"),
        (file_of("<", 0xA1B2C3D4, 0, link_type=113), "link type 113"),
        (write_pcap([]) + struct.pack("<IIII", 0, 0, 2**31, 0), "damaged"),
    ],
)
def test_what_is_no_ethernet_pcap_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(BadSpec, match=said):
        read_pcap(content)
