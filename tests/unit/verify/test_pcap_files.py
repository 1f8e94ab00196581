"""Which pcap files a range of time needs, by their names and times of change."""

from __future__ import annotations

import pytest

from hpcapvf.verify.conversion import NANOSECONDS
from hpcapvf.verify.pcap_files import overlapping, parse_listing

BASE = 1_700_000_000
# Two runs; the first filled two files, and the second one is being written.
LISTING = (
    f"capture-{BASE + 100}.pcap1\t4096\t{BASE + 190}.5000000000\n"
    f"capture-{BASE + 100}.pcap\t8192\t{BASE + 150}.2500000000\n"
    f"capture-{BASE + 300}.pcap\t100\t{BASE + 320}.0000000000\n"
    f"capture-{BASE + 300}.pcap.part\t1\t{BASE + 320}.0\n"
    "notes.txt\t1\t1.0\n"
)
FILES = parse_listing(LISTING)


def chosen(begin: float | None, end: float | None) -> list[str]:
    bounds = (None if second is None else int((BASE + second) * NANOSECONDS) for second in (begin, end))
    return [file.path.removeprefix(f"capture-{BASE // 1000}") for file in overlapping(FILES, *bounds)]


FIRST, SECOND, LAST = "100.pcap", "100.pcap1", "300.pcap"


def test_only_the_captures_own_files_in_the_order_in_which_they_were_written() -> None:
    assert [(f.second - BASE, f.number, f.size_bytes, f.changed - BASE) for f in FILES] == [
        (100, 0, 8192, 150), (100, 1, 4096, 190), (300, 0, 100, 320),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("begin", "end", "files"),
    [
        (None, None, [FIRST, SECOND, LAST]),
        (None, 100, []),
        (None, 101, [FIRST]),
        (150.9, 160, [FIRST, SECOND]),  # a time of change is told in whole seconds here
        (151, 160, [SECOND]),
        (200, 299, []),
        (310, None, [LAST]),
        (321, None, []),
    ],
)
def test_a_range_takes_what_may_lie_in_it(begin: float | None, end: float | None, files: list[str]) -> None:
    assert chosen(begin, end) == files
