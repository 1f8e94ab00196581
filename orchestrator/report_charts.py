"""The report's charts, from what was measured."""

from __future__ import annotations

from collections.abc import Sequence

from hpcapvf.verify.conversion import NANOSECONDS
from hpcapvf.verify.losses import Interval
from hpcapvf.verify.traffic import Gaps, Rates, Traffic
from orchestrator.charts import Bars, Chart, Series, render_chart, series_of
from orchestrator.moments import say_moment
from orchestrator.report_page import Figure

_TIMES = ((1, "ns"), (1_000, "µs"), (1_000_000, "ms"), (NANOSECONDS, "s"))
_CAUSES = {
    "ring_full_drops": "ring full",
    "no_listener_drops": "no listener",
    "queue_full_drops": "queue full",
    "errors": "bad frames",
    "unsaved": "not written",
}


def say_time(ns: float) -> str:
    """A span of time with its unit, to 3 digits."""
    size, unit = next((pair for pair in reversed(_TIMES) if ns >= pair[0]), _TIMES[0])
    return f"{ns / size:.3g} {unit}"


def rate_figures(rates: Rates) -> tuple[Figure, ...]:
    """Throughput over time, in bits and in frames."""
    since = f"seconds since {(say_moment(rates.begin_ns) or '')[:19]}Z"
    told = f"one value for each {say_time(rates.width_ns)}, by the frames' timestamps"
    bits = [8 * size / rates.width_s for size in rates.wire_bytes]
    frames = [count / rates.width_s for count in rates.frames]
    return (
        _rate("throughput", "bit/s", series_of("bits of frames", 0.0, rates.width_s, bits), since, told),
        _rate("frames", "frames/s", series_of("frames", 0.0, rates.width_s, frames), since, told),
    )


def _rate(name: str, unit: str, series: Series, since: str, told: str) -> Figure:
    chart = Chart(f"{name} over time", since, unit, (series,))
    return Figure(render_chart(chart), f"{chart.title.capitalize()}: {series.name} a second, {told}.")


def loss_figure(intervals: Sequence[Interval]) -> Figure:
    """Frames lost over time, by cause; causes that lost nothing have no curve but the first."""
    causes = [c for c in _CAUSES if any((one.lost or {}).get(c) for one in intervals)] or ["ring_full_drops"]
    series = tuple(_loss(_CAUSES[cause], cause, intervals) for cause in causes)
    total = sum(sum(one.lost.values()) for one in intervals if one.lost is not None)
    received = sum(one.received or 0 for one in intervals)
    seconds = intervals[-1].to_s - intervals[0].from_s
    caption = (
        f"Loss over time: frames lost a second by the counters in the guest, for {seconds:.1f} s "
        f"while this report was made: {total} lost, {received} received."
    )
    if any(one.lost is None for one in intervals):
        caption += " Where the curve is interrupted, counters began anew."
    chart = Chart("loss over time", "seconds of watching", "frames/s lost", series, y_most=None if total else 1.0)
    return Figure(render_chart(chart), caption)


def _loss(name: str, cause: str, intervals: Sequence[Interval]) -> Series:
    points: list[tuple[float, float | None]] = []
    for one in intervals:
        rate = None if one.lost is None else one.lost.get(cause, 0) / (one.to_s - one.from_s)
        points.append((one.from_s, rate))
    points.append((intervals[-1].to_s, points[-1][1]))
    return Series(name, tuple(points), steps=True)


def gap_figure(gaps: Gaps) -> Figure | None:
    """Histogram and distribution of the gaps that are above 0; None if there are none."""
    if not gaps.edges_ns:
        return None
    heights = tuple(100 * count / gaps.count for count in gaps.counts)
    share, points = 100 * gaps.equal / gaps.count, list[tuple[float, float | None]]()
    points.append((gaps.edges_ns[0], share))
    for edge, height in zip(gaps.edges_ns[1:], heights, strict=True):
        share += height
        points.append((edge, share))
    ticks = tuple((10.0**power, _say_power(power)) for power in range(20))
    chart = Chart(
        "gaps between timestamps",
        "gap to the next frame (logarithmic)",
        "% of gaps",
        (Series("that long or shorter", tuple(points)),),
        Bars("that long", gaps.edges_ns, heights),
        ticks,
        100.0,
        log_x=True,
    )
    told = ", ".join(f"{100 * float(q):g} %: {say_time(gap)}" for q, gap in gaps.quantiles_ns.items())
    span = f"{say_time(gaps.least_ns)} to {say_time(gaps.most_ns)}"
    caption = f"Gaps between timestamps: {gaps.count}, of {span}. Not longer than: {told}."
    return Figure(render_chart(chart), caption + (f" {gaps.equal} of them are 0." if gaps.equal else ""))


def _say_power(power: int) -> str:
    return say_time(10.0**power)


def describe_part(traffic: Traffic) -> str:
    """Which part of the captures the figures are of."""
    part = traffic.part
    text = f"{traffic.frames} frames of {len(part.files)} of {part.files_there} capture files"
    if traffic.first_ns is not None:
        text += f", from {say_moment(traffic.first_ns)} to {say_moment(traffic.last_ns)}"
    if part.from_ns is not None or part.to_ns is not None:
        text += f"; asked for: {say_moment(part.from_ns) or 'the oldest'} to {say_moment(part.to_ns) or 'now'}"
    if part.cut_short:
        text += "; reading ended there, because that much was to be read at most (--sample)"
    if traffic.back:
        text += f"; {traffic.back} frames are older than the one before them"
    if len(part.queues) > 1:
        text += f"; of {len(part.queues)} queues, which need not reach equally far back"
    return text + "."
