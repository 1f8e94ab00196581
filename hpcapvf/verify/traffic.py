"""What a bounded sample of a probe's captures tells of its traffic: rates over time, and gaps between timestamps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from hpcapvf.host.protocols import Machine
from hpcapvf.model.plan import Plan
from hpcapvf.model.progress import Progress
from hpcapvf.raw.pcap import FrameTimes
from hpcapvf.verify.conversion import NANOSECONDS, Enough, Retrieved, Wish
from hpcapvf.verify.retrieve import retrieve

BINS_MOST = 120
_FRAMES_A_BIN = 4  # on average at least: with fewer a rate is noise
_BINS_A_DECADE = 5
_QUANTILES = (0.5, 0.9, 0.99, 0.999)


@dataclass(frozen=True)
class Rates:
    """Frames and bytes of the wire (without preamble, frame check sequence and gap) in bins of equal width.

    begin_ns: of the first bin, since 1970. width_ns: of each. frames, wire_bytes: one figure per bin.
    """

    begin_ns: int
    width_ns: float
    frames: tuple[int, ...]
    wire_bytes: tuple[int, ...]

    @property
    def width_s(self) -> float:
        """Seconds of a bin."""
        return self.width_ns / NANOSECONDS


@dataclass(frozen=True)
class Gaps:
    """Times between a frame's timestamp and the next one's, in nanoseconds.

    edges_ns, counts: bin i holds gaps from edges_ns[i] on and below edges_ns[i + 1]. equal: gaps of 0, in no bin.
    quantiles_ns: share to the smallest gap that this share of all gaps does not exceed.
    """

    count: int
    equal: int
    least_ns: int
    most_ns: int
    quantiles_ns: dict[str, int]
    edges_ns: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Traffic:
    """What was read of the captures. rates, gaps: None if there are too few frames, or all have one time.

    part: which part of the captures was read. back: how often a frame is older than the one before it; None if several
    queues were read, whose frames stand one queue after the other.
    """

    part: Retrieved
    frames: int
    wire_bytes: int
    first_ns: int | None
    last_ns: int | None
    back: int | None
    rates: Rates | None
    gaps: Gaps | None


def sample_traffic(plan: Plan, machine: Machine, wish: Wish, most_bytes: int, progress: Progress) -> Traffic:
    """Read frames of the wished range, newest files first, until most_bytes of pcap have come; errors as ``retrieve``.

    Memory: 16 bytes a frame.
    """
    times, came = FrameTimes(), 0

    def take(piece: bytes) -> None:
        nonlocal came
        times.add(piece)
        came += len(piece)
        if came >= most_bytes:
            raise Enough

    part = retrieve(plan, machine, replace(wish, form="pcap", newest_bytes=most_bytes), take, progress)
    return traffic_of(part, times.times_ns, times.wire_bytes)


def traffic_of(part: Retrieved, times_ns: Sequence[int], wire_bytes: Sequence[int]) -> Traffic:
    """Figures of frames by their times and lengths, in file order."""
    back = sum(later < earlier for earlier, later in pairwise(times_ns)) if len(part.queues) < 2 else None
    ordered = sorted(times_ns) if back != 0 else times_ns
    return Traffic(
        part=part,
        frames=len(times_ns),
        wire_bytes=sum(wire_bytes),
        first_ns=ordered[0] if ordered else None,
        last_ns=ordered[-1] if ordered else None,
        back=back,
        rates=rates_of(times_ns, wire_bytes),
        gaps=gaps_of(ordered),
    )


def rates_of(times_ns: Sequence[int], wire_bytes: Sequence[int]) -> Rates | None:
    """In bins that together reach from the first to the last frame; None for fewer than 2 frames or for one time."""
    begin, end = min(times_ns, default=0), max(times_ns, default=0)
    if begin == end:
        return None
    count = max(1, min(BINS_MOST, len(times_ns) // _FRAMES_A_BIN))
    frames, sizes = [0] * count, [0] * count
    for at, size in zip(times_ns, wire_bytes, strict=True):
        place = min(count - 1, (at - begin) * count // (end - begin))
        frames[place] += 1
        sizes[place] += size
    return Rates(begin, (end - begin) / count, tuple(frames), tuple(sizes))


def gaps_of(ordered_ns: Sequence[int]) -> Gaps | None:
    """Of times in order; None for fewer than 2. Bins are even in the gap's logarithm, 5 a decade."""
    gaps = sorted(later - earlier for earlier, later in pairwise(ordered_ns))
    if not gaps:
        return None
    equal = next((i for i, gap in enumerate(gaps) if gap), len(gaps))
    edges: tuple[float, ...] = ()
    counts: list[int] = []
    if equal < len(gaps):
        low = math.floor(math.log10(gaps[equal]))
        places = [math.floor((math.log10(gap) - low) * _BINS_A_DECADE + 1e-9) for gap in gaps[equal:]]
        counts = [0] * (places[-1] + 1)
        for place in places:
            counts[place] += 1
        edges = tuple(10 ** (low + i / _BINS_A_DECADE) for i in range(len(counts) + 1))
    quantiles = {f"{share:g}": gaps[max(0, math.ceil(share * len(gaps)) - 1)] for share in _QUANTILES}
    return Gaps(len(gaps), equal, gaps[0], gaps[-1], quantiles, edges, tuple(counts))
