"""The comparison finds exactly what was done to the frames."""

from __future__ import annotations

import time
from collections import Counter
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpcapvf.model.address import Mac
from hpcapvf.raw.records import Record
from hpcapvf.verify.compare import LISTED_MAX, compare
from hpcapvf.verify.mix import MixTargets, serial_of, traffic_mix

T0 = 1_700_000_000_000_000_000
MIX = traffic_mix(60, targets=MixTargets(Mac.parse("02:00:00:00:00:01"), Mac.parse("02:00:00:00:00:02")))
few_contents = st.lists(st.integers(0, 4), max_size=14)


def records(frames: list[bytes]) -> list[Record]:
    return [Record(0, T0 + i, len(f), f) for i, f in enumerate(frames)]


def frame(number: int) -> bytes:
    return bytes([2]) * 12 + b"\x08\x00" + bytes([number]) * 60


def common(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    """The textbook recursion, as the oracle."""

    @cache
    def rest(i: int, j: int) -> int:
        if i == len(a) or j == len(b):
            return 0
        if a[i] == b[j]:
            return 1 + rest(i + 1, j + 1)
        return max(rest(i + 1, j), rest(i, j + 1))

    return rest(0, 0)


@settings(max_examples=300)
@given(few_contents, few_contents)
def test_counts_are_exact_for_any_two_sequences_even_of_equal_frames(sent: list[int], stored: list[int]) -> None:
    result = compare([frame(n) for n in sent], records([frame(n) for n in stored]))
    sent_count, stored_count = Counter(sent), Counter(stored)
    identical = common(tuple(sent), tuple(stored))
    assert result.frames_identical == identical
    assert result.frames_missing == sum((sent_count - stored_count).values())
    assert result.frames_out_of_order == sum((sent_count & stored_count).values()) - identical
    assert result.frames_foreign == sum(1 for n in stored if n not in sent_count)
    assert result.frames_duplicated == sum(
        max(0, stored_count[n] - sent_count[n]) for n in stored_count if n in sent_count
    )
    assert result.frames_sent == result.frames_identical + result.frames_out_of_order + result.frames_missing
    assert result.frames_stored == (
        result.frames_identical + result.frames_out_of_order + result.frames_duplicated + result.frames_altered
    )
    assert result.frames_stored + result.frames_foreign == len(stored)
    assert result.ok == ([n for n in stored if n in sent_count] == sent)


@settings(max_examples=100)
@given(
    drop=st.sets(st.integers(0, 59), max_size=8),
    double=st.sets(st.integers(0, 59), max_size=8),
    alter=st.dictionaries(st.integers(0, 59), st.integers(0, 11), max_size=8),
    insert=st.lists(st.integers(0, 200), max_size=8),
)
def test_each_deed_is_counted_as_what_it_is(
    drop: set[int], double: set[int], alter: dict[int, int], insert: list[int]
) -> None:
    """Frames with a serial number: drop, double, alter a byte of the addresses, and insert foreign ones."""
    double, alter = double - drop, {k: v for k, v in alter.items() if k not in drop | double}
    stored: list[bytes] = []
    for number, sent in enumerate(MIX):
        if number in drop:
            continue
        arrived = bytearray(sent)
        if number in alter:
            arrived[alter[number]] ^= 0x40
        stored += [bytes(arrived)] * (2 if number in double else 1)
    for number in insert:
        stored.insert(number % (len(stored) + 1), frame(number))
    result = compare(MIX, records(stored), identify=serial_of)
    assert result.frames_missing == len(drop) + len(alter)
    assert result.frames_altered == len(alter)
    assert result.frames_duplicated == len(double)
    assert result.frames_foreign == len(insert)
    assert result.frames_out_of_order == 0
    assert result.frames_identical == 60 - len(drop) - len(alter)
    assert sum(result.lost_per_class.values()) == result.frames_missing
    assert result.ok == (not drop and not double and not alter)
    assert all("first difference at byte" in s.note for s in result.altered)


@given(st.permutations(range(12)))
def test_reordering_is_the_fewest_frames_that_must_move(order: list[int]) -> None:
    result = compare(MIX[:12], records([MIX[i] for i in order]))
    assert result.frames_identical == common(tuple(range(12)), tuple(order))
    assert result.frames_out_of_order == 12 - result.frames_identical
    assert (result.frames_missing, result.frames_foreign, result.frames_stored) == (0, 0, 12)
    assert result.ok == (order == list(range(12)))


def test_two_neighbours_swapped_are_one_frame_out_of_order() -> None:
    result = compare(MIX, records([MIX[1], MIX[0], *MIX[2:]]))
    assert (result.frames_out_of_order, result.frames_identical, result.ok) == (1, 59, False)


def test_losing_the_first_of_two_equal_frames_is_no_reordering() -> None:
    a, b = frame(1), frame(2)
    result = compare([a, b, a], records([b, a]))
    assert (result.frames_missing, result.frames_out_of_order, result.frames_identical) == (1, 0, 2)


def test_short_frames_are_compared_padded_with_zeros_and_counted() -> None:
    short = bytes(range(42))
    good = compare([short], records([short + bytes(18)]))
    assert (good.ok, good.frames_padded, good.frames_identical) == (True, 1, 1)
    assert not compare([short], records([short + bytes(17) + b"\1"])).ok
    assert not compare([short], records([short])).ok


def test_caplen_compares_what_is_stored_and_the_length_on_the_wire() -> None:
    cut = [Record(0, T0 + i, len(f), f[:64]) for i, f in enumerate(MIX)]
    result = compare(MIX, cut, caplen=64)
    assert result.ok
    assert result.frames_cut == sum(len(f) > 64 for f in MIX) > 0
    assert not compare(MIX, [cut[0]._replace(length=cut[0].length + 1), *cut[1:]], caplen=64).ok
    assert not compare(MIX, cut).ok


def test_without_identity_an_altered_frame_is_foreign_and_missing() -> None:
    changed = bytes([MIX[0][0] ^ 4]) + MIX[0][1:]
    result = compare(MIX, records([changed, *MIX[1:]]))
    assert (result.frames_altered, result.frames_foreign, result.frames_missing) == (0, 1, 1)


def test_a_lost_tag_is_an_altered_frame() -> None:
    tagged = next(f for f in MIX if f[12:14] == b"\x81\x00")
    result = compare([tagged], records([tagged[:12] + tagged[16:]]), identify=serial_of)
    assert (result.frames_altered, result.frames_missing, result.frames_foreign) == (1, 1, 0)
    assert f"length {len(tagged)} became {len(tagged) - 4}" in result.altered[0].note


def test_time_that_goes_back_fails_and_equal_times_do_not() -> None:
    late = records(list(MIX))
    late[7] = late[7]._replace(ts_ns=late[6].ts_ns)
    assert compare(MIX, late).ok
    late[7] = late[7]._replace(ts_ns=late[6].ts_ns - 1)
    assert (compare(MIX, late).timestamps_back, compare(MIX, late).ok) == (1, False)


def test_foreign_frames_are_listed_up_to_a_limit_and_all_counted() -> None:
    result = compare([], records([frame(n) for n in range(50)]))
    assert (result.frames_foreign, len(result.foreign), result.frames_stored) == (50, LISTED_MAX, 0)
    assert result.foreign[0].ethertype == "0x0800"
    assert result.foreign[0].destination == "02:02:02:02:02:02"
    assert compare([], []).ok


@pytest.mark.parametrize("equal", [False, True], ids=["all-different", "few-contents"])
def test_many_frames_take_seconds(equal: bool) -> None:
    """Every tenth lost and every hundredth pair swapped; equal frames are the case in which naive matching explodes."""
    sent = [b"%060d" % (i % 50 if equal else i) for i in range(30_000)]
    stored = [f for i, f in enumerate(sent) if i % 10]
    for i in range(0, len(stored) - 1, 100):
        stored[i], stored[i + 1] = stored[i + 1], stored[i]
    start = time.process_time()
    result = compare(sent, records(stored))
    assert result.frames_missing == 3_000
    assert result.frames_out_of_order > 0 if equal else result.frames_out_of_order == 270
    assert time.process_time() - start < 60
