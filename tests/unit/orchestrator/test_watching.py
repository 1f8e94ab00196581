"""``status``, ``metrics`` and ``top``: one deployment that hangs or is damaged holds up no other."""

from __future__ import annotations

import argparse
import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpcapvf.apply import state
from hpcapvf.apply.end import ends_at
from hpcapvf.apply.run import apply_plan
from hpcapvf.model.errors import ExitCode, FileFailed
from hpcapvf.model.progress import Silent
from hpcapvf.verify.status import DeploymentStatus
from orchestrator import watching
from orchestrator.commands import metrics, top
from orchestrator.main import hpcapvf_parser
from orchestrator.runner import run
from orchestrator.watching import Watcher
from tests.unit.apply.world import NAME, World, make_monitor_world, make_world
from tests.unit.orchestrator.printed import text_of_parts
from tests.unit.verify.test_metrics import ALL_PRINTED, told


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = make_world(tmp_path)
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    for module in ("status", "metrics", "top"):
        monkeypatch.setattr(f"orchestrator.commands.{module}.local_machine", lambda: made.fake.machine)
    apply_plan(made.plan, made.fake.machine, Silent())
    made.fake.guest.on("sh", lambda argv, _stdin: (0, ALL_PRINTED if "uptime" in argv[2] else "", ""))
    return made


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A deployment that is called stuck hangs while this is not set; nothing is waited for longer than 0.2 s."""
    go_on = threading.Event()
    read = watching.read_one

    def slow(name: str, *rest: Any) -> DeploymentStatus:
        if name == "stuck":
            go_on.wait(60)
        return replace(read(NAME, *rest), name=name)

    monkeypatch.setattr(watching, "read_one", slow)
    monkeypatch.setattr(watching, "_BESIDE_GUEST_S", 5.0)
    yield go_on
    go_on.set()


def add_state(world: World, name: str, text: str | None = None) -> None:
    """A deployment by its state file alone: a damaged one, or a copy of the real one."""
    files = world.fake.files
    files.replace(state.state_path(name), (text or files.read_text(state.state_path(NAME)) or "").encode())


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code = run(hpcapvf_parser(words), [*words, "--json", "--progress", "none"])
    envelope: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, envelope


def test_a_damaged_state_file_is_told_beside_the_others(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    add_state(world, "bad", "{")
    code, envelope = asked(capsys, "status")
    assert code == ExitCode.OK
    bad, good = envelope["result"]["deployments"]
    assert (bad["name"], bad["condition"], good["name"], good["guest"]) == ("bad", "unreadable", NAME, "running")
    assert "cannot be used" in bad["unknown"]["status"]
    assert "bad" in envelope["warnings"][0]["text"]
    _, envelope = asked(capsys, "metrics")
    up = {m["labels"]["probe"]: m["value"] for m in envelope["result"]["metrics"] if m["name"] == "hpcapvf_up"}
    assert up == {"bad": 0, NAME: 1}


def test_the_end_of_an_agents_time_is_told(tmp_path: Path) -> None:
    agent = make_monitor_world(tmp_path)
    apply_plan(agent.plan, agent.fake.machine, Silent())
    (found,) = Watcher(lambda: agent.fake.machine, wait_s=1).look()
    assert found.ends_at is not None
    assert found.ends_at == ends_at(found.name, agent.fake.files)


def test_one_that_hangs_is_given_up_and_not_begun_again(world: World, stuck: threading.Event) -> None:
    add_state(world, "stuck")
    watcher = Watcher(lambda: world.fake.machine, wait_s=0.1)
    begun = threading.active_count()
    for _ in range(2):
        good, hung = watcher.look()
        assert (good.name, good.up, hung.name, hung.up) == (NAME, True, "stuck", False)
        assert "not read in time" in hung.unknown["status"]
        assert threading.active_count() == begun + 1
    stuck.set()
    watcher._under_way["stuck"].result(10)
    assert [status.up for status in watcher.look()] == [True, True]


def test_a_defect_is_not_taken_for_silence(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_rest: object) -> DeploymentStatus:
        raise KeyError("defect")

    monkeypatch.setattr(watching, "read_one", broken)
    with pytest.raises(KeyError, match="defect"):
        Watcher(lambda: world.fake.machine, wait_s=1).look()


def test_metrics_are_printed_or_written(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("orchestrator.terminal._PIPE_WIDTH", 40)  # no line is broken
    assert run(hpcapvf_parser(["metrics"]), ["metrics", "--progress", "none"]) == ExitCode.OK
    printed = capsys.readouterr().out
    assert f'hpcapvf_received_frames_total{{probe="{NAME}"}} 100\n' in printed
    code, envelope = asked(capsys, "metrics", "--textfile", "/out/hpcapvf.prom")
    assert (code, envelope["result"]["file"]) == (0, "/out/hpcapvf.prom")
    assert world.fake.files.read_text("/out/hpcapvf.prom") == printed
    assert world.fake.files.list("/out") == ("hpcapvf.prom",)


def test_a_service_writes_again_and_again_and_leaves_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    ended, path, seen = threading.Event(), "/out/hpcapvf.prom", []
    replace_file = world.fake.files.replace

    def full(path: str, data: bytes, mode: int = 0o644) -> None:
        seen.append(data)
        if len(seen) == 5:
            ended.set()
        if len(seen) in (2, 3):
            raise FileFailed(path, "write", 28, reason="No space left on device")
        replace_file(path, data, mode)

    world.fake.files.replace = full  # type: ignore[method-assign]
    watcher = Watcher(lambda: world.fake.machine, wait_s=1)
    assert metrics.write_every(watcher, world.fake.machine, path, every_s=0.01, ended=ended) == 3
    assert len(seen) == 5
    assert not world.fake.files.exists(path)
    assert capsys.readouterr().err.count("No space left") == 1


def test_every_needs_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(hpcapvf_parser(["metrics"]), ["metrics", "--every", "15"])
    assert ended.value.code == ExitCode.USAGE
    assert "--every needs --textfile" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "soon", "1e9"])
def test_only_a_span_of_time_is_taken(text: str) -> None:
    with pytest.raises(SystemExit):
        hpcapvf_parser(["top"]).parse_args(["top", f"--interval={text}"])


@pytest.mark.parametrize("word", metrics.SHIPPED)
def test_what_goes_with_the_metrics_can_be_printed(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(hpcapvf_parser(["metrics"]), ["metrics", "--print", word]) == ExitCode.OK
    assert capsys.readouterr().out == metrics.shipped_text(word)


def test_the_service_runs_a_command_line_that_is_one() -> None:
    (line,) = [line for line in metrics.shipped_text("service").splitlines() if line.startswith("ExecStart=")]
    words = line.partition("=")[2].split()
    args = hpcapvf_parser(words[1:]).parse_args(words[1:])
    assert (words[0], args.every, args.textfile.endswith(".prom")) == ("hpcapvf", 15, True)


def test_top_once(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    code, envelope = asked(capsys, "top", "--once")
    assert code == ExitCode.OK
    (probe,) = envelope["result"]["deployments"]
    assert (probe["capture"]["listeners"], probe["capture"]["counters"]["received"]) == (1, 100)
    assert run(hpcapvf_parser(["top"]), ["top", "--once", "--progress", "none"]) == ExitCode.OK
    assert "listeners" in capsys.readouterr().out


def arguments(**changes: Any) -> argparse.Namespace:
    return argparse.Namespace(**{"once": False, "json": False, "interval": 0.01, "wait": 1.0} | changes)


class Ending(io.StringIO):
    """Ends what writes to it after some flushes, as the interrupt key or a reader that goes away does."""

    def __init__(self, error: type[BaseException], *, terminal: bool = False) -> None:
        super().__init__()
        self.error, self.terminal, self.flushes = error, terminal, 0

    def isatty(self) -> bool:
        return self.terminal

    def flush(self) -> None:
        self.flushes += 1
        if self.flushes == 3:
            raise self.error


@pytest.mark.parametrize("error", [KeyboardInterrupt, BrokenPipeError])
def test_without_a_terminal_top_prints_lines_until_it_is_ended(
    world: World, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Ending(error)
    monkeypatch.setattr("sys.stdout", stream)
    answer = top.run_top(arguments(), Silent())
    assert (answer.final_code, answer.shown) == (ExitCode.OK, ())
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    assert f" {NAME} guest=running " in lines[0]
    assert "listeners=1 ring_held_bytes=4096" in lines[0]
    assert "\x1b" not in stream.getvalue()


def test_on_a_terminal_top_repaints_and_gives_the_screen_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("LINES", "30")
    painted: list[Callable[..., object]] = []
    stream = Ending(ZeroDivisionError, terminal=True)
    stream.flushes = -1000

    def sleep(_seconds: float) -> None:
        painted.append(sleep)
        if len(painted) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.setattr("orchestrator.commands.top.time.sleep", sleep)
    answer = top.run_top(arguments(), Silent())
    text = stream.getvalue()
    assert text.count("frames/s") == 3
    assert text.index("\x1b[?1049h") < text.index("frames/s") < text.rindex("\x1b[?1049l")
    assert "\x1b[3" not in text  # no colour
    assert "frames/s" in text_of_parts(answer.shown)  # the last picture stays


def test_what_is_unknown_is_left_out_of_a_line() -> None:
    line = top.line_of(replace(told(), capture=None, nic_missed=None), 0)
    assert line == "1970-01-01T00:00:00Z probe guest=running"
