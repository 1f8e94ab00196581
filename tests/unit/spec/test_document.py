"""The YAML subset: what it reads, and what it refuses before anything is built from it."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hpcapvf.model.errors import BadSpec
from hpcapvf.spec.document import MOST_BYTES, MOST_DEPTH, load_document


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("0000:06:00.0", "0000:06:00.0"),
        ("06:00.0", "06:00.0"),
        ("52:54:00:12:34:56", "52:54:00:12:34:56"),
        ("on", "on"),
        ("no", "no"),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("nullable", "nullable"),
        ("trueish", "trueish"),
        ("12", 12),
        ("-3", -3),
        ("012", "012"),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("1.5", "1.5"),
        ("1e3", "1e3"),
        ("2024-01-01", "2024-01-01"),
        ("9" * 5000, "9" * 5000),
        ('"12"', "12"),
        ("'true'", "true"),
    ],
)
def test_scalars_are_read_as_a_person_means_them(scalar: str, value: object) -> None:
    assert load_document(f"key: {scalar}") == {"key": value}


def test_yaml_1_1_would_misread_an_address() -> None:
    """The reason for the own loader: the stock one turns this PCI address into a number."""
    assert yaml.safe_load("key: 0000:06:00.0") == {"key": 360.0}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3", "line 3, column 1: the key a is given twice"),
        ("s:\n  k: 1\n  k: 1", "line 3, column 3: the key k is given twice"),
        ("a: &x [1]\nb: *x", "line 2, column 4: aliases are not allowed"),
        ("a: !!python/object/apply:os.system [x]", "tags are not allowed"),
        ("a: !!binary aGk=", "tags are not allowed"),
        ("? [1, 2]\n: 3", "a key must be text"),
        ("1: 2", "a key must be text"),
        ("a: 1\n---\nb: 2", "another document"),
        ("a: [1", "line 1"),
        ("a: b: c", "line 1, column 5"),
        ("\ta: 1", "line 1"),
        ("a: \x07", "not YAML"),
        ("- 1\n- 2", "must be a mapping, not a list"),
        ("just words", "must be a mapping, not text"),
        ("", "must be a mapping, not nothing"),
        ("# only a comment", "must be a mapping, not nothing"),
        ("a: " + "[" * 100, "nested deeper than 16"),
        ("a: " + "x" * MOST_BYTES, "longer than 64 KiB"),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    with pytest.raises(BadSpec) as caught:
        load_document(text)
    assert said in caught.value.message


def test_a_bomb_is_refused_before_it_grows() -> None:
    lines = ["l0: &l0 [x, x]"] + [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 12)]
    with pytest.raises(BadSpec, match="aliases are not allowed"):
        load_document("\n".join(lines))


def test_depth_is_counted_along_one_branch_only() -> None:
    wide = "\n".join(f"k{n}: [[[1]]]" for n in range(MOST_DEPTH * 4))
    assert len(load_document(wide)) == MOST_DEPTH * 4


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        assert isinstance(load_document(text), dict)
    except BadSpec as error:
        assert error.message
