"""Which files a range of time needs, and what is told of a conversion."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from hpcapvf.host.protocols import CommandResult, Machine
from hpcapvf.model.errors import NotFound, StepFailed
from hpcapvf.model.progress import Silent
from hpcapvf.verify.conversion import NANOSECONDS, Moment, Retrieved, Wish, seconds_of
from hpcapvf.verify.retrieve import overlapping, parse_listing, retrieve
from tests.unit.verify.capture_guest import CaptureGuest
from tests.unit.verify.sample import ManualClock, OneGuest, sample_plan

LISTING = (
    "1700000000/1700000100_hpcapp5s16_0.raw\t4096\n"
    "1700000000/1700000200_hpcapp5s16_0.raw\t4096\n"
    "1700000000/1700000200_hpcapp5s16_0_1.raw\t4096\n"
    "1700001800/1700001900_hpcapp5s16_0.raw\t8192\n"
    "1700001800/1700001900_hpcapp5s16_0.raw.part\t1\n"
    "lost+found/x.raw\t1\n"
    "1700001800/notes.raw\t1\n"
)
FILES = parse_listing(LISTING)
BASE = 1700000000


def ns(second: float) -> int:
    return int((BASE + second) * NANOSECONDS)


def chosen(begin: float | None, end: float | None) -> list[str]:
    found = overlapping(FILES, None if begin is None else ns(begin), None if end is None else ns(end))
    return [file.path.partition("/")[2].removesuffix(".raw").removeprefix("17000") for file in found]


FIRST, SECOND, SAME_SECOND, LAST = (
    "00100_hpcapp5s16_0", "00200_hpcapp5s16_0", "00200_hpcapp5s16_0_1", "01900_hpcapp5s16_0",
)  # fmt: skip


def test_only_hpcapdds_own_files_are_listed_in_the_order_of_their_frames() -> None:
    assert [(f.queue, f.second - BASE, f.number, f.size_bytes) for f in FILES] == [
        ("p5s16_0", 100, 0, 4096),
        ("p5s16_0", 200, 0, 4096),
        ("p5s16_0", 200, 1, 4096),
        ("p5s16_0", 1900, 0, 8192),
    ]


@pytest.mark.parametrize(
    ("begin", "end", "files"),
    [
        (None, None, [FIRST, SECOND, SAME_SECOND, LAST]),
        (None, 100, []),
        (None, 100.5, [FIRST]),
        (0, 150, [FIRST]),
        (150, 160, [FIRST]),  # its last frame may be as late as the next file's first
        (200.5, 201, [FIRST, SECOND, SAME_SECOND]),  # the next file's name tells its first frame's second only
        (201, 1900, [SAME_SECOND]),
        (1900.5, None, [SAME_SECOND, LAST]),
        (1901, None, [LAST]),
        (9000, None, [LAST]),  # the newest file may still grow
    ],
)
def test_files_that_may_hold_frames_of_the_range(begin: float | None, end: float | None, files: list[str]) -> None:
    assert chosen(begin, end) == files


def test_queues_are_apart() -> None:
    files = parse_listing("0/100_hpcapa_0.raw\t1\n0/500_hpcapa_0.raw\t1\n0/100_hpcapa_1.raw\t1\n")
    found = overlapping(files, 600 * NANOSECONDS, None)
    assert [(f.queue, f.second) for f in found] == [("a_0", 500), ("a_1", 100)]


def test_times_for_raw2pcap_have_all_nine_digits() -> None:
    assert seconds_of(1_700_000_000_000_000_007) == "1700000000.000000007"


@dataclass
class RangeGuest(CaptureGuest):
    """Lists files and converts: what is printed and complained of is the test's to say."""

    listing: str = LISTING
    active: bool = True
    answer: tuple[int, str, str] = (0, "pcapng", "raw2pcap: 1700000000/1700000100_hpcapp5s16_0.raw: 3 of 9 frames\n")
    asked: list[tuple[list[str], bytes]] = field(default_factory=list)

    def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None) -> CommandResult:
        words = list(argv)
        if words[0] == "find":
            return CommandResult(tuple(argv), 0, self.listing, "")
        if words[0] == "date":
            return CommandResult(tuple(argv), 0, f"{ns(2000)}\n", "")
        if words[:2] == ["systemctl", "is-active"]:
            return CommandResult(tuple(argv), 0 if self.active else 3, "", "")
        if words[:2] == ["sh", "-c"] and any("raw2pcap" in word for word in words):
            self.asked.append((words[4:], stdin or b""))
            return CommandResult(tuple(argv), *self.answer)
        return super().run(argv, timeout_s=timeout_s, stdin=stdin)


def fetched(guest: RangeGuest, wish: Wish) -> tuple[Retrieved, bytes]:
    machine = cast(
        Machine, cast(Any, dataclasses.make_dataclass("M", ["guests", "clock"])(OneGuest(guest), ManualClock()))
    )
    data = bytearray()
    return retrieve(sample_plan(), machine, wish, data.extend, Silent()), bytes(data)


def test_the_open_file_is_closed_and_the_output_handed_on() -> None:
    guest = RangeGuest()
    found, data = fetched(guest, Wish(Moment(-100 * NANOSECONDS, relative=True), None, "tcp"))
    assert data == b"pcapng"
    assert guest.flushes == 1
    ((words, names),) = guest.asked
    assert words[0] == "/srv/capture"
    assert words[1:] == [
        "/usr/local/bin/raw2pcap", "--format", "pcapng", "--output", "-", "--from", f"{BASE + 1900}.000000000",
        "--filter", "tcp",
    ]  # fmt: skip
    assert names.decode().split() == [f.path for f in FILES[2:]]
    assert (found.frames, found.frames_looked_at, found.bytes_written, found.status) == (3, 9, 6, 0)
    assert (found.from_ns, found.to_ns, found.complaints) == (ns(1900), None, ())


def test_a_range_before_the_newest_file_closes_nothing() -> None:
    guest = RangeGuest()
    found, _ = fetched(guest, Wish(None, Moment(ns(150))))
    assert guest.flushes == 0
    assert [f.path for f in found.files] == [FILES[0].path]


def test_a_capture_that_does_not_run_is_read_as_it_is() -> None:
    guest = RangeGuest(active=False)
    fetched(guest, Wish())
    assert guest.flushes == 0


def test_nothing_in_that_time_is_said_with_what_there_is() -> None:
    with pytest.raises(NotFound, match="no capture of probe") as told:
        fetched(RangeGuest(), Wish(None, Moment(ns(10))))
    assert str(BASE + 100) in told.value.hint
    with pytest.raises(NotFound) as told:
        fetched(RangeGuest(listing=""), Wish())
    assert "no captures yet" in told.value.hint
    with pytest.raises(NotFound, match="not before"):
        fetched(RangeGuest(), Wish(Moment(5), Moment(5)))


def test_a_filter_that_is_none_is_a_failure_with_raw2pcaps_words() -> None:
    guest = RangeGuest(answer=(2, "", 'raw2pcap: filter "x (": syntax error\n'))
    with pytest.raises(StepFailed, match="syntax error"):
        fetched(guest, Wish(expression="x ("))


def test_an_output_that_broke_off_is_a_failure() -> None:
    with pytest.raises(StepFailed, match="status 3"):
        fetched(RangeGuest(answer=(3, "half", "raw2pcap: cannot write -: Broken pipe\n")), Wish())


def test_faults_of_the_files_are_told_and_the_rest_is_brought() -> None:
    guest = RangeGuest(answer=(1, "pcapng", "raw2pcap: a.raw: fault: byte 7: cut\nraw2pcap: a.raw: 2 of 2 frames\n"))
    found, data = fetched(guest, Wish())
    assert (found.status, found.complaints, data) == (1, ("raw2pcap: a.raw: fault: byte 7: cut",), b"pcapng")
