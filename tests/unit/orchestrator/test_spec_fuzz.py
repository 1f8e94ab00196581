"""Fuzzed specs through ``hpcapvf plan``: a part of what ``make test-fuzz-spec`` does with 50 000."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpcapvf.model.errors import BadSpec
from hpcapvf.spec import parse_spec
from orchestrator.spec_file import read_spec
from tests.fuzz_spec import command
from tests.fuzz_spec.command import fuzz
from tests.fuzz_spec.specs import BASE, spec_of


def test_no_spec_ends_in_a_traceback(tmp_path: Path) -> None:
    outcome = fuzz(range(2000), tmp_path)
    assert outcome.defects == {}
    assert outcome.codes["OK"] > 50, "too few reach the end of planning to tell anything about it"
    assert outcome.codes["BAD_SPEC"] > 500


def test_what_is_mutated_is_itself_planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "spec_of", lambda _number: BASE.encode())
    assert fuzz(range(2), tmp_path).codes == {"OK": 2}


def test_a_defect_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_request: object) -> str:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr("orchestrator.specs.spec_sha256", broken)
    monkeypatch.setattr(command, "spec_of", lambda _number: BASE.encode())
    outcome = fuzz(range(2), tmp_path)
    assert len(outcome.defects) == 2
    assert all("broken on purpose" in said for said in outcome.defects.values())


def test_the_same_number_is_the_same_spec() -> None:
    assert [spec_of(n) for n in range(50)] == [spec_of(n) for n in range(50)]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ('"\\UFFFFFFFF"', "not YAML"),
        ('"\\ud800"', "line 1, column 4: half a surrogate pair"),
    ],
)
def test_escapes_that_are_no_letters_are_refused(value: str, said: str) -> None:
    with pytest.raises(BadSpec, match=said):
        parse_spec(f"a: {value}")


def test_a_version_beyond_numbers_is_refused() -> None:
    with pytest.raises(BadSpec, match="not YAML"):
        parse_spec("%YAML 1." + "9" * 5000 + "\n---\na: 1")


def test_a_file_that_is_not_utf_8_is_a_bad_spec(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_bytes(b"version: 1 # \xff\n")
    with pytest.raises(BadSpec, match="is not UTF-8: invalid start byte at byte 13"):
        read_spec(str(path))
