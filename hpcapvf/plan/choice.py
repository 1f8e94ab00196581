"""What a part of planning gives back: a value, or objections, and advice with either."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from hpcapvf.model.errors import ExitCode
from hpcapvf.model.plan import Advice, Reason, Refusal

T = TypeVar("T")

# What must be settled first comes first: a taken name, then things that are not there, then the host, then the fit.
PRECEDENCE = (
    ExitCode.CONFLICT,
    ExitCode.NOT_FOUND,
    ExitCode.NOT_CAPABLE,
    ExitCode.REGISTER_REFUSED,
    ExitCode.REFUSED,
)


@dataclass(frozen=True)
class Objection:
    """One reason against a plan, and the exit code that it would give alone."""

    code: ExitCode
    reason: Reason


def objection(code: ExitCode, subject: object, why: str, hint: str = "") -> Objection:
    """An objection to one named candidate."""
    return Objection(code, Reason(str(subject), why, hint))


@dataclass(frozen=True)
class Choice(Generic[T]):
    """A value without objections, or objections (and perhaps a value that would have been chosen)."""

    value: T | None
    objections: tuple[Objection, ...] = ()
    advice: tuple[Advice, ...] = ()


def refusal(objections: Iterable[Objection]) -> Refusal:
    """All reasons in the order found, without repetition, under the code that comes first in PRECEDENCE."""
    unique = tuple(dict.fromkeys(objections))
    code = min((o.code for o in unique), key=PRECEDENCE.index)
    return Refusal(code, tuple(dict.fromkeys(o.reason for o in unique)))
