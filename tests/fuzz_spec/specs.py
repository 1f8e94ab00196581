"""Spec number N as bytes: valid specs with something wrong in them, and documents made of YAML's own pieces."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from hpcapvf.spec import KEYS
from tests.fakes.tree import CONTROLLER, IMAGE, PF, PF_INTERFACE

Dice = random.Random
BASE = f"""\
version: 1
guest: {{name: probe1, image: {IMAGE}, vcpus: 2, memory_mib: 1024}}
network: {{pf: {PF_INTERFACE}, mode: vf, receive: all}}
storage:
  mode: passthrough
  controller: "{CONTROLLER}"
  raid: {{kind: md, chunk_kib: 1024, filesystem: xfs, mount: /srv/capture}}
engine: {{kind: hpcapvf, idle: backoff, ring_mib: 64, caplen: 0, file_mib: 2048}}
placement: {{policy: share, hugepage_kib: 2048}}
"""
WORDS = tuple({part for key in KEYS for part in key.path.split(".")} | {c for k in KEYS for c in map(str, k.choices)})
_NUMBERS = (0, 1, -1, 2, 3, 64, 255, 256, 1023, 1024, 2048, 65536, 1 << 31, 1 << 63, 10**17, 10**40)
_TEXTS = (
    *(
        "",
        " ",
        "\0",
        "\x7f",
        "\n",
        "é",
        "٣",
        "\u2028",
        "\ufeff",
        "\U0001f600",
        "a" * 5000,
        "9" * 5000,
        "%s%n",
        "{{ 7 }}",
    ),
    *("/", "/etc", "/srv/../x", "//srv", "/srv/capture", IMAGE, PF, CONTROLLER, PF_INTERFACE, "auto", "all", "vda"),
    *(f"{PF_INTERFACE}|vf0", f"{PF}|vf7", "|vf", "vf3", "ffff:ff:1f.7", "10000:00:00.0", "0x10", "1e3", ".inf", "on"),
)
_PIECES = (
    *(
        "- ",
        ": ",
        "? ",
        ", ",
        "[",
        "]",
        "{",
        "}",
        "&a ",
        "*a",
        "<<: ",
        "!!int ",
        "!x ",
        "| \n",
        "> \n",
        "|2-\n",
        "---\n",
    ),
    *("...\n", "%YAML 1.2\n", "%YAML 1." + "9" * 5000 + "\n---\n", "%TAG ! x\n", "# c\n", '"\\UFFFFFFFF"', '"\\ud800"'),
    *(
        '"\\x0',
        "'",
        '"',
        "\t",
        "\r",
        "\n",
        "\n  ",
        "\n    ",
        "\0",
        "\x85",
        "\ufeff",
        "@",
        "`",
        "~",
        "null",
        "true",
        "-0",
    ),
)


def spec_of(number: int) -> bytes:
    """The same bytes for the same number, always."""
    dice = random.Random(number)  # noqa: S311 - reproducible, not secret
    ways: tuple[Callable[[Dice], bytes], ...] = (_noise, _pieces, _document, _values, _values, _values, _lines, _octets)
    return ways[number % len(ways)](dice)


def _noise(dice: Dice) -> bytes:
    return dice.randbytes(dice.randint(0, 200))


def _pieces(dice: Dice) -> bytes:
    """YAML's marks between words that a spec knows."""
    return _octets_of("".join(dice.choice(dice.choice((_PIECES, WORDS))) for _ in range(dice.randint(1, 60))))


def _document(dice: Dice) -> bytes:
    """Any shape, of known words; JSON is YAML."""
    return json.dumps({dice.choice(WORDS): _value(dice, 4) for _ in range(dice.randint(0, 6))}).encode()


def _value(dice: Dice, depth: int) -> Any:
    kind = dice.randrange(7 if depth else 5)
    if kind == 5:
        return [_value(dice, depth - 1) for _ in range(dice.randint(0, 4))]
    if kind == 6:
        return {dice.choice(WORDS): _value(dice, depth - 1) for _ in range(dice.randint(0, 4))}
    text = dice.choice(dice.choice((_TEXTS, WORDS)))
    return (None, dice.random() < 0.5, dice.choice(_NUMBERS), text, dice.random())[kind]


def _values(dice: Dice) -> bytes:
    """A valid spec in which one to three keys hold something else, mostly something that the key could hold."""
    document: dict[str, Any] = {"version": 1, "guest": {"name": "probe1", "image": IMAGE}}
    document |= {"network": {"pf": PF_INTERFACE}, "storage": {"controller": CONTROLLER}}
    for _ in range(dice.randint(1, 3)):
        key = dice.choice(KEYS)
        *sections, name = key.path.split(".")
        place = document
        for section in sections:
            inner = place.setdefault(section, {})
            place = inner if isinstance(inner, dict) else {}
        place[name] = _likely(dice, key.choices, (key.least, key.most))
    return json.dumps(document, ensure_ascii=dice.random() < 0.5).encode("utf-8", "surrogatepass")


def _likely(dice: Dice, choices: tuple[Any, ...], bounds: tuple[int | None, int | None]) -> Any:
    if choices and dice.random() < 0.8:
        return dice.choice(choices)
    low, high = bounds
    if low is not None and high is not None and dice.random() < 0.8:
        return dice.choice((low, high, dice.randint(low, high), low - 1, high + 1, low * 2))
    return _value(dice, 2)


def _lines(dice: Dice) -> bytes:
    """Lines lost, doubled, swapped, indented."""
    lines = BASE.splitlines(keepends=True)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(lines))
        lines[at : at + 1] = dice.choice(([], [lines[at]] * 2, [" " + lines[at]], [lines[at].strip()], [lines[0]])) or [
            ""
        ]
    return "".join(lines).encode()


def _octets(dice: Dice) -> bytes:
    return _octets_of(BASE, dice)


def _octets_of(text: str, dice: Dice | None = None) -> bytes:
    """As UTF-8; with dice, a few bytes changed, lost or put in."""
    octets = bytearray(text.encode("utf-8", "surrogatepass"))
    for _ in range(dice.randint(1, 5) if dice else 0):
        assert dice is not None
        at = dice.randrange(len(octets))
        piece = dice.choice(_PIECES).encode("utf-8", "surrogatepass")
        octets[at : at + dice.randint(0, 2)] = dice.choice((b"", dice.randbytes(1), piece))
    return bytes(octets)
