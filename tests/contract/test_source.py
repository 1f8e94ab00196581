"""Frame sources. The wire's far end is played here over a pseudo terminal, judged by the lab's own parser."""

from __future__ import annotations

import os
import pty
import threading
import tty
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from hpcapvf.host.clock import LocalClock
from hpcapvf.host.protocols import CommandResult, Running
from hpcapvf.host.source import CommandSource, NoSource, WireSource, open_source
from hpcapvf.lab.wire_protocol import LineBuffer, encode_error, encode_reply, parse_line, parse_send
from hpcapvf.model.errors import BadSpec, NotCapable, StepFailed, WaitTimedOut
from hpcapvf.raw.pcap import read_pcap

FRAMES = [bytes([n % 256]) * (60 + n % 1400) for n in range(3000)]


class FarEnd:
    """Answers like the lab's wire process. fail: an error for the n-th request; mute: never answer ``wait``."""

    def __init__(self, *, refuse: str = "", mute: bool = False, state: str = "done") -> None:
        self.master, slave = pty.openpty()
        tty.setraw(self.master)
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        self.slave = slave
        self.frames: list[bytes] = []
        self.batches = 0
        self.open = True
        self.refuse, self.mute, self.state = refuse, mute, state
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def close(self) -> None:
        """The thread ends before the master's number is free: the next far end may be given the same."""
        os.close(self.slave)
        self.thread.join(timeout=10)
        assert not self.thread.is_alive()
        os.close(self.master)

    def _serve(self) -> None:
        buffer = LineBuffer()
        try:
            os.write(self.master, b'"half": 1}\n{"ok": true, "id": "somebody else"}\n')
            while data := os.read(self.master, 1 << 16):
                for line in buffer.feed(data):
                    self._answer(parse_line(line))
        except OSError:
            return

    def _answer(self, request: dict[str, Any]) -> None:
        if request["op"] == "wait" and self.mute:
            return
        os.write(self.master, self._reply(request))

    def _reply(self, request: dict[str, Any]) -> bytes:
        if self.refuse:
            return encode_error(request, self.refuse)
        if request["op"] == "send":
            send = parse_send(request)
            self.frames += send.frames
            self.open = send.more
            self.batches += 1
            return encode_reply(request, {"run": 7, "queued": len(self.frames)})
        state = "sending" if self.open else self.state
        return encode_reply(request, {"run": 7, "state": state, "frames_sent": len(self.frames), "seconds": 0.5})


@pytest.fixture
def far_ends() -> Iterator[list[FarEnd]]:
    made: list[FarEnd] = []
    yield made
    for end in made:
        end.close()


def wire(far_ends: list[FarEnd], **how: Any) -> tuple[FarEnd, WireSource]:
    end = FarEnd(**how)
    far_ends.append(end)
    return end, WireSource(LocalClock(), path=end.path)


def test_all_frames_go_over_the_wire_in_order_and_in_batches(far_ends: list[FarEnd]) -> None:
    end, source = wire(far_ends)
    report = source.send(FRAMES, timeout_s=20)
    assert (report.sent, report.seconds) == (len(FRAMES), 0.5)
    assert end.frames == FRAMES
    assert end.batches > 1


def test_a_refusal_of_the_wire_is_told(far_ends: list[FarEnd]) -> None:
    _, source = wire(far_ends, refuse="frame 1 has 3 bytes")
    with pytest.raises(StepFailed, match="frame 1 has 3 bytes"):
        source.send([b"x" * 60], timeout_s=5)


def test_a_run_that_failed_is_told(far_ends: list[FarEnd]) -> None:
    _, source = wire(far_ends, state="failed")
    with pytest.raises(StepFailed, match="failed"):
        source.send([b"x" * 60], timeout_s=5)


def test_a_wire_that_does_not_answer_is_given_up(far_ends: list[FarEnd]) -> None:
    _, source = wire(far_ends, mute=True)
    with pytest.raises(WaitTimedOut, match="does not answer"):
        source.send([b"x" * 60], timeout_s=0.5)


def test_a_machine_without_a_wire_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotCapable, match="no wire"):
        WireSource(LocalClock(), path=str(tmp_path / "port")).send([b"x" * 60], timeout_s=1)


class Recorder:
    """Commands that keep what they were given."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.argv: Sequence[str] = ()
        self.pcap = b""

    def begin(self, argv: Sequence[str], *, timeout_s: float) -> Running:
        """Nobody begins one here."""
        raise NotImplementedError

    def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None) -> CommandResult:
        self.argv, self.pcap = argv, Path(argv[-1]).read_bytes()
        return CommandResult(tuple(argv), self.status, "", "line\nno route to generator\n")


def test_a_command_gets_a_pcap_file_that_is_gone_afterwards() -> None:
    commands = Recorder(0)
    report = CommandSource(("replay", "-q"), commands, LocalClock()).send(FRAMES, timeout_s=5)
    assert report.sent == len(FRAMES)
    assert commands.argv[:2] == ["replay", "-q"]
    assert [frame.data for frame in read_pcap(commands.pcap)] == FRAMES
    assert not Path(commands.argv[-1]).exists()


def test_a_command_that_fails_is_told_with_its_last_lines() -> None:
    with pytest.raises(StepFailed) as failed:
        CommandSource(("replay",), Recorder(3), LocalClock()).send(FRAMES[:1], timeout_s=5)
    assert "status 3" in failed.value.message
    assert failed.value.details[-1] == "no route to generator"


def test_sources_by_name() -> None:
    clock = LocalClock()
    assert isinstance(open_source("wire", clock), WireSource)
    assert isinstance(open_source("none", clock), NoSource)
    assert open_source("none", clock).send(FRAMES, timeout_s=1).sent == 0
    assert isinstance(open_source("tcpreplay -i 'eth 0'", clock), CommandSource)
    with pytest.raises(BadSpec, match="only the wire"):
        open_source("none", clock, 5.0)
    for bad in ("", "  ", "unbalanced 'quote"):
        with pytest.raises(BadSpec):
            open_source(bad, clock)
