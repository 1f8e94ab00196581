"""The proof is green for a capture that lost nothing, and red for every single thing that can go wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest

from hpcapvf.host.protocols import Machine, SendReport
from hpcapvf.model.errors import StepFailed, WaitTimedOut
from hpcapvf.model.paths import guard_path
from hpcapvf.model.progress import Silent
from hpcapvf.model.steps import StartGuard
from hpcapvf.nic.tables import register_table
from hpcapvf.verify.capture import flush, read_counters
from hpcapvf.verify.expect import mix_targets
from hpcapvf.verify.mix import traffic_mix
from hpcapvf.verify.proof import Proof, prove
from tests.unit.verify.capture_guest import Arrival, CaptureGuest
from tests.unit.verify.sample import PF_MAC, ManualClock, OneGuest, RegisterCells, TreeFiles, sample_plan

PLAN = sample_plan()
ADDRESS = {"/sys/class/net/enp5s0/address": f"{PF_MAC}\n"}
FRAMES = traffic_mix(400, targets=mix_targets(PLAN, cast(Any, TreeFiles(ADDRESS))))
FOREIGN = bytes.fromhex("333300000001020000000077") + b"\x86\xdd" + bytes(60)


@dataclass
class Wire:
    """A source whose far end is the guest."""

    guest: CaptureGuest
    name: str = "wire"
    swallows: int = 0

    def send(self, frames: Sequence[bytes], *, timeout_s: float) -> SendReport:
        self.guest.receive(frames)
        return SendReport(len(frames) - self.swallows, 1.5)


class Bench:
    """A machine with a working guard and card around a capturing guest."""

    def __init__(self, guest: CaptureGuest) -> None:
        self.guest = guest
        self.clock = ManualClock()
        self.files = TreeFiles(ADDRESS)
        self.registers = RegisterCells()
        self.guard_works = True
        self._guard()
        self.clock.on_sleep = self._guard

    def _guard(self) -> None:
        if self.guard_works:
            counts = {"checks": int(self.clock.now), "drifts": 3, "error": ""}
            self.files.texts[guard_path("probe")] = json.dumps(counts)

    def machine(self) -> Machine:
        untouched: Any = None
        files: Any = self.files
        guests = OneGuest(self.guest)
        return Machine(files, untouched, untouched, self.registers, guests, self.clock, untouched)

    def prove(self, **changes: Any) -> Proof:
        source = changes.pop("source", Wire(self.guest))
        frames = changes.pop("frames", FRAMES)
        return prove(sample_plan(**changes), self.machine(), source, frames, Silent())


def red(proof: Proof) -> set[str]:
    assert proof.ok == (not [f for f in proof.findings if not f.ok])
    return {finding.check for finding in proof.findings if not finding.ok}


def test_green_with_foreign_frames_between_and_files_of_several_sizes() -> None:
    bench = Bench(CaptureGuest(arrival=lambda f: [FOREIGN, *f[:50], FOREIGN, *f[50:]]))
    proof = bench.prove()
    assert red(proof) == set()
    report = proof.report()
    assert json.loads(json.dumps(report)) == report
    assert (report["frames_sent"], report["frames_stored"], report["frames_identical"]) == (400, 400, 400)
    assert (report["frames_received"], report["frames_foreign"], report["loss"]) == (402, 2, 0.0)
    assert report["comparison"]["foreign"][0]["source"] == "02:00:00:00:00:77"
    assert report["bytes_stored"] == sum(map(len, FRAMES)) + 2 * len(FOREIGN)
    assert len(proof.files) > 2
    assert list(proof.phases_s) == ["flush", "send", "settle", "flush again", "fetch", "compare"]
    assert proof.never_seen == ("pause frames",)
    assert proof.guard is not None and proof.guard["checks"] > 0 and proof.guard["drifts"] == 0
    assert bench.registers.open_windows == 0


@dataclass
class CountingWire(Wire):
    """The card counts what it gives the VF (PFVFGPRC of the PF), except for some frames."""

    bench: Bench | None = None
    uncounted: int = 0

    def send(self, frames: Sequence[bytes], *, timeout_s: float) -> SendReport:
        assert self.bench is not None
        values = self.bench.registers.values
        values[0x10010] = values.get(0x10010, 0) + len(frames) - self.uncounted
        return super().send(frames, timeout_s=timeout_s)


def test_the_four_counts_are_told_separately() -> None:
    bench = Bench(CaptureGuest(arrival=lambda f: [FOREIGN, *f]))
    bench.registers.values[0x10010] = 7
    report = bench.prove(source=CountingWire(bench.guest, bench=bench)).report()
    names = ("frames_sent", "frames_in_vf", "frames_received", "frames_stored")
    assert [report[name] for name in names] == [400, 400, 401, 400]
    assert report["ok"]


def test_a_card_that_gave_the_vf_too_few_is_red() -> None:
    bench = Bench(CaptureGuest())
    proof = bench.prove(source=CountingWire(bench.guest, bench=bench, uncounted=3))
    assert red(proof) == {"frames given to the VF"}


def test_a_card_that_does_not_count_is_unknown_and_no_failure() -> None:
    for bench in (Bench(CaptureGuest()), Bench(CaptureGuest())):
        bench.registers.refusal = "" if bench.registers.values else "strict"
        proof = bench.prove()
        assert proof.frames_in_vf is None
        assert red(proof) == set()


def test_frames_from_before_are_not_counted() -> None:
    guest = CaptureGuest()
    guest.receive(FRAMES[:100])
    proof = Bench(guest).prove()
    assert red(proof) == set()
    assert proof.frames_stored == 400


def _altered(frames: list[bytes]) -> list[bytes]:
    return [frames[0], frames[1][:-1] + bytes([frames[1][-1] ^ 1]), *frames[2:]]


def _untagged(frames: list[bytes]) -> list[bytes]:
    return [f[:12] + f[16:] if f[12:14] == b"\x81\x00" else f for f in frames]


@pytest.mark.parametrize(
    ("arrival", "wanted"),
    [
        (lambda f: f[:-1], {"frames missing", "frames received by the driver"}),
        (lambda f: [FOREIGN, *f[:-1]], {"frames missing"}),
        (lambda f: [f[1], f[0], *f[2:]], {"frames out of order"}),
        (lambda f: [f[0], *f], {"frames duplicated"}),
        (_altered, {"frames altered", "frames missing"}),
        (_untagged, {"frames altered", "frames missing"}),
        (lambda f: [], {"frames missing", "frames received by the driver"}),
    ],
    ids=["lost", "lost-but-enough-arrived", "swapped", "doubled", "altered", "untagged", "nothing"],
)
def test_what_happens_to_frames_is_red(arrival: Arrival, wanted: set[str]) -> None:
    proof = Bench(CaptureGuest(arrival=arrival)).prove()
    assert red(proof) == wanted | {"frames stored identical and in order"}
    assert proof.report()["ok"] is False


def test_lost_frames_are_named_by_class_and_in_the_loss() -> None:
    proof = Bench(CaptureGuest(arrival=lambda f: [x for x in f if x[:6] != b"\xff" * 6])).prove()
    finding = next(f for f in proof.findings if f.check == "frames missing")
    assert "broadcast untagged arp" in finding.hint
    assert proof.report()["loss"] == int(finding.found) / 400 > 0


@pytest.mark.parametrize(
    ("counter", "check"),
    [
        ("ring_full_drops", "driver counter ring_full_drops"),
        ("no_listener_drops", "driver counter no_listener_drops"),
        ("errors", "driver counter errors"),
        ("resets", "driver counter resets"),
    ],
)
def test_a_counter_that_moves_or_is_absent_is_red(counter: str, check: str) -> None:
    guest = CaptureGuest()

    def arrival(frames: list[bytes]) -> list[bytes]:
        guest.counters[counter] += 1
        return frames

    guest.arrival = arrival
    assert red(Bench(guest).prove()) == {check}
    del guest.counters[counter]
    guest.arrival = lambda frames: frames
    proof = Bench(guest).prove()
    assert red(proof) == {check}
    assert next(f for f in proof.findings if not f.ok).found == "unknown"


def test_damaged_file_is_red_and_names_the_place() -> None:
    proof = Bench(CaptureGuest(damage=lambda data: b"\xff" * 12 + data[12:])).prove()
    assert "capture files without faults" in red(proof)
    assert "/srv/capture/1700000000/1_0.raw: byte" in proof.faults[0]


def test_announced_frames_must_be_in_the_files() -> None:
    assert red(Bench(CaptureGuest(announced=1)).prove()) == {"files hold as many frames as announced"}


def test_unsaved_frames_and_a_restart_are_red() -> None:
    guest = CaptureGuest()

    def arrival(frames: list[bytes]) -> list[bytes]:
        guest.emit(event="closed", file="/srv/capture/x.raw", frames=0, bytes=0, file_bytes=0, unsaved_frames=2)
        guest.emit(event="stopped", exit_code=1)
        guest.files["/srv/capture/x.raw"] = b""
        return frames

    guest.arrival = arrival
    wanted = {"frames that the capture service could not save", "capture service kept running"}
    assert red(Bench(guest).prove()) == wanted


def test_a_service_that_was_started_anew_is_red_and_not_waited_for_in_vain() -> None:
    guest = CaptureGuest(flushes=40)

    def arrival(frames: list[bytes]) -> list[bytes]:
        guest.emit(event="started")
        guest.flushes = 0
        return frames

    guest.arrival = arrival
    assert red(Bench(guest).prove()) == {"capture service kept running"}


def test_a_source_that_sends_less_or_nothing_is_red() -> None:
    bench = Bench(CaptureGuest())
    assert red(bench.prove(source=Wire(bench.guest, swallows=1))) == {"frames sent by the source"}
    assert red(bench.prove(frames=())) == {"frames to send"}


def test_guard_that_stands_still_or_is_absent_is_red_unless_not_asked_for() -> None:
    bench = Bench(CaptureGuest())
    bench.guard_works = False
    assert red(bench.prove()) == {"register guard at work"}
    bench.files.texts.pop(guard_path("probe"))
    assert red(bench.prove()) == {"register guard at work"}
    own = tuple(step for step in PLAN.steps if not isinstance(step, StartGuard))
    assert red(bench.prove(steps=own)) == set()


def test_drops_of_the_card_are_red_unknown_is_not_zero() -> None:
    bench = Bench(CaptureGuest())
    offset = register_table("82576").register("RQDPC").offset(8)

    def arrival(frames: list[bytes]) -> list[bytes]:
        bench.registers.values[offset] = 5
        return frames

    bench.guest.arrival = arrival
    proof = bench.prove()
    assert (proof.nic_drops, red(proof)) == (5, {"frames dropped by the card for this VF"})
    bench.registers.refusal = "no"
    proof = bench.prove()
    assert (proof.nic_drops, red(proof)) == (None, set())
    assert proof.report()["nic_drops"] is None


def test_caplen_of_the_plan_is_compared_with() -> None:
    bench = Bench(CaptureGuest())
    engine = replace(PLAN.request.engine, caplen=64)
    assert "frames stored identical and in order" in red(bench.prove(request=replace(PLAN.request, engine=engine)))


@pytest.mark.parametrize("source", [None, "none"])
def test_without_a_source_only_counters_and_files_are_checked(source: str | None) -> None:
    bench = Bench(CaptureGuest())

    def both() -> None:
        bench._guard()
        bench.guest.receive([FOREIGN])

    bench.clock.on_sleep = both
    proof = bench.prove(source=source and Wire(bench.guest, name="none"))
    report = proof.report()
    assert red(proof) == set()
    assert (report["frames_sent"], report["frames_identical"], report["loss"], report["frames_foreign"]) == (None,) * 4
    assert report["frames_stored"] == report["frames_received"] > 0
    bench.guest.announced = 1
    assert red(bench.prove(source=None)) == {"files hold as many frames as announced"}


def test_short_frames_arrive_padded_and_it_says_how_many() -> None:
    bench = Bench(CaptureGuest())
    report = bench.prove(frames=(bytes([2] * 42), *FRAMES)).report()
    assert (report["ok"], report["frames_padded"]) == (True, 1)
    assert "frames missing" in red(Bench(CaptureGuest(padded=False)).prove(frames=(bytes([2] * 42), *FRAMES)))


def test_service_that_does_not_answer_is_an_error_with_its_last_words() -> None:
    bench = Bench(CaptureGuest(deaf=True))
    with pytest.raises(WaitTimedOut, match="did not close its file within 120 s") as caught:
        bench.prove()
    assert caught.value.details == ("one line", "another line")
    assert bench.clock.now < 1000 + 130


def closing(guest: CaptureGuest, path: str, file_bytes: int) -> Arrival:
    """What arrives is kept, and the guest says that it closed this file."""

    def arrival(frames: list[bytes]) -> list[bytes]:
        guest.emit(event="closed", file=path, frames=0, bytes=0, file_bytes=file_bytes)
        return frames

    return arrival


@pytest.mark.parametrize("path", ["/etc/shadow", "/srv/capture/../../etc/shadow", "/srv/capturex/1.raw"])
def test_files_outside_the_capture_folder_are_not_fetched(path: str) -> None:
    guest = CaptureGuest()
    guest.files[path] = b""
    guest.arrival = closing(guest, path, 0)
    with pytest.raises(StepFailed, match="not below /srv/capture"):
        Bench(guest).prove()


def test_file_of_another_size_is_an_error() -> None:
    guest = CaptureGuest()
    guest.files["/srv/capture/x.raw"] = bytes(100)
    guest.arrival = closing(guest, "/srv/capture/x.raw", 9)
    with pytest.raises(StepFailed, match="has 10 bytes, the capture service said 9"):
        Bench(guest).prove()


@pytest.mark.parametrize(
    "line", ["no json", '{"event":"closed","file":1}', '{"event":"closed","file":"/srv/capture/x"}']
)
def test_status_that_is_no_event_is_an_error(line: str) -> None:
    guest = CaptureGuest()

    def arrival(frames: list[bytes]) -> list[bytes]:
        guest.status += line + "\n"
        return frames

    guest.arrival = arrival
    with pytest.raises(StepFailed, match=r"capture\.jsonl"):
        Bench(guest).prove()


def test_a_half_written_line_is_waited_for() -> None:
    guest, clock = CaptureGuest(deaf=True), ManualClock()
    start = len(guest.status)
    guest.status += '{"event":"flu'

    def finish() -> None:
        guest.status += 'shed","seq":4}\n'

    clock.on_sleep = finish
    assert flush(guest, clock, after_sequence=3, from_byte=start, timeout_s=5).next_byte == len(guest.status)


def test_an_old_flush_is_not_taken_for_the_new_one() -> None:
    guest, clock = CaptureGuest(deaf=True, status=""), ManualClock()
    guest.emit(event="flushed", seq=3)
    with pytest.raises(WaitTimedOut):
        flush(guest, clock, after_sequence=3, from_byte=0, timeout_s=5)


def test_counters_of_no_or_two_devices_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    guest = CaptureGuest()
    monkeypatch.setattr(guest, "_answer", lambda argv: (0, "/a/x\0001\n/b/x\0002\n"))
    with pytest.raises(StepFailed, match="2 devices"):
        read_counters(guest)
