"""Fetching with the real raw2pcap, this machine in the guest's place: files, times, filter, pieces, a broken reader."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from hpcapvf.host.commands import LocalCommands
from hpcapvf.host.guests import SshGuest
from hpcapvf.host.protocols import CommandResult, GuestAccess, Machine
from hpcapvf.host.streaming import stream_command
from hpcapvf.model.address import Mac
from hpcapvf.model.errors import StepFailed, WaitTimedOut
from hpcapvf.model.progress import Silent
from hpcapvf.raw.records import write_records
from hpcapvf.verify.conversion import NANOSECONDS, Moment, Retrieved, Wish
from hpcapvf.verify.retrieve import retrieve
from tests.unit.verify.sample import OneGuest, sample_plan

RAW2PCAP = Path(__file__).resolve().parents[2] / "driver" / "build" / "bin" / "raw2pcap"
BASE = 1_700_000_000
EPB = 6  # pcapng's enhanced packet block


@dataclass
class ThisMachine:
    """Runs the guest's programs here, below a folder that stands for /srv/capture."""

    folder: Path

    def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None) -> CommandResult:
        if argv[:2] == ["systemctl", "is-active"]:
            return CommandResult(tuple(argv), 3, "", "")
        return LocalCommands().run(self._here(argv), timeout_s=timeout_s, stdin=stdin)

    def stream(
        self,
        argv: Sequence[str],
        *,
        take: Callable[[bytes], None],
        tell: Callable[[str], None],
        silence_s: float,
        stdin: bytes = b"",
    ) -> int:
        return stream_command(self._here(argv), take=take, tell=tell, silence_s=silence_s, stdin=stdin)

    def _here(self, argv: Sequence[str]) -> list[str]:
        return [
            word.replace("/usr/local/bin/raw2pcap", str(RAW2PCAP)).replace("/srv/capture", str(self.folder))
            for word in argv
        ]


@dataclass
class Only:
    """A machine with nothing but a guest."""

    guests: Any
    clock: Any = None


@pytest.fixture
def captures(tmp_path: Path) -> Path:
    """Three files of ten frames each, one frame a second, from BASE on; frame n is 60 + n bytes long."""
    if not RAW2PCAP.exists():
        pytest.skip("raw2pcap is not built: make -C driver user")
    for start in (0, 10, 20):
        frames = [((BASE + start + i) * NANOSECONDS + 5, bytes([start + i]) * (60 + start + i)) for i in range(10)]
        (data,) = write_records(frames, limit_bytes=1 << 20, pad_to=4096)
        place = tmp_path / str((BASE + start) // 1800 * 1800) / f"{BASE + start}_hpcapp5s16_0.raw"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(data)
    return tmp_path


def fetched(folder: Path, wish: Wish) -> tuple[list[int], Retrieved]:
    """Numbers of the frames that came, by their content."""
    data = bytearray()
    machine = cast(Machine, Only(OneGuest(cast(Any, ThisMachine(folder)))))
    found = retrieve(sample_plan(), machine, wish, data.extend, Silent())
    assert len(data) == found.bytes_written
    numbers, at = [], 0
    while at < len(data):
        kind, length = (int.from_bytes(data[at + i : at + i + 4], "little") for i in (0, 4))
        if kind == EPB:
            numbers.append(data[at + 28])
        at += length
    return numbers, found


def test_everything_comes_in_order(captures: Path) -> None:
    numbers, found = fetched(captures, Wish())
    assert numbers == list(range(30))
    assert (found.frames, found.frames_looked_at, found.status, found.complaints) == (30, 30, 0, ())


def test_a_range_is_kept_to_the_nanosecond_and_reads_no_other_file(captures: Path) -> None:
    numbers, found = fetched(
        captures, Wish(Moment((BASE + 12) * NANOSECONDS + 5), Moment((BASE + 15) * NANOSECONDS + 5))
    )
    assert numbers == [12, 13, 14]
    assert len(found.files) == 1
    numbers, found = fetched(
        captures, Wish(Moment((BASE + 12) * NANOSECONDS + 6), Moment((BASE + 15) * NANOSECONDS + 6))
    )
    assert numbers == [13, 14, 15]


def test_relative_to_now_there_is_nothing_but_a_whole_empty_file(captures: Path) -> None:
    numbers, found = fetched(captures, Wish(Moment(-60 * NANOSECONDS, relative=True)))
    assert (numbers, found.frames) == ([], 0)
    assert found.bytes_written > 0


def test_a_filter_is_applied(captures: Path) -> None:
    try:
        numbers, _ = fetched(captures, Wish(expression="greater 85"))
    except StepFailed as error:
        assert "needs libpcap" in error.message
        pytest.skip("no libpcap here")
    assert numbers == [25, 26, 27, 28, 29]
    with pytest.raises(StepFailed, match="no filter at all"):
        fetched(captures, Wish(expression="no filter at all"))


def test_a_damaged_file_is_told_and_the_rest_comes(captures: Path) -> None:
    (first, *_) = sorted(captures.glob("*/*.raw"))
    first.write_bytes(b"not RAW")
    numbers, found = fetched(captures, Wish())
    assert numbers == list(range(10, 30))
    assert found.status == 2
    assert any("unusable" in line for line in found.complaints)


def test_more_names_than_a_command_line_holds(captures: Path) -> None:
    folder = captures / "0"
    folder.mkdir()
    frames = [(NANOSECONDS, bytes(60))]
    (data,) = write_records(frames, limit_bytes=1 << 20, pad_to=4096)
    (folder / f"1_hpcap{'x' * 200}_0.raw").write_bytes(data)
    for number in range(1, 900):
        (folder / f"1_hpcap{'x' * 200}_0_{number}.raw").hardlink_to(folder / f"1_hpcap{'x' * 200}_0.raw")
    numbers, found = fetched(captures, Wish())
    assert len(numbers) == 930
    assert len(found.queues) == 2


def test_words_survive_ssh_and_the_shell_behind_it(
    captures: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A stand-in for ssh gives its last word to a shell, as sshd does."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "ssh").write_text('#!/bin/sh\nwhile [ $# -gt 1 ]; do shift; done\nexec sh -c "$1"\n')
    (folder / "ssh").chmod(0o755)
    monkeypatch.setattr("hpcapvf.host.commands._PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr("hpcapvf.host.guests._SOCKETS", str(folder))
    access = GuestAccess("probe", Mac.parse("02:00:00:00:00:01"), "root", "/key")
    here, ssh = ThisMachine(captures), SshGuest(LocalCommands(), access, "192.0.2.1")
    monkeypatch.setattr(here, "stream", lambda argv, **rest: ssh.stream(here._here(argv), **rest))
    machine = cast(Machine, Only(OneGuest(cast(Any, here))))
    data = bytearray()
    found = retrieve(sample_plan(), machine, Wish(Moment((BASE + 25) * NANOSECONDS)), data.extend, Silent())
    assert (found.frames, found.bytes_written) == (5, len(data))
    with pytest.raises(StepFailed, match="filter"):
        retrieve(sample_plan(), machine, Wish(expression='it\'s "quoted" $HOME'), data.extend, Silent())


def test_a_silent_program_is_given_up_and_one_whose_reader_fails_is_ended() -> None:
    began = time.monotonic()
    heard: list[object] = []
    with pytest.raises(WaitTimedOut, match="nothing came"):
        stream_command(["sleep", "60"], take=heard.append, tell=heard.append, silence_s=1)

    def refuse(_data: bytes) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        stream_command(["yes"], take=refuse, tell=heard.append, silence_s=30)
    assert time.monotonic() - began < 30


def test_much_is_handed_on_in_pieces_and_complaints_line_by_line() -> None:
    sizes: list[int] = []
    lines: list[str] = []
    script = "cat; echo one >&2; printf two >&2; exit 5"
    data = bytes(5 << 20)
    status = stream_command(
        ["sh", "-c", script], take=lambda piece: sizes.append(len(piece)), tell=lines.append, silence_s=60, stdin=data
    )
    assert (status, sum(sizes), lines) == (5, 5 << 20, ["one", "two"])
    assert max(sizes) <= 1 << 16
