"""The Python binding of libhpcapvf over the driver's own ring code in this process (driver/tests/ring_device.h)."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hpcapvf.capture import Batch, CaptureDevice
from hpcapvf.capture.library import FUNCTIONS, Info, ListenerStats, Stats, load_library
from hpcapvf.model.errors import Conflict, NotCapable, NotFound, StepFailed

DRIVER = Path(__file__).resolve().parents[2] / "driver"
APPEND, SPECIAL, VANISH = range(3)
RING_BYTES = 1 << 20
FIRST_NS = 1_700_000_000_000_000_000


def built(target: str) -> str:
    subprocess.run(["make", "-s", "-C", str(DRIVER), target], check=True, timeout=300)
    return str(DRIVER / target)


@pytest.fixture(scope="session")
def library() -> str:
    return built("build/tests/libhpcapvf.so.1")


@dataclass
class Bench:
    """An open device, and the other end that makes its frames."""

    device: CaptureDevice
    control: socket.socket

    def ask(self, operation: int, first: int = 0, count: int = 0) -> None:
        self.control.sendall(struct.pack("=QQQ", operation, first, count))

    def tell(self, operation: int, first: int = 0, count: int = 0) -> None:
        self.ask(operation, first, count)
        assert self.control.recv(1) == b"\0"


@pytest.fixture
def bench(library: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(20)
        monkeypatch.setenv("HPCAPVF_TEST_CONTROL", str(theirs.fileno()))
        with CaptureDevice("/dev/hpcap_t0_3", library=library) as device:
            yield Bench(device, ours)


def number_of(batch: Batch) -> list[int]:
    return [frame.time_ns - FIRST_NS for frame in batch.frames]


def test_frames_come_in_order_and_whole(bench: Bench) -> None:
    bench.tell(APPEND, 0, 500)
    frames = [frame for batch in bench.device.batches(timeout_s=0.2) for frame in batch.frames]
    assert [frame.time_ns for frame in frames] == [FIRST_NS + number for number in range(500)]
    assert all(len(frame.data) == frame.length for frame in frames)
    assert len({frame.data for frame in frames}) == 500
    account = bench.device.listener_stats()
    assert (account["read"], account["lost"], account["unread"]) == (500, 0, 0)
    assert account["read_bytes"] == sum(frame.length for frame in frames)


def test_a_batch_has_a_limit_and_ends_between_frames(bench: Bench) -> None:
    bench.tell(APPEND, 0, 600)
    first = bench.device.read_batch(timeout_s=5, max_bytes=1)
    second = bench.device.read_batch(timeout_s=5, max_bytes=1)
    assert 0 < len(first.frames) < 600
    assert number_of(second)[0] == len(first.frames)


def test_more_than_a_ring_goes_through_a_lossless_listener(bench: Bench) -> None:
    bench.ask(APPEND, 0, 4000)  # three rings: waits for room
    got = [number for batch in bench.device.batches(timeout_s=1) for number in number_of(batch)]
    assert got == list(range(4000))


def test_a_lossy_listener_is_told_what_it_lost(bench: Bench) -> None:
    bench.device.set_lossy(True)
    bench.tell(APPEND, 0, 4000)
    batches = list(bench.device.batches(timeout_s=0.2))
    numbers = [number for batch in batches for number in number_of(batch)]
    lost = sum(batch.loss.frames for batch in batches if batch.loss)
    assert lost > 1000
    assert lost + len(numbers) == 4000
    assert batches[0].loss is not None
    assert numbers == list(range(lost, 4000))
    account = bench.device.listener_stats()
    assert account["offered"] == account["read"] + account["lost"] + account["unread"]
    assert account["lost"] == lost


def test_a_loss_is_told_also_when_the_copy_was_overwritten_meanwhile(
    bench: Bench, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = load_library(library).hpcapvf_release
    refusals = [-errno.ESTALE] * 3

    def overtaken_before(handle: object, count: int) -> int:
        return refusals.pop() if refusals else release(handle, count)

    bench.device.set_lossy(True)
    bench.tell(APPEND, 0, 4000)
    monkeypatch.setattr(load_library(library), "hpcapvf_release", overtaken_before)
    first = bench.device.read_batch(timeout_s=1)
    assert first.loss is not None
    assert number_of(first)[0] == first.loss.frames > 1000


def test_batches_go_on_when_overtaken_before_the_frames_are_looked_at(
    bench: Bench, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unread = load_library(library).hpcapvf_unread
    calls = 0

    def nothing_at_first(handle: object, size: Any) -> int:
        nonlocal calls
        calls += 1
        where: int = unread(handle, size)
        if calls == 1:
            size._obj.value = 0
        return where

    bench.tell(APPEND, 0, 10)
    monkeypatch.setattr(load_library(library), "hpcapvf_unread", nothing_at_first)
    got = [number for batch in bench.device.batches(timeout_s=0.2) for number in number_of(batch)]
    assert got == list(range(10))


@pytest.mark.parametrize("timeout_s", [1e9, float("inf")])
def test_a_very_long_time_is_waited_for_too(bench: Bench, timeout_s: float) -> None:
    bench.tell(APPEND, 0, 1)
    assert number_of(bench.device.read_batch(timeout_s=timeout_s)) == [0]


def test_a_time_longer_than_the_library_can_count_is_waited_for_in_parts(
    bench: Bench, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def times_out(_handle: object, _bytes: int, timeout_ms: int) -> int:
        asked.append(timeout_ms)
        return -errno.ETIMEDOUT if len(asked) < 3 else -errno.ENODEV

    monkeypatch.setattr(load_library(library), "hpcapvf_wait", times_out)
    with pytest.raises(NotFound):
        bench.device.read_batch(timeout_s=1e9)
    assert len(asked) == 3
    assert all(0 < timeout_ms < 1 << 31 for timeout_ms in asked)


def test_nothing_in_time_is_an_empty_batch(bench: Bench) -> None:
    assert bench.device.read_batch(timeout_s=0) == Batch(())
    assert bench.device.read_batch(timeout_s=0.02) == Batch(())


def test_what_is_no_frame_is_skipped(bench: Bench) -> None:
    bench.tell(APPEND, 0, 2)
    bench.tell(SPECIAL)
    bench.tell(APPEND, 2, 2)
    batches = list(bench.device.batches(timeout_s=0.1))
    assert [number for batch in batches for number in number_of(batch)] == [0, 1, 2, 3]


def test_a_device_that_goes_away_is_read_to_its_end(bench: Bench) -> None:
    bench.tell(APPEND, 0, 10)
    bench.tell(VANISH)
    assert len(bench.device.read_batch(timeout_s=1).frames) == 10
    with pytest.raises(NotFound, match="No such device") as caught:
        bench.device.read_batch(timeout_s=1)
    assert "loaded" in caught.value.hint


def test_structures_are_as_large_as_the_header_says() -> None:
    assert (ctypes.sizeof(Info), ctypes.sizeof(Stats), ctypes.sizeof(ListenerStats)) == (256, 256, 128)


def test_counters_and_facts_have_their_places(bench: Bench) -> None:
    bench.tell(APPEND, 0, 7)
    info, stats = bench.device.info(), bench.device.stats()
    assert (info.abi[0], info.interface, info.queue, info.ring_bytes) == (1, "t0", 3, RING_BYTES)
    assert stats["received"] == stats["published"] == 7
    assert stats["received_bytes"] == stats["published_bytes"] > 7 * 14
    assert stats["ring_full_drops"] == stats["errors"] == stats["duplicate_bytes"] == 0
    assert stats["queue_full_drops"] == stats["queue_full_bytes"] == 0
    assert stats["write_offset"] > (1 << 32) - 100000


def test_a_closed_device_says_so(bench: Bench) -> None:
    bench.device.close()
    bench.device.close()
    with pytest.raises(StepFailed, match="closed"):
        bench.device.stats()


@pytest.mark.parametrize(
    ("code", "kind", "word"),
    [(13, NotCapable, "group hpcap"), (16, Conflict, "listeners"), (5, StepFailed, "dmesg")],
)
def test_errors_that_cannot_be_had_here_are_the_projects_own_with_a_hint(
    library: str, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[NotFound], word: str
) -> None:
    monkeypatch.setattr(load_library(library), "hpcapvf_open", lambda _path, _out: -code)
    with pytest.raises(kind, match=os.strerror(code)) as caught:
        CaptureDevice("/dev/hpcap_t0_3", library=library)
    assert word in caught.value.hint


def test_the_real_library_has_every_function_and_opens_nothing_that_is_not_there() -> None:
    path = built("build/lib/libhpcapvf.so.1")
    assert all(callable(getattr(load_library(path), name)) for name in FUNCTIONS)
    with pytest.raises(NotFound, match="/dev/hpcap_none_0"):
        CaptureDevice("/dev/hpcap_none_0", library=path)
    with pytest.raises(NotCapable, match="Protocol error"):
        CaptureDevice("/dev/null", library=path)


def test_a_library_that_is_not_there_is_named() -> None:
    with pytest.raises(NotFound, match=r"libhpcapvf\.so\.none") as caught:
        load_library("libhpcapvf.so.none")
    assert "libhpcapvf1" in caught.value.hint
