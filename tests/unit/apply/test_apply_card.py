"""Plans that change the card itself: it goes to the guest whole, or DPDK takes it on the host."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from hpcapvf.apply import state
from hpcapvf.apply.run import apply_plan, destroy
from hpcapvf.model.errors import StepFailed
from hpcapvf.model.paths import INTERFACE_FILE, token_path
from hpcapvf.model.progress import Silent
from tests.fakes.tree import PF_INTERFACE
from tests.unit.apply.guest_model import INTERFACE, VF
from tests.unit.apply.world import NAME, make_dpdk_world, make_whole_card_world


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody pulls the plug."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.mark.parametrize("engine", ["hpcapvf", "tcpdump"])
@pytest.mark.parametrize("link_up", [True, False])
def test_a_whole_card_goes_to_the_guest_and_comes_back(tmp_path: Path, engine: str, link_up: bool) -> None:
    world = make_whole_card_world(tmp_path, engine)
    if link_up:
        world.fake.commands.run(["ip", "link", "set", "dev", PF_INTERFACE, "up"], timeout_s=1)
    before = world.snapshot()
    apply_plan(world.plan, world.fake.machine, Silent())
    assert world.fake.kernel.driver(str(world.plan.pf)) == "vfio-pci"
    assert not world.fake.files.exists(f"/sys/class/net/{PF_INTERFACE}")
    if engine == "hpcapvf":
        assert (world.guest.captured, world.guest.drivers[VF]) == (INTERFACE, "igb")
    else:
        assert world.guest.data(INTERFACE_FILE) == f"INTERFACE={INTERFACE}\n".encode()
    destroy(NAME, world.fake.machine, Silent())
    assert world.snapshot() == before


def test_dpdk_makes_the_vfs_and_nobody_is_told_the_token(tmp_path: Path) -> None:
    world = make_dpdk_world(tmp_path)
    before = world.snapshot()
    outcome = apply_plan(world.plan, world.fake.machine, Silent())
    place = token_path(NAME)
    token = world.fake.files.read_text(place)
    assert token is not None and len(token) == 36
    assert stat.S_IMODE((tmp_path / place.lstrip("/")).stat().st_mode) == 0o600
    assert f"<title>{token}</title>" in (world.fake.machine.hypervisor.xml(NAME) or "")
    told = [state.journal_path(NAME), state.state_path(NAME)]
    assert not [path for path in told if token in (world.fake.files.read_text(path) or "")]
    assert token not in str(outcome)
    assert not [call for call in world.fake.commands.calls if token in " ".join(call)]
    assert {r.kind: r.result for r in outcome.steps}["hold-port"] == "done"
    destroy(NAME, world.fake.machine, Silent())
    assert world.snapshot() == before


def test_testpmd_that_ends_at_once_is_told_and_undone(tmp_path: Path) -> None:
    world = make_dpdk_world(tmp_path)
    world.fake.commands.on("systemd-run", lambda _a, _i: (0, "", ""))
    before = world.snapshot()
    with pytest.raises(StepFailed, match="testpmd did not take"):
        apply_plan(world.plan, world.fake.machine, Silent())
    assert world.snapshot() == before


def test_testpmd_that_says_its_options_gives_no_token_away(tmp_path: Path) -> None:
    world = make_dpdk_world(tmp_path)
    place, seen = token_path(NAME), []

    def complains(_argv: tuple[str, ...], _stdin: bytes) -> tuple[int, str, str]:
        seen.append(world.fake.files.read_text(place) or "")
        return 0, f"EAL: invalid parameters for --vfio-vf-token={seen[-1]}\n", ""

    world.fake.commands.on("journalctl", complains)
    world.fake.commands.on("systemd-run", lambda _a, _i: (0, "", ""))
    with pytest.raises(StepFailed, match="testpmd did not take") as caught:
        apply_plan(world.plan, world.fake.machine, Silent())
    assert "EAL: invalid parameters for --vfio-vf-token=(hidden)" in caught.value.details
    assert len(seen[-1]) == 36
    assert seen[-1] not in str((caught.value, caught.value.details))
