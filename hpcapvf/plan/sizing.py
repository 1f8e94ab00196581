"""What a link of some rate and frame size asks of a probe, by the thesis' measurements: configuration, disks, settings.

A share at another packet rate than the measured one is derived from the packets a second that were carried;
an array that was not measured is not made up.
"""

from __future__ import annotations

from dataclasses import dataclass

_GBPS = 1_000_000_000
# Preamble, start of frame and gap between frames; the checksum is part of a frame's size (IEEE 802.3).
_GAP_BYTES = 20
_FCS_BYTES = 4
_RAW_HEADER_BYTES = 12
SHORTEST_FRAME, LONGEST_FRAME = 64, 9216
# A 10 Gb/s link full of 64-byte packets, at which the shares of Tables 6.3 and 6.4 were measured.
_MEASURED_PPS = 10 * _GBPS / ((64 + _GAP_BYTES) * 8)


@dataclass(frozen=True)
class Demand:
    """A link: bits a second, bytes of a frame with its checksum; and what follows: packets and stored bits a second."""

    rate_bps: float
    frame_bytes: int
    packets_per_s: float
    store_bps: float


@dataclass(frozen=True)
class Array:
    """RAID-0 of so many disks, best settings: average and 5th percentile of the rate in Gb/s (Tables 4.4, 4.5)."""

    kind: str
    disks: int
    strip_kib: int
    cache: str
    disk_cache: str
    filesystem: str
    average_gbps: float
    low_gbps: float


@dataclass(frozen=True)
class Configuration:
    """A row of Table 6.4 (64-byte packets), with the keys of a spec. shares: captured and stored, 0 to 1.

    storage: ``none`` stands for nothing stored; the shares of Table 6.3 were measured without storing.
    """

    mode: str
    generator: str
    storage: str
    engine: str
    captured: float
    stored: float | None
    source: str
    remark: str = ""


@dataclass(frozen=True)
class Expected:
    """A configuration for a demand. share: of the packets, stored if that was measured. derived: not at this rate."""

    configuration: Configuration
    share: float
    derived: bool


# Best settings only ("max" rows). kind: mechanical (Hitachi HUA723030ALA640), solid-state (Samsung 840 EVO).
ARRAYS = (
    *(
        Array("mechanical", n, strip, "write-back", "on", "xfs", average, low)
        for n, (strip, average, low) in enumerate(
            (
                (64, 1.27, 1.26), (64, 2.53, 2.52), (1024, 3.81, 3.76), (256, 5.08, 5.04), (64, 6.28, 6.15),
                (256, 7.52, 7.37), (1024, 8.78, 8.56), (1024, 10.06, 9.77), (1024, 11.31, 10.96),
                (1024, 12.60, 12.09), (1024, 13.8, 12.96), (1024, 14.86, 13.75),
            ),
            start=1,
        )
    ),
    *(
        Array("solid-state", n, strip, cache, "on", filesystem, average, low)
        for n, (strip, cache, filesystem, average, low) in enumerate(
            (
                (1024, "write-back", "jfs", 2.21, 2.19), (64, "write-back", "jfs", 4.44, 4.35),
                (256, "write-back", "xfs", 3.96, 2.53), (256, "direct", "xfs", 6.43, 4.27),
                (1024, "direct", "xfs", 5.10, 4.03), (256, "write-through", "xfs", 8.18, 5.84),
                (64, "write-back", "xfs", 10.31, 6.07), (1024, "write-back", "xfs", 7.52, 3.17),
            ),
            start=1,
        )
    ),
)  # fmt: skip

_WHOLE = "the thesis' HPCAP drove the whole card; here the card's own driver does (netdev), not measured so"
_STOCK = "ixgbevf, the stock driver"
CONFIGURATIONS = (
    Configuration("passthrough", "", "passthrough", "dpdk", 1.0, 0.976, "thesis table 6.4"),
    Configuration("passthrough", "", "virtio", "dpdk", 1.0, 0.953, "thesis table 6.4"),
    Configuration("vf", "dpdk", "passthrough", "dpdk", 1.0, 0.942, "thesis table 6.4"),
    Configuration("passthrough", "", "virtio", "hpcapvf", 0.852, 0.828, "thesis table 6.4", _WHOLE),
    Configuration("vf", "dpdk", "passthrough", "hpcapvf", 0.827, 0.826, "thesis table 6.4"),
    Configuration("passthrough", "", "passthrough", "hpcapvf", 0.852, 0.823, "thesis table 6.4", _WHOLE),
    Configuration("vf", "dpdk", "virtio", "hpcapvf", 0.827, 0.823, "thesis table 6.4"),
    Configuration("vf", "dpdk", "virtio", "dpdk", 1.0, 0.680, "thesis table 6.4"),
    Configuration("vf", "kernel", "passthrough", "dpdk", 0.376, None, "thesis table 6.3"),
    Configuration("vf", "kernel", "passthrough", "hpcapvf", 0.363, None, "thesis table 6.3"),
    Configuration("vf", "dpdk", "passthrough", "tcpdump", 0.010, None, "thesis table 6.3", _STOCK),
    Configuration("vf", "kernel", "passthrough", "tcpdump", 0.001, None, "thesis table 6.3", _STOCK),
)


def demand(rate_bps: float, frame_bytes: int) -> Demand:
    """Of a link that is full of frames of one size (Table 4.3). ValueError for a rate or size that no link has."""
    if not rate_bps > 0 or not SHORTEST_FRAME <= frame_bytes <= LONGEST_FRAME:
        raise ValueError(f"a rate above 0 and frames of {SHORTEST_FRAME} to {LONGEST_FRAME} bytes are wanted")
    packets = rate_bps / ((frame_bytes + _GAP_BYTES) * 8)
    stored = packets * (frame_bytes - _FCS_BYTES + _RAW_HEADER_BYTES) * 8
    return Demand(rate_bps, frame_bytes, packets, stored)


def fitting_arrays(wanted: Demand) -> tuple[Array, ...]:
    """For each kind of disk the smallest array that was at least that fast 95 times in 100; none if none was."""
    fast = [array for array in ARRAYS if array.low_gbps * _GBPS >= wanted.store_bps]
    kinds = dict.fromkeys(array.kind for array in fast)
    return tuple(next(array for array in fast if array.kind == kind) for kind in kinds)


def expectations(wanted: Demand) -> tuple[Expected, ...]:
    """All configurations, the best first; of equal ones that which leaves the card to others and asks for least.

    A share below the packet rate of the measurements is derived: what carried so many packets a second carries fewer.
    """
    found = []
    for configuration in CONFIGURATIONS:
        measured = configuration.captured if configuration.stored is None else configuration.stored
        carried = measured * _MEASURED_PPS
        derived = abs(wanted.packets_per_s - _MEASURED_PPS) > 1
        share = min(carried / wanted.packets_per_s, 1.0)
        found.append(Expected(configuration, round(share, 3), derived))
    return tuple(sorted(found, key=_rank))


def _rank(expected: Expected) -> tuple[float, bool, bool, bool]:
    c = expected.configuration
    return -expected.share, c.mode != "vf", c.generator == "dpdk", c.engine != "hpcapvf"
