"""What a plan took for granted of its host, so that it can be asked again before anything is changed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fact:
    """One thing that was so: subject ``VF 0000:05:10.0``, value ``free``. Both are for people."""

    subject: str
    value: str


def changes(before: tuple[Fact, ...], now: tuple[Fact, ...]) -> tuple[str, ...]:
    """One line for each fact that is no longer so, in the order of ``before``."""
    found = {fact.subject: fact.value for fact in now}
    return tuple(
        f"{fact.subject} was {fact.value}, now it is {found.get(fact.subject, 'not there')}"
        for fact in before
        if found.get(fact.subject) != fact.value
    )
