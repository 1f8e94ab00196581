"""A tcpdump service as a proof uses it: which files a flush gives, and that losses and damage are seen."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from hpcapvf.host.protocols import CommandResult
from hpcapvf.model.errors import StepFailed, WaitTimedOut
from hpcapvf.model.request import EngineRequest
from hpcapvf.model.steps import StartCapture
from hpcapvf.raw.pcap import Frame, write_pcap
from hpcapvf.verify.pcap_capture import PcapCapture
from hpcapvf.verify.proof import Proof
from tests.fakes.streams import StreamsByRunning
from tests.unit.verify.sample import ManualClock, sample_plan
from tests.unit.verify.test_proof import FRAMES, Bench, red

FOLDER = "/srv/capture"


@dataclass
class TcpdumpGuest(StreamsByRunning):
    """tcpdump under systemd, whose files hold what was received since its start. deaf: it never listens again."""

    dropped: int = 0
    swallows: int = 0
    deaf: bool = False
    fails: bool = False
    damage: Callable[[bytes], bytes] = lambda data: data
    statistics: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("rx_packets", "rx_bytes", "rx_missed_errors", "rx_errors"), 4)
    )
    starts: int = 1
    log: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    pending: list[bytes] = field(default_factory=list)

    listens = "tcpdump: listening on ens5"

    def __post_init__(self) -> None:
        self.log = f"{self.listens}\n"

    def receive(self, frames: Sequence[bytes]) -> None:
        self.pending += [frame.ljust(60, b"\0") for frame in frames]
        self.statistics["rx_packets"] += len(frames)

    def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None) -> CommandResult:
        code, text = self._answer(list(argv))
        return CommandResult(tuple(argv), code, text, "")

    def _answer(self, argv: list[str]) -> tuple[int, str]:
        match argv:
            case ["systemctl", "restart", "hpcapvf-capture.service"]:
                return (1, "") if self.fails else (self._restart(), "")
            case ["journalctl", *_]:
                return 0, self.log
            case ["find", folder, *_] if folder == FOLDER:
                return 0, "".join(f"{len(data)} {path}\n" for path, data in self.files.items())
            case ["sh", "-c", script] if "statistics" in script:
                return 0, "".join(f"{name}:{value}\n" for name, value in self.statistics.items())
        raise AssertionError(f"unexpected command in the guest: {argv}")

    def _restart(self) -> int:
        kept = self.pending[self.swallows :]
        frames = [Frame(1_700_000_000_000_000_000 + n, data) for n, data in enumerate(kept)]
        half = len(frames) // 2  # one run, two files
        for suffix, part in (("", frames[:half]), ("1", frames[half:])):
            self.files[f"{FOLDER}/capture-{self.starts}.pcap{suffix}"] = self.damage(write_pcap(part))
        self.pending.clear()
        self.log += self.last_words(len(kept))
        self.starts += 1
        self.files[f"{FOLDER}/capture-{self.starts}.pcap"] = write_pcap([])
        if not self.deaf:
            self.log += f"{self.listens}\n"
        return 0

    def last_words(self, took: int) -> str:
        return f"{took} packets captured\n{took} packets received by filter\n{self.dropped} packets dropped by kernel\n"

    def put(self, data: bytes, path: str, mode: int = 0o644) -> None:
        raise AssertionError("a proof writes nothing into the guest")

    def get(self, path: str, limit: int) -> bytes:
        return self.files[path][:limit]


@dataclass
class DumpcapGuest(TcpdumpGuest):
    """dumpcap beside a testpmd that counts. mute: its telemetry does not answer."""

    mute: bool = False
    listens = "Capturing on '0000:05:00.0'"

    def last_words(self, took: int) -> str:
        given = took + self.dropped
        return f"Packets received/dropped on interface '0000:05:00.0': {given}/{self.dropped} (99.9)\n"

    def _answer(self, argv: list[str]) -> tuple[int, str]:
        if argv[0] == "python3":
            names = {
                "rx_packets": "ipackets",
                "rx_bytes": "ibytes",
                "rx_missed_errors": "imissed",
                "rx_errors": "ierrors",
            }
            stats = {theirs: self.statistics[ours] for ours, theirs in names.items()}
            return (1, "") if self.mute else (0, json.dumps({"/ethdev/stats": {**stats, "opackets": 0}}))
        return super()._answer(argv)


def proof(guest: TcpdumpGuest, mode: str = "passthrough") -> Proof:
    kind = "dpdk" if isinstance(guest, DumpcapGuest) else "tcpdump"
    request = replace(sample_plan().request, engine=EngineRequest(kind=kind))
    request = replace(request, storage=replace(request.storage, mode=mode))
    directory = request.storage.capture_directory
    steps = (replace(s, directory=directory) if isinstance(s, StartCapture) else s for s in sample_plan().steps)
    return Bench(guest).prove(request=request, steps=tuple(steps))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [TcpdumpGuest, DumpcapGuest])
def test_everything_stored_is_green(kind: type[TcpdumpGuest]) -> None:
    found = proof(kind())
    assert (red(found), found.frames_stored, found.frames_received) == (set(), len(FRAMES), len(FRAMES))
    assert len(found.files) == 2


def test_a_frame_that_is_not_in_the_file_is_red() -> None:
    assert "frames missing" in red(proof(TcpdumpGuest(swallows=1)))


def test_what_the_kernel_dropped_is_red() -> None:
    for guest in (TcpdumpGuest(dropped=3), DumpcapGuest(dropped=3)):
        assert set(red(proof(guest))) == {"frames that the capture service could not save"}


@pytest.mark.parametrize("kind", [TcpdumpGuest, DumpcapGuest])
def test_without_storage_the_program_says_how_many_it_took(kind: type[TcpdumpGuest]) -> None:
    assert (red(proof(kind(), mode="none")), proof(kind(), mode="none").frames_counted) == (set(), len(FRAMES))
    assert "frames read by the capture service (counted only)" in red(proof(kind(swallows=1), mode="none"))
    assert "frames that the capture service could not save" in red(proof(kind(dropped=2), mode="none"))


def test_what_testpmd_counts_is_read_and_a_silent_one_told() -> None:
    guest = DumpcapGuest()
    guest.statistics["rx_missed_errors"] = 9
    counters = PcapCapture(guest, ManualClock(), FOLDER, "dpdk").counters()
    assert counters == {"received": 4, "received_bytes": 4, "missed": 9, "errors": 4}
    with pytest.raises(StepFailed, match="does not tell what it counted"):
        PcapCapture(DumpcapGuest(mute=True), ManualClock(), FOLDER, "dpdk").counters()


def test_a_file_that_is_cut_is_red() -> None:
    assert "capture files without faults" in red(proof(TcpdumpGuest(damage=lambda data: data[:-1])))


def test_a_counter_that_moves_is_red() -> None:
    class Dropping(TcpdumpGuest):
        def receive(self, frames: Sequence[bytes]) -> None:
            super().receive(frames)
            self.statistics["rx_missed_errors"] += 1

    assert set(red(proof(Dropping()))) == {"driver counter missed"}


def test_the_first_flush_gives_nothing_and_later_ones_only_what_is_new() -> None:
    guest = TcpdumpGuest()
    capture = PcapCapture(guest, ManualClock(), FOLDER, "tcpdump")
    assert capture.flush(10).files == ()
    assert [f.path for f in capture.flush(10).files] == [f"{FOLDER}/capture-2.pcap", f"{FOLDER}/capture-2.pcap1"]
    assert [f.path for f in capture.flush(10).files] == [f"{FOLDER}/capture-3.pcap", f"{FOLDER}/capture-3.pcap1"]


def test_a_service_that_cannot_start_or_does_not_listen_is_told() -> None:
    with pytest.raises(StepFailed, match="did not start anew"):
        PcapCapture(TcpdumpGuest(fails=True), ManualClock(), FOLDER, "tcpdump").flush(10)
    with pytest.raises(WaitTimedOut, match="did not listen again"):
        PcapCapture(TcpdumpGuest(deaf=True), ManualClock(), FOLDER, "tcpdump").flush(10)
