"""A spec that cannot be read: which error, with the cause and the exit code that the reference has."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from hpcapvf.model.errors import BadSpec, ExitCode, NotFound
from orchestrator.commands.deploy import deploy_vnp_parser
from orchestrator.runner import run
from orchestrator.spec_file import SpecUnreadable, read_spec


def test_a_folder_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(deploy_vnp_parser(), ["--json", "--progress", "none", str(tmp_path)])
    error = json.loads(capsys.readouterr().out)["error"]
    assert code == ExitCode.USAGE
    assert error["type"] == "SpecUnreadable"
    assert str(tmp_path) in error["message"] and "folder" in error["hint"]


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.EACCES, "root may"), (errno.EIO, "dmesg"), (errno.ELOOP, "circle"), (errno.ENAMETOOLONG, "long")],
)
def test_each_cause_has_its_hint(monkeypatch: pytest.MonkeyPatch, number: int, words: str) -> None:
    def read_text(self: Path, encoding: str) -> str:
        raise OSError(number, "the kernel's words")

    monkeypatch.setattr(Path, "read_text", read_text)
    with pytest.raises(SpecUnreadable, match="the kernel's words") as refused:
        read_spec("probe1.yaml")
    assert refused.value.exit_code is ExitCode.USAGE
    assert words in refused.value.hint


def test_a_file_in_the_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpecUnreadable) as refused:
        read_spec(f"{tmp_path}/file/probe1.yaml")
    assert "not a folder" in refused.value.hint


def test_a_link_to_itself_is_told(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(SpecUnreadable) as refused:
        read_spec(f"{tmp_path}/loop")
    assert "circle" in refused.value.hint


def test_what_is_absent_or_no_text_keeps_its_own_class(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read_spec(f"{tmp_path}/none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"\xff")
    with pytest.raises(BadSpec, match="UTF-8"):
        read_spec(f"{tmp_path}/latin.yaml")
