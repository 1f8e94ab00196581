"""Kill configurations that differ in how frames come to be copied: by a trusted VF, the driver's files, or tc."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hpcapvf.model.steps import (
    MirrorByFiles,
    MirrorByTc,
    ProgramReceiveAll,
    ReplicateTraffic,
    SetPrivateFlag,
    SetTestpmdModes,
    SetVfMac,
    StartGuard,
    Step,
    TrustVf,
    WatchedVf,
    WatchLink,
)
from tests.fakes import tree
from tests.fakes.testpmd import FakeTestpmd
from tests.unit.apply.world import NAME, PF, VF, WATCHED, World, make_dpdk_world, make_monitor_world, make_world

FLAG = "vf-true-promisc-support"
LINK = f"{PF}|link"
REPRESENTORS = ("rep0", "rep1")
_WATCHED = (WatchedVf(WATCHED, VF, 0),)


def trusted_vf(root: Path) -> World:
    """A probe on a card whose driver gives a trusted VF the whole link: no registers, no guard."""
    world = make_world(root)
    world.fake.commands.private_flags = {tree.PF_INTERFACE: {"MFP": False, FLAG: False}}
    steps: list[Step] = []
    for step in world.plan.steps:
        if isinstance(step, ProgramReceiveAll | StartGuard):
            continue
        steps.append(step)
        if isinstance(step, SetVfMac):
            steps += [SetPrivateFlag(tree.PF_INTERFACE, FLAG), TrustVf(tree.PF_INTERFACE, 0)]
    return replace(world, plan=replace(world.plan, steps=tuple(steps)))


def modes_by_testpmd(root: Path) -> World:
    """A probe on an ixgbe card whose PF DPDK holds: testpmd sets the VF's receive modes."""
    world = make_dpdk_world(root)
    FakeTestpmd(world.fake.commands, NAME)
    kept = [step for step in world.plan.steps if not isinstance(step, StartGuard)]
    modes = SetTestpmdModes(NAME, 0)
    steps = tuple(modes if isinstance(step, ProgramReceiveAll) else step for step in kept)
    return replace(world, plan=replace(world.plan, steps=steps))


def agent_by_files(root: Path) -> World:
    """An agent on a card whose driver is the out-of-tree i40e."""
    world = make_monitor_world(root, mirror_files=True)
    return _copied_by(world, MirrorByFiles(PF, 1, _WATCHED))


def agent_on_the_link(root: Path) -> World:
    """An agent that is given all of the link, beside the VM of another."""
    world = make_monitor_world(root)
    copy = WatchLink(PF, "82576", 1, name=LINK)
    steps = tuple(copy if isinstance(step, ReplicateTraffic) else step for step in world.plan.steps)
    request = replace(world.plan.request, watch=(LINK,))
    return replace(world, plan=replace(world.plan, steps=steps, request=request))


def agent_by_tc(root: Path) -> World:
    """An agent on a card in mode switchdev."""
    world = make_monitor_world(root)
    others = world.others

    def make_again() -> None:
        others()
        _add_representors(world)

    world.others = make_again
    _add_representors(world)
    world.fake.faults.log.clear()
    return _copied_by(world, MirrorByTc(PF, 1, REPRESENTORS[1], REPRESENTORS[:1], _WATCHED))


def _add_representors(world: World) -> None:
    for number, name in enumerate(REPRESENTORS):
        tree.add_interface(world.fake.kernel.tree, tree.PF, name, f"02:00:00:00:01:0{number}", up=True)


def _copied_by(world: World, copy: Step) -> World:
    kept = [step for step in world.plan.steps if not isinstance(step, StartGuard)]
    steps = tuple(copy if isinstance(step, ReplicateTraffic) else step for step in kept)
    return replace(world, plan=replace(world.plan, steps=steps))
