"""Captures of real links, sent to the probe: what is stored is what was sent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import pytest

from orchestrator.remote import Envelope
from tests.lab.conftest import PROBE, Server

INPUTS = os.environ.get("HPCAPVF_TEST_INPUTS")
PCAPS = sorted(Path(INPUTS, "pcaps").glob("*.pcap")) if INPUTS else []
SHORTEST_ON_LINK = 60

pytestmark = pytest.mark.skipif(not PCAPS, reason="HPCAPVF_TEST_INPUTS names no folder with pcaps/*.pcap")


def _frame_lengths(path: Path) -> list[int]:
    """Lengths on the wire, read here without the project's own reader."""
    data = path.read_bytes()
    order: Literal["little", "big"] = "little" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else "big"
    lengths, at = [], 24
    while at + 16 <= len(data):
        lengths.append(int.from_bytes(data[at + 12 : at + 16], order))
        at += 16 + int.from_bytes(data[at + 8 : at + 12], order)
    return lengths


@pytest.fixture(scope="module")
def proofs(server: Server, deployed: Envelope) -> dict[str, dict[str, object]]:
    """One proof per capture, all in one call."""
    assert deployed.result["name"] == PROBE
    words = ["hpcapvf", "verify", PROBE, "--source", "wire"]
    for path in PCAPS:
        remote = f"/root/pcaps/{path.name}"
        server.lab.put(path, remote)
        words += ["--pcap", remote]
    answer = server.command(*words, timeout_s=120 + 60 * len(PCAPS))
    assert answer.result, answer.error
    return {proof["traffic"]: proof for proof in answer.result["proofs"]}


@pytest.mark.parametrize("path", PCAPS, ids=lambda path: path.stem)
def test_what_is_stored_is_what_was_sent(path: Path, proofs: dict[str, dict[str, object]]) -> None:
    lengths = _frame_lengths(path)
    proof = proofs[path.name]
    assert proof["frames_sent"] == len(lengths) > 0
    assert proof["frames_stored"] == proof["frames_identical"] == len(lengths), proof["comparison"]
    assert proof["frames_padded"] == sum(length < SHORTEST_ON_LINK for length in lengths)
    assert proof["ok"], proof["findings"]
