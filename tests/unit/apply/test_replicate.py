"""An agent that watches a running VM: there and back, from every point where it may fail, on both kinds of card."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpcapvf.apply import state
from hpcapvf.apply.guard import run_guard
from hpcapvf.apply.handler import Context, Json
from hpcapvf.apply.handlers import handler_of
from hpcapvf.apply.journal import Journal, read_events
from hpcapvf.apply.run import apply_plan, destroy, run_steps
from hpcapvf.model.errors import Conflict, HpcapvfError, RegisterRefused, UndoIncomplete
from hpcapvf.model.progress import Silent
from hpcapvf.model.steps import ReplicateTraffic
from tests.fakes.registers import ROMPE
from tests.unit.apply.test_apply_plan import destroy_in_spite_of, effects_to_fail
from tests.unit.apply.world import (
    MONITOR_MAC,
    MONITOR_VF,
    NAME,
    PF,
    WATCHED,
    WATCHED_UUID,
    World,
    domain_xml,
    make_monitor_world,
    make_world,
)

OWN_POOL, WATCHED_POOL = 1 << (18 + 1), 1 << 18
VALID = 1 << 31


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many deployments are made here; nobody pulls the plug meanwhile."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_monitor_world(tmp_path)


def pools_of_filter(world: World, index: int) -> int:
    return world.fake.registers.get("RAH", index) & (0xFF << 18)


def step_of(world: World) -> ReplicateTraffic:
    return next(s for s in world.plan.steps if isinstance(s, ReplicateTraffic))


def test_card_without_mirror_rules_replicates_and_says_why(world: World) -> None:
    before = world.snapshot()
    outcome = apply_plan(world.plan, world.fake.machine, Silent())
    registers = world.fake.registers
    assert pools_of_filter(world, 1) == OWN_POOL | WATCHED_POOL
    assert pools_of_filter(world, 2) == OWN_POOL
    assert pools_of_filter(world, 0) == 1 << (18 + 7)
    assert registers.get("VLVF", 3) == VALID | 0b11 << 12 | 100
    assert registers.get("VMOLR", 1) & ROMPE
    (report,) = (r for r in outcome.steps if r.kind == "replicate-traffic")
    assert report.notes[0].startswith("mirror rules cannot be used: VMRVM[0] did not keep")
    assert "it reads 0x00000000" in report.notes[0]
    assert report.notes[1] == "traffic is copied by replication"
    destroy(NAME, world.fake.machine, Silent())
    assert world.snapshot() == before


def test_card_with_mirror_rules_uses_one_and_leaves_the_filters(tmp_path: Path) -> None:
    world = make_monitor_world(tmp_path, mirror_rules=True)
    registers = world.fake.registers
    registers.set("VMRCTL", 0, 0b10 | 3 << 8)  # somebody's own rule
    before = world.snapshot()
    outcome = apply_plan(world.plan, world.fake.machine, Silent())
    assert (registers.get("VMRCTL", 0), registers.get("VMRCTL", 1)) == (0b10 | 3 << 8, 1 | 1 << 8)
    assert registers.get("VMRVM", 1) == 1
    assert pools_of_filter(world, 1) == WATCHED_POOL
    assert [note for r in outcome.steps for note in r.notes if r.kind == ReplicateTraffic.kind] == [
        "traffic is copied by mirror rules"
    ]
    destroy(NAME, world.fake.machine, Silent())
    assert world.snapshot() == before


def test_all_mirror_rules_taken_falls_back(tmp_path: Path) -> None:
    world = make_monitor_world(tmp_path, mirror_rules=True)
    for rule in range(4):
        world.fake.registers.set("VMRCTL", rule, 0b10 | 3 << 8)
    outcome = apply_plan(world.plan, world.fake.machine, Silent())
    notes = [note for r in outcome.steps for note in r.notes if r.kind == ReplicateTraffic.kind]
    assert "all 4 mirror rules are in use" in notes[0]
    assert pools_of_filter(world, 1) == OWN_POOL | WATCHED_POOL


def test_half_a_mirror_rule_is_put_back_before_the_other_way_is_tried(tmp_path: Path) -> None:
    world = make_monitor_world(tmp_path, mirror_rules=True)
    world.fake.registers.frozen = frozenset({"VMRCTL"})
    outcome = apply_plan(world.plan, world.fake.machine, Silent())
    assert "VMRCTL[0] did not keep" in next(
        note for r in outcome.steps for note in r.notes if r.kind == ReplicateTraffic.kind
    )
    assert world.fake.registers.get("VMRVM", 0) == 0
    assert pools_of_filter(world, 1) == OWN_POOL | WATCHED_POOL


def test_card_that_keeps_nothing_refuses_and_is_as_before(world: World) -> None:
    world.fake.registers.frozen = frozenset({"RAH"})
    before = world.snapshot()
    with pytest.raises(RegisterRefused, match="in no way that is known") as caught:
        apply_plan(world.plan, world.fake.machine, Silent())
    assert any("mirror rules cannot be used" in line for line in caught.value.details)
    assert any("replication cannot be used" in line for line in caught.value.details)
    assert world.snapshot() == before


def test_watched_vm_is_neither_restarted_nor_moved(world: World) -> None:
    apply_plan(world.plan, world.fake.machine, Silent())
    destroy(NAME, world.fake.machine, Silent())
    touched = [what for kind, what in world.fake.faults.log if kind == "hypervisor" and WATCHED in what]
    assert touched == []


def test_replication_is_undone_before_capture_and_vm(world: World) -> None:
    apply_plan(world.plan, world.fake.machine, Silent())
    report = destroy(NAME, world.fake.machine, Silent())
    order = [line.split()[0] for line in report.restored]
    assert order[:4] == ["start", "replicate", "prepare", "start"]
    assert report.restored.index(step_of(world).describe()) < report.restored.index(f"start domain {NAME}")


def test_running_the_steps_again_changes_nothing(world: World) -> None:
    apply_plan(world.plan, world.fake.machine, Silent())
    before = world.snapshot()
    journal = Journal(world.fake.files, world.fake.clock, "/var/lib/hpcapvf/again.jsonl")
    reports = run_steps(world.plan, world.fake.machine, Silent(), journal)
    (report,) = (r for r in reports if r.kind == "replicate-traffic")
    assert report.why == "the registers hold it (replication)"
    assert world.snapshot() == before


def test_undo_takes_its_own_bits_only(world: World) -> None:
    apply_plan(world.plan, world.fake.machine, Silent())
    registers = world.fake.registers
    registers.set("RAH", 1, registers.get("RAH", 1) | 1 << (18 + 5))  # another agent came meanwhile
    registers.set("VLVF", 3, registers.get("VLVF", 3) | 1 << (12 + 5))
    destroy(NAME, world.fake.machine, Silent())
    assert pools_of_filter(world, 1) == WATCHED_POOL | 1 << (18 + 5)
    assert registers.get("VLVF", 3) == VALID | 0b100001 << 12 | 100


@pytest.mark.parametrize("mirror_rules", [False, True])
@pytest.mark.parametrize("after", [False, True], ids=["before it takes place", "after it did"])
def test_failure_at_every_effect_leaves_everything_as_it_was(tmp_path: Path, after: bool, mirror_rules: bool) -> None:
    world = make_monitor_world(tmp_path, mirror_rules=mirror_rules)
    before = world.snapshot()
    apply_plan(world.plan, world.fake.machine, Silent())
    log = list(world.fake.faults.log)
    destroy(NAME, world.fake.machine, Silent())
    assert sum(kind == "register" for kind, _ in log) >= 2
    for n in effects_to_fail(log, changing=after):
        world.fresh_guest()
        world.fake.faults.fail_at("any", n, after=after)
        with pytest.raises(HpcapvfError) as caught:
            apply_plan(world.plan, world.fake.machine, Silent())
        assert not isinstance(caught.value, UndoIncomplete), f"{log[n - 1]}: {caught.value} {caught.value.details}"
        assert world.snapshot() == before, f"effect {n}: {log[n - 1]}"


def test_destroy_survives_failure_at_every_change(world: World) -> None:
    before = world.snapshot()
    apply_plan(world.plan, world.fake.machine, Silent())
    done = len(world.fake.faults.log)
    destroy(NAME, world.fake.machine, Silent())
    log = world.fake.faults.log[done:]
    for n in effects_to_fail(log, changing=True):
        world.fresh_guest()
        apply_plan(world.plan, world.fake.machine, Silent())
        destroy_in_spite_of(n, world, f"effect {n}: {log[n - 1]}")
        assert world.snapshot() == before, f"effect {n}: {log[n - 1]}"


def guarded(world: World, *changes: object) -> list[str]:
    """Deploy, then let the guard look once before, and once after each change."""
    apply_plan(world.plan, world.fake.machine, Silent())
    lines: list[str] = []
    rounds = iter([lambda: None, *changes])

    def stop() -> bool:
        change = next(rounds, None)
        if change is None:
            return True
        change()  # type: ignore[operator]
        return False

    run_guard(NAME, world.fake.machine, stop=stop, log=lines.append)
    return lines


def test_guard_repairs_a_wipe_in_the_way_that_was_chosen(world: World) -> None:
    lines = guarded(world, world.fake.registers.wipe)
    assert len(lines) == 1
    assert "RAH" in lines[0]
    assert pools_of_filter(world, 1) == OWN_POOL | WATCHED_POOL
    assert world.fake.registers.get("VMOLR", 1) & ROMPE


def test_guard_of_mirror_rules_repairs_the_rule(tmp_path: Path) -> None:
    world = make_monitor_world(tmp_path, mirror_rules=True)
    registers = world.fake.registers

    def wipe() -> None:
        registers.set("VMRCTL", 0, 0)
        registers.set("VMRVM", 0, 0)

    lines = guarded(world, wipe)
    assert len(lines) == 1
    assert (registers.get("VMRCTL", 0), registers.get("VMRVM", 0)) == (1 | 1 << 8, 1)
    assert pools_of_filter(world, 1) == WATCHED_POOL


def test_guard_follows_new_and_lost_filters_and_destroy_leaves_nothing(world: World) -> None:
    registers = world.fake.registers
    new = VALID | WATCHED_POOL | 0x1234

    def second_mac() -> None:
        registers.set("RAH", 5, new)

    def left_the_vlan() -> None:
        registers.set("VLVF", 3, registers.get("VLVF", 3) & ~(1 << 12))

    def left_the_group() -> None:
        registers.joined = set()
        registers.set("VMOLR", 0, registers.get("VMOLR", 0) & ~ROMPE)

    seen: list[tuple[int, int, int]] = []

    def look() -> None:
        seen.append((registers.get("RAH", 5), registers.get("VLVF", 3), registers.get("VMOLR", 1) & ROMPE))

    guarded(world, second_mac, left_the_vlan, left_the_group, look)
    assert seen == [(new | OWN_POOL, VALID | 100, 0)]
    destroy(NAME, world.fake.machine, Silent())
    assert registers.get("RAH", 5) == new
    assert not any(registers.get("VLVF", i) & 1 << 13 for i in range(32))


def test_filter_that_came_up_since_the_look_is_journalled_first(world: World) -> None:
    step, amended = step_of(world), list[Json]()
    context = Context(world.fake.machine, world.plan, Silent(), amended.append)
    handler = handler_of(step)
    before = handler.observe(step, context)
    world.fake.registers.set("RAH", 6, VALID | WATCHED_POOL | 0x77)
    handler.do(step, before, context)
    assert {f"RAH[6]&{OWN_POOL:x}": 0} in amended


def test_the_journal_names_the_way(world: World) -> None:
    apply_plan(world.plan, world.fake.machine, Silent())
    events = read_events(world.fake.files, state.journal_path(NAME))
    (after,) = (e["after"] for e in events if e["event"] == "done" and "backend" in e.get("after", {}))
    assert after["backend"] == "replication"


def test_unreachable_registers_refuse_and_undo(world: World) -> None:
    before = world.snapshot()
    world.fake.registers.refuse = "Operation not permitted"
    with pytest.raises(RegisterRefused, match=rf"replicate on {PF}.*not permitted"):
        apply_plan(world.plan, world.fake.machine, Silent())
    world.fake.registers.refuse = ""
    assert world.snapshot() == before


def test_the_agents_own_mac_filter_is_left_alone(world: World) -> None:
    apply_plan(world.plan, world.fake.machine, Silent())
    before = {key for e in read_events(world.fake.files, state.journal_path(NAME)) for key in e.get("before", {})}
    assert world.fake.registers.vf_filters[2][0] == MONITOR_MAC
    assert not any(key.startswith("RAH[2]") for key in before)


def test_vfs_are_not_taken_from_running_vms(tmp_path: Path) -> None:
    """A probe made the VFs, another VM runs with one of them: the probe stays until that VM is off."""
    world = make_world(tmp_path)
    apply_plan(world.plan, world.fake.machine, Silent())
    files = world.fake.machine.files
    files.write_text(f"/sys/bus/pci/devices/{MONITOR_VF}/driver_override", "vfio-pci")
    files.write_text("/sys/bus/pci/drivers_probe", str(MONITOR_VF))
    world.fake.hypervisor.define(domain_xml("web2", WATCHED_UUID, (MONITOR_VF,), network=False))
    world.fake.hypervisor.start("web2")
    before = world.snapshot()
    with pytest.raises(Conflict, match="web2 run with some of them"):
        destroy(NAME, world.fake.machine, Silent())
    assert world.snapshot() == before
    world.fake.hypervisor.stop("web2", 1)
    world.fake.hypervisor.undefine("web2")
    destroy(NAME, world.fake.machine, Silent())
    assert world.fake.kernel.vf_addresses() == []
