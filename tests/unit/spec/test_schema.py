"""The spec's JSON Schema: what the parser takes, it takes; and it refuses what one key alone says is wrong."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hpcapvf.model.errors import BadSpec
from hpcapvf.spec import parse_spec
from hpcapvf.spec.fields import KEYS, Key
from hpcapvf.spec.schema import json_schema
from orchestrator.suggest import MONITOR_SPEC_EXAMPLE
from tests.unit.spec.test_parse import FIVE_LINES, spec

CHECKER = jsonschema.Draft202012Validator(json_schema())
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 1 << 21), st.text(max_size=8), st.lists(st.text(max_size=4), max_size=3),
    st.sampled_from([choice for key in KEYS for choice in (*key.choices, *key.later)]),
    st.sampled_from(["/srv/a", "0000:06:00.0", "auto", "enp5s0|vf3", "all", "ab" * 32]),
)  # fmt: skip


def parses(text: str) -> bool:
    try:
        parse_spec(text)
    except BadSpec:
        return False
    return True


def fits(text: str) -> bool:
    return bool(CHECKER.is_valid(yaml.safe_load(text)))


def changed(key: Key, value: Any) -> str:
    return spec(**{key.path.replace(".", "__"): value})


def test_the_schema_is_one_and_takes_the_examples() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    assert fits(FIVE_LINES.replace("0000:06:00.0", '"0000:06:00.0"'))
    assert fits(MONITOR_SPEC_EXAMPLE)


@given(key=st.sampled_from(KEYS), value=VALUES)
@settings(max_examples=1500)
def test_what_the_parser_takes_it_takes(key: Key, value: Any) -> None:
    text = changed(key, value)
    assert fits(text) or not parses(text)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.path)
def test_it_refuses_what_a_key_says_is_wrong(key: Key) -> None:
    wrong: list[Any] = [{"a": 1}]
    wrong += [value for value in ("none of its values", -3) if key.choices]
    wrong += [] if key.least is None else [key.least - 1]
    wrong += [] if key.most is None else [key.most + 1]
    wrong += [["bad\nitem"] if key.kind == "texts" else "bad\nvalue"] if key.pattern else []
    wrong += [...] if key.required else []
    for value in wrong:
        text = changed(key, value)
        assert not fits(text), value
        assert not parses(text), value


def test_it_refuses_unknown_keys() -> None:
    assert not fits(spec(guest__colour="red"))
    assert not fits(spec(colour="red"))
