"""Options of commands that prove something: who sends frames, and which."""

from __future__ import annotations

import argparse


def frame_rate(text: str) -> float:
    """Frames per second. ArgumentTypeError unless it is a number above 0."""
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no number of frames per second above 0")
    return rate


def add_proof_options(parser: argparse.ArgumentParser) -> None:
    """Options about how the proof gets its frames."""
    group = parser.add_argument_group("proof")
    group.add_argument(
        "--source",
        default="none",
        metavar="wire|COMMAND|none",
        help="who sends the frames of the proof: wire (the far end of the lab's link), a command that is run with the "
        "path of a pcap file as its last argument and returns when the frames are sent, or none (default): nothing is "
        "sent, only the machine is checked",
    )
    group.add_argument(
        "--pcap",
        action="append",
        default=[],
        metavar="FILE",
        help="frames to send, one proof per file (default: the project's own mix of 5000 frames)",
    )
    group.add_argument(
        "--rate", type=frame_rate, metavar="N", help="frames per second that the wire sends (default: its own pace)"
    )
