"""Bisection over rates, and what it is worth."""

from __future__ import annotations

from typing import Any

import pytest

from tests.comparison.search import (
    RATES,
    REPEATS,
    limit_of,
    median_share,
    next_rate,
    outcomes,
    rates_to_compare,
    shares_of,
    verdict,
)


def row(rate: int, stored: int, *, engine: str = "hpcapvf", sent_per_s: int | None = None) -> dict[str, Any]:
    return {"engine": engine, "bytes": 60, "rate": rate, "sent": 100, "stored": stored, "held_up_s": 0.0,
            "sent_per_s": rate if sent_per_s is None else sent_per_s}  # fmt: skip


@pytest.mark.parametrize("limit", [0, RATES[0], RATES[7], RATES[-1], 10**9])
def test_bisection_finds_the_limit_in_few_steps(limit: int) -> None:
    known: dict[int, bool] = {}
    while (rate := next_rate(RATES, known)) is not None:
        assert rate not in known
        known[rate] = rate <= limit
    assert [rate for rate in RATES if known.get(rate)][-1:] == [rate for rate in RATES if rate <= limit][-1:]
    assert len(known) <= 5


def test_a_rate_counts_when_it_has_all_its_runs_and_then_by_the_median() -> None:
    rows = [row(1000, 100), row(1000, 99), row(1250, 99), row(1250, 99), row(1250, 100)]
    assert outcomes(rows, "hpcapvf", 60) == {1250: False}
    assert outcomes([*rows, row(1000, 100)], "hpcapvf", 60) == {1000: True, 1250: False}
    assert REPEATS == 3


def test_the_limit_is_what_was_really_sent() -> None:
    rows = [row(1000, 100, sent_per_s=rate) for rate in (700, 800, 900)]
    assert limit_of(rows, "hpcapvf", 60) == {"asked": 1000, "sent_per_s": 800, "held_up_s": 0.0}
    assert limit_of(rows, "dpdk", 60)["sent_per_s"] == 0
    more_asked_less_sent = [row(1250, 100, sent_per_s=790) for _ in range(REPEATS)]
    assert limit_of([*rows, *more_asked_less_sent, row(2000, 100)], "hpcapvf", 60)["asked"] == 1000


def test_more_counted_than_sent_is_no_more_than_all() -> None:
    assert median_share([row(1000, 130)]) == 1.0
    assert shares_of([row(1000, 50), row(2000, 25)], "hpcapvf", 60) == {1000: 0.5, 2000: 0.25}


def test_all_are_compared_at_each_ones_limit_and_above() -> None:
    rates = rates_to_compare(RATES, [1000, 4000, None])
    assert {1000, 4000} <= set(rates)
    assert rates == sorted(rates)
    assert max(rates) > 4000


def test_the_goal_is_reached_by_either_of_two_ways() -> None:
    near_the_card = verdict({"hpcapvf": 95, "counter": 100, "tcpdump": 90, "dpdk": 90})
    assert near_the_card["reached"] == {"3 x tcpdump, or 0.9 x the counter": True, "1 x DPDK": True}
    worse = verdict({"hpcapvf": 80, "counter": 100, "tcpdump": 90, "dpdk": 90})
    assert set(worse["reached"].values()) == {False}
    assert verdict({"hpcapvf": 80, "counter": 0, "tcpdump": 0, "dpdk": 0})["ratios"]["dpdk"] is None
