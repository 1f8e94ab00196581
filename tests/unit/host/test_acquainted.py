"""A guest that was met is not greeted again, one that did not answer is."""

from __future__ import annotations

from typing import Any

import pytest

from hpcapvf.host.acquainted import AcquaintedGuests
from hpcapvf.host.protocols import GuestAccess
from hpcapvf.model.address import Mac
from hpcapvf.model.errors import WaitTimedOut

ONE = GuestAccess("one", Mac.parse("52:54:00:00:00:01"), "probe", "/key")
OTHER = GuestAccess("other", Mac.parse("52:54:00:00:00:02"), "probe", "/key")


class Doors:
    """Guests that answer from the second knock on."""

    def __init__(self, silent: int = 0) -> None:
        self.silent = silent
        self.knocks: list[str] = []

    def connect(self, access: GuestAccess, *, timeout_s: float) -> Any:
        self.knocks.append(access.domain)
        if len(self.knocks) <= self.silent:
            raise WaitTimedOut("nobody")
        return f"guest {access.domain}"


def test_each_guest_is_greeted_once() -> None:
    doors = Doors()
    guests = AcquaintedGuests(doors)
    found: list[Any] = [guests.connect(access, timeout_s=1) for access in (ONE, ONE, OTHER, ONE)]
    assert found == ["guest one", "guest one", "guest other", "guest one"]
    assert doors.knocks == ["one", "other"]


def test_one_that_did_not_answer_is_greeted_again() -> None:
    doors = Doors(silent=1)
    guests = AcquaintedGuests(doors)
    with pytest.raises(WaitTimedOut):
        guests.connect(ONE, timeout_s=1)
    found: Any = guests.connect(ONE, timeout_s=1)
    assert found == "guest one"
