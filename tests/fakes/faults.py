"""Counts effects, makes one of them fail on request, or ends the process at one of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from hpcapvf.model.errors import StepFailed


class InjectedFault(StepFailed):
    """The failure that a test asked for."""


class Killed(BaseException):
    """SIGKILL or a power cut: no handler of the code under test knows it, and none of its effects takes place then."""


class Faults:
    """kind: ``write`` (attribute files), ``file`` (replace, append, cut, remove, folder), ``command``, ``hypervisor``,
    ``register``, ``guest``, or ``any``. log: every effect so far as (kind, what)."""

    def __init__(self) -> None:
        self.log: list[tuple[str, str]] = []
        self._kind = ""
        self._left = 0
        self._after = False
        self._kill_in = 0
        self._torn = False
        self._dead = False

    def fail_at(self, kind: str, n: int, *, after: bool = False) -> None:
        """Let the n-th effect (from 1) of a kind from now on fail: before it takes place, or after it did."""
        self._kind, self._left, self._after = kind, n, after

    def kill_at(self, n: int, *, torn: bool = False) -> None:
        """End the process at the n-th effect (from 1) from now on, before it takes place. torn: in the middle of it, if
        it is a write that can be cut. Effects after it are those of a dead process: there are none until ``revive``."""
        self._kill_in, self._torn = n, torn

    def revive(self) -> bool:
        """A new process. Whether the one before was killed."""
        was, self._dead, self._kill_in = self._dead, False, 0
        return was

    def clear(self) -> None:
        """Nothing fails any more."""
        self._left = 0

    def count(self, kind: str) -> int:
        """How many effects of a kind there were."""
        return sum(1 for seen, _ in self.log if kind in {"any", seen})

    @contextlib.contextmanager
    def effect(self, kind: str, what: str, tear: Callable[[], None] | None = None) -> Iterator[None]:
        """Wraps one effect. tear: does it by half."""
        self._die_if_due(what, tear)
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

    def _die_if_due(self, what: str, tear: Callable[[], None] | None) -> None:
        if self._kill_in > 0:
            self._kill_in -= 1
            if self._kill_in == 0:
                self._dead = True
                if self._torn and tear is not None:
                    tear()
        if self._dead:
            raise Killed(what)
