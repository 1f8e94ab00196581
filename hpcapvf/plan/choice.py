"""What a part of planning gives back: a value, or objections, and advice with either."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from hpcapvf.model.errors import ExitCode
from hpcapvf.model.plan import Advice, Reason

T = TypeVar("T")


@dataclass(frozen=True)
class Objection:
    """One reason against a plan, and the exit code that it would give alone."""

    code: ExitCode
    reason: Reason


def objection(code: ExitCode, subject: object, why: str, hint: str = "", *, guard: str = "") -> Objection:
    """An objection to one named candidate; guard: which one objects (``guards.GUARDS``), if it is one."""
    return Objection(code, Reason(str(subject), why, hint, guard))


@dataclass(frozen=True)
class Choice(Generic[T]):
    """A value without objections, or objections (and perhaps a value that would have been chosen)."""

    value: T | None
    objections: tuple[Objection, ...] = ()
    advice: tuple[Advice, ...] = ()
