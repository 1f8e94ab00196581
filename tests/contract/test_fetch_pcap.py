"""Fetching from a guest with tcpdump or DPDK: our text in a real Python, a real tcpdump as filter, files that grow."""

from __future__ import annotations

import shutil
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from hpcapvf.host.protocols import Machine
from hpcapvf.model.errors import NotFound, StepFailed
from hpcapvf.model.progress import Silent
from hpcapvf.model.request import EngineRequest
from hpcapvf.raw.pcap import Frame, write_pcap
from hpcapvf.verify.conversion import NANOSECONDS, Moment, Retrieved, Wish
from hpcapvf.verify.retrieve import retrieve
from tests.contract.test_fetch import BASE, EPB, Only, ThisMachine
from tests.unit.verify.sample import OneGuest, sample_plan


def moment(second: float) -> Moment:
    return Moment(int((BASE + second) * NANOSECONDS))


def frames(start: int, count: int = 10) -> list[Frame]:
    return [
        Frame((BASE + n) * NANOSECONDS + 5, (bytes([n]) * 12 + b"\x88\xb5").ljust(60 + n, bytes([n])), 60 + n)
        for n in range(start, start + count)
    ]


@pytest.fixture
def captures(tmp_path: Path) -> Path:
    """Two runs of ten frames each, one frame a second, from BASE on; frame n is 60 + n bytes long."""
    for start in (0, 10):
        (tmp_path / f"capture-{BASE + start}.pcap").write_bytes(write_pcap(frames(start)))
    return tmp_path


def fetched(folder: Path, wish: Wish, engine: str = "tcpdump") -> tuple[list[int], Retrieved]:
    """Numbers of the frames that came, by their content."""
    data = bytearray()
    plan = sample_plan()
    plan = replace(plan, request=replace(plan.request, engine=EngineRequest(engine)))
    machine = cast(Machine, Only(OneGuest(cast(Any, ThisMachine(folder)))))
    found = retrieve(plan, machine, wish, data.extend, Silent())
    assert len(data) == found.bytes_written
    numbers, at = [], 0
    while at < len(data):
        kind, length, high, low, kept, whole = (
            int.from_bytes(data[at + i : at + i + 4], "little") for i in (0, 4, 12, 16, 20, 24)
        )
        assert data[at + length - 4 : at + length] == data[at + 4 : at + 8]
        if kind == EPB:
            number = data[at + 28]
            numbers.append(number)
            assert (high << 32 | low, kept, whole) == ((BASE + number) * NANOSECONDS + 5, 60 + number, 60 + number)
        at += length
    return numbers, found


@pytest.mark.parametrize("engine", ["tcpdump", "dpdk"])
def test_everything_comes_in_order(captures: Path, engine: str) -> None:
    numbers, found = fetched(captures, Wish(), engine)
    assert numbers == list(range(20))
    assert (found.frames, found.frames_looked_at, found.status, found.complaints) == (20, 20, 0, ())


def test_a_range_is_kept_to_the_nanosecond(captures: Path) -> None:
    for begin, numbers in ((5, [12, 13, 14]), (6, [13, 14, 15])):
        first, last = (Moment((BASE + second) * NANOSECONDS + begin) for second in (12, 15))
        wish = Wish(first, last)
        assert fetched(captures, wish)[0] == numbers


def test_a_file_that_grows_has_no_fault(captures: Path) -> None:
    path = captures / f"capture-{BASE + 10}.pcap"
    path.write_bytes(path.read_bytes()[:-7])
    numbers, found = fetched(captures, Wish())
    assert (numbers, found.status) == (list(range(19)), 0)


def test_microseconds_and_the_other_byte_order_are_read(tmp_path: Path) -> None:
    head = struct.pack(">IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    body = bytes([3]) * 63
    record = struct.pack(">IIII", BASE + 3, 7, 63, 63) + body
    (tmp_path / f"capture-{BASE}.pcap").write_bytes(head + record)
    wish = Wish(Moment((BASE + 3) * NANOSECONDS + 7000), Moment((BASE + 3) * NANOSECONDS + 7001), form="pcap")
    data = bytearray()
    plan = sample_plan()
    plan = replace(plan, request=replace(plan.request, engine=EngineRequest("tcpdump")))
    machine = cast(Machine, Only(OneGuest(cast(Any, ThisMachine(tmp_path)))))
    assert retrieve(plan, machine, wish, data.extend, Silent()).frames == 1
    assert bytes(data) == write_pcap([Frame((BASE + 3) * NANOSECONDS + 7000, body, 63)])


def test_damage_is_told_with_its_place_and_other_files_come(captures: Path) -> None:
    path = captures / f"capture-{BASE}.pcap"
    whole = path.read_bytes()
    third = 24 + sum(16 + 60 + n for n in range(2))
    path.write_bytes(whole[: third + 8] + b"\xff" * 4 + whole[third + 12 :])
    numbers, found = fetched(captures, Wish())
    assert (numbers, found.status) == ([0, 1, *range(10, 20)], 1)
    assert f"byte {third}" in found.complaints[0]
    path.write_bytes(b"not a capture at all, and longer than a header")
    numbers, found = fetched(captures, Wish())
    assert (numbers, found.status) == (list(range(10, 20)), 2)


def test_a_filter_is_tcpdumps(captures: Path) -> None:
    if shutil.which("tcpdump") is None:
        with pytest.raises(StepFailed, match="tcpdump cannot be run"):
            fetched(captures, Wish(expression="greater 75"))
        pytest.skip("no tcpdump here")
    assert fetched(captures, Wish(expression="greater 75"))[0] == [15, 16, 17, 18, 19]
    assert fetched(captures, Wish(moment(16), moment(18), "greater 75"))[0] == [16, 17]
    with pytest.raises(StepFailed, match="no filter at all"):
        fetched(captures, Wish(expression="no filter at all"))


def test_nothing_in_that_time_is_said(captures: Path) -> None:
    with pytest.raises(NotFound, match="lies in that time"):
        fetched(captures, Wish(None, moment(-5)))
