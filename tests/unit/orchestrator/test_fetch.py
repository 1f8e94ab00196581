"""``hpcapvf fetch``: times, the file that appears when it is whole, exit codes."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from hpcapvf.model.errors import Conflict, HpcapvfError
from hpcapvf.verify.conversion import Moment
from orchestrator.files import open_new_file
from orchestrator.main import hpcapvf_parser
from orchestrator.moments import parse_moment, say_moment

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", Moment(0, relative=True)),
        ("-10min", Moment(-600 * SECOND, relative=True)),
        ("-90s", Moment(-90 * SECOND, relative=True)),
        ("-1.5h", Moment(-5400 * SECOND, relative=True)),
        ("-1d", Moment(-86400 * SECOND, relative=True)),
        ("2023-11-14T22:13:20Z", Moment(1_700_000_000 * SECOND)),
        ("2023-11-14T23:13:20+01:00", Moment(1_700_000_000 * SECOND)),
        ("2023-11-14t22:13:20.000000007z", Moment(1_700_000_000 * SECOND + 7)),
        ("2023-11-14 22:13:20.25", Moment(1_700_000_000 * SECOND + SECOND // 4)),
        ("2023-11-14T22:13", Moment(1_699_999_980 * SECOND)),
    ],
)
def test_times(text: str, moment: Moment) -> None:
    assert parse_moment(text) == moment


@pytest.mark.parametrize(
    "text", ["", "yesterday", "-10", "10min", "-10 min", "2023-13-01T00:00:00Z", "1969-12-31T23:59:59Z", "22:13"]
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="not a time"):
        parse_moment(text)


def test_a_moment_is_said_as_it_can_be_given() -> None:
    text = say_moment(1_700_000_000 * SECOND + 7)
    assert text == "2023-11-14T22:13:20.000000007Z"
    assert parse_moment(text) == Moment(1_700_000_000 * SECOND + 7)
    assert say_moment(None) is None


def test_a_relative_time_needs_no_equals_sign() -> None:
    args = hpcapvf_parser(["fetch"]).parse_args(["fetch", "probe1", "--from", "-10min", "--to", "-30s", "-o", "x"])
    assert (args.begin, args.end) == (Moment(-600 * SECOND, relative=True), Moment(-30 * SECOND, relative=True))


def test_the_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "a.pcapng"
    with open_new_file(target) as file:
        file.write(b"frames")
        assert not target.exists()
    assert target.read_bytes() == b"frames"
    assert [path.name for path in tmp_path.iterdir()] == ["a.pcapng"]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), open_new_file(tmp_path / "a.pcapng") as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("mine")
    with pytest.raises(Conflict, match="exists"), open_new_file(tmp_path / "a"):
        pass
    with pytest.raises(HpcapvfError, match="cannot write"), open_new_file(tmp_path / "none" / "a"):
        pass
    assert (tmp_path / "a").read_text() == "mine"
