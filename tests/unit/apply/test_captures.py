"""What becomes of captures when their deployment goes: they stay, or are deleted after a question."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from hpcapvf.apply.captures import Amount, count_captures
from hpcapvf.apply.run import apply_plan, destroy
from hpcapvf.model.errors import Conflict, ExitCode, StepFailed
from hpcapvf.model.paths import KEPT_DISKS, disk_path
from hpcapvf.model.progress import Silent
from orchestrator.commands.upkeep import NotConfirmed, confirm_purge
from tests.fakes.faults import Killed
from tests.unit.apply.world import NAME, World, make_monitor_world, make_world


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


class Captured:
    """RAW files in the guest's capture folder: sizes of those that are left."""

    def __init__(self, world: World, *sizes: int) -> None:
        self.sizes = list(sizes)
        self.stubborn = False
        self.asked: list[tuple[str, ...]] = []
        self._others = world.fake.guest._handlers["find"]
        world.fake.guest.on("find", self.find)

    def find(self, argv: tuple[str, ...], stdin: bytes) -> tuple[int, str, str]:
        if argv[1] != "/capture":
            return self._others(argv, stdin)
        self.asked.append(argv)
        if argv[-1] == "-delete":
            if "*_hpcap*.raw" in argv and not self.stubborn:
                self.sizes.clear()
            return 0, "", ""
        return 0, "".join(f"{size}\n" for size in self.sizes), ""


@pytest.fixture
def probe(tmp_path: Path) -> World:
    world = make_world(tmp_path)
    apply_plan(world.plan, world.fake.machine, Silent())
    return world


@pytest.fixture
def agent(tmp_path: Path) -> World:
    world = make_monitor_world(tmp_path)
    apply_plan(world.plan, world.fake.machine, Silent())
    return world


def kept(world: World) -> list[Path]:
    folder = world.fake.root / KEPT_DISKS.lstrip("/")
    return sorted(folder.iterdir()) if folder.exists() else []


def test_captures_on_an_array_stay_there(probe: World) -> None:
    captured = Captured(probe, 4096)
    report = destroy(NAME, probe.fake.machine, Silent())
    assert "stay on array probe1" in report.captures
    assert (captured.sizes, kept(probe)) == ([4096], [])


def test_captures_on_the_guests_disk_outlive_it(agent: World) -> None:
    Captured(agent, 4096, 8192)
    disk = agent.fake.root / disk_path(NAME).lstrip("/")
    content = disk.read_bytes()
    report = destroy(NAME, agent.fake.machine, Silent())
    (file,) = kept(agent)
    assert not disk.exists()
    assert file.read_bytes() == content
    assert f"{KEPT_DISKS}/{file.name}" in report.captures
    assert "2 files, 12288 bytes" in report.captures


def test_a_disk_is_kept_once_although_the_run_that_kept_it_was_killed(agent: World) -> None:
    Captured(agent, 4096)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("hpcapvf.apply.undo.undo_all", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            destroy(NAME, agent.fake.machine, Silent())
    (first,) = kept(agent)
    report = destroy(NAME, agent.fake.machine, Silent())
    assert kept(agent) == [first]
    assert f"{KEPT_DISKS}/{first.name}" in report.captures


def test_captures_of_a_deployment_that_a_reboot_took_are_kept(agent: World) -> None:
    agent.reboot()
    report = destroy(NAME, agent.fake.machine, Silent())
    (file,) = kept(agent)
    assert f"unknown how many), kept as {KEPT_DISKS}/{file.name}" in report.captures


def test_a_disk_without_captures_goes(agent: World) -> None:
    Captured(agent)
    report = destroy(NAME, agent.fake.machine, Silent())
    assert "nothing was captured" in report.captures
    assert kept(agent) == []


def test_a_guest_that_does_not_tell_keeps_its_disk(agent: World) -> None:
    agent.fake.hypervisor.stop(NAME, 1)
    report = destroy(NAME, agent.fake.machine, Silent())
    assert "unknown how many" in report.captures
    assert len(kept(agent)) == 1


def test_a_disk_that_cannot_be_kept_is_not_removed(agent: World) -> None:
    Captured(agent, 4096)
    agent.fake.commands.on("ln", lambda _a, _i: (1, "", "ln: failed to create hard link: Invalid cross-device link\n"))
    before = agent.snapshot()
    with pytest.raises(StepFailed, match="cross-device") as told:
        destroy(NAME, agent.fake.machine, Silent())
    assert "--purge" in told.value.hint
    assert agent.snapshot() == before


def test_purge_of_an_array_deletes_our_files_before_the_guest_goes(probe: World) -> None:
    captured = Captured(probe, 4096, 4096)
    assert count_captures(probe.plan, probe.fake.machine) == Amount(2, 8192)
    report = destroy(NAME, probe.fake.machine, Silent(), purge=True)
    assert report.captures == "deleted: 2 files, 8192 bytes in /capture"
    assert captured.sizes == []
    deleting = [argv for argv in captured.asked if argv[-1] == "-delete"]
    assert all("*_hpcap*.raw" in argv or ".*/[0-9]+" in argv for argv in deleting)


def test_purge_of_a_guests_disk_keeps_nothing(agent: World) -> None:
    Captured(agent, 4096)
    report = destroy(NAME, agent.fake.machine, Silent(), purge=True)
    assert "deleted with the guest's disk" in report.captures
    assert kept(agent) == []


def test_an_array_cannot_be_purged_without_its_guest(probe: World) -> None:
    probe.fake.hypervisor.stop(NAME, 1)
    before = probe.snapshot()
    with pytest.raises(Conflict, match="guest is off"):
        destroy(NAME, probe.fake.machine, Silent(), purge=True)
    assert probe.snapshot() == before


def test_captures_that_stay_in_spite_of_a_purge_are_told(probe: World) -> None:
    Captured(probe, 4096).stubborn = True
    with pytest.raises(Conflict, match="captures are left"):
        destroy(NAME, probe.fake.machine, Silent(), purge=True)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_question_names_what_goes_and_wants_the_name() -> None:
    asked = io.StringIO()
    confirm_purge("probe1", Amount(2, 8192), Terminal("probe1\n"), asked)
    assert "2 files, 8192 bytes" in asked.getvalue()
    for answer in ("", "yes\n", "probe2\n"):
        with pytest.raises(NotConfirmed, match="nothing was deleted"):
            confirm_purge("probe1", None, Terminal(answer), io.StringIO())


def test_without_a_terminal_it_is_refused() -> None:
    with pytest.raises(NotConfirmed, match="no terminal") as told:
        confirm_purge("probe1", None, io.StringIO("probe1\n"), io.StringIO())
    assert told.value.exit_code is ExitCode.REFUSED
