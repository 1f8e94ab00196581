"""Frames for the wire: every address and length that matters, each of them unlike any other."""

from __future__ import annotations

import random
import struct

from hpcapvf.raw.pcap import Frame, write_pcap

OWN_MAC = bytes.fromhex("028259900001")
FOREIGN_MAC = bytes.fromhex("020000000002")
SENDER = bytes.fromhex("020000000099")
ETHER_TYPE = b"\x88\xb5"  # for experiments (IEEE 802)
LENGTHS = (60, 64, 65, 128, 594, 1000, 1514)


def make_frames(count: int, *, lengths: tuple[int, ...] = LENGTHS, seed: int = 1) -> list[bytes]:
    """Own and foreign unicast, multicast and broadcast; a third of them with a VLAN tag, which comes on top."""
    chance = random.Random(seed)  # noqa: S311 - reproducible, not secret
    return [make_frame(chance, number, chance.choice(lengths)) for number in range(count)]


def make_frame(chance: random.Random, number: int, length: int) -> bytes:
    """One of them; number is in it."""
    multicast = b"\x01\x00\x5e" + bytes([chance.randrange(128)]) + chance.randbytes(2)
    destination = chance.choice((OWN_MAC, FOREIGN_MAC, multicast, b"\xff" * 6))
    tag = struct.pack("!HH", 0x8100, chance.randrange(1, 4095) | chance.randrange(8) << 13)
    head = destination + SENDER + (tag if chance.random() < 1 / 3 else b"")
    body = ETHER_TYPE + struct.pack("!I", number)
    return head + body + chance.randbytes(length - 12 - len(body))


def without_tag(frame: bytes) -> bytes:
    """The frame, its VLAN tag taken out."""
    return frame[:12] + frame[16:] if frame[12:14] == b"\x81\x00" else frame


def as_pcap(frames: list[bytes]) -> bytes:
    """A capture file of them."""
    return write_pcap(Frame(number, frame) for number, frame in enumerate(frames))
