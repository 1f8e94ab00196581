"""Copies that are made without registers: a trusted VF, the files of out-of-tree i40e, tc filters on representors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpcapvf.apply.run import apply_plan, destroy
from hpcapvf.model.errors import HpcapvfError, StepFailed
from hpcapvf.model.paths import mirror_file
from hpcapvf.model.progress import Silent
from hpcapvf.model.steps import (
    MirrorByFiles,
    MirrorByTc,
    SetPrivateFlag,
    SetTestpmdModes,
    TrustVf,
    WatchedVf,
    WatchLink,
)
from hpcapvf.probe import probe_host
from hpcapvf.verify.copies import check_copies
from tests.fakes import tree
from tests.fakes.testpmd import FakeTestpmd
from tests.kill.copies import FLAG, REPRESENTORS, agent_by_files, agent_by_tc, modes_by_testpmd, trusted_vf
from tests.unit.apply.test_handlers import do, undo
from tests.unit.apply.test_storage_steps import STEPS
from tests.unit.apply.world import NAME, PF, VF, WATCHED, World

WORLDS: dict[str, Callable[[Path], World]] = {"trust": trusted_vf, "files": agent_by_files, "tc": agent_by_tc}
FILES = MirrorByFiles(PF, 1, (WatchedVf(WATCHED, VF, 0),))
STEPS_TESTED_APART = (*STEPS, TrustVf, SetPrivateFlag, SetTestpmdModes, MirrorByFiles, MirrorByTc, WatchLink)
TC = MirrorByTc(PF, 1, REPRESENTORS[1], REPRESENTORS[:1], (WatchedVf(WATCHED, VF, 0),))


@pytest.mark.parametrize("name", WORLDS)
def test_there_seen_by_verify_and_back(name: str, tmp_path: Path) -> None:
    world = WORLDS[name](tmp_path)
    before = world.snapshot()
    apply_plan(world.plan, world.fake.machine, Silent())
    machine = world.fake.machine
    host = probe_host(machine.files, commands=machine.commands, hypervisor=machine.hypervisor)
    findings = check_copies(world.plan, host, machine)
    assert findings
    assert all(finding.ok for finding in findings), findings
    destroy(NAME, machine, Silent())
    assert world.snapshot() == before
    assert not any(f.ok for f in check_copies(world.plan, host, machine) if not f.check.startswith("watched VM"))


def undone_after(world: World, words: str) -> None:
    """Applying fails with these words, and leaves nothing."""
    before = world.snapshot()
    with pytest.raises(StepFailed, match=words):
        apply_plan(world.plan, world.fake.machine, Silent())
    assert world.snapshot() == before


def test_a_driver_without_the_flag(tmp_path: Path) -> None:
    world = trusted_vf(tmp_path)
    world.fake.commands.private_flags = {tree.PF_INTERFACE: {"MFP": False}}
    undone_after(world, "has no private flag vf-true-promisc-support")


class Deaf(dict[str, bool]):
    """Private flags that do not change."""

    def __ior__(self, other: Any) -> Deaf:  # type: ignore[override, misc]
        return self


def test_a_flag_that_does_not_go_on_fails_and_is_undone(tmp_path: Path) -> None:
    world = trusted_vf(tmp_path)
    world.fake.commands.private_flags = {tree.PF_INTERFACE: Deaf({FLAG: False})}
    undone_after(world, "did not go on")


def test_a_vf_that_is_not_trusted_after_all_fails(tmp_path: Path) -> None:
    world = trusted_vf(tmp_path)

    class Never(set[int]):
        def add(self, _element: int) -> None:
            pass

    world.fake.kernel.trusted = Never()
    undone_after(world, "did not keep trust on")


def test_a_flag_that_was_on_stays_on(tmp_path: Path) -> None:
    world = trusted_vf(tmp_path)
    world.fake.commands.private_flags[tree.PF_INTERFACE][FLAG] = True
    apply_plan(world.plan, world.fake.machine, Silent())
    destroy(NAME, world.fake.machine, Silent())
    assert world.fake.commands.private_flags[tree.PF_INTERFACE][FLAG]


def test_trust_of_a_vf_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="does not say whether VF 5 is trusted"):
        do(trusted_vf(tmp_path), TrustVf(tree.PF_INTERFACE, 5))


def test_the_files_name_the_agents_vf_in_both_directions(tmp_path: Path) -> None:
    world = agent_by_files(tmp_path)
    do(world, FILES)
    read = world.fake.machine.files.read_text
    assert [read(mirror_file(PF, 0, way)) for way in ("ingress", "egress")] == ["1\n", "1\n"]
    assert [read(mirror_file(PF, 1, way)) for way in ("ingress", "egress")] == ["off\n", "off\n"]


@pytest.mark.parametrize(
    ("direction", "files", "side"), [("to", ["1\n", "off\n"], "egress"), ("from", ["off\n", "1\n"], "ingress")]
)
def test_one_direction_alone(direction: str, files: list[str], side: str, tmp_path: Path) -> None:
    """To a VM is what the switch gives its VF: the files' ingress, and its representor's egress."""
    world = agent_by_files(tmp_path / "files")
    step = replace(FILES, directions=(direction,))
    trace = do(world, step)
    read = world.fake.machine.files.read_text
    assert [read(mirror_file(PF, 0, way)) for way in ("ingress", "egress")] == files
    undo(world, step, trace)
    assert [read(mirror_file(PF, 0, way)) for way in ("ingress", "egress")] == ["off\n", "off\n"]
    world = agent_by_tc(tmp_path / "tc")
    by_tc = replace(TC, directions=(direction,))
    trace = do(world, by_tc)
    assert [place[1] for place in world.fake.commands.tc.filters] == [side]
    undo(world, by_tc, trace)
    assert not world.fake.commands.tc.filters


def test_a_source_with_another_destination_is_refused(tmp_path: Path) -> None:
    world = agent_by_files(tmp_path)
    world.fake.machine.files.write_text(mirror_file(PF, 0, "egress"), "add 0")
    undone_after(world, "is copied to VF 0 already, and the card has one destination")


def test_what_others_set_meanwhile_is_left_alone(tmp_path: Path) -> None:
    world = agent_by_files(tmp_path)
    trace = do(world, FILES)
    world.fake.machine.files.write_text(mirror_file(PF, 0, "egress"), "add 0")
    undo(world, FILES, trace)
    read = world.fake.machine.files.read_text
    assert [read(mirror_file(PF, 0, way)) for way in ("ingress", "egress")] == ["off\n", "0\n"]


def test_a_file_that_does_not_read_back_fails_and_is_undone(tmp_path: Path) -> None:
    world = agent_by_files(tmp_path)
    keep = world.fake.kernel._write_mirror
    world.fake.kernel._write_mirror = (  # type: ignore[method-assign]
        lambda path, value: None if path.endswith("egress_mirror") else keep(path, value)
    )
    undone_after(world, "but it reads off")


def test_a_kernel_without_flower_takes_u32(tmp_path: Path) -> None:
    world = agent_by_tc(tmp_path)
    world.fake.commands.tc.classifiers = {"u32"}
    trace = do(world, TC)
    assert {f["kind"] for f in world.fake.commands.tc.filters.values()} == {"u32"}
    assert trace.after is not None
    assert "frames that the card's switch forwards by itself are not copied" in trace.after["notes"][0]


def test_filters_in_the_card_are_said_to_be_unproven(tmp_path: Path) -> None:
    world = agent_by_tc(tmp_path)
    world.fake.commands.tc.in_hardware = True
    trace = do(world, TC)
    assert trace.after is not None
    assert trace.after["notes"] == ["the card's switch has taken the filters over (in_hw): unproven on hardware"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"classifiers": set()}, "classifier not found|error talking"),
        ({"deaf": True}, "does not show it"),
        ({"queues": {"rep0": "ingress"}}, "ingress queue of somebody else"),
    ],
)
def test_what_tc_does_not_do_fails_and_is_undone(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    world = agent_by_tc(tmp_path)
    for name, value in change.items():
        setattr(world.fake.commands.tc, name, value)
    undone_after(world, words)


def test_a_queue_that_was_there_and_filters_of_others_stay(tmp_path: Path) -> None:
    world = agent_by_tc(tmp_path)
    run = world.fake.machine.commands.run
    add = "tc filter add dev rep0 ingress protocol all pref 7 u32 match u32 0 0 action mirred egress mirror dev rep1"
    for words in ("tc qdisc add dev rep0 clsact", add):
        assert run(words.split(), timeout_s=1).returncode == 0
    before = world.snapshot()
    undo(world, TC, do(world, TC))
    assert world.snapshot() == before


def test_a_queue_that_others_began_to_use_stays(tmp_path: Path) -> None:
    world = agent_by_tc(tmp_path)
    trace = do(world, TC)
    add = "tc filter add dev rep0 egress protocol all pref 7 u32 match u32 0 0 action mirred egress mirror dev rep1"
    world.fake.machine.commands.run(add.split(), timeout_s=1)
    assert undo(world, TC, trace) == ("the clsact queue of rep0 stays: others have filters on it now",)
    assert list(world.fake.commands.tc.filters) == [("rep0", "egress", 7)]


def test_two_agents_watch_one_vm_by_tc(tmp_path: Path) -> None:
    world = agent_by_tc(tmp_path)
    tree.add_interface(world.fake.kernel.tree, tree.PF, "rep2", "02:00:00:00:01:02", up=True)
    second = replace(TC, pool=2, to_interface="rep2")
    first_trace, _ = do(world, TC), do(world, second)
    undo(world, TC, first_trace)
    assert {f["options"]["actions"][0]["to_dev"] for f in world.fake.commands.tc.filters.values()} == {"rep2"}


def test_a_representor_that_is_gone_is_nothing_to_undo(tmp_path: Path) -> None:
    world = agent_by_tc(tmp_path)
    trace = do(world, TC)
    world.fake.kernel.tree.at("/sys/class/net/rep0").unlink()
    assert undo(world, TC, trace) == ()


def test_one_line_for_people() -> None:
    assert FILES.describe() == f"mirror frames to and from web1 (VF 0) on {PF} to VF 1 by the driver's files"
    assert TC.describe() == f"mirror frames to and from web1 (VF 0) on {PF} to VF 1 by tc on rep0"
    assert SetPrivateFlag("e", FLAG).describe() == f"switch on {FLAG} of e"


def pmd_of(world: World) -> FakeTestpmd:
    return FakeTestpmd(world.fake.commands, NAME)


def test_testpmd_is_told_the_modes_and_says_that_nothing_is_read_back(tmp_path: Path) -> None:
    world = modes_by_testpmd(tmp_path)
    pmd, before = pmd_of(world), world.snapshot()
    outcome = apply_plan(world.plan, world.fake.machine, Silent())
    assert pmd.modes == {"vf 0 AUPE", "vf 0 ROPE", "vf 0 BAM", "vf 0 MPE", "uta"}
    (notes,) = (step.notes for step in outcome.steps if step.kind == SetTestpmdModes.kind)
    assert "unproven on hardware, and testpmd reads nothing back" in notes[0]
    undo(world, SetTestpmdModes(NAME, 0), do(world, SetTestpmdModes(NAME, 0)))
    assert pmd.modes == {"vf 0 AUPE", "vf 0 ROPE", "vf 0 BAM"}  # as after a VF's reset
    destroy(NAME, world.fake.machine, Silent())
    assert world.snapshot() == before


@pytest.mark.parametrize("refused", ["ROPE", "uta"])
def test_a_mode_that_testpmd_refuses_fails_and_is_undone(refused: str, tmp_path: Path) -> None:
    world = modes_by_testpmd(tmp_path)
    pmd_of(world).refuses = {refused}
    undone_after(world, "testpmd refused: bad .* return code = -95")


def test_an_old_refusal_is_not_taken_for_a_new_one(tmp_path: Path) -> None:
    world = modes_by_testpmd(tmp_path)
    pmd = pmd_of(world)
    apply_plan(world.plan, world.fake.machine, Silent())
    pmd.lines.append("bad VF receive mode parameter, return code = -95 ")
    do(world, SetTestpmdModes(NAME, 0))


def test_a_testpmd_that_hangs_is_waited_for_within_bounds(tmp_path: Path) -> None:
    world = modes_by_testpmd(tmp_path)
    pmd_of(world).mute = True
    before = world.snapshot()
    with pytest.raises(HpcapvfError, match="testpmd to answer"):
        apply_plan(world.plan, world.fake.machine, Silent())
    world.fake.machine.commands.run(["systemctl", "stop", f"hpcapvf-port-{NAME}.service"], timeout_s=1)
    destroy(NAME, world.fake.machine, Silent())
    assert world.snapshot() == before
