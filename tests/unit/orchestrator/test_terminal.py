"""What every command writes on a terminal and into a pipe: colours, bars and repainting only where they belong.

The terminal is a real one of the kernel's (a pty), whose other end is read.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import struct
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hpcapvf.lab.machine import LabConfig
from hpcapvf.lab.state import LabState, save_state
from tests.unit.apply.world import make_world
from tests.unit.orchestrator.on_fakes import Console, console_on
from tests.unit.orchestrator.test_result_schema import words_of

COLOUR = re.compile(r"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;[0-9;]*)?m")  # ECMA-48, SGR
CONTROL = re.compile(r"[\x1b\x08]|\r(?!\n)")
BAR_PARTS = "━╸⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏✓"
PHASE = re.compile(r"^probe host\r?\n  probe host: \d+\.\d s\r?$", re.MULTILINE)  # progress as lines
STREAMS = ("stdout", "stderr")


class Written:
    """What came out of a stream."""

    text = ""


@contextmanager
def terminal() -> Iterator[tuple[int, Written]]:
    """A terminal's descriptor for writing, and at the end what was written to it."""
    master, slave = os.openpty()
    with reading(master, slave) as both:
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
        yield both


@contextmanager
def pipe() -> Iterator[tuple[int, Written]]:
    """The same of a pipe."""
    with reading(*os.pipe()) as both:
        yield both


@contextmanager
def reading(source: int, sink: int) -> Iterator[tuple[int, Written]]:
    """Whatever is written is taken at once: neither a pipe nor a terminal keeps much."""
    written, taken = Written(), bytearray()

    def take() -> None:
        try:
            while piece := os.read(source, 65536):
                taken.extend(piece)
        except OSError:  # EIO: the terminal's last writer is gone
            return

    reader = threading.Thread(target=take)
    reader.start()
    try:
        yield sink, written
    finally:
        os.close(sink)
        reader.join(10)
        os.close(source)
        written.text = taken.decode()


def seen(
    console: Console, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], on_terminal: tuple[str, ...]
) -> dict[str, str]:
    """What a command line writes on each stream; those named are terminals, the others pipes."""
    found: dict[str, str] = {}
    with monkeypatch.context() as patch:
        open_ones = {name: (terminal if name in on_terminal else pipe)() for name in STREAMS}
        with open_ones["stdout"] as (out, out_text), open_ones["stderr"] as (err, err_text):
            for name, number in (("stdout", out), ("stderr", err)):
                patch.setattr(sys, name, os.fdopen(os.dup(number), "w", encoding="utf-8"))
            console.show(*words)
            sys.stdout.close()
            sys.stderr.close()
        found = {"stdout": out_text.text, "stderr": err_text.text}
    return found


@pytest.fixture
def console(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Console:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLORTERM", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    save_state(LabState(LabConfig("default"), "a", "b", "c", "tcg", "no KVM", "10.0", "", "", 2222, None, None))
    return console_on(make_world(tmp_path / "world"), monkeypatch, capsys)


def all_words(folder: Path) -> tuple[tuple[str, ...], ...]:
    """Those of every command, and what fails."""
    fails = (("hpcapvf", "verify", "nobody"), ("hpcapvf", "lab", "wire", "send", str(folder / "none.pcap")))
    return (*words_of(folder), ("hpcapvf", "mirrors"), ("hpcapvf", "lab", "status"), *fails)


def test_into_a_pipe_goes_plain_text(console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ""
    for words in all_words(tmp_path):
        found = seen(console, monkeypatch, words, ())
        for name in STREAMS:
            assert not CONTROL.search(found[name]), (words, name)
            assert not set(BAR_PARTS) & set(found[name]), (words, name)
        lines += found["stderr"]
    assert PHASE.search(lines)


def test_on_a_terminal_there_are_bars_and_with_no_color_no_colour(
    console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    drawn = []
    for words in all_words(tmp_path):
        found = seen(console, monkeypatch, words, STREAMS)
        for name in STREAMS:
            assert not COLOUR.search(found[name]), (words, name)
        if set(BAR_PARTS) & set(found["stderr"]):
            drawn.append(words[1])
        assert not set("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏") & set(found["stdout"]), words
    assert {"plan", "probe", "verify", "destroy", "report"} <= set(drawn)


def test_on_a_terminal_there_is_colour(console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    each = [seen(console, monkeypatch, words, STREAMS)["stderr"] for words in all_words(tmp_path)]
    assert sum(bool(COLOUR.search(text)) for text in each) > 10  # else what looks for none could not fail


def test_what_is_piped_on_is_plain_while_the_terminal_shows_bars(
    console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bars = 0
    for words in all_words(tmp_path):
        found = seen(console, monkeypatch, words, ("stderr",))
        assert not CONTROL.search(found["stdout"]), words
        bars += bool(set(BAR_PARTS) & set(found["stderr"]))
    assert bars > 5


def test_json_is_json_on_a_terminal_too(console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for words in all_words(tmp_path):
        found = seen(console, monkeypatch, (*words, "--json"), STREAMS)
        json.loads(found["stdout"])
        found = seen(console, monkeypatch, (*words, "--json", "--progress", "json"), ("stdout",))
        assert [json.loads(line)["event"] for line in found["stderr"].splitlines()][-1] == "end"


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_terminal_that_cannot_be_repainted_gets_lines(
    term: str, console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", term)
    lines = ""
    for words in all_words(tmp_path):
        found = seen(console, monkeypatch, words, STREAMS)
        for name in STREAMS:
            assert not CONTROL.search(found[name]), (words, name)
        assert not set(BAR_PARTS) & set(found["stderr"]), words
        lines += found["stderr"]
    assert PHASE.search(lines)


@pytest.mark.parametrize(("term", "repaints"), [("xterm", True), ("dumb", False)])
def test_top_repaints_only_what_can_be(
    term: str, repaints: bool, console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", term)

    def end(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("orchestrator.commands.top.time.sleep", end)
    found = seen(console, monkeypatch, ("hpcapvf", "top"), STREAMS)
    assert ("\x1b[?1049h" in found["stdout"]) == repaints
    assert bool(CONTROL.search(found["stdout"])) == repaints
