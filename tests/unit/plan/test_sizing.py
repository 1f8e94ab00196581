"""What a link asks for: the thesis' own figures come out where it gives them."""

from __future__ import annotations

import pytest

from hpcapvf.plan.sizing import ARRAYS, CONFIGURATIONS, demand, expectations, fitting_arrays


# Table 4.3 counts frames without their checksum (its 60 bytes are 64 on the wire) and cuts its figures short.
@pytest.mark.parametrize(
    ("size", "mpps", "raw_gbps"),
    [(60, 14.88, 8.57), (128, 8.22, 9.19), (256, 4.46, 9.57), (512, 2.33, 9.77), (1024, 1.19, 9.89)],
)
def test_demand_is_that_of_table_4_3(size: int, mpps: float, raw_gbps: float) -> None:
    found = demand(10e9, size + 4)
    assert found.packets_per_s / 1e6 == pytest.approx(mpps, abs=0.011)
    assert found.store_bps / 1e9 == pytest.approx(raw_gbps, abs=0.021)


@pytest.mark.parametrize(("rate", "size"), [(0, 64), (-1, 64), (1e9, 63), (1e9, 9217)])
def test_what_is_no_link_is_refused(rate: float, size: int) -> None:
    with pytest.raises(ValueError, match="wanted"):
        demand(rate, size)


def test_disks_are_counted_by_the_5th_percentile() -> None:
    mechanical, *rest = fitting_arrays(demand(10e9, 1518))
    assert (mechanical.disks, mechanical.strip_kib, rest) == (9, 1024, [])  # 8 disks: 9.77 Gb/s, and 9.92 are wanted
    assert [a.disks for a in fitting_arrays(demand(10e9, 64))] == [7 + 1]  # 7: 8.56, and 8.57 are wanted
    assert [(a.kind, a.disks) for a in fitting_arrays(demand(1e9, 512))] == [("mechanical", 1), ("solid-state", 1)]
    assert fitting_arrays(demand(40e9, 1518)) == ()


def test_at_full_load_the_shares_are_those_of_table_6_4() -> None:
    found = expectations(demand(10e9, 64))
    assert not any(one.derived for one in found)
    assert [(one.configuration.engine, one.share) for one in found[:3]] == [
        ("dpdk", 0.976), ("dpdk", 0.953), ("dpdk", 0.942),
    ]  # fmt: skip
    assert found[-1].share == 0.001


def test_fewer_packets_are_carried_by_what_carried_more() -> None:
    found = expectations(demand(10e9, 512))
    assert all(one.derived for one in found)
    assert [one.share for one in found].count(1.0) == len(CONFIGURATIONS) - 2
    best = found[0].configuration
    assert (best.mode, best.generator, best.engine) == ("vf", "kernel", "hpcapvf")


def test_the_tables_are_whole() -> None:
    assert [(a.kind, a.disks) for a in ARRAYS] == [
        *(("mechanical", n) for n in range(1, 13)), *(("solid-state", n) for n in range(1, 9)),
    ]  # fmt: skip
    assert all(a.low_gbps <= a.average_gbps for a in ARRAYS)
