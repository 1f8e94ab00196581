"""Rates and gaps of a sample, the bound on what is read, and losses between looks."""

from __future__ import annotations

import dataclasses
from typing import Any, cast

import pytest

from hpcapvf.host.protocols import Machine
from hpcapvf.model.errors import BadSpec
from hpcapvf.model.progress import Silent
from hpcapvf.raw.pcap import Frame, FrameTimes, write_pcap
from hpcapvf.verify import losses
from hpcapvf.verify.conversion import NANOSECONDS, Retrieved, Wish
from hpcapvf.verify.losses import Interval, Look, intervals, watch_losses
from hpcapvf.verify.retrieve import newest, parse_listing
from hpcapvf.verify.traffic import Traffic, gaps_of, rates_of, sample_traffic, traffic_of
from tests.unit.verify.sample import ManualClock, OneGuest, sample_plan
from tests.unit.verify.test_retrieve import FILES, RangeGuest
from tests.unit.verify.test_status import status

FRAMES = [Frame(NANOSECONDS + i * 1000, bytes(60), 60 + i) for i in range(40)]


def machine_with(guest: object) -> Machine:
    made = dataclasses.make_dataclass("M", ["guests", "clock"])(OneGuest(cast(Any, guest)), ManualClock())
    return cast(Machine, cast(Any, made))


def sampled(most_bytes: int, said: str = "") -> tuple[Traffic, RangeGuest]:
    guest = RangeGuest(answer=(0, write_pcap(FRAMES).decode("latin-1"), said))
    return sample_traffic(sample_plan(), machine_with(guest), Wish(), most_bytes, Silent()), guest


def test_a_whole_sample_has_every_frame() -> None:
    found, guest = sampled(1 << 20)
    assert (found.frames, found.wire_bytes) == (40, sum(60 + i for i in range(40)))
    assert (found.first_ns, found.last_ns, found.back) == (NANOSECONDS, NANOSECONDS + 39_000, 0)
    assert (found.part.cut_short, found.part.files_there) == (False, len(FILES))
    assert guest.asked[0][0][2:4] == ["--format", "pcap"]


def test_reading_ends_when_enough_has_come() -> None:
    found, _ = sampled(500)
    assert found.part.cut_short
    assert 500 <= found.part.bytes_written < 520
    assert found.frames == (found.part.bytes_written - 24) // 76


def test_only_the_newest_files_are_read_and_one_at_least() -> None:
    assert [f.second for f in newest(FILES, 8192 + 4096)] == [1700000200, 1700001900]
    assert [f.number for f in newest(FILES, 8192 + 4096)] == [1, 0]
    assert newest(FILES, 1) == FILES[-1:]
    assert newest(FILES, 1 << 30) == FILES
    queues = parse_listing("0/1_hpcapa_0.raw\t10\n0/2_hpcapa_0.raw\t10\n0/1_hpcapa_1.raw\t10\n")
    assert [(f.queue, f.second) for f in newest(queues, 20)] == [("a_0", 2), ("a_1", 1)]


@pytest.mark.parametrize("size", [1, 7, 23, 24, 41, 1000])
def test_times_come_out_whatever_the_pieces(size: int) -> None:
    data, times = write_pcap(FRAMES), FrameTimes()
    for at in range(0, len(data), size):
        times.add(data[at : at + size])
    assert list(times.times_ns) == [frame.ts_ns for frame in FRAMES]
    assert list(times.wire_bytes) == [frame.wire_bytes for frame in FRAMES]
    assert times.rest_bytes == 0


@pytest.mark.parametrize("data", [bytes(24), write_pcap([])[:24] + b"\xff" * 16])
def test_what_is_no_pcap_is_refused(data: bytes) -> None:
    with pytest.raises(BadSpec):
        FrameTimes().add(data)


def test_rates_cover_all_frames_in_equal_bins() -> None:
    times = [0, 10, 20, 30, 100, 110, 120, 200]
    rates = rates_of(times, [100] * 8)
    assert rates is not None
    assert (rates.frames, rates.wire_bytes, rates.width_ns) == ((4, 4), (400, 400), 100.0)
    assert rates_of([5, 5], [1, 1]) is rates_of([5], [1]) is rates_of([], []) is None


def test_gaps_are_counted_by_size() -> None:
    gaps = gaps_of([0, 0, 10, 20, 30, 1030])
    assert gaps is not None
    assert (gaps.count, gaps.equal, gaps.least_ns, gaps.most_ns) == (5, 1, 0, 1000)
    assert gaps.quantiles_ns == {"0.5": 10, "0.9": 1000, "0.99": 1000, "0.999": 1000}
    assert (gaps.counts[0], gaps.counts[-1], sum(gaps.counts)) == (3, 1, 4)
    assert gaps.edges_ns[0] == pytest.approx(10)
    assert gaps.edges_ns[-2] == pytest.approx(1000)
    assert gaps_of([1]) is None
    same = gaps_of([1, 1, 1])
    assert same is not None and (same.equal, same.counts) == (2, ())


def test_a_clock_that_went_back_is_told_and_gaps_stay_gaps() -> None:
    part = Retrieved(None, None, FILES[:1], 3, 3, 1, 0, ())
    found = traffic_of(part, [100, 50, 200], [60, 60, 60])
    assert (found.back, found.first_ns, found.last_ns) == (1, 50, 200)
    assert found.gaps is not None and found.gaps.least_ns == 50


def test_losses_are_what_counters_grew_by() -> None:
    looks = [Look(0.0, {"received": 10, "errors": 1}), Look(2.0, {"received": 30, "errors": 4, "unsaved": 2})]
    assert intervals(looks) == (Interval(0.0, 2.0, 20, {"errors": 3, "unsaved": 2}),)
    assert intervals([looks[1], Look(3.0, {"received": 5})]) == (Interval(2.0, 3.0, None, None),)
    assert intervals(looks[:1]) == ()


def test_a_watch_lasts_as_long_as_it_should(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    capture = status().capture
    assert capture is not None

    def look(*_: object) -> object:
        clock.sleep(1.5)
        return capture

    monkeypatch.setattr(losses, "read_rates", look)
    machine = cast(Machine, cast(Any, dataclasses.make_dataclass("M", ["clock"])(clock)))
    looks = watch_losses(sample_plan(), machine, 4.0, 1.0, Silent())
    assert [one.at_s for one in looks] == [1.5, 3.0, 4.5]
    assert looks[0].counters["received"] == capture.counters["received"]
