"""``hpcapvf advise``: which configuration, how many disks and which settings a link asks for."""

from __future__ import annotations

import argparse
import re

from hpcapvf.model.codec import to_json
from hpcapvf.model.progress import Progress
from hpcapvf.plan import sizing
from orchestrator.answer import Answer, Table
from orchestrator.options import Commands, add_command
from orchestrator.tables import pairs, table

_UNITS = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_RATE = re.compile(r"(\d+(?:\.\d+)?)([KMGT]?)", re.IGNORECASE)
_DISK_SOURCE = {"mechanical": "thesis table 4.4", "solid-state": "thesis table 4.5"}
_PASSED_ON = (
    "disks given to a VM as virtio devices wrote as fast as a controller that it has for itself (8 disks: 9.96 and "
    "9.91 Gb/s), with more variance (thesis table 6.1)"
)


def add_commands(commands: Commands) -> None:
    """Define advise."""
    advise = add_command(
        commands,
        "advise",
        "say which configuration, how many disks and which settings a link asks for, by published measurements",
        "hpcapvf advise --rate 10G --frame 64",
        "hpcapvf advise --rate 1G --frame 512 --json",
    )
    advise.add_argument("--rate", type=bits_per_s, required=True, metavar="RATE", help="bits a second, such as 10G")
    advise.add_argument(
        "--frame",
        type=frame_bytes,
        required=True,
        metavar="BYTES",
        help=f"bytes of a frame, its checksum included ({sizing.SHORTEST_FRAME} to {sizing.LONGEST_FRAME})",
    )
    advise.set_defaults(handler=run_advise)


def bits_per_s(text: str) -> float:
    """A rate such as 10G or 2.5G in bits a second. ArgumentTypeError if it is none."""
    match = _RATE.fullmatch(text)
    rate = float(match[1]) * _UNITS[match[2].upper()] if match else 0.0
    if rate <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no rate such as 10G or 400M")
    return rate


def frame_bytes(text: str) -> int:
    """A frame's size. ArgumentTypeError for one that Ethernet has not."""
    size = int(text) if text.isdecimal() else 0
    if not sizing.SHORTEST_FRAME <= size <= sizing.LONGEST_FRAME:
        raise argparse.ArgumentTypeError(f"{text!r} is not {sizing.SHORTEST_FRAME} to {sizing.LONGEST_FRAME} bytes")
    return size


def run_advise(args: argparse.Namespace, _progress: Progress) -> Answer:
    """``hpcapvf advise``."""
    wanted = sizing.demand(args.rate, args.frame)
    arrays, expected = sizing.fitting_arrays(wanted), sizing.expectations(wanted)
    result = {"demand": to_json(wanted), "arrays": to_json(arrays), "configurations": to_json(expected)}
    asked = pairs(
        "the link, full of such frames",
        [
            ("packets", f"{wanted.packets_per_s / 1e6:.2f} million a second"),
            ("to be stored", f"{wanted.store_bps / 1e9:.2f} Gb/s, RAW headers included (thesis table 4.3)"),
        ],
    )
    return Answer(result, shown=(asked, show_expected(expected), show_arrays(arrays), _PASSED_ON))


def show_expected(expected: tuple[sizing.Expected, ...]) -> Table:
    """The configurations, best first."""
    rows = []
    for one in expected:
        c = one.configuration
        how = "derived from its packets a second at 10 Gb/s of 64 bytes" if one.derived else "measured"
        kind = "captured" if c.stored is None else "stored"
        what = f"{how}; {c.remark}" if c.remark else how
        rows.append((c.mode, c.generator, c.storage, c.engine, f"{one.share * 100:.1f} % {kind}", c.source, what))
    columns = ("network.mode", "generator", "storage.mode", "engine.kind", "of the packets", "source", "how known")
    return table("configurations, the best first", columns, rows)


def show_arrays(arrays: tuple[sizing.Array, ...]) -> Table:
    """The smallest array of each kind that is fast enough."""
    columns = ("disks", "number", "strip", "write cache", "disks' cache", "file system", "writes", "source")
    rows = [
        (
            a.kind,
            str(a.disks),
            f"{a.strip_kib} KiB",
            a.cache,
            a.disk_cache,
            a.filesystem,
            f"{a.average_gbps:g} Gb/s, 95 of 100 times {a.low_gbps:g} or more",
            _DISK_SOURCE[a.kind],
        )
        for a in arrays
    ]
    if not rows:
        rows = [("none of those measured", "", "", "", "", "", "at most 12 mechanical or 8 solid-state ones were", "")]
    return table("RAID-0 arrays that are fast enough", columns, rows)
