"""DPDK as the capture engine in the guest: its function, its memory, its services, and what may be missing there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hpcapvf.apply.run import apply_plan, destroy
from hpcapvf.model.errors import HpcapvfError, NotCapable, StepFailed, WaitTimedOut
from hpcapvf.model.paths import CAPTURE_UNIT, FUNCTION_FILE, PORT_UNIT
from hpcapvf.model.progress import Silent
from tests.unit.apply.guest_model import VF
from tests.unit.apply.world import NAME, World, make_dpdk_engine_plan, make_world


@pytest.fixture
def world(tmp_path: Path) -> World:
    fresh = make_world(tmp_path)
    return replace(fresh, plan=make_dpdk_engine_plan(fresh.plan))


def test_it_holds_the_function_and_stores_until_it_is_destroyed(world: World) -> None:
    before = world.snapshot()
    apply_plan(world.plan, world.fake.machine, Silent())
    assert world.guest.drivers[VF] == "vfio-pci"
    assert world.guest.hugepages == 64
    assert world.guest.data(FUNCTION_FILE) == f"FUNCTION={VF}\n".encode()
    assert {PORT_UNIT, CAPTURE_UNIT} <= world.guest.guest.units
    destroy(NAME, world.fake.machine, Silent())
    assert world.snapshot() == before


@pytest.mark.parametrize(
    ("flaw", "error", "words"),
    [
        ({"has_dpdk": False}, NotCapable, "no dpdk-testpmd"),
        ({"has_iommu": False}, StepFailed, "behind no IOMMU"),
        ({"most_hugepages": 20}, StepFailed, "has 20 hugepages of 2 MiB instead of 64"),
    ],
)
def test_a_guest_that_lacks_something_is_told_and_everything_undone(
    world: World, flaw: dict[str, object], error: type[HpcapvfError], words: str
) -> None:
    for name, value in flaw.items():
        setattr(world.guest, name, value)
    before = world.snapshot()
    with pytest.raises(error, match=words):
        apply_plan(world.plan, world.fake.machine, Silent())
    assert world.snapshot() == before


@pytest.mark.parametrize(("active", "error"), [(False, StepFailed), (True, WaitTimedOut)])
def test_testpmd_that_does_not_receive_is_told(world: World, active: bool, error: type[HpcapvfError]) -> None:
    guest = world.guest.guest
    guest.on("journalctl", lambda _a, _i: (0, "EAL: something is wrong\n", ""))
    if not active:
        systemctl = world.guest._systemctl

        def ends_at_once(argv: tuple[str, ...], stdin: bytes) -> tuple[int, str, str]:
            answer = systemctl(argv, stdin)
            guest.units.discard(PORT_UNIT)
            return answer

        guest.on("systemctl", ends_at_once)
    with pytest.raises(error, match="testpmd") as caught:
        apply_plan(world.plan, world.fake.machine, Silent())
    assert "EAL: something is wrong" in caught.value.details
