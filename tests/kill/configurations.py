"""The configurations that are killed: one line for each kind of plan. A new I/O mode gets a line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hpcapvf.model.request import StorageRequest
from hpcapvf.model.steps import (
    BindDriver,
    DefineDomain,
    MakeRaid,
    ProgramReceiveAll,
    ReplicateTraffic,
    SetAutoprobe,
    SetNumVfs,
    StartGuard,
    Step,
)
from tests.kill.copies import agent_by_files, agent_by_tc, agent_on_the_link, modes_by_testpmd, trusted_vf
from tests.kill.storage import nothing_stored, nvme_vf, virtio
from tests.unit.apply.world import (
    CONTROLLER,
    NAME,
    UUID,
    VF,
    World,
    domain_xml,
    make_dpdk_engine_plan,
    make_dpdk_world,
    make_monitor_world,
    make_vfs,
    make_whole_card_world,
    make_world,
)

REGISTERS = (ProgramReceiveAll, ReplicateTraffic, StartGuard)


def probe(root: Path) -> World:
    """A probe that makes the VFs, takes the RAID controller and receives everything."""
    return make_world(root)


def probe_on_existing_vfs(root: Path) -> World:
    """VFs that somebody else makes at every boot, and hugepages of which some are there from boot on."""
    world = make_world(root, hugepages=5)
    make_vfs(world.fake)
    world.others = lambda: make_vfs(world.fake)
    world.fake.faults.log.clear()
    return _without(world, (SetAutoprobe, SetNumVfs))


def guest_disk(root: Path) -> World:
    """A probe that stores on the guest's own disk and receives what the switch gives it: no registers, no guard."""
    world = _without(make_world(root, hugepages=5), (MakeRaid, *REGISTERS))
    kept = tuple(
        replace(s, xml=domain_xml(NAME, UUID, (VF,))) if isinstance(s, DefineDomain) else s
        for s in world.plan.steps
        if not (isinstance(s, BindDriver) and s.device == CONTROLLER)
    )
    request = replace(
        world.plan.request,
        storage=StorageRequest(mode="guest-disk"),
        network=replace(world.plan.request.network, receive="own"),
    )
    world.plan = replace(world.plan, steps=kept, request=request, controller=None)
    return world


def agent(root: Path) -> World:
    """A monitoring agent beside the VM that it watches; the card copies by filters."""
    return make_monitor_world(root)


def agent_with_mirror_rules(root: Path) -> World:
    """The same on a card with mirror rules."""
    return make_monitor_world(root, mirror_rules=True)


def whole_card(root: Path) -> World:
    """The whole card in the guest, captured by HPCAPvf from the card's own driver."""
    return make_whole_card_world(root, "hpcapvf")


def whole_card_tcpdump(root: Path) -> World:
    """The same, captured by tcpdump."""
    return make_whole_card_world(root, "tcpdump")


def dpdk_port(root: Path) -> World:
    """VFs that vfio-pci makes, of a PF that testpmd holds on the host."""
    return make_dpdk_world(root)


def dpdk_engine(root: Path) -> World:
    """The VF held and stored by DPDK in the guest."""
    world = make_world(root)
    world.plan = make_dpdk_engine_plan(world.plan)
    return world


CONFIGURATIONS: dict[str, Callable[[Path], World]] = {
    "probe": probe,
    "probe on existing VFs": probe_on_existing_vfs,
    "guest-disk": guest_disk,
    "agent": agent,
    "agent with mirror rules": agent_with_mirror_rules,
    "agent on the link": agent_on_the_link,
    "agent by the driver's files": agent_by_files,
    "agent by tc": agent_by_tc,
    "trusted VF": trusted_vf,
    "whole card": whole_card,
    "whole card, tcpdump": whole_card_tcpdump,
    "DPDK on the host": dpdk_port,
    "DPDK on the host sets the modes": modes_by_testpmd,
    "DPDK in the guest": dpdk_engine,
    "virtio disks": virtio,
    "NVMe VF": nvme_vf,
    "nothing stored": nothing_stored,
}


def _without(world: World, kinds: tuple[type[Step], ...]) -> World:
    world.plan = replace(world.plan, steps=tuple(s for s in world.plan.steps if not isinstance(s, kinds)))
    return world
