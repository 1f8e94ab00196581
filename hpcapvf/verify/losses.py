"""Losses over time: the driver's counters in the guest, looked at again and again for a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from hpcapvf.host.protocols import Machine
from hpcapvf.model.plan import Plan
from hpcapvf.model.progress import Progress
from hpcapvf.verify.status import DROPS, CaptureRates, read_rates

LOOKS_MOST = 1000
_UNSAVED = "unsaved"  # frames that the capture service could not write


@dataclass(frozen=True)
class Look:
    """The driver's counters at a time: seconds since the watch began, and names to frames."""

    at_s: float
    counters: dict[str, int]


@dataclass(frozen=True)
class Interval:
    """Between two looks: frames received, and lost by cause. None: a counter went back, the driver began anew."""

    from_s: float
    to_s: float
    received: int | None
    lost: dict[str, int] | None


def watch_losses(plan: Plan, machine: Machine, seconds: float, wait_s: float, progress: Progress) -> tuple[Look, ...]:
    """Look for so many seconds; every look takes one at least. Errors as ``read_rates``: what was seen is lost."""
    begun = machine.clock.monotonic()
    looks: list[Look] = []
    while len(looks) < LOOKS_MOST:
        rates = read_rates(plan, machine, wait_s)
        at = machine.clock.monotonic() - begun
        looks.append(Look(round(at, 3), _counters(rates)))
        progress.phase("watch losses", f"{min(at, seconds):.0f} of {seconds:.0f} s")
        if at >= seconds and len(looks) > 1:
            break
    return tuple(looks)


def intervals(looks: Sequence[Look]) -> tuple[Interval, ...]:
    """What happened between each look and the next; nothing between two is missed, since counters only grow."""
    return tuple(_interval(before, after) for before, after in pairwise(looks) if after.at_s > before.at_s)


def _interval(before: Look, after: Look) -> Interval:
    grown = {name: value - before.counters.get(name, 0) for name, value in after.counters.items()}
    if any(value < 0 for value in grown.values()):
        return Interval(before.at_s, after.at_s, None, None)
    lost = {name: grown[name] for name in (*DROPS, _UNSAVED) if name in grown}
    return Interval(before.at_s, after.at_s, grown.get("received"), lost)


def _counters(rates: CaptureRates) -> dict[str, int]:
    return rates.counters | ({} if rates.unsaved is None else {_UNSAVED: rates.unsaved})
