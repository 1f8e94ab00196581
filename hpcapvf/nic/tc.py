"""The tc filters that copy a representor's frames, as words for tc, and what ``tc -j filter show`` says of them.

A representor's ingress is what its VF sends, its egress what its VF receives (Linux' networking/representors.rst).
Sources: tc(8), tc-flower(8), tc-u32(8), tc-mirred(8); the JSON as iproute2 6.1 printed it here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from hpcapvf.model.errors import StepFailed

# What drivers take over into the card is flower; u32 is there on kernels without flower, and works in software.
CLASSIFIERS: tuple[tuple[str, ...], ...] = (("flower",), ("u32", "match", "u32", "0", "0"))
DIRECTIONS = ("ingress", "egress")
SIDES = {"to": "egress", "from": "ingress"}
"""A representor's side, by direction as the VM sees it."""
_FIRST_PREFERENCE = 48_000  # below what the kernel gives by itself (49 152)


@dataclass(frozen=True)
class TcMirror:
    """A filter that is there. in_hardware: whether the card's switch has it; None if tc does not say."""

    kind: str
    to_interface: str
    in_hardware: bool | None


def preference(pool: int, direction: str) -> int:
    """A filter's number, by the VF that is given the copies: so two agents never share a filter.

    The directions differ too: of u32 filters with one number, tc shows those of both directions in each (seen on 6.18).
    """
    return _FIRST_PREFERENCE + 2 * pool + DIRECTIONS.index(direction)


def add_words(interface: str, direction: str, pool: int, to_interface: str, classifier: tuple[str, ...]) -> list[str]:
    """tc's words for one filter."""
    place = ["filter", "add", "dev", interface, direction, "protocol", "all", "pref", str(preference(pool, direction))]
    return ["tc", *place, *classifier, "action", "mirred", "egress", "mirror", "dev", to_interface]


def delete_words(interface: str, direction: str, pool: int) -> list[str]:
    """tc's words for taking an agent's filters away."""
    return ["tc", "filter", "del", "dev", interface, direction, "pref", str(preference(pool, direction))]


def read_mirrors(text: str, pool: int, direction: str) -> tuple[TcMirror, ...]:
    """An agent's filters in the output of ``tc -j filter show``; StepFailed if that is no such output."""
    found = []
    for entry in _entries(text):
        if entry.get("pref") != preference(pool, direction):
            continue
        options = entry.get("options") or {}
        hardware = True if options.get("in_hw") else False if options.get("not_in_hw") else None
        found += [
            TcMirror(str(entry.get("kind")), str(action.get("to_dev")), hardware)
            for action in options.get("actions") or ()
            if (action.get("kind"), action.get("mirred_action"), action.get("direction"))
            == ("mirred", "mirror", "egress")
        ]
    return tuple(found)


def has_filters(text: str) -> bool:
    """Whether anybody's filters are there."""
    return bool(_entries(text))


def queue_kinds(text: str) -> frozenset[str]:
    """The kinds of queueing disciplines in the output of ``tc -j qdisc show``."""
    return frozenset(str(entry.get("kind")) for entry in _entries(text))


def _entries(text: str) -> list[dict[str, Any]]:
    try:
        entries = json.loads(text or "[]")
    except ValueError as error:
        raise StepFailed(f"tc printed no JSON: {error}", hint="iproute2 4.19 or later is needed") from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise StepFailed("tc printed JSON that is no list of filters", hint="iproute2 4.19 or later is needed")
    return entries
