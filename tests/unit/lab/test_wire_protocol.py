"""Requests, lines and the pace of runs."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcapvf.lab.wire_protocol import (
    LONGEST_CATCH_UP_S,
    BadRequest,
    LineBuffer,
    Run,
    batches,
    check_frame,
    due_s,
    encode_error,
    encode_reply,
    forgiven_s,
    parse_line,
    parse_send,
    seconds_of,
)

FRAME = bytes(range(60))
TEXT = base64.b64encode(FRAME).decode()


@given(st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"")), max_size=8), st.data())
def test_lines_do_not_depend_on_how_bytes_arrive(lines: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    cut = data.draw(st.integers(0, len(stream)))
    buffer = LineBuffer()
    assert [*buffer.feed(stream[:cut]), *buffer.feed(stream[cut:])] == [line for line in lines if line.strip()]


def test_a_line_that_is_too_long_is_reported_once_and_skipped() -> None:
    buffer = LineBuffer(longest_bytes=10)
    with pytest.raises(BadRequest, match="longer"):
        list(buffer.feed(b"x" * 11))
    assert list(buffer.feed(b"x" * 11)) == []
    assert list(buffer.feed(b"rest\nnext\n")) == [b"next"]


@pytest.mark.parametrize("line", [b"{", b"[]", b"3", b"{}", b'{"op": 1}', b"\xff"])
def test_what_is_no_request_is_refused(line: bytes) -> None:
    with pytest.raises(BadRequest):
        parse_line(line)


def test_send_has_defaults() -> None:
    request = parse_send({"op": "send", "frames_b64": [TEXT]})
    assert (request.frames, request.rate, request.loop, request.run, request.more, request.port) == (
        (FRAME,),
        5000.0,
        1,
        0,
        False,
        0,
    )


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"frames_b64": [TEXT], "pcap": "/x"},
        {"frames_b64": "x"},
        {"frames_b64": [1]},
        {"frames_b64": ["%%%"]},
        {"frames_b64": [base64.b64encode(b"short").decode()]},
        {"frames_b64": [TEXT], "rate": 0},
        {"frames_b64": [TEXT], "rate": "fast"},
        {"frames_b64": [TEXT], "rate": True},
        {"frames_b64": [TEXT], "rate": float("nan")},
        {"frames_b64": [TEXT], "loop": 0},
        {"frames_b64": [TEXT], "loop": 1.5},
        {"frames_b64": [TEXT], "port": -1},
        {"frames_b64": [TEXT], "as_recorded": True},
        {"frames_b64": [TEXT], "as_recorded": True, "times_ns": ["a"]},
        {"pcap": 3},
    ],
)
def test_bad_send_requests_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        parse_send({"op": "send", **fields})


def test_an_open_run_may_be_closed_without_frames() -> None:
    assert parse_send({"op": "send", "run": 3}).frames == ()


def test_frame_lengths() -> None:
    assert check_frame(bytes(14), 1) == bytes(14)
    for length in (13, 9217):
        with pytest.raises(BadRequest, match="frame 7"):
            check_frame(bytes(length), 7)


@pytest.mark.parametrize("value", [-1, "x", True, float("nan")])
def test_bad_seconds_are_refused(value: object) -> None:
    with pytest.raises(BadRequest):
        seconds_of({"s": value}, "s", default=1, highest=10)


def test_seconds_may_be_fractions_and_are_capped() -> None:
    assert seconds_of({"s": 0.5}, "s", default=1, highest=10) == 0.5
    assert seconds_of({"s": 11}, "s", default=1, highest=10) == 10
    assert seconds_of({}, "s", default=1, highest=10) == 1


def test_a_rate_spaces_frames_evenly() -> None:
    run = Run(1, 0, 1000.0, frames=[FRAME] * 3)
    times = []
    for sent in range(3):
        run.frames_sent = run.next_frame = sent
        times.append(due_s(run))
    assert times == [0.0, 0.001, 0.002]


def test_recorded_times_are_relative_to_the_first_frame() -> None:
    run = Run(1, 0, None, frames=[FRAME] * 3, times_ns=[7_000_000_000, 7_500_000_000, 9_000_000_000])
    times = []
    for number in range(3):
        run.next_frame = number
        times.append(due_s(run))
    assert times == [0.0, 0.5, 2.0]


def test_lateness_is_forgiven_beyond_a_short_catch_up() -> None:
    run = Run(1, 0, 1000.0, frames=[FRAME] * 100)
    assert forgiven_s(run, LONGEST_CATCH_UP_S) == 0
    assert forgiven_s(run, 1.0) == pytest.approx(1.0 - LONGEST_CATCH_UP_S)
    run.frames_sent = 50
    assert forgiven_s(run, 0.01) == 0


def test_replies_repeat_the_id() -> None:
    assert json.loads(encode_reply({"op": "stats", "id": "a1"}, {"x": 1})) == {"ok": True, "x": 1, "id": "a1"}
    assert json.loads(encode_error({"op": "x", "id": 4}, "no")) == {"ok": False, "error": "no", "id": 4}
    assert json.loads(encode_error(None, "no")) == {"ok": False, "error": "no"}
    assert encode_reply(None, {}).endswith(b"\n")


@given(st.lists(st.binary(min_size=14, max_size=200), max_size=30), st.integers(1500, 4000))
def test_batches_keep_all_frames_in_order_and_stay_small(frames: list[bytes], longest: int) -> None:
    made = list(batches(frames, longest))
    assert [base64.b64decode(text) for batch in made for text in batch] == frames
    assert all(batch for batch in made)
    assert all(len(json.dumps(batch)) <= longest for batch in made)
