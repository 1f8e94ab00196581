"""Is what was stored what was sent? Exact counts, whatever was lost, doubled, moved, changed or added.

How frames are matched. A frame is its bytes and its length on the wire; equal frames cannot be told apart, so all
counts are about how often each content occurs, and these are exact:

- missing: times a content was sent more often than it was stored.
- duplicated: times a content was stored more often than it was sent.
- altered: stored, never sent, but carrying the identity (``identify``, such as a serial number) of a sent frame.
  Without an identity in the frames nobody can tell: such a frame counts as foreign, and its original as missing.
- foreign: stored, never sent, and nothing else is known: what the machines themselves produced.
- identical: the longest sequence that both the sent and the stored frames contain in the same order. The rest of
  what was stored and sent, beyond duplicates, is out of order: the fewest frames that would have to move.

Hence sent = identical + out_of_order + missing, and stored from the wire = identical + out_of_order + duplicated +
altered. An altered frame is also missing: its original did not arrive.

Frames under 60 bytes are compared with zeros up to 60: the sender's card pads them, no link carries less.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from hpcapvf.model.address import Mac
from hpcapvf.raw.records import Record
from hpcapvf.verify.frames import classify

SHORTEST_ON_LINK_BYTES = 60
LISTED_MAX = 20
_FIRST_BYTES = 32

_Content = tuple[int, bytes]  # length on the wire, stored bytes


@dataclass(frozen=True)
class FrameSummary:
    """A frame in short, for reports. ts_ns: when it was captured; first_bytes: hexadecimal."""

    destination: str
    source: str
    ethertype: str
    length: int
    ts_ns: int | None
    first_bytes: str
    note: str = ""


@dataclass(frozen=True)
class Comparison:
    """The verdict; see the module's text for what the counts mean. Lists hold at most LISTED_MAX summaries.

    frames_padded: sent frames under 60 bytes, compared padded. frames_cut: sent frames longer than caplen, of
    which only the stored part could be compared. lost_per_class: class of frame to how many are missing.
    timestamps_back: how often a stored frame is older than the one before it.
    """

    frames_sent: int
    frames_stored: int
    frames_identical: int
    frames_missing: int
    frames_altered: int
    frames_out_of_order: int
    frames_duplicated: int
    frames_foreign: int
    frames_padded: int
    frames_cut: int
    timestamps_back: int
    bytes_stored: int
    sent_per_class: dict[str, int]
    lost_per_class: dict[str, int]
    foreign: tuple[FrameSummary, ...] = ()
    altered: tuple[FrameSummary, ...] = ()
    missing: tuple[FrameSummary, ...] = ()

    @property
    def ok(self) -> bool:
        """Every frame sent was stored once, unchanged, in order, with timestamps that never go back."""
        return (
            self.frames_identical == self.frames_stored == self.frames_sent
            and not (self.frames_missing or self.frames_altered or self.frames_out_of_order or self.frames_duplicated)
            and not self.timestamps_back
        )


def compare(
    sent: Sequence[bytes],
    stored: Sequence[Record],
    *,
    caplen: int = 0,
    owners: dict[Mac, str] | None = None,
    identify: Callable[[bytes], Hashable | None] = lambda frame: None,
) -> Comparison:
    """Compare frames as sent with records as stored, both in order.

    caplen: bytes of each frame that were stored at most, 0 = all. owners: MACs for the classes of lost frames.
    identify: what a frame says it is, for telling altered from foreign frames; None if it says nothing.
    """
    contents = [_content(frame, caplen) for frame in sent]
    arrived = [(record.length, record.data) for record in stored]
    sent_count, stored_count = Counter(contents), Counter(arrived)
    missing = _missing(contents, sent_count - stored_count)
    known = {identity for frame in sent if (identity := identify(frame)) is not None}
    strangers = [record for record, content in zip(stored, arrived, strict=True) if content not in sent_count]
    altered = [record for record in strangers if identify(record.data) in known]
    foreign = [record for record in strangers if identify(record.data) not in known]
    identical = _common_in_order(
        [c for c in contents if c in stored_count],
        [c for c in arrived if c in sent_count],
    )
    matched = len(sent) - len(missing)
    duplicated = len(stored) - len(strangers) - matched
    lost_per_class = Counter(str(classify(sent[i], owners)) for i in missing)
    return Comparison(
        frames_sent=len(sent),
        frames_stored=len(stored) - len(foreign),
        frames_identical=identical,
        frames_missing=len(missing),
        frames_altered=len(altered),
        frames_out_of_order=matched - identical,
        frames_duplicated=duplicated,
        frames_foreign=len(foreign),
        frames_padded=sum(len(frame) < SHORTEST_ON_LINK_BYTES for frame in sent),
        frames_cut=sum(0 < caplen < length for length, _ in contents),
        timestamps_back=sum(b.ts_ns < a.ts_ns for a, b in pairwise(stored)),
        bytes_stored=sum(len(record.data) for record in stored),
        sent_per_class=dict(sorted(Counter(str(classify(frame, owners)) for frame in sent).items())),
        lost_per_class=dict(sorted(lost_per_class.items())),
        foreign=tuple(summarize(r.data, r.length, r.ts_ns) for r in foreign[:LISTED_MAX]),
        altered=_altered_summaries(altered[:LISTED_MAX], sent, caplen, identify),
        missing=tuple(summarize(sent[i], len(sent[i]), None, f"sent as number {i}") for i in missing[:LISTED_MAX]),
    )


def _content(frame: bytes, caplen: int) -> _Content:
    """What the record of a sent frame must hold."""
    padded = frame.ljust(SHORTEST_ON_LINK_BYTES, b"\0")
    return len(padded), padded[:caplen] if caplen else padded


def _missing(contents: list[_Content], lacking: Counter[_Content]) -> list[int]:
    """Positions of sent frames that are missing; of equal ones the last."""
    left = dict(lacking)
    positions = []
    for position in range(len(contents) - 1, -1, -1):
        if left.get(contents[position], 0):
            left[contents[position]] -= 1
            positions.append(position)
    return positions[::-1]


def _common_in_order(sent: list[_Content], stored: list[_Content]) -> int:
    """Length of the longest common subsequence.

    Equal beginnings and ends are taken off first (an optimal sequence always contains them), which is everything
    if nothing happened. For the rest, one row of the usual table is held as the bits of one integer and renewed
    per stored frame: Hyyro, "Bit-parallel LCS-length computation revisited" (2004). 100 000 frames with losses take
    seconds, and the time grows with the square of what the trimming leaves.
    """
    begin = 0
    while begin < min(len(sent), len(stored)) and sent[begin] == stored[begin]:
        begin += 1
    end = 0
    while end < min(len(sent), len(stored)) - begin and sent[-1 - end] == stored[-1 - end]:
        end += 1
    sent, stored = sent[begin : len(sent) - end], stored[begin : len(stored) - end]
    positions: defaultdict[_Content, list[int]] = defaultdict(list)
    for position, content in enumerate(sent):
        positions[content].append(position)
    full = (1 << len(sent)) - 1
    row = full
    frequent: dict[_Content, int] = {}  # few enough to keep: each holds 64 positions or more
    for content in stored:
        mask = frequent.get(content)
        if mask is None:
            mask = _bits(positions.get(content, []), len(sent))
            if len(positions.get(content, ())) >= 64:
                frequent[content] = mask
        matches = row & mask
        row = (row + matches | row - matches) & full
    return begin + end + len(sent) - row.bit_count()


def _bits(positions: list[int], size: int) -> int:
    bits = bytearray(size // 8 + 1)
    for position in positions:
        bits[position >> 3] |= 1 << (position & 7)
    return int.from_bytes(bits, "little")


def _altered_summaries(
    altered: Sequence[Record], sent: Sequence[bytes], caplen: int, identify: Callable[[bytes], Hashable | None]
) -> tuple[FrameSummary, ...]:
    originals = {identify(frame): number for number, frame in enumerate(sent)} if altered else {}
    summaries = []
    for record in altered:
        number = originals[identify(record.data)]
        difference = _difference(_content(sent[number], caplen), (record.length, record.data))
        note = f"sent as number {number}, {difference}"
        summaries.append(summarize(record.data, record.length, record.ts_ns, note))
    return tuple(summaries)


def _difference(expected: _Content, found: _Content) -> str:
    if expected[0] != found[0]:
        return f"length {expected[0]} became {found[0]}"
    pairs = zip(expected[1], found[1], strict=False)
    return f"first difference at byte {next((i for i, (a, b) in enumerate(pairs) if a != b), len(found[1]))}"


def summarize(frame: bytes, length: int, ts_ns: int | None = None, note: str = "") -> FrameSummary:
    """A frame in short; too short ones have what there is of them."""
    return FrameSummary(
        destination=frame[:6].hex(":"),
        source=frame[6:12].hex(":"),
        ethertype=f"0x{frame[12:14].hex()}",
        length=length,
        ts_ns=ts_ns,
        first_bytes=frame[:_FIRST_BYTES].hex(),
        note=note,
    )
