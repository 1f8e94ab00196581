"""Charts: round ticks, curves that end where their values end, names that are escaped."""

from __future__ import annotations

import re

import pytest

from orchestrator.charts import SERIES_MOST, Bars, Chart, Series, render_chart, say_number, series_of, ticks


@pytest.mark.parametrize(
    ("most", "expected"),
    [(1.0, (0, 0.2, 0.4, 0.6, 0.8, 1)), (7, (0, 2, 4, 6, 8)), (1030, (0, 250, 500, 750, 1000, 1250))],
)
def test_ticks_are_round_and_reach_the_top(most: float, expected: tuple[float, ...]) -> None:
    assert ticks(most, 5) == pytest.approx(expected)


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (0.25, "0.25"), (1250, "1.25k"), (3e6, "3M"), (1e13, "10T")])
def test_numbers(value: float, text: str) -> None:
    assert say_number(value) == text


def test_steps_hold_until_the_next_and_none_interrupts() -> None:
    steps = Series("a", ((0, 1.0), (1, 2.0), (2, None), (3, 1.0), (4, 1.0)), steps=True)
    found = re.search(
        r' d="(M[^"]*)"/><rect|class="curve s0" d="([^"]*)"', render_chart(Chart("t", "x", "y", (steps,)))
    )
    assert found is not None
    path = found[1] or found[2]
    assert re.sub(r"[\d.,]+", "", path) == "MHVHMHV"


def test_a_larger_value_is_drawn_higher() -> None:
    text = render_chart(Chart("t", "x", "y", bars=Bars("b", (0, 1, 2), (1.0, 4.0))))
    tops = [float(y) for y in re.findall(r'class="bar" x="[\d.]+" y="([\d.]+)" width="[\d.]+" height="[\d.]+"', text)]
    assert tops[1] < tops[0]


def test_what_a_machine_says_is_escaped_and_series_are_bounded() -> None:
    assert "<b>" not in render_chart(Chart("<b>", "<b>", "<b>", (Series("<b>", ((0, 1.0), (1, 2.0))),)))
    with pytest.raises(ValueError, match="told apart"):
        render_chart(Chart("t", "x", "y", (Series("a", ()),) * (SERIES_MOST + 1)))


def test_a_chart_without_values_is_still_one() -> None:
    assert render_chart(Chart("t", "x", "y", (series_of("a", 0, 1, ()),))).startswith("<svg")
