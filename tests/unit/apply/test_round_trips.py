"""How often each step of a deployment asks the host's programs and the guest: what a slow host feels most.

The table is tests/golden/round-trips.txt. A program costs an emulated server a tenth of a second, a round trip to its
guest half a second and more.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from hpcapvf.apply.run import apply_plan
from hpcapvf.model.progress import Silent
from tests.kill.configurations import CONFIGURATIONS
from tests.unit.apply.world import World, make_world

MOST_GUEST_TRIPS = 21  # of a probe with a new array; 74 before files and programs went together
SHOWN = ("probe", "whole card, tcpdump", "DPDK in the guest", "virtio disks", "agent")


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody pulls the plug meanwhile."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


class Counting(Silent):
    """Notes the counters as each step begins."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.begun: list[tuple[str, int, int]] = []

    def phase(self, name: str, detail: str = "") -> None:
        """A step, or a part of one."""
        if detail.startswith("step "):
            self.note(name)

    def note(self, name: str) -> None:
        """The counters now."""
        self.begun.append((name, self.world.fake.faults.count("command"), self.world.fake.guest.trips))


def counted(world: World) -> list[tuple[str, int, int]]:
    """Kind of step, programs on the host, and round trips to the guest."""
    counting = Counting(world)
    apply_plan(world.plan, world.fake.machine, counting)
    counting.note("")
    marks = counting.begun
    kinds = [step.kind for step in world.plan.steps]
    return [
        (kind, after[1] - before[1], after[2] - before[2])
        for kind, (before, after) in zip(kinds, pairwise(marks), strict=True)
    ]


def test_programs_and_round_trips_of_each_step(tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    blocks = []
    for name in SHOWN:
        rows = counted(CONFIGURATIONS[name](tmp_path / name.replace(" ", "-")))
        rows.append(("all steps", sum(row[1] for row in rows), sum(row[2] for row in rows)))
        lines = [f"  {kind:24}{programs:6}{trips:8}" for kind, programs, trips in rows]
        blocks.append("\n".join([f"{name:26}{'host':>6}{'guest':>8}", *lines]))
    golden("round-trips.txt", "\n\n".join(blocks) + "\n")


def test_a_probe_asks_its_guest_seldom(tmp_path: Path) -> None:
    rows = counted(make_world(tmp_path))
    assert sum(row[2] for row in rows) <= MOST_GUEST_TRIPS
