"""Curves and bars over two axes, to SVG inside a page. Pure functions; colours are the page's (``report_page``).

Series differ by dashes and by their names in the legend too, never by colour alone. A chart is drawn small, so that its
texts can still be read where the page is as narrow as a telephone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from orchestrator.picture_canvas import fit, text_width

WIDTH, HEIGHT = 480.0, 270.0
SIZE = 13.0  # of the texts
_LEFT, _RIGHT, _TOP, _BOTTOM = 66.0, 14.0, 38.0, 46.0
_X_TICKS, _Y_TICKS = 5, 5
_DASHES = ("", "7 4", "2 3", "9 3 2 3", "4 4")
_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
SERIES_MOST = len(_DASHES)


@dataclass(frozen=True)
class Series:
    """A curve. points: x and y; a y of None interrupts it. steps: each y holds until the next point's x."""

    name: str
    points: tuple[tuple[float, float | None], ...]
    steps: bool = False


@dataclass(frozen=True)
class Bars:
    """Bars from edge to edge: heights has one value fewer than edges."""

    name: str
    edges: tuple[float, ...]
    heights: tuple[float, ...]


@dataclass(frozen=True)
class Chart:
    """title, x_label, y_label: what is drawn. x_ticks: positions and their texts instead of round numbers. y_most: the
    top of the axis, None for what the values need; y begins at 0. log_x: x is drawn by its logarithm, and is above 0.
    """

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...] = ()
    bars: Bars | None = None
    x_ticks: tuple[tuple[float, str], ...] = ()
    y_most: float | None = None
    log_x: bool = False


class _Axes:
    """Values to places in the picture."""

    def __init__(self, chart: Chart) -> None:
        xs = [x for series in chart.series for x, _ in series.points] + list(chart.bars.edges if chart.bars else ())
        ys = [y for series in chart.series for _, y in series.points if y is not None]
        ys += chart.bars.heights if chart.bars else ()
        self._log = chart.log_x
        self.x_least, self.x_most = min(xs, default=0.0), max(xs, default=1.0)
        if self.x_least == self.x_most:
            self.x_most = self.x_least * 10 if self._log else self.x_least + 1
        self.y_most = chart.y_most or ticks(max(ys, default=0.0) or 1.0, _Y_TICKS)[-1]

    def x(self, value: float) -> float:
        low, high = self.x_least, self.x_most
        if self._log:
            value, low, high = math.log10(value), math.log10(low), math.log10(high)
        return _LEFT + (value - low) / (high - low) * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        share = max(0.0, min(1.0, value / self.y_most))
        return HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)


def render_chart(chart: Chart) -> str:
    """One ``svg`` element. ValueError for more series than dashes tell apart."""
    if len(chart.series) > SERIES_MOST:
        raise ValueError(f"{len(chart.series)} series cannot be told apart, {SERIES_MOST} can")
    axes = _Axes(chart)
    parts = [*_grid(chart, axes)]
    parts += _bars(chart.bars, axes) if chart.bars else ()
    for number, series in enumerate(chart.series):
        dash = f' stroke-dasharray="{_DASHES[number]}"' if _DASHES[number] else ""
        parts += [f'<path class="curve s{number}"{dash} d="{path}"/>' for path in [_path(series, axes)] if path]
    parts += _legend(chart)
    return (
        f'<svg class="chart" viewBox="0 0 {_n(WIDTH)} {_n(HEIGHT)}" role="img" aria-label="{escape(chart.title)}">'
        f"<title>{escape(chart.title)}</title>{''.join(parts)}</svg>"
    )


def ticks(most: float, about: int) -> tuple[float, ...]:
    """Round numbers from 0 to the first that is not below most (above 0), about so many."""
    rough = most / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))
    return tuple(step * i for i in range(math.ceil(most / step - 1e-9) + 1))


def say_number(value: float) -> str:
    """A few digits, and k, M, G or T for thousands."""
    for size, letter in _UNITS:
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def _grid(chart: Chart, axes: _Axes) -> Iterable[str]:
    bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    for value in ticks(axes.y_most, _Y_TICKS):
        if value > axes.y_most * (1 + 1e-9):
            continue
        y = axes.y(value)
        yield f'<line class="grid" x1="{_n(_LEFT)}" x2="{_n(right)}" y1="{_n(y)}" y2="{_n(y)}"/>'
        yield _text(say_number(value), _LEFT - 6, y + SIZE * 0.36, "end", room=_LEFT - 26)
    for x, text in _apart(chart.x_ticks or _round_ticks(axes), axes):
        yield f'<line class="tick" x1="{_n(x)}" x2="{_n(x)}" y1="{_n(bottom)}" y2="{_n(bottom + 4)}"/>'
        yield _text(text, min(x, right - text_width(text, SIZE) / 2), bottom + 18, "middle", room=WIDTH)
    yield f'<line class="axis" x1="{_n(_LEFT)}" x2="{_n(right)}" y1="{_n(bottom)}" y2="{_n(bottom)}"/>'
    yield _text(chart.x_label, (_LEFT + right) / 2, HEIGHT - 8, "middle", room=right - _LEFT)
    middle = (_TOP + bottom) / 2
    turned = f' transform="rotate(-90 14 {_n(middle)})"'
    yield _text(chart.y_label, 14, middle, "middle", room=bottom - _TOP + 30, more=turned)


def _round_ticks(axes: _Axes) -> Iterable[tuple[float, str]]:
    span = axes.x_most - axes.x_least
    return [
        (axes.x_least + value, say_number(axes.x_least + value))
        for value in ticks(span, _X_TICKS)
        if value <= span * (1 + 1e-9)
    ]


def _apart(wished: Iterable[tuple[float, str]], axes: _Axes) -> Iterable[tuple[float, str]]:
    """The ticks inside the axis whose texts do not touch the one before."""
    free_from = 0.0
    for value, text in wished:
        if not axes.x_least * (1 - 1e-9) <= value <= axes.x_most * (1 + 1e-9):
            continue
        x, half = axes.x(value), text_width(text, SIZE) / 2
        if min(x, WIDTH - _RIGHT - half) - half >= free_from:
            free_from = x + half + 6
            yield x, text


def _bars(bars: Bars, axes: _Axes) -> Iterable[str]:
    floor = axes.y(0)
    for left, right, height in zip(bars.edges, bars.edges[1:], bars.heights, strict=False):
        if height > 0:
            x, top = axes.x(left), min(axes.y(height), floor - 1)
            width = max(axes.x(right) - x - 1, 1)
            yield f'<rect class="bar" x="{_n(x)}" y="{_n(top)}" width="{_n(width)}" height="{_n(floor - top)}"/>'


def _path(series: Series, axes: _Axes) -> str:
    words: list[str] = []
    drawing = False
    for x_value, y_value in series.points:
        x = _n(axes.x(x_value))
        if series.steps and drawing:
            words.append(f"H{x}")
        if y_value is not None:
            y = _n(axes.y(y_value))
            words.append(f"M{x},{y}" if not drawing else f"V{y}" if series.steps else f"L{x},{y}")
        drawing = y_value is not None
    return "".join(words)


def _legend(chart: Chart) -> Iterable[str]:
    """Names from the left, above the axes; shortened so that all have the same room."""
    names = [*([("bar", "", chart.bars.name)] if chart.bars else [])]
    names += [(f"curve s{i}", _DASHES[i], series.name) for i, series in enumerate(chart.series)]
    room = (WIDTH - _RIGHT - 8) / max(1, len(names))
    for number, (look, dash, name) in enumerate(names):
        x = 8 + number * room
        if look == "bar":
            yield f'<rect class="bar" x="{_n(x)}" y="12" width="22" height="10"/>'
        else:
            dashes = f' stroke-dasharray="{dash}"' if dash else ""
            yield f'<path class="{look}"{dashes} d="M{_n(x)},17H{_n(x + 22)}"/>'
        yield _text(name, x + 28, 17 + SIZE * 0.36, "start", room=room - 34)


def _text(text: str, x: float, y: float, anchor: str, *, room: float, more: str = "") -> str:
    place = f'x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}" font-size="{_n(SIZE)}"{more}'
    return f"<text {place}>{escape(fit(text, SIZE, room), quote=False)}</text>"


def _n(value: float) -> str:
    return f"{round(value, 1):g}"


def series_of(name: str, begin: float, width: float, values: Sequence[float]) -> Series:
    """Steps of one value for each bin."""
    points: list[tuple[float, float | None]] = [(begin + i * width, value) for i, value in enumerate(values)]
    return Series(name, (*points, (begin + len(values) * width, values[-1])) if values else (), steps=True)
