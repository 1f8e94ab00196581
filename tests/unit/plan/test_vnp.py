"""A whole plan for the factory's host: its steps, their order, and that nothing depends on the order of the input."""

from __future__ import annotations

import dataclasses
import json
import random
from typing import Any

import pytest

from hpcapvf.model.address import CpuSet, PciAddress
from hpcapvf.model.codec import from_json, to_json
from hpcapvf.model.host import LOST, BlockDevice, Deployed, DomainInfo, Host, NetInterface, PciDevice
from hpcapvf.model.plan import Plan, Refusal, Unchanged
from hpcapvf.model.request import EngineRequest, Request
from hpcapvf.model.steps import HoldFunction, InstallDriver, ProgramReceiveAll, SetLink
from hpcapvf.plan import plan_deployment
from hpcapvf.plan.link import vf_address
from tests.factories import (
    PF,
    RAID,
    make_host,
    make_request,
    replace_device,
    replace_disk,
    replace_interface,
    vf_at,
)

SHA = "ab" * 32


def planned(host: Host | None = None, **request: Any) -> Plan:
    result = plan_deployment(make_request(**request), host or make_host(), SHA)
    assert isinstance(result, Plan), result
    return result


def kinds(plan: Plan) -> list[str]:
    return [step.kind for step in plan.steps]


def test_the_steps_and_their_order() -> None:
    assert kinds(planned()) == [
        "set-link",
        "set-pause",
        "set-offloads",
        "set-autoprobe",
        "set-numvfs",
        "set-vf-mac",
        "reserve-hugepages",
        "bind-driver",
        "bind-driver",
        "start-network",
        "make-disk",
        "make-seed",
        "define-domain",
        "start-domain",
        "wait-guest",
        "keep-clock",
        "install-driver",
        "program-receive-all",
        "start-guard",
        "make-raid",
        "start-capture",
    ]


def test_the_steps_of_a_whole_card() -> None:
    plan = planned(mode="passthrough")
    assert kinds(plan)[:4] == ["set-link", "reserve-hugepages", "bind-driver", "bind-driver"]
    assert kinds(plan)[-3:] == ["install-driver", "make-raid", "start-capture"]
    assert (plan.function, plan.vf_index, plan.function_name) == (PF, None, "whole card")
    install = next(s for s in plan.steps if isinstance(s, InstallDriver))
    assert (install.vendor, install.device, install.by_interface) == (0x8086, 0x10C9, True)
    assert plan.steps[0] == SetLink("ens5", up=False)


def test_a_whole_card_of_an_unknown_family_will_do() -> None:
    host = replace_device(make_host(), PF, vendor=0x14E4, device=0x1750, sriov=None)
    assert planned(host, mode="passthrough").family == ""


def test_tcpdump_shakes_hands_before_registers_are_set() -> None:
    order = kinds(planned(engine=EngineRequest(kind="tcpdump")))
    assert order[order.index("wait-guest") :] == [
        "wait-guest", "keep-clock", "use-interface", "make-raid", "start-capture", "program-receive-all", "start-guard",
    ]  # fmt: skip


def test_dpdk_holds_the_function_before_anything_is_captured() -> None:
    plan = planned(engine=EngineRequest(kind="dpdk", ring_mib=100))
    order = kinds(plan)
    assert order[order.index("wait-guest") :] == [
        "wait-guest", "keep-clock", "hold-function", "program-receive-all", "start-guard", "make-raid", "start-capture",
    ]  # fmt: skip
    hold = next(s for s in plan.steps if isinstance(s, HoldFunction))
    assert (hold.polling_cpu, hold.memory_mib) == (plan.placement.polling_vcpu, 164)


def test_a_second_probe_of_a_card_leaves_the_default_pool_to_the_first() -> None:
    first = Deployed("probe0", SHA, "deployed", PF)
    plan = planned(make_host(vfs=2, deployments=(first,)))
    step = next(s for s in plan.steps if isinstance(s, ProgramReceiveAll))
    assert step.default_pool is False
    assert any("probe0 receives everything from this card as well" in w.text for w in plan.warnings)
    alone = planned(make_host(vfs=2, deployments=(dataclasses.replace(first, condition=LOST),)))
    assert next(s for s in alone.steps if isinstance(s, ProgramReceiveAll)).default_pool is True


def test_what_cannot_be_undone_comes_after_all_that_may_fail() -> None:
    steps = planned().steps
    first = next(i for i, step in enumerate(steps) if not step.reversible)
    assert [s.kind for s in steps[first:]] == ["make-raid", "start-capture"]


def test_receive_own_touches_no_register() -> None:
    plan = planned(receive="own")
    assert not {"program-receive-all", "start-guard"} & set(kinds(plan))
    assert plan.warnings == ()


def test_existing_vfs_are_used_and_their_number_is_left_alone() -> None:
    plan = planned(make_host(vfs=3))
    assert not {"set-autoprobe", "set-numvfs"} & set(kinds(plan))
    assert (plan.function, plan.vf_index) == (vf_at(0), 0)


def told(plan: Plan, words: str) -> str:
    """The one warning with these words."""
    (found,) = [w.text for w in plan.warnings if words in w.text]
    return found


def test_vfs_of_somebody_else_are_said_to_stay() -> None:
    text = told(planned(make_host(vfs=3)), "VF(s) already")
    assert "ens5 has 3 VF(s) already, which were made by somebody else" in text
    assert "neither changes nor removes the VFs" in text and "after a reboot they must be there again" in text
    assert not [w for w in planned().warnings if "VF(s) already" in w.text]


def test_vfs_of_another_deployment_say_who_goes_last() -> None:
    maker = Deployed("probe0", SHA, "deployed", makes_vfs_pf=PF)
    text = told(planned(make_host(vfs=3, deployments=(maker,))), "VF(s) already")
    assert "made by deployment probe0" in text and "probe0 cannot be destroyed before probe1" in text
    for other in (dataclasses.replace(maker, condition=LOST), dataclasses.replace(maker, makes_vfs_pf=RAID)):
        assert "made by somebody else" in told(planned(make_host(vfs=3, deployments=(other,))), "VF(s) already")


@pytest.mark.parametrize(
    ("engine", "figures"),
    [
        ("hpcapvf", ("74.3 to 44.1 %", "100 to 82.7 %")),
        ("dpdk", ("100 to 50.8 %", "100 to 83.0 %")),
        ("tcpdump", ("at 1 %", "34.2 to 14.8 %")),
    ],
)
@pytest.mark.parametrize("second", [True, False])
def test_what_a_second_vf_costs_is_in_the_plan(engine: str, figures: tuple[str, ...], second: bool) -> None:
    """Figure 6.4, for a second probe and for other VFs that get frames of their own."""
    first = (Deployed("probe0", SHA, "deployed", PF),) if second else ()
    plan = planned(make_host(vfs=2, deployments=first), engine=EngineRequest(kind=engine))
    (cost,) = [w for w in plan.warnings if "figure 6.4" in w.source]
    assert all(figure in cost.text for figure in figures)
    assert ("probe0 receives everything" in cost.text) is second


def test_the_plan_says_who_gets_what() -> None:
    plan = planned(vcpus=3, pf=str(PF))
    assert (plan.pf, plan.pf_interface, plan.family, plan.controller) == (PF, "ens5", "82576", RAID)
    assert plan.function == PciAddress.parse("0000:21:10.0")
    assert plan.placement.node == 0
    assert plan.placement.vcpu_pins == tuple(CpuSet.of([c]) for c in (1, 2, 3))
    assert plan.placement.emulator_pins == CpuSet.of([0])
    assert (plan.placement.polling_vcpu, plan.placement.reader_vcpu) == (2, 1)
    assert (plan.placement.hugepage_kib, plan.placement.hugepages) == (2048, 512)
    assert plan.domain_type == "kvm"
    assert len(plan.never_seen) == 3


def test_names_give_the_same_macs_and_uuid_and_other_names_others() -> None:
    one, again, other = planned(), planned(vcpus=3), planned(name="probe2")
    there = planned(make_host(hostname="elsewhere"))
    identity = [(p.function_mac, p.management_mac, p.domain_uuid) for p in (one, other, there)]
    assert (again.function_mac, again.management_mac, again.domain_uuid) == identity[0]
    assert len({x for three in identity for x in three}) == 9


def test_a_plan_survives_the_codec() -> None:
    plan = planned()
    assert from_json(Plan, json.loads(json.dumps(to_json(plan)))) == plan


@pytest.mark.parametrize("seed", range(20))
def test_the_order_of_the_input_does_not_matter(seed: int) -> None:
    """Also where there is a choice to make or a refusal to explain."""
    order = random.Random(seed)  # noqa: S311 (not for secrets)
    requests = [make_request(), make_request(controller="auto", vcpus=8), make_request(pf="ens4", node=1, image="/x")]
    hosts = [make_host(vfs=4, threads_per_core=2), make_host(cores_per_node=2, raid_node=1), crowded_host()]
    for request in requests:
        for host in hosts:
            assert plan_deployment(request, shuffled(host, order), "other") == plan_deployment(request, host, "other")


def crowded_host() -> Host:
    """Several of everything that a planner might pick the first of."""
    host = replace_interface(replace_disk(make_host(vfs=2), "sda", in_use=("swap",)), "ens5", master="br0")
    second = PciDevice(PciAddress.parse("0000:23:00.0"), 0x1000, 0x0079, 0x010400, "megaraid_sas", 1, "numa_node", 40)
    uuid = "11111111-2222-3333-4444-555555555555"
    return dataclasses.replace(
        host,
        pci=(*host.pci, second),
        interfaces=(*host.interfaces, NetInterface("ens5b", PF, None, False, False, master="br1")),
        disks=(*host.disks, *(BlockDevice(f"sd{c}", 1, second.address, in_use=("swap",) * (c > "f")) for c in "efgh")),
        domains=tuple(
            DomainInfo(name, uuid, True, (vf_at(0), vf_at(1)), CpuSet.of([n])) for n, name in enumerate("abc")
        ),
        deployments=tuple(Deployed(name, SHA, "deployed", PF) for name in ("probe1", "probe2", "probe3")),
    )


def shuffled(host: Host, order: random.Random) -> Host:
    names = ("nodes", "cpus", "pci", "interfaces", "disks", "domains", "images", "deployments")
    changed: dict[str, Any] = {}
    for name in names:
        values = list(getattr(host, name) or ())
        order.shuffle(values)
        changed[name] = tuple(values)
    return dataclasses.replace(host, **changed)


@pytest.mark.parametrize(
    ("pf", "offset", "stride", "index", "vf"),
    [
        ("0000:21:00.0", 0x80, 2, 0, "0000:21:10.0"),
        ("0000:21:00.0", 0x80, 2, 3, "0000:21:10.6"),
        ("0000:21:00.1", 0x80, 2, 4, "0000:21:11.1"),
        ("0000:03:00.0", 0x180, 4, 0, "0000:04:10.0"),
        ("0001:fe:1f.7", 1, 1, 0, "0001:ff:00.0"),
    ],
)
def test_where_a_vf_will_appear(pf: str, offset: int, stride: int, index: int, vf: str) -> None:
    assert vf_address(PciAddress.parse(pf), offset, stride, index) == PciAddress.parse(vf)


def test_figures_of_10_gigabit_cards_are_not_quoted_for_slower_ones() -> None:
    assert not any("36.3" in a.text for a in planned().warnings)
    host = replace_device(make_host(), PF, device=0x10FB)
    advice = [a for a in planned(host, receive="own").warnings if "36.3 %" in a.text and "82.7 %" in a.text]
    assert [a.source for a in advice] == ["thesis section 6.2.4, table 6.3"]


@pytest.mark.parametrize("device", [0x10FB, 0x1528, 0x1563, 0x15AD, 0x15C4])
def test_receive_all_on_a_10_gigabit_card_is_planned_and_said_to_be_unproven(device: int) -> None:
    plan = planned(replace_device(make_host(), PF, device=device))
    (step,) = (s for s in plan.steps if isinstance(s, ProgramReceiveAll))
    assert step.family == plan.family
    assert [a.text for a in plan.warnings if f"unproven on an {plan.family}" in a.text]


def test_every_warning_names_its_source() -> None:
    host = make_host(vfs=2, raid_node=1, cores_per_node=2, kvm_available=False, iomem_strict=None, domains=None)
    warnings = planned(host, vcpus=4).warnings
    assert all(a.text and a.source for a in warnings)
    for said in ("software emulation", "iomem=relaxed", "libvirt", "other VF", "controller 0000:22:00.0", "share CPUs"):
        assert any(said in a.text for a in warnings), said


def test_without_kvm_the_domain_is_emulated() -> None:
    assert planned(make_host(kvm_available=False)).domain_type == "qemu"


def test_a_second_run_of_the_same_spec_changes_nothing() -> None:
    host = make_host(deployments=(Deployed("probe1", SHA, "deployed"),))
    assert plan_deployment(make_request(), host, SHA) == Unchanged("probe1", "deployed")


def without(what: str, *nodes: int) -> Host:
    """A host with four nodes, each farther from node 0 than the one before, some of which lack CPUs or memory."""
    host = make_host(nodes=4, memory_free_mib=6000)
    if what == "CPUs":
        return dataclasses.replace(host, cpus=tuple(c for c in host.cpus if c.node not in nodes))
    changed = (dataclasses.replace(n, memory_mib=0) if n.index in nodes else n for n in host.nodes)
    return dataclasses.replace(host, nodes=tuple(changed))


@pytest.mark.parametrize("what", ["CPUs", "memory"])
def test_a_card_on_a_node_that_can_hold_no_guest_has_it_on_the_nearest_that_can(what: str) -> None:
    assert planned(without(what, 1, 2)).placement.node == 0  # the card's own
    plan = planned(without(what, 0, 1))
    assert plan.placement.node == 2
    told = " ".join(w.text for w in plan.warnings)
    assert f"on node 0, which has no {what} online: the guest is placed on node 2" in told


@pytest.mark.parametrize(("changes", "nodes"), [({"policy": "strict"}, (0,)), ({"node": 0}, (0,)), ({}, (0, 1, 2, 3))])
def test_no_other_node_is_taken_if_the_spec_forbids_it_or_none_can(
    changes: dict[str, Any], nodes: tuple[int, ...]
) -> None:
    verdict = plan_deployment(make_request(**changes), without("memory", *nodes), SHA)
    assert isinstance(verdict, Refusal)
    assert ("node 0", "has no memory") in [(r.subject, r.why) for r in verdict.reasons]


def test_the_engine_does_not_change_the_placement() -> None:
    spin = planned(engine=EngineRequest(idle="spin", ring_mib=128))
    assert spin.placement == planned().placement


@pytest.mark.parametrize("missing", ["nodes", "cpus", "pci", "interfaces", "disks"])
def test_a_host_that_says_little_is_refused_with_reasons(missing: str) -> None:
    changes: dict[str, Any] = {missing: ()}
    result = plan_deployment(make_request(), dataclasses.replace(make_host(), **changes), SHA)
    if missing == "disks":  # a controller without visible disks may be on vfio-pci already
        assert isinstance(result, Plan)
        return
    assert isinstance(result, Refusal)
    assert all(r.subject and r.why for r in result.reasons)


def test_an_empty_host_is_refused_without_a_traceback() -> None:
    empty = Host(None, None, None, None, None, None, (), (), ())
    for request in (make_request(), make_request(controller="auto", node=3, receive="own"), bare_request()):
        assert isinstance(plan_deployment(request, empty, SHA), Refusal)


def bare_request() -> Request:
    return make_request(pf=str(PF), image="/nowhere")
