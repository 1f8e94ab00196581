"""Counts effects, and makes one of them fail on request."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from hpcapvf.model.errors import StepFailed


class InjectedFault(StepFailed):
    """The failure that a test asked for."""


class Faults:
    """kind: ``write`` (attribute files), ``file`` (replace, append, remove), ``command``, ``hypervisor``, ``register``,
    ``guest``, or ``any``. log: every effect so far as (kind, what)."""

    def __init__(self) -> None:
        self.log: list[tuple[str, str]] = []
        self._kind = ""
        self._left = 0
        self._after = False

    def fail_at(self, kind: str, n: int, *, after: bool = False) -> None:
        """Let the n-th effect (from 1) of a kind from now on fail: before it takes place, or after it did."""
        self._kind, self._left, self._after = kind, n, after

    def clear(self) -> None:
        """Nothing fails any more."""
        self._left = 0

    def count(self, kind: str) -> int:
        """How many effects of a kind there were."""
        return sum(1 for seen, _ in self.log if kind in {"any", seen})

    @contextlib.contextmanager
    def effect(self, kind: str, what: str) -> Iterator[None]:
        """Wraps one effect."""
        self.log.append((kind, what))
        due = False
        if self._left > 0 and self._kind in {"any", kind}:
            self._left -= 1
            due = self._left == 0
        if due and not self._after:
            raise InjectedFault(f"injected failure before: {what}")
        yield
        if due:
            raise InjectedFault(f"injected failure after: {what}")
