"""Files that commands leave for the user."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hpcapvf.model.errors import HpcapvfError
from orchestrator.files import keep_logs, write_json


def test_a_report_is_written_whole_and_its_folder_is_made(tmp_path: Path) -> None:
    target = tmp_path / "build" / "report.json"
    write_json(target, {"a": 1})
    assert json.loads(target.read_text()) == {"a": 1}
    assert [path.name for path in target.parent.iterdir()] == ["report.json"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HpcapvfError, match=r"file/report\.json"):
        write_json(tmp_path / "file" / "report.json", {})


def test_logs_of_a_lab_are_kept(tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "console.log").write_text("panic")
    (tmp_path / "lab" / "raid0.raw").write_text("")
    (kept,) = keep_logs(tmp_path / "lab", tmp_path / "out")
    assert kept.read_text() == "panic"
    assert keep_logs(tmp_path / "nowhere", tmp_path / "out") == []
