"""Specs made by a fuzzer: whatever a file holds, the parser gives a request or says what is wrong, without a traceback.

FUZZED_SPECS says how many are made (make test-specs: 50 000).
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from hpcapvf.model.errors import BadSpec
from hpcapvf.model.request import Request
from hpcapvf.plan import plan_deployment
from hpcapvf.spec import parse_spec
from hpcapvf.spec.fields import KEYS
from orchestrator.suggest import MONITOR_SPEC_EXAMPLE
from tests.factories import make_host
from tests.unit.spec.test_parse import FIVE_LINES

COUNT = int(os.environ.get("FUZZED_SPECS", "4000"))
_ODD = (
    "", "~", "null", "true", "yes", "0x1f", "1e999", ".nan", "-.inf", "1:2:3", "2026-11-23", "!!python/object:os.x y",
    "&a [*a]", "*a", "<<: {a: 1}", "[[[[[[[[]]]]]]]]", "{a: {b: {c: {d: 1}}}}", "'", '"', "|", ">", "%", "@", "`",
    "- -", "\t", "\x00", "\x85", "\u2028", "\ud7ff", "\U0001f4a5", "é" * 40, "9" * 400, "a" * 70_000, "{" * 300,
    "? a", "...", "---",
)  # fmt: skip


def whole(dice: random.Random) -> str:
    """A spec that works, with values of all kinds at a few of its keys, and now and then at one that does not exist."""
    document: dict[Any, Any] = yaml.safe_load(FIVE_LINES.replace("0000:06:00.0", "'0000:06:00.0'"))
    for key in dice.sample(KEYS, dice.randint(1, 3)):
        place = document
        *sections, name = key.path.split(".")
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                return yaml.safe_dump(document)
        place[dice.choice((name,) * 9 + (name + "s", 7))] = value(dice, key.choices)
    return yaml.safe_dump(document, allow_unicode=dice.random() < 0.5)


def value(dice: random.Random, choices: tuple[object, ...]) -> object:
    """Something that a key may hold, or not."""
    kinds: tuple[Callable[[], object], ...] = (
        lambda: dice.choice(choices) if choices else "/srv/x",
        lambda: dice.randint(-(1 << 70), 1 << 70),
        lambda: dice.choice((None, True, False, 1.5, [], {}, ["a", 1], {"a": []})),
        lambda: "".join(chr(dice.randrange(32, 0x2FF)) for _ in range(dice.randint(0, 40))),
        lambda: dice.choice(("0000:06:00.0", "auto", "enp5s0|vf3", "web1", "all")),
    )
    return dice.choice(kinds)()


def broken(dice: random.Random) -> str:
    """A spec that works, cut, doubled, and with odd things put in."""
    text = dice.choice((FIVE_LINES, MONITOR_SPEC_EXAMPLE))
    for _ in range(dice.randint(1, 5)):
        at, to = sorted((dice.randint(0, len(text)), dice.randint(0, len(text))))
        put = dice.choice(
            (dice.choice(_ODD), text[at:to], chr(dice.randrange(0xD7FF)), dice.choice(KEYS).path, "\n", ": ")
        )
        text = text[:at] + put + text[dice.choice((at, to)) :]
    return text


def outcome(text: str) -> str:
    """What became of a spec; any other error than BadSpec is the test's."""
    try:
        request = parse_spec(text)
    except BadSpec as error:
        assert error.message
        return "refused"
    assert isinstance(request, Request)
    plan_deployment(request, make_host(), "ab" * 32)
    return "planned"


@pytest.mark.parametrize("make", [whole, broken], ids=lambda make: make.__name__)
def test_no_spec_makes_a_traceback(make: Callable[[random.Random], str]) -> None:
    dice = random.Random(20261123)  # noqa: S311 - the same specs each time
    found = {"refused": 0, "planned": 0}
    for number in range(COUNT // 2):
        text = make(dice)
        try:
            found[outcome(text)] += 1
        except Exception as error:
            pytest.fail(f"spec {number}: {type(error).__name__}: {error}\n{text[:2000]!r}")
    assert min(found.values()) > COUNT // 100
