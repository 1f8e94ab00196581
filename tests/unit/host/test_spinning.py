"""Virtual CPUs that spin, from what libvirt tells."""

from __future__ import annotations

import pytest

from hpcapvf.host.spinning import counts_of, spinning

STILL = {"exits": 0, "pf_taken": 0, "pf_fixed": 0}


def test_libvirts_keys_become_counters_by_cpu() -> None:
    stats = {"vcpu.current": 2, "vcpu.0.state": 1, "vcpu.0.exits.sum": 12, "vcpu.1.halt_exits.sum": 3, "vcpu.x": "?"}
    assert counts_of(stats) == {0: {"exits": 12}, 1: {"halt_exits": 3}}


def test_a_cpu_that_exits_and_serves_nothing_spins() -> None:
    after = STILL | {"exits": 1000, "pf_taken": 900}
    assert spinning({0: STILL}, {0: after}, 2.0).startswith("virtual CPU 0 spins: 500 exits/s, 450 page faults/s")


@pytest.mark.parametrize(
    "after",
    [
        STILL | {"exits": 998, "pf_taken": 998},
        STILL | {"exits": 50_000, "pf_taken": 20_000},
        STILL | {"exits": 50_000, "pf_taken": 40_000, "pf_fixed": 5000},
        {"exits": 50_000},
    ],
    ids=["few exits", "exits of other kinds", "memory is being touched", "nobody counts page faults"],
)
def test_others_do_not(after: dict[str, int]) -> None:
    assert spinning({0: STILL}, {0: after}, 2.0) == ""


def test_a_cpu_that_came_or_went_is_not_judged() -> None:
    assert spinning({0: STILL}, {1: STILL | {"exits": 9999}}, 2.0) == ""
