"""What holds of every plan and every refusal, for hosts and requests of all kinds."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hpcapvf.model.address import CpuSet, PciAddress
from hpcapvf.model.host import LOST, Deployed, DomainInfo, Host, HugepagePool, NumaNode
from hpcapvf.model.plan import Plan, Refusal, Unchanged
from hpcapvf.model.request import EngineRequest, Request
from hpcapvf.plan import plan_deployment
from hpcapvf.plan.advice import INDEPENDENT_CORES
from hpcapvf.plan.placement import HOST_RESERVE_MIB
from tests.factories import PF, RAID, make_host, make_request, replace_device, replace_interface, vf_at

SHA = "ab" * 32
EXAMPLES = 20_000


# One draw for a whole host, or the drawing would take longer than the planning.
DICE = st.integers(0, 1 << 64).map(random.Random)


@st.composite
def hosts(draw: st.DrawFn) -> Host:
    """Of one to four nodes; with other people's VMs and deployments; CPUs off, memory short, a card in use."""
    dice = draw(DICE)
    nodes, vfs = dice.randint(1, 4), dice.choice((0, 0, 1, 2, 4))
    host = make_host(
        nodes=nodes,
        cores_per_node=dice.randint(1, 8),
        threads_per_core=dice.choice((1, 1, 2)),
        memory_free_mib=dice.choice((0, 700, 1400, 3000, 8000, 8000, 8000)),
        free_pages=dice.choice((0, 0, 100, 512, 2048)),
        vfs=vfs,
        raid_node=dice.randrange(nodes),
        domains=tuple(_domain(number, dice, vfs) for number in range(dice.choice((0, 0, 1, 3)))),
        deployments=tuple(_deployed(number, dice) for number in range(dice.choice((0, 0, 1, 2)))),
        dpdk_available=dice.choice((True, False, None)),
    )
    if dice.random() < 0.3:
        host = dataclasses.replace(host, cpus=tuple(cpu for cpu in host.cpus if dice.random() < 0.7))
    host = dataclasses.replace(host, nodes=tuple(_node(node, dice) for node in host.nodes))
    bare = {node.index for node in host.nodes if not node.cpus}
    host = dataclasses.replace(host, cpus=tuple(cpu for cpu in host.cpus if cpu.node not in bare))
    host = replace_device(host, PF, numa_node=dice.choice((None, *range(nodes))))
    if dice.random() < 0.2:
        host = replace_interface(
            host, "ens5", **dice.choice(({"master": "br0"}, {"default_route": True}, {"up": True}))
        )
    if vfs and dice.random() < 0.3:
        group = dice.choice(("vf", "vf", "raid"))
        host = replace_device(host, vf_at(dice.randrange(vfs)), iommu_group=11 if group == "raid" else 30)
    return host


def _node(node: NumaNode, dice: random.Random) -> NumaNode:
    """Some have no memory, no CPUs, pages of 1 GiB, or do not say how much of what is free."""
    if dice.random() < 0.1:
        node = dataclasses.replace(node, memory_mib=0, memory_free_mib=0, hugepages=())
    if dice.random() < 0.1:
        node = dataclasses.replace(node, cpus=CpuSet())
    if dice.random() < 0.1:
        node = dataclasses.replace(node, memory_free_mib=None)
    big = HugepagePool(1 << 20, 4, dice.choice((None, 0, 1, 2, 4)))
    pools = tuple(big if pool.size_kib == big.size_kib else pool for pool in node.hugepages)
    return dataclasses.replace(node, hugepages=pools)


def _domain(number: int, dice: random.Random, vfs: int) -> DomainInfo:
    pinned = CpuSet.of(dice.sample(range(16), dice.randint(0, 6)))
    candidates = [*(vf_at(i) for i in range(vfs)), RAID]
    taken = tuple(sorted(dice.sample(candidates, dice.choice((0, 0, 1)))))
    return DomainInfo(f"vm{number}", f"uuid-{number}", dice.random() < 0.7, taken, pinned)


def _deployed(number: int, dice: random.Random) -> Deployed:
    name = "probe1" if number == 0 and dice.random() < 0.2 else f"other{number}"
    condition = dice.choice(("deployed", "incomplete", LOST))
    return Deployed(name, dice.choice((SHA, "cd" * 32)), condition, dice.choice((None, PF)))


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Of all modes, sizes and policies."""
    dice = draw(DICE)
    mode = dice.choice(("vf", "vf", "vf", "passthrough"))
    changes: dict[str, Any] = {
        "vcpus": dice.randint(2, 6),
        "memory_mib": dice.choice((512, 1024, 2048)),
        "policy": dice.choice(("share", "strict")),
        "receive": dice.choice(("all", "own")),
        "vfs": dice.randint(1, 4),
        "engine": EngineRequest(kind=dice.choice(("hpcapvf", "hpcapvf", "tcpdump", "dpdk"))),
        "controller": dice.choice((str(RAID), "auto")),
    }
    request = make_request(**changes)
    generator = dice.choice(("kernel", "kernel", "kernel", "dpdk")) if mode == "vf" else "kernel"
    network = dataclasses.replace(request.network, mode=mode, generator=generator)
    storage_mode = dice.choice(("passthrough", "virtio", "guest-disk", "none"))
    controller = request.storage.controller if storage_mode in ("passthrough", "virtio") else ""
    storage = dataclasses.replace(request.storage, mode=storage_mode, controller=controller)
    place = dataclasses.replace(request.placement, node=dice.choice((None, None, None, 0, 0, 1, 3)))
    if request.guest.memory_mib % 1024 == 0:  # a spec's memory is whole pages
        place = dataclasses.replace(place, hugepage_kib=dice.choice((2048, 2048, 1 << 20)))
    return dataclasses.replace(request, network=network, storage=storage, placement=place)


def shuffled(host: Host, dice: random.Random) -> Host:
    """The same host, told in another order."""

    def mixed(items: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(dice.sample(items, len(items)))

    names = ("cpus", "pci", "interfaces", "disks", "images", "deployments")
    domains = None if host.domains is None else mixed(host.domains)
    others: dict[str, Any] = {name: mixed(getattr(host, name)) for name in names}
    return dataclasses.replace(host, domains=domains, **others)


def check_placement(plan: Plan, host: Host) -> None:
    place = plan.placement
    node = next(n for n in host.nodes if n.index == place.node)
    online = {cpu.index for cpu in host.cpus if cpu.node == node.index}
    pins = [cpu for pins in place.vcpu_pins for cpu in pins.cpus]
    taken = {
        cpu for domain in host.domains or () for cpu in domain.pinned.cpus
    } & online  # nobody runs on one that is off
    assert set(pins) | set(place.emulator_pins.cpus) <= online
    assert len(pins) == plan.request.guest.vcpus
    assert place.polling_vcpu != place.reader_vcpu
    siblings = {cpu.index: cpu.siblings | CpuSet.of([cpu.index]) for cpu in host.cpus}
    cores = {siblings[cpu] for cpu in pins}
    own = len(cores) == len(pins) and not set(pins) & set(place.emulator_pins.cpus)
    own = own and not taken & {cpu for core in cores for cpu in core.cpus}
    assert own or any(warning.source == INDEPENDENT_CORES for warning in plan.warnings)
    assert own or plan.request.placement.policy == "share"


def check_memory(plan: Plan, host: Host) -> None:
    place = plan.placement
    node = next(n for n in host.nodes if n.index == place.node)
    pool = next(p for p in node.hugepages if p.size_kib == place.hugepage_kib)
    assert place.hugepages * place.hugepage_kib == plan.request.guest.memory_mib * 1024
    missing_mib = (place.hugepages - (pool.free or 0)) * place.hugepage_kib // 1024
    assert missing_mib <= 0 or place.hugepage_kib == 2048, "pages of 1 GiB come at boot only"
    if missing_mib > 0 and node.memory_free_mib is None:
        assert any("is not known" in warning.text for warning in plan.warnings)
    else:
        assert missing_mib <= 0 or missing_mib + HOST_RESERVE_MIB <= (node.memory_free_mib or 0)


def check_devices(plan: Plan, host: Host) -> None:
    taken = {address for domain in host.domains or () for address in domain.hostdevs}
    assert plan.function not in taken
    assert plan.controller is None or plan.controller not in taken
    whole = plan.request.network.mode == "passthrough"
    assert (plan.vf_index is None) == whole
    assert (plan.function == plan.pf) == whole
    sriov = next(d.sriov for d in host.pci if d.address == PF)
    if plan.vf_index is not None and sriov is not None and sriov.num_vfs:
        assert sriov.vfs[plan.vf_index] == plan.function
    assert len(plan.steps) == len(set(plan.steps))


def check_refusal(refusal: Refusal, host: Host) -> None:
    assert refusal.reasons
    for reason in refusal.reasons:
        assert reason.subject
        assert reason.why
    said = {str(reason.subject) for reason in refusal.reasons}
    if any("VFs is free" in reason.why for reason in refusal.reasons):
        vfs: tuple[PciAddress, ...] = next(d.sriov.vfs for d in host.pci if d.address == PF and d.sriov)
        assert {str(vf) for vf in vfs} <= said
    if any("that the host can spare" in reason.why for reason in refusal.reasons):
        assert str(RAID) in said


@given(host=hosts(), request=requests(), dice=DICE)
@settings(max_examples=EXAMPLES)
def test_every_answer_keeps_its_word(host: Host, request: Request, dice: random.Random) -> None:
    answer = plan_deployment(request, host, SHA)
    assert plan_deployment(request, shuffled(host, dice), SHA) == answer
    if isinstance(answer, Plan):
        check_placement(answer, host)
        check_memory(answer, host)
        check_devices(answer, host)
    elif isinstance(answer, Refusal):
        check_refusal(answer, host)
    else:
        assert isinstance(answer, Unchanged)
        assert any(d.name == "probe1" and d.spec_sha256 == SHA for d in host.deployments)
