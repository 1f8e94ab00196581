"""Where the guest lives: its NUMA node, host CPUs and hugepages."""

from __future__ import annotations

import dataclasses

from hpcapvf.model.address import CpuSet
from hpcapvf.model.errors import ExitCode
from hpcapvf.model.host import Host, HugepagePool, NumaNode, PciDevice
from hpcapvf.model.plan import Advice, Placement
from hpcapvf.model.request import Request
from hpcapvf.plan import advice
from hpcapvf.plan.choice import Choice, Objection, objection
from hpcapvf.plan.cores import choose_cores, has_free_cpus
from hpcapvf.plan.mirror_share import monitor_near
from hpcapvf.plan.quiet import quiet_advice

# Kept free on the node when hugepages are taken from it, so that the host itself does not run dry.
HOST_RESERVE_MIB = 256
_GIB_PAGE_KIB = 1048576


def choose_placement(request: Request, host: Host, pf: PciDevice | None) -> Choice[Placement]:
    """Node, pins and hugepages for the guest; the card's node unless the spec names another."""
    node_choice = _choose_node(request, host, pf)
    node = node_choice.value
    if node is None:
        return Choice(None, node_choice.objections, node_choice.advice)
    wish, io_thread = request.placement, request.storage.mode == "virtio"
    cores = choose_cores(host, node.index, request.guest.vcpus, wish.policy, io_thread=io_thread)
    size_kib = wish.hugepage_kib
    pages = request.guest.memory_mib * 1024 // size_kib
    against, notes = _check_hugepages(pages, size_kib, node)
    objections = (*cores.objections, *against)
    all_advice = (*node_choice.advice, *cores.advice, *notes)
    if objections or cores.value is None:
        return Choice(None, objections, all_advice)
    use = cores.value
    placement = Placement(
        node=node.index,
        vcpu_pins=tuple(CpuSet.of([cpu]) for cpu in use.vcpu_pins),
        emulator_pins=use.emulator_pins,
        polling_vcpu=use.polling_vcpu,
        reader_vcpu=use.reader_vcpu,
        hugepage_kib=size_kib,
        hugepages=pages,
        io_pins=use.io_pins,
    )
    return Choice(placement, (), (*all_advice, *quiet_advice(placement, host)))


def choose_shared_placement(request: Request, host: Host, pf: PciDevice | None) -> Choice[Placement]:
    """A place for a guest beside others: the node nearest to the card that has cores of its own for it, else the
    nearest with CPUs that no other guest has, else the nearest at all. ``Placement.why`` says why. The card's node
    comes last when two or more watched VMs are pinned to it (thesis table 6.6). The spec's ``placement.side`` leaves
    only the card's node or only the others, and ``placement.node`` decides alone."""
    if request.placement.node is not None or pf is None or pf.numa_node is None:
        return choose_placement(request, host, pf)
    card_node = next((n for n in host.nodes if n.index == pf.numa_node), None)
    nodes, side = _by_distance(host, card_node) if card_node else [], request.placement.side
    watched_near = _watched_on(request, host, pf.numa_node)
    leaves_card = side == "auto" and not monitor_near(watched_near)
    if side != "auto":
        nodes = nodes[:1] if side == "near" else nodes[1:]
    elif leaves_card:
        nodes = [*nodes[1:], *nodes[:1]]
    if not nodes and card_node and side == "far":
        why, hint = "is the only node: no agent can be far from the card", "leave out placement.side"
        return Choice(None, (objection(ExitCode.REFUSED, f"node {card_node.index}", why, hint),))
    policies = ["strict"] if request.placement.policy == "strict" else ["strict", "share"]
    refused: list[Objection] = []
    for policy in policies:
        if policy == "share":  # a CPU that only the host uses is better than one that another guest polls on
            nodes.sort(key=lambda node: not has_free_cpus(host, node.index, request.guest.vcpus))
        for node in nodes:
            wish = dataclasses.replace(request.placement, policy=policy, node=node.index)
            choice = choose_placement(dataclasses.replace(request, placement=wish), host, pf)
            if choice.value is not None:
                why = _why_node(node, pf.numa_node, refused, shares=policy == "share")
                why += f"; placement.side: {side}" if side != "auto" else ""
                if leaves_card and node.index != pf.numa_node:
                    why += f"; {watched_near} watched VMs are pinned to the card's node (thesis table 6.6)"
                return dataclasses.replace(choice, value=dataclasses.replace(choice.value, why=why))
            refused += choice.objections
    return Choice(None, tuple(refused)) if refused else choose_placement(request, host, pf)


def _watched_on(request: Request, host: Host, node: int) -> int:
    """How many watched VMs are pinned to a node and nowhere else; one that is not pinned may run anywhere."""
    cpus = {cpu.index for cpu in host.cpus if cpu.node == node}
    pinned = [set(d.pinned) for d in host.domains or () if d.name in request.watch]
    return sum(1 for places in pinned if places and places <= cpus)


def _by_distance(host: Host, card_node: NumaNode) -> list[NumaNode]:
    """The card's node, then the others from near to far."""
    order = {node.index: place for place, node in enumerate(host.nodes)}

    def distance(node: NumaNode) -> tuple[bool, int, int]:
        place = order[node.index]
        known = card_node.distances[place] if place < len(card_node.distances) else 0
        return node.index != card_node.index, known, node.index

    return sorted(host.nodes, key=distance)


def _why_node(node: NumaNode, card_node: int, refused: list[Objection], *, shares: bool) -> str:
    where = "the card's node" if node.index == card_node else "not the card's node"
    how = "no node has cores to itself for it" if shares else "it has cores to itself there"
    others = "; ".join(dict.fromkeys(f"{o.reason.subject} {o.reason.why}" for o in refused))
    return f"{where}, {how}" + (f" ({others})" if others else "")


def controller_advice(controller: PciDevice | None, placement: Placement) -> tuple[Advice, ...]:
    """A warning if the storage controller is not beside the guest."""
    if controller is None or controller.numa_node is None or controller.numa_node == placement.node:
        return ()
    return (advice.controller_on_other_node(controller.address, controller.numa_node, placement.node),)


def _choose_node(request: Request, host: Host, pf: PciDevice | None) -> Choice[NumaNode]:
    by_index = {n.index: n for n in host.nodes}
    listed = ", ".join(str(n) for n in sorted(by_index)) or "none"
    wanted = request.placement.node
    card_node = pf.numa_node if pf else None
    if wanted is not None:
        if wanted not in by_index:
            why = "no such NUMA node"
            hint = f"nodes of this host: {listed}"
            return Choice(None, (objection(ExitCode.NOT_FOUND, f"node {wanted}", why, hint),))
        notes = () if card_node in (None, wanted) else (advice.card_on_other_node(wanted, card_node or 0),)
        return Choice(by_index[wanted], (), notes)
    if card_node is not None and card_node in by_index:
        return _usable(by_index[card_node], request, host)
    if pf is None:
        return Choice(None)  # the missing card is said elsewhere
    if len(by_index) == 1:
        return Choice(next(iter(by_index.values())))
    why = "the host does not say which NUMA node it is on" if card_node is None else f"its node {card_node} is offline"
    return Choice(None, (objection(ExitCode.REFUSED, pf.address, why, f"set placement.node (one of {listed})"),))


def _usable(card_node: NumaNode, request: Request, host: Host) -> Choice[NumaNode]:
    """The card's node; the nearest other one if that has no CPUs or no memory at all, unless the spec is strict."""
    lacks = _lacks(card_node, host)
    others = [n for n in _by_distance(host, card_node) if not _lacks(n, host)]
    if not lacks or not others or request.placement.policy == "strict":
        return Choice(card_node)
    return Choice(others[0], (), (advice.card_node_unusable(card_node.index, lacks, others[0].index),))


def _lacks(node: NumaNode, host: Host) -> str:
    """What a guest needs and the node has nothing of; empty if it has some of all."""
    cpus = any(cpu.node == node.index for cpu in host.cpus)
    lacking = [what for what, there in (("CPUs", cpus), ("memory", node.memory_mib != 0)) if not there]
    return " and ".join(lacking)


def _hugepage_pool(size_kib: int, node: NumaNode) -> Choice[HugepagePool]:
    subject = f"node {node.index}"
    if node.memory_mib == 0:
        return Choice(None, (objection(ExitCode.REFUSED, subject, "has no memory", "set placement.node"),))
    for pool in node.hugepages:
        if pool.size_kib == size_kib:
            return Choice(pool)
    sizes = ", ".join(f"{p.size_kib} KiB" for p in sorted(node.hugepages, key=lambda p: p.size_kib)) or "none"
    why = f"has no hugepages of {size_kib} KiB (sizes there: {sizes})"
    return Choice(None, (objection(ExitCode.NOT_CAPABLE, subject, why, "set placement.hugepage_kib"),))


def _check_hugepages(needed: int, size_kib: int, node: NumaNode) -> tuple[tuple[Objection, ...], tuple[Advice, ...]]:
    """Whether the node has, or can make, the pages."""
    subject = f"node {node.index}"
    choice = _hugepage_pool(size_kib, node)
    pool = choice.value
    if pool is None:
        return choice.objections, ()
    free = pool.free if pool.free is not None else 0
    if free >= needed:
        return (), ()
    if size_kib == _GIB_PAGE_KIB:
        return (_gib_pages(subject, needed, pool),), ()
    missing_mib = (needed - free) * size_kib // 1024
    if node.memory_free_mib is None:
        text = f"whether node {node.index} has {missing_mib} MiB left for hugepages is not known"
        return (), (advice.unknown(text),)
    if missing_mib + HOST_RESERVE_MIB <= node.memory_free_mib:
        return (), ()
    why = (
        f"too few hugepages: {needed} of {size_kib} KiB needed, {free} free; its {node.memory_free_mib} MiB of free "
        f"memory cannot give the missing {missing_mib} MiB and leave {HOST_RESERVE_MIB} MiB to the host"
    )
    hint = f"lower guest.memory_mib, free memory on the node, or boot with hugepagesz={size_kib // 1024}M hugepages=N"
    return (objection(ExitCode.REFUSED, subject, why, hint),), ()


def _gib_pages(subject: str, needed: int, pool: HugepagePool) -> Objection:
    why = f"too few hugepages: {needed} of 1 GiB needed, {pool.free or 0} free of {pool.total}; they come at boot only"
    hint = f"boot with hugepagesz=1G hugepages=N (at least {needed} on this node), or use placement.hugepage_kib: 2048"
    return objection(ExitCode.REFUSED, subject, why, hint)
