"""A whole plan on the fake machine: there, there again, back, and back from every point where it may fail."""

from __future__ import annotations

import errno
import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from hpcapvf.apply import state
from hpcapvf.apply.handlers import HANDLERS
from hpcapvf.apply.journal import Journal
from hpcapvf.apply.recover import recover_all
from hpcapvf.apply.run import apply_plan, destroy, run_steps
from hpcapvf.apply.state import list_deployments, read_deployment
from hpcapvf.host.files import LocalFiles
from hpcapvf.model.errors import (
    Conflict,
    FileFailed,
    HpcapvfError,
    NotCapable,
    NotFound,
    StepFailed,
    UndoIncomplete,
    WaitTimedOut,
)
from hpcapvf.model.facts import Fact
from hpcapvf.model.host import DomainInfo
from hpcapvf.model.progress import Silent
from hpcapvf.model.steps import Step
from tests.fakes.faults import InjectedFault
from tests.unit.apply.test_copy_steps import STEPS_TESTED_APART
from tests.unit.apply.world import (
    NAME,
    World,
    make_dpdk_engine_plan,
    make_dpdk_plan,
    make_monitor_plan,
    make_whole_card_plan,
    make_world,
)


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of deployments are made here; nobody pulls the plug meanwhile."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def deploy(world: World) -> None:
    apply_plan(world.plan, world.fake.machine, Silent())


def test_plans_have_every_kind_of_step(world: World) -> None:
    whole = make_whole_card_plan(world.plan, "tcpdump")
    others = (make_monitor_plan, make_dpdk_plan, make_dpdk_engine_plan)
    plans = (world.plan, whole, *(make(world.plan) for make in others))
    kinds = {step.kind for plan in plans for step in plan.steps}
    kinds |= {kind.kind for kind in STEPS_TESTED_APART}
    assert kinds == set(HANDLERS) == {kind.kind for kind in Step.__args__}


def test_every_handler_says_whether_its_step_survives_a_reboot() -> None:
    for handler in HANDLERS.values():
        assert isinstance(vars(type(handler)).get("survives_reboot"), bool), type(handler).__name__


def test_apply_does_every_step_and_destroy_restores_everything(world: World) -> None:
    before = world.snapshot()
    outcome = apply_plan(world.plan, world.fake.machine, Silent())
    assert {report.result for report in outcome.steps} == {"done"}
    deployed = world.snapshot()
    assert deployed != before
    assert world.guest.mounts == {"/capture": "/dev/md127"}
    assert world.guest.drivers["0000:05:00.0"] == "hpcapvf"
    assert read_deployment(NAME, world.fake.files).condition == "deployed"
    assert set(outcome.phases_s) >= {"network card", "guest boot", "capture"}

    report = destroy(NAME, world.fake.machine, Silent())
    assert world.snapshot() == before
    assert report.restored == tuple(step.describe() for step in reversed(world.plan.steps))
    assert any("sda" in note for note in report.notes)
    assert any("stay on the disks" in note for note in report.notes)
    assert world.fake.files.read_text(report.journal)
    with pytest.raises(NotFound):
        read_deployment(NAME, world.fake.files)


def test_running_the_steps_again_changes_nothing_and_says_why(world: World) -> None:
    deploy(world)
    before = world.snapshot()
    journal = Journal(world.fake.files, world.fake.clock, "/var/lib/hpcapvf/again.jsonl")
    reports = run_steps(world.plan, world.fake.machine, Silent(), journal)
    assert {r.kind for r in reports if r.result == "done"} <= {"wait-guest", "reserve-hugepages"}
    assert all(report.why for report in reports if report.result == "skipped")
    assert world.snapshot() == before


def test_second_deployment_of_the_name_is_refused(world: World) -> None:
    deploy(world)
    before = world.snapshot()
    with pytest.raises(Conflict, match="deployed already"):
        deploy(world)
    assert world.snapshot() == before


def test_held_lock_refuses_and_names_the_holder(world: World) -> None:
    before = world.snapshot()
    with (
        world.fake.files.hold_lock(state.LOCK, "deployment of other"),
        pytest.raises(Conflict, match="deployment of other"),
    ):
        deploy(world)
    assert world.snapshot() == before


READING = (
    "ls ",
    "find ",
    "mdadm --examine",
    "readlink ",
    "cat ",
    "findmnt ",
    "blkid ",
    "lsblk ",
    "sha256sum ",
    "wipefs --no-act",
    "connect ",
)


def effects_to_fail(log: list[tuple[str, str]], *, changing: bool = False) -> list[int]:
    """Numbers (from 1) of the effects in a log: all that change something, and a part of those that only look.

    Of the writes that fill or clear the card's two big hash tables every 16th will do. changing: no lookers at all.
    """
    numbers = []
    for n, (kind, what) in enumerate(log, start=1):
        of_a_table = kind == "register" and what.endswith(("= 0xffffffff", "= 0x00000000"))
        looks = kind == "guest" and what.startswith(READING)
        if not (of_a_table and n % 16) and not (looks and (changing or n % 4)):
            numbers.append(n)
    return numbers


def destroy_in_spite_of(n: int, world: World, what: str) -> None:
    """Destroy while the n-th effect fails, and once more, or recover, if that left something.

    What is only written for a second try (journal, state, history) may fail unseen: a full disk hinders no undo.
    """
    begin = len(world.fake.faults.log)
    world.fake.faults.fail_at("any", n)
    try:
        destroy(NAME, world.fake.machine, Silent())
    except (UndoIncomplete, InjectedFault):
        pass
    else:  # this time the run ended before its n-th effect
        tolerated = any(f"{verb} /var/lib/hpcapvf/" in what for verb in ("append", "replace", "cut", "folder"))
        assert tolerated or len(world.fake.faults.log) - begin < n, f"failure unseen: {what}"
    world.fake.faults.clear()
    if world.fake.files.exists(state.state_path(NAME)):
        destroy(NAME, world.fake.machine, Silent())
    else:
        assert not recover_all(world.fake.machine, Silent()).errors


@pytest.mark.parametrize("after", [False, True], ids=["before it takes place", "after it did"])
def test_failure_at_every_effect_leaves_everything_as_it_was(world: World, after: bool) -> None:
    deploy(world)
    log = list(world.fake.faults.log)
    numbers = effects_to_fail(log, changing=after)
    assert len(log) > 400
    assert len(numbers) > 130
    destroy(NAME, world.fake.machine, Silent())
    before = world.snapshot()
    for n in numbers:
        world.fresh_guest()
        world.fake.faults.fail_at("any", n, after=after)
        with pytest.raises(HpcapvfError) as caught:
            deploy(world)
        assert not isinstance(caught.value, UndoIncomplete), f"{log[n - 1]}: {caught.value} {caught.value.details}"
        assert world.snapshot() == before, f"effect {n}: {log[n - 1]}"


def test_failure_names_step_cause_and_what_was_undone(world: World) -> None:
    world.fake.commands.on("ssh-keygen", lambda _a, _i: (1, "", "no entropy\n"))
    with pytest.raises(StepFailed, match=r"make cloud-init seed .*no entropy") as caught:
        deploy(world)
    assert f"undone: set link {world.plan.pf_interface} up" in caught.value.details
    assert list_deployments(world.fake.files) == ()


def test_interruption_undoes_and_passes_on(world: World) -> None:
    before = world.snapshot()

    def interrupt(_argv: tuple[str, ...], _stdin: bytes) -> tuple[int, str, str]:
        raise KeyboardInterrupt

    world.fake.commands.on("genisoimage", interrupt)
    with pytest.raises(KeyboardInterrupt) as caught:
        deploy(world)
    assert world.snapshot() == before
    assert any(note.startswith("undone: ") for note in caught.value.__notes__)


def test_failing_undo_is_listed_and_destroy_ends_it_later(world: World) -> None:
    before = world.snapshot()
    world.fake.commands.on("genisoimage", lambda _a, _i: (1, "", "disk full\n"))
    dd = world.fake.commands._handlers["dd"]
    world.fake.commands.on("dd", lambda _a, _i: (1, "", "Input/output error\n"))
    with pytest.raises(UndoIncomplete, match="disk full") as caught:
        deploy(world)
    assert any("0000:03:00.0" in line for line in caught.value.details)
    assert read_deployment(NAME, world.fake.files).condition == "undoing"
    assert world.snapshot()["sysfs"] == before["sysfs"]

    world.fake.commands.on("dd", dd)
    report = destroy(NAME, world.fake.machine, Silent())
    assert report.restored == ("bind 0000:03:00.0 to vfio-pci",)
    assert world.snapshot() == before


def test_destroy_survives_failure_at_every_effect(world: World) -> None:
    deploy(world)
    done = len(world.fake.faults.log)
    destroy(NAME, world.fake.machine, Silent())
    log = world.fake.faults.log[done:]
    before = world.snapshot()
    for n in effects_to_fail(log):
        world.fresh_guest()
        deploy(world)
        destroy_in_spite_of(n, world, f"effect {n}: {log[n - 1]}")
        assert world.snapshot() == before, f"effect {n}: {log[n - 1]}"


def test_nothing_is_taken_from_under_a_guest_that_does_not_stop(world: World) -> None:
    before = world.snapshot()
    deploy(world)
    stop = world.fake.hypervisor.stop

    def fail(_name: str, _timeout_s: float) -> bool:
        raise StepFailed("libvirt does not answer")

    world.fake.hypervisor.stop = fail  # type: ignore[method-assign,assignment]
    with pytest.raises(UndoIncomplete) as caught:
        destroy(NAME, world.fake.machine, Silent())
    assert any("held by the running domain" in line for line in caught.value.details)
    assert world.fake.kernel.driver("0000:03:00.0") == "vfio-pci"
    assert world.fake.files.exists("/var/lib/libvirt/images/hpcapvf/probe1/disk.qcow2")
    world.fake.hypervisor.stop = stop  # type: ignore[method-assign]
    destroy(NAME, world.fake.machine, Silent())
    assert world.snapshot() == before


def test_destroy_of_a_run_that_was_cut_off(world: World) -> None:
    """Power went in the middle of a journal line: the state says incomplete and destroy cleans up."""
    before = world.snapshot()
    deploy(world)
    path = world.fake.root / state.journal_path(NAME).lstrip("/")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]) + lines[-1][:20])
    destroy(NAME, world.fake.machine, Silent())
    assert world.snapshot() == before


def test_destroy_of_an_unknown_name(world: World) -> None:
    with pytest.raises(NotFound):
        destroy("nobody", world.fake.machine, Silent())
    with pytest.raises(NotFound):
        destroy("../etc", world.fake.machine, Silent())


def test_destroy_with_a_guest_that_is_off(world: World) -> None:
    before = world.snapshot()
    deploy(world)
    world.fake.hypervisor.stop(NAME, 1)
    world.fake.guests.silent = "off"
    report = destroy(NAME, world.fake.machine, Silent())
    assert any("guest was off" in note for note in report.notes)
    assert world.snapshot() == before


@pytest.mark.parametrize("second_start_helps", [True, False])
def test_a_guest_that_never_asks_for_an_address_is_started_anew_once(world: World, second_start_helps: bool) -> None:
    before = world.snapshot()
    hypervisor = world.fake.hypervisor
    address, hypervisor.address = hypervisor.address, None
    starts: list[str] = []
    started = hypervisor.start

    def start(name: str) -> None:
        started(name)
        starts.append(name)
        if second_start_helps and len(starts) == 2:
            hypervisor.address = address

    hypervisor.start = start  # type: ignore[method-assign]
    if second_start_helps:
        deploy(world)
        assert read_deployment(NAME, world.fake.files).condition == "deployed"
    else:
        with pytest.raises(WaitTimedOut, match="did not answer"):
            deploy(world)
        assert world.snapshot() == before
    assert starts == [NAME, NAME]


def test_a_full_disk_stops_the_deployment_before_the_step_and_hinders_no_undo(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = world.snapshot()
    append, replace_ = LocalFiles.append_durably, LocalFiles.replace

    def full(path: str) -> bool:
        return path.startswith("/var/lib/hpcapvf") and world.fake.kernel.vf_addresses() != []

    def no_append(self: LocalFiles, path: str, line: str, mode: int = 0o600) -> None:
        if full(path) or world.fake.kernel.vf_macs:
            raise FileFailed(path, "append to", errno.ENOSPC, reason="No space left on device (ENOSPC)")
        append(self, path, line, mode)

    def no_replace(self: LocalFiles, path: str, data: bytes, mode: int = 0o644) -> None:
        if full(path) or world.fake.kernel.vf_macs:
            raise FileFailed(path, "write", errno.ENOSPC, reason="No space left on device (ENOSPC)")
        replace_(self, path, data, mode)

    monkeypatch.setattr(LocalFiles, "append_durably", no_append)
    monkeypatch.setattr(LocalFiles, "replace", no_replace)
    with pytest.raises(StepFailed, match="No space left"):
        deploy(world)
    assert not any("vfio-pci" in what for kind, what in world.fake.faults.log if kind == "write")
    assert world.snapshot() == before


def test_a_second_run_waits_for_the_first_and_then_says_who_it_is(world: World) -> None:
    with world.fake.files.hold_lock(state.LOCK, "deployment of other"):
        begin = world.fake.clock.monotonic()
        with pytest.raises(Conflict, match=r"deployment of other.*waited 30 s"):
            apply_plan(world.plan, world.fake.machine, Silent(), wait_s=30)
        assert world.fake.clock.monotonic() - begin >= 30
    apply_plan(world.plan, world.fake.machine, Silent(), wait_s=30)


def test_a_host_that_changed_since_the_plan_is_refused_with_what_changed(world: World) -> None:
    before = world.snapshot()
    plan = replace(world.plan, facts=(Fact("VF 0000:02:10.0", "free"), Fact("CPU 1", "pinned by nobody")))
    now = (Fact("VF 0000:02:10.0", "of domain web2"), Fact("CPU 1", "pinned by nobody"))
    with pytest.raises(Conflict, match=r"VF 0000:02:10\.0 was free, now it is of domain web2") as caught:
        apply_plan(plan, world.fake.machine, Silent(), look_again=lambda: now)
    assert len(caught.value.details) == 1
    assert world.snapshot() == before
    apply_plan(plan, world.fake.machine, Silent(), look_again=lambda: plan.facts)


def test_libvirt_that_went_away_leaves_the_rest_to_recover(world: World) -> None:
    before = world.snapshot()
    domains = world.fake.hypervisor.domains

    def gone() -> tuple[DomainInfo, ...]:
        raise NotCapable("libvirt went away")

    def define(_xml: str) -> None:
        world.fake.hypervisor.domains = gone  # type: ignore[method-assign]
        raise NotCapable("libvirt went away")

    defined, world.fake.hypervisor.define = world.fake.hypervisor.define, define  # type: ignore[method-assign,assignment]
    with pytest.raises(UndoIncomplete, match="libvirt went away"):
        deploy(world)
    assert read_deployment(NAME, world.fake.files).condition == "undoing"
    world.fake.hypervisor.domains = domains  # type: ignore[method-assign]
    world.fake.hypervisor.define = defined  # type: ignore[method-assign]
    assert not recover_all(world.fake.machine, Silent()).errors
    assert world.snapshot() == before


def test_state_is_private_and_journal_holds_no_secrets(world: World) -> None:
    deploy(world)
    folder = world.fake.root / state.folder(NAME).lstrip("/")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in ("state.json", "journal.jsonl"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    journal = (folder / "journal.jsonl").read_text()
    assert "@PUBLIC_KEY@" not in journal
    assert "fake private key" not in journal
    assert "ssh-ed25519" in (world.fake.root / "var/lib/libvirt/images/hpcapvf/probe1/seed.iso").read_text()
    assert json.loads(journal.splitlines()[0])["version"] == 1


def test_deployments_are_listed_with_the_card_that_they_guard(world: World) -> None:
    deploy(world)
    (found,) = list_deployments(world.fake.files)
    assert (found.name, found.condition, found.receive_all_pf) == (NAME, "deployed", world.plan.pf)
