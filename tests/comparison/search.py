"""The highest rate without loss, and what is captured above it: decisions about runs, nothing else. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

# Frames a second: the preferred numbers of ISO 3, series R10, each about 1.26 times the one before.
_SERIES = (100, 125, 160, 200, 250, 315, 400, 500, 630, 800)
RATES = (*(base * tens for tens in (10, 100, 1000) for base in _SERIES), 1_000_000)
REPEATS = 3
ABOVE = 4
Row = Mapping[str, Any]


def of(rows: Iterable[Row], engine: str, length: int, rate: int | None = None) -> list[Row]:
    """The runs of one engine with frames of one length, at one rate or at all."""
    return [row for row in rows if row["engine"] == engine and row["bytes"] == length and rate in (None, row["rate"])]


def share(row: Row) -> float:
    """Of what was sent, what was stored; a counter may have counted more than that."""
    return min(1.0, row["stored"] / row["sent"]) if row["sent"] else 0.0


def median_share(rows: Sequence[Row]) -> float:
    """Of several runs alike."""
    return float(median(share(row) for row in rows))


def outcomes(rows: Iterable[Row], engine: str, length: int) -> dict[int, bool]:
    """Rate → whether it was without loss in the median, for the rates that have all their runs."""
    mine = of(rows, engine, length)
    rates = {row["rate"] for row in mine}
    by_rate = {rate: [row for row in mine if row["rate"] == rate] for rate in rates}
    return {rate: median_share(runs) == 1.0 for rate, runs in by_rate.items() if len(runs) >= REPEATS}


def next_rate(rates: Sequence[int], known: Mapping[int, bool]) -> int | None:
    """Where bisection looks next; None when the highest rate without loss is known, or that there is none."""
    good = max((index for index, rate in enumerate(rates) if known.get(rate) is True), default=-1)
    bad = min((index for index, rate in enumerate(rates) if known.get(rate) is False and index > good),
              default=len(rates))  # fmt: skip
    return rates[(good + bad) // 2] if bad - good > 1 else None


def rates_to_compare(rates: Sequence[int], limits: Iterable[int | None]) -> list[int]:
    """The rates at which all are measured: each one's limit, and some above, as far as the list goes."""
    wanted: set[int] = set()
    for limit in limits:
        at = rates.index(limit) if limit is not None else 0
        wanted |= {rates[at], *rates[at + 2 : at + 2 + 2 * ABOVE : 2]}
    return sorted(wanted)


def limit_of(rows: Sequence[Row], engine: str, length: int) -> dict[str, Any]:
    """An engine's highest rate without loss, among those that have all their runs: as asked for, as it really was, and
    how long the card held it up.

    By what was really sent: beyond what the emulated card takes, asking for more sends no more.
    """
    without_loss = [rate for rate, whole in outcomes(rows, engine, length).items() if whole]
    limits = [_sent_without_loss(of(rows, engine, length, rate), rate) for rate in without_loss]
    nothing = {"asked": None, "sent_per_s": 0, "held_up_s": 0.0}
    return max(limits, key=lambda limit: limit["sent_per_s"], default=nothing)


def _sent_without_loss(runs: Sequence[Row], rate: int) -> dict[str, Any]:
    whole = [row for row in runs if share(row) == 1.0]
    return {
        "asked": rate,
        "sent_per_s": round(median(row["sent_per_s"] for row in whole)),
        "held_up_s": round(median(row["held_up_s"] for row in runs), 3),
    }


def shares_of(rows: Sequence[Row], engine: str, length: int) -> dict[int, float]:
    """Rate → median share."""
    rates = sorted({row["rate"] for row in of(rows, engine, length)})
    return {rate: round(median_share(of(rows, engine, length, rate)), 4) for rate in rates}


def verdict(limits: Mapping[str, int]) -> dict[str, Any]:
    """Ratios of rates without loss, and what was aimed at. limits: engine → frames a second that really were sent."""

    def ratio(other: str) -> float | None:
        return round(limits["hpcapvf"] / limits[other], 2) if limits.get(other) else None

    ratios = {other: ratio(other) for other in ("tcpdump", "dpdk", "counter")}
    tcpdump, dpdk, counter = ratios.values()
    reached = {
        "3 x tcpdump, or 0.9 x the counter": (tcpdump or 0) >= 3 or (counter or 0) >= 0.9,
        "1 x DPDK": (dpdk or 0) >= 1,
    }
    return {"ratios": ratios, "reached": reached}
