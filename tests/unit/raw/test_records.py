"""The RAW reader against every odd file it must accept, and against damage."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpcapvf.raw.records import (
    HEADER,
    HEADER_BYTES,
    FaultKind,
    encode_record,
    needs_padding,
    padding,
    read_records,
    write_records,
)

T0 = 1_700_000_001_000_000_000  # no zero byte in the seconds: zeros at the end of a file pass as padding
FRAMES = tuple((T0 + i * 1000, bytes([0x20 + i]) * (60 + 7 * i)) for i in range(20))
WHOLE = write_records(FRAMES)[0]

timed_frames = st.lists(
    st.tuples(st.integers(0, 10**7), st.binary(min_size=14, max_size=200) | st.integers(14, 200).map(bytes)),
    max_size=12,
).map(lambda pairs: [(T0 + 10**6 * sum(p[0] for p in pairs[: i + 1]), pairs[i][1]) for i in range(len(pairs))])


def pairs(data: bytes) -> list[tuple[int, bytes]]:
    return [(r.ts_ns, r.data) for r in read_records(data).records]


def kinds(data: bytes) -> list[FaultKind]:
    return [f.kind for f in read_records(data).faults]


def test_layout_is_twelve_little_endian_bytes() -> None:
    record = encode_record(0x01020304 * 10**9 + 0x05060708, bytes(range(14)), length=0x0A0B)
    assert record == bytes.fromhex("04030201 08070605 0e00 0b0a") + bytes(range(14))


@given(timed_frames, st.sampled_from([0, 512, 4096]))
def test_round_trip(frames: list[tuple[int, bytes]], pad_to: int) -> None:
    files = write_records(frames, pad_to=pad_to)
    assert [p for f in files for p in pairs(f)] == frames
    assert not [k for f in files for k in kinds(f)]
    assert all(len(f) % pad_to == 0 for f in files if pad_to)


@given(timed_frames, st.integers(224, 1000))
def test_every_full_file_has_exactly_the_limit(frames: list[tuple[int, bytes]], limit: int) -> None:
    files = write_records(frames, limit_bytes=limit)
    assert all(len(f) == limit for f in files[:-1])
    assert [p for f in files for p in pairs(f)] == frames
    assert not [k for f in files for k in kinds(f)]


def test_caplen_cuts_and_keeps_the_length_of_the_wire() -> None:
    (record,) = read_records(write_records([(T0, bytes(range(100)))], caplen=20)[0]).records
    assert (record.length, record.data) == (100, bytes(range(20)))


def test_original_padding_rule_at_its_edge() -> None:
    assert not needs_padding(1000 - 24 - 60, 60, 1000)
    assert needs_padding(1000 - 24 - 60 + 1, 60, 1000)
    exact = write_records([(T0, bytes(60)), (T0, bytes(60))], limit_bytes=84)
    assert [len(f) for f in exact] == [84, 72]  # exactly one header was left: a padding record of 0 bytes
    assert exact[0][-12:] == bytes(12)


@given(st.integers(12, 300_000))
def test_padding_fills_any_gap_and_holds_no_frame(gap: int) -> None:
    data = padding(gap)
    assert len(data) == gap
    file = read_records(WHOLE + data)
    assert len(file.records) == len(FRAMES)
    assert file.padding_bytes == gap
    assert not file.faults


def test_padding_needs_room() -> None:
    with pytest.raises(ValueError, match="no room"):
        padding(11)


@pytest.mark.parametrize("start", [padding(12), padding(50), padding(100) + padding(12)])
def test_padding_at_the_start(start: bytes) -> None:
    file = read_records(start + WHOLE)
    assert [(r.ts_ns, r.data) for r in file.records] == list(FRAMES)
    assert not [f for f in file.faults if f.kind is not FaultKind.ZERO_FILL]


@pytest.mark.parametrize("tail", [b"", bytes(1), bytes(11)])
def test_few_zero_bytes_at_the_end_are_no_fault(tail: bytes) -> None:
    assert pairs(WHOLE + tail) == list(FRAMES)
    assert kinds(WHOLE + tail) == []


def test_short_tail_of_other_bytes_is_reported() -> None:
    assert pairs(WHOLE + b"\x01" * 11) == list(FRAMES)
    assert kinds(WHOLE + b"\x01" * 11) == [FaultKind.SHORT_TAIL]


def test_every_truncation_keeps_the_whole_frames_and_reports_the_cut() -> None:
    ends = {r.offset + HEADER_BYTES + len(r.data) for r in read_records(WHOLE).records} | {0}
    for size in range(len(WHOLE)):
        file = read_records(WHOLE[:size])
        complete = sum(1 for end in ends if 0 < end <= size)
        assert [(r.ts_ns, r.data) for r in file.records] == list(FRAMES[:complete]), size
        assert bool(file.faults) == (size not in ends), size


def test_truncated_last_frame_has_its_own_kind() -> None:
    assert kinds(WHOLE[:-1]) == [FaultKind.TRUNCATED_FRAME]


def test_a_file_that_begins_inside_a_frame_resumes_at_the_next_record() -> None:
    second = HEADER_BYTES + 60
    for cut in range(1, second):
        file = read_records(WHOLE[cut:])
        assert [(r.ts_ns, r.data) for r in file.records] == list(FRAMES[1:]), cut
        assert [f.kind for f in file.faults] == [FaultKind.BEGINS_INSIDE_FRAME]
        assert file.faults[0].skipped == second - cut


def test_clock_that_is_set_is_no_fault() -> None:
    times = [10**9, 10**9 + 5, T0, T0 + 9, 3 * 10**9, 3 * 10**9]
    frames = [(ts, bytes([0x61 + i]) * 60) for i, ts in enumerate(times)]
    assert pairs(write_records(frames)[0]) == frames
    assert kinds(write_records(frames)[0]) == []


def test_a_single_last_record_of_another_time_is_reported_not_trusted() -> None:
    data = WHOLE + encode_record(10**9, bytes(60))
    assert pairs(data) == list(FRAMES)
    assert kinds(data) == [FaultKind.NOT_A_RECORD]


def test_damaged_padding_is_no_frame() -> None:
    data = bytearray(WHOLE + padding(178))
    data[len(WHOLE)] = 1
    assert pairs(bytes(data)) == list(FRAMES)
    assert kinds(bytes(data)) == [FaultKind.NOT_A_RECORD]


@pytest.mark.parametrize(
    "header",
    [
        (1_700_000_000, 10**9, 60, 60),
        (1_700_000_000, 0, 61, 60),
        (1_700_000_000, 0, 0, 60),
        (1_700_000_000, 0, 13, 13),
        (0, 1, 60, 60),
        (3_900_000_000, 0, 60, 60),
    ],
    ids=["ns", "caplen", "empty", "short", "no-seconds", "far-time"],
)
def test_implausible_headers_are_refused(header: tuple[int, int, int, int]) -> None:
    bad = HEADER.pack(*header) + bytes([0x55]) * 60
    data = WHOLE + bad + WHOLE
    assert pairs(data) == [*FRAMES, *FRAMES]
    assert kinds(data) == [FaultKind.NOT_A_RECORD]


def test_padding_that_contradicts_itself_or_exceeds_the_file() -> None:
    assert kinds(WHOLE + HEADER.pack(0, 0, 3, 4) + b"abc") == [FaultKind.BAD_PADDING]
    assert kinds(WHOLE + HEADER.pack(0, 0, 9, 9) + b"abc") == [FaultKind.BAD_PADDING]
    assert pairs(WHOLE + HEADER.pack(0, 0, 9, 9) + b"abc") == list(FRAMES)


def test_frames_after_padding_are_read_and_reported() -> None:
    assert pairs(WHOLE + padding(40) + WHOLE) == [*FRAMES, *FRAMES]
    assert kinds(WHOLE + padding(40) + WHOLE) == [FaultKind.FRAMES_AFTER_PADDING]


def test_hole_of_zeros_is_reported_and_reading_goes_on() -> None:
    for hole in (24, 200_000, 200_001, 200_003):
        for first_ns in (T0, 1_700_000_000 * 10**9, 0x64000000 * 10**9):  # seconds that begin with zero bytes
            frames = [(first_ns + i, bytes([i + 1]) * 60) for i in range(3)]
            data = WHOLE + bytes(hole) + write_records(frames)[0]
            assert pairs(data) == [*FRAMES, *frames]
            assert kinds(data) == [FaultKind.ZERO_FILL]


@pytest.mark.parametrize("claimed", [1, 20, 59, 61, 700, 65_535])
def test_a_frame_whose_length_was_damaged_is_never_given_out(claimed: int) -> None:
    for victim in (0, 7, 19):
        record = read_records(WHOLE).records[victim]
        damaged = bytearray(WHOLE + padding(4096))
        damaged[record.offset + 8 : record.offset + 10] = claimed.to_bytes(2, "little")
        file = read_records(bytes(damaged))
        assert file.faults
        assert not [r for r in file.records if (r.ts_ns, r.data) not in FRAMES]
        assert len(file.records) >= len(FRAMES) - 2


def test_random_bytes_hold_no_frames() -> None:
    noise = bytes((i * i * 31 + (i >> 3) * 17 + 0x5A) & 0xFF for i in range(20_000))
    file = read_records(noise)
    assert file.records == ()
    assert file.faults


@settings(max_examples=200)
@given(timed_frames.filter(bool), st.data())
def test_damage_is_reported_or_stays_inside_the_record(frames: list[tuple[int, bytes]], data: st.DataObject) -> None:
    """One to four damaged bytes: what comes back is an original record, or the damage lies inside that very record,
    or a fault says so. Without a fault records are only missing where damaged lengths span them to the byte."""
    intact = write_records(frames, pad_to=data.draw(st.sampled_from([0, 256])))[0]
    originals = {r.offset: r for r in read_records(intact).records}
    at = data.draw(st.integers(0, len(intact) - 1))
    junk = data.draw(st.binary(min_size=1, max_size=4))[: len(intact) - at]
    file = read_records(intact[:at] + junk + intact[at + len(junk) :])
    position = 0
    for record in file.records:
        assert record.offset >= position
        position = record.offset + HEADER_BYTES + len(record.data)
        assert position <= len(intact)
        if originals.get(record.offset) != record and not file.faults:
            assert record.offset < at + len(junk)
            assert at < position or record.offset in originals
    before = [r for r in originals.values() if r.offset + HEADER_BYTES + len(r.data) <= at]
    if len(before) > 1:
        assert list(file.records[: len(before) - 1]) == before[:-1]
    if not file.faults:
        returned = {r.offset for r in file.records}
        missing = [i for i, offset in enumerate(originals) if offset not in returned]
        damaged = sum(offset <= at for offset in originals) - 1
        assert missing in ([*range(start, start + len(missing))] for start in (damaged, damaged + 1))


@given(st.binary(max_size=400))
def test_any_bytes_are_read_without_raising(data: bytes) -> None:
    file = read_records(data)
    assert file.size_bytes == len(data)
    assert all(0 <= f.offset < len(data) for f in file.faults)
