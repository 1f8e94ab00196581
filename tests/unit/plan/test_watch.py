"""A plan of an agent that watches running VMs, and every reason why there is none."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from hpcapvf.model.address import CpuSet, PciAddress
from hpcapvf.model.codec import from_json, to_json
from hpcapvf.model.errors import ExitCode
from hpcapvf.model.host import Deployed, DomainInfo, Host, PciDevice, Sriov
from hpcapvf.model.plan import Plan, Refusal
from hpcapvf.model.steps import InstallDriver, ReplicateTraffic, SetVfMac, StartCapture, WatchedVf
from hpcapvf.plan import plan_deployment
from tests.factories import (
    GUEST_DISK,
    PF,
    RAID,
    WEB1,
    make_host,
    make_request,
    replace_device,
    replace_interface,
    vf_at,
)

SHA = "ab" * 32
OTHER_PF, OTHER_VF = PciAddress.parse("0000:31:00.0"), PciAddress.parse("0000:31:10.0")


def host_with(*domains: DomainInfo, **changes: Any) -> Host:
    """The factory's host with two VFs, one of which web1 runs with."""
    facts: dict[str, Any] = {"vfs": 2, "domains": domains or (WEB1,)} | changes
    return make_host(**facts)


def ask(host: Host, watch: tuple[str, ...] = ("web1",), **request: Any) -> Any:
    wish = {"receive": "own", "storage": GUEST_DISK, "watch": watch} | request
    return plan_deployment(make_request(**wish), host, SHA)


def planned(host: Host | None = None, **request: Any) -> Plan:
    result = ask(host or host_with(), **request)
    assert isinstance(result, Plan), result
    return result


def refused(host: Host, **request: Any) -> tuple[ExitCode, str, str, str]:
    result = ask(host, **request)
    assert isinstance(result, Refusal), result
    assert len(result.reasons) == 1, result.reasons
    (reason,) = result.reasons
    return result.code, reason.subject, reason.why, reason.hint


def other_card(host: Host) -> Host:
    """A second card with one VF."""
    sriov = Sriov(7, 1, offset=0x80, stride=2, autoprobe=True, vfs=(OTHER_VF,))
    return dataclasses.replace(
        host,
        pci=(
            *host.pci,
            PciDevice(OTHER_PF, 0x8086, 0x10C9, 0x020000, "igb", 0, "numa_node", 50, sriov),
            PciDevice(OTHER_VF, 0x8086, 0x10CA, 0x020000, None, 0, "numa_node", 51, physfn=OTHER_PF),
        ),
    )


def test_the_steps_and_their_order() -> None:
    assert [step.kind for step in planned().steps] == [
        "set-link",
        "set-vf-mac",
        "reserve-hugepages",
        "bind-driver",
        "start-network",
        "make-disk",
        "make-seed",
        "define-domain",
        "start-domain",
        "wait-guest",
        "keep-clock",
        "install-driver",
        "start-capture",
        "prepare-end",
        "replicate-traffic",
        "start-guard",
    ]


def test_it_takes_the_free_vf_and_copies_the_watched_one() -> None:
    plan = planned()
    assert (plan.function, plan.vf_index, plan.controller) == (vf_at(1), 1, None)
    (step,) = (s for s in plan.steps if isinstance(s, ReplicateTraffic))
    assert step == ReplicateTraffic(PF, "82576", 1, plan.function_mac, (WatchedVf("web1", vf_at(0), 0),))
    assert SetVfMac("ens5", 1, plan.function_mac) in plan.steps
    (capture,) = (s for s in plan.steps if isinstance(s, StartCapture))
    assert capture.directory == "/srv/capture"
    assert from_json(Plan, to_json(plan)) == plan


def test_several_vms_and_several_vfs_of_one_are_watched() -> None:
    domains = (dataclasses.replace(WEB1, hostdevs=(vf_at(0), vf_at(2))), DomainInfo("db1", "u", True, (vf_at(1),)))
    plan = planned(host_with(*domains, vfs=4), watch=("web1", "db1"))
    (step,) = (s for s in plan.steps if isinstance(s, ReplicateTraffic))
    assert [(w.domain, w.pool) for w in step.watched] == [("web1", 0), ("web1", 2), ("db1", 1)]
    assert plan.vf_index == 3


def test_an_agent_may_take_a_controller() -> None:
    plan = planned(storage=make_request().storage)
    kinds = [s.kind for s in plan.steps]
    assert plan.controller == RAID
    assert kinds[-6:-3] == ["install-driver", "make-raid", "start-capture"]
    assert kinds[-3:] == ["prepare-end", "replicate-traffic", "start-guard"]


def test_the_card_may_carry_the_hosts_own_network() -> None:
    """Only bits of the new guest's pool are written, unlike for a probe."""
    planned(replace_interface(host_with(), "ens5", default_route=True, master="br0"))


def test_watching_a_probe_is_warned_of() -> None:
    deployed = (Deployed("web1", SHA, "deployed", receive_all_pf=PF),)
    texts = [a.text for a in planned(host_with(deployments=deployed)).warnings]
    assert any("web1 receives everything" in text for text in texts)
    assert not any("receives everything" in a.text for a in planned().warnings)
    assert any("copied inside the card" in a.text for a in planned().warnings)


REFUSALS: dict[str, tuple[Host, dict[str, Any], ExitCode, str, str, str]] = {
    "does not exist": (
        host_with(), {"watch": ("db1",)}, ExitCode.NOT_FOUND, "db1", "no such VM to watch", "run here: web1",
    ),
    "off": (
        host_with(dataclasses.replace(WEB1, running=False)), {}, ExitCode.REFUSED, "web1", "is off", "virsh start web1",
    ),
    "no VF": (
        host_with(dataclasses.replace(WEB1, hostdevs=(RAID,))), {}, ExitCode.REFUSED, "web1",
        f"has no virtual function (PCI functions it holds: {RAID})", "give it a VF",
    ),
    "another card": (
        other_card(host_with(dataclasses.replace(WEB1, hostdevs=(OTHER_VF,)))), {}, ExitCode.REFUSED, "web1",
        f"is on another card: it holds VF {OTHER_VF} of {OTHER_PF}", f"set network.pf: {OTHER_PF}",
    ),
    "libvirt silent": (
        make_host(vfs=2, domains=None), {}, ExitCode.NOT_CAPABLE, "libvirt", "could not be asked", "systemctl start",
    ),
    "strict device memory": (
        host_with(iomem_strict=True), {}, ExitCode.REGISTER_REFUSED, "resource0", "IO_STRICT_DEVMEM", "iomem=relaxed",
    ),
    "lockdown": (
        host_with(lockdown="integrity"), {}, ExitCode.REGISTER_REFUSED, "resource0", "lockdown", "lockdown=",
    ),
    "unknown card": (
        replace_device(host_with(), PF, device=0xFFFE), {}, ExitCode.NOT_CAPABLE, str(PF), "of no family", "",
    ),
    "name taken": (
        host_with(deployments=(Deployed("probe1", "cd" * 32, "deployed"),)), {}, ExitCode.CONFLICT, "probe1",
        "deployed already, from a different spec", "hpcapvf destroy probe1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_each_refusal_says_who_why_and_what_helps(name: str) -> None:
    host, request, code, subject, why, hint = REFUSALS[name]
    found = refused(host, **request)
    assert (found[0], found[1]) == (code, subject)
    assert why in found[2]
    assert hint in found[3]


def test_own_hints_never_offer_receive_own() -> None:
    assert "receive: own" not in refused(host_with(iomem_strict=True))[3]
    on_i40e = ask(replace_device(host_with(), PF, device=0x1572))
    assert isinstance(on_i40e, Refusal)
    first = on_i40e.reasons[0]
    assert first.subject == f"{PF}: mirror rules"
    assert "the registers of this family are not guessed at" in first.why
    assert not [r for r in on_i40e.reasons if "receive: own" in r.hint]


def test_no_free_vf_names_who_has_them() -> None:
    result = ask(host_with(vfs=1))
    assert isinstance(result, Refusal)
    assert result.code == ExitCode.REFUSED
    assert [r.why for r in result.reasons] == ["none of its 1 VFs is free", "belongs to domain web1, which runs"]


def test_every_vm_that_cannot_be_watched_is_named() -> None:
    result = ask(host_with(dataclasses.replace(WEB1, running=False)), watch=("web1", "db1"))
    assert isinstance(result, Refusal)
    assert [r.subject for r in result.reasons] == ["web1", "db1"]
    assert result.code == ExitCode.NOT_FOUND


def test_a_vf_without_a_number_is_refused() -> None:
    host = host_with()
    sriov = dataclasses.replace(host.device(PF).sriov, vfs=(vf_at(1),))  # type: ignore[union-attr, type-var]
    code, subject, why, _ = refused(replace_device(host, PF, sriov=sriov))
    assert (code, subject) == (ExitCode.NOT_CAPABLE, "web1")
    assert "does not say which number" in why


def test_a_vf_is_watched_by_its_number_whoever_has_it() -> None:
    host = host_with(vfs=3)
    plan = planned(host, watch=("ens5|vf1",))
    (step,) = [s for s in plan.steps if isinstance(s, ReplicateTraffic)]
    assert step.watched == (WatchedVf("ens5|vf1", vf_at(1), 1),)
    assert plan.vf_index == 2  # VF 0 is web1's, VF 1 is watched
    both = planned(host, watch=("web1", f"{PF}|vf1"))
    assert [w.pool for s in both.steps if isinstance(s, ReplicateTraffic) for w in s.watched] == [0, 1]


@pytest.mark.parametrize(
    ("watch", "code", "subject", "why"),
    [
        (("ens5|vf7",), ExitCode.NOT_FOUND, "ens5|vf7", "is not there: 0000:21:00.0 has 2 VFs"),
        (("ens9|vf0",), ExitCode.NOT_FOUND, "ens9", "no such"),
        ((f"{OTHER_PF}|vf0",), ExitCode.REFUSED, f"{OTHER_PF}|vf0", "is on another card"),
        (("web1", "ens5|vf0"), ExitCode.REFUSED, str(vf_at(0)), "is watched twice: as web1 and as ens5|vf0"),
    ],
)
def test_a_vf_that_cannot_be_watched(watch: tuple[str, ...], code: ExitCode, subject: str, why: str) -> None:
    found = refused(other_card(host_with()), watch=watch)
    assert found[:2] == (code, subject)
    assert why in found[2]


def test_the_agents_own_vf_is_not_one_that_it_watches() -> None:
    found = refused(host_with(vfs=3), watch=("ens5|vf1",), pf="ens5|vf1")
    assert found[2] == "its VF 1 is watched: an agent has another of its own"


def pinned(*cpus: int) -> DomainInfo:
    return dataclasses.replace(WEB1, pinned=CpuSet.of(cpus))


def test_the_cards_node_is_taken_if_it_has_cores_to_spare() -> None:
    place = planned().placement
    assert place.node == 0
    assert place.why == "the card's node, it has cores to itself there"


def test_else_the_next_node_and_the_plan_says_why() -> None:
    place = planned(host_with(pinned(1, 2, 3, 4))).placement
    assert place.node == 1
    assert place.why.startswith("not the card's node, it has cores to itself there (node 0 needs 3 free physical cores")
    texts = [a.text for a in planned(host_with(pinned(1, 2, 3, 4))).warnings]
    assert any("every frame crosses the nodes" in text for text in texts)


def watching(*places: tuple[int, ...]) -> tuple[Host, tuple[str, ...]]:
    """A host whose VMs are pinned to these CPUs, and their names."""
    names = tuple(f"vm{i}" for i in range(len(places)))
    domains = (DomainInfo(name, name, True, (vf_at(i),), CpuSet.of(places[i])) for i, name in enumerate(names))
    return host_with(*domains, vfs=len(places) + 1), names


def test_two_watched_vms_on_the_cards_node_send_the_agent_to_the_far_one() -> None:
    near = [cpu.index for cpu in host_with().cpus if cpu.node == 0]
    far = [cpu.index for cpu in host_with().cpus if cpu.node == 1]
    host, names = watching((near[1],), (near[2],))
    place = planned(host, watch=names).placement
    assert place.node == 1
    assert place.why.endswith("2 watched VMs are pinned to the card's node (thesis table 6.6)")
    for places in (((near[1],), (far[1],)), ((near[1],), ()), ((near[1],), (near[2], far[2]))):
        host, names = watching(*places)
        assert planned(host, watch=names).placement.node == 0, places


def test_the_specs_node_overrides_where_the_watched_are() -> None:
    near = [cpu.index for cpu in host_with().cpus if cpu.node == 0]
    host, names = watching((near[1],), (near[2],))
    assert planned(host, watch=names, node=0).placement.node == 0


def test_the_specs_side_overrides_where_the_watched_are_and_holds() -> None:
    near = [cpu.index for cpu in host_with().cpus if cpu.node == 0]
    host, names = watching((near[1],), (near[2],))
    place = planned(host, watch=names, side="near").placement
    assert (place.node, place.why.rpartition("; ")[2]) == (0, "placement.side: near")
    assert planned(side="far").placement.node == 1
    crowded = host_with(pinned(1, 2, 3, 4))
    assert (planned(crowded).placement.node, planned(crowded, side="near").placement.node) == (1, 0)
    one_node = dataclasses.replace(host_with(), nodes=host_with().nodes[:1])
    assert refused(one_node, side="far")[2] == "is the only node: no agent can be far from the card"


def test_hugepages_decide_as_well() -> None:
    host = host_with()
    poor = dataclasses.replace(host.nodes[0], memory_free_mib=300)
    place = planned(dataclasses.replace(host, nodes=(poor, *host.nodes[1:]))).placement
    assert place.node == 1
    assert "too few hugepages" in place.why


def test_nowhere_own_cores_shares_on_the_cards_node_or_refuses_if_strict() -> None:
    host = host_with(pinned(0, 1, 2, 3), cores_per_node=2)
    place = planned(host).placement
    assert (place.node, place.why.partition(" (")[0]) == (0, "the card's node, no node has cores to itself for it")
    result = ask(host, policy="strict")
    assert isinstance(result, Refusal)
    assert [r.subject for r in result.reasons] == ["node 0", "node 1"]


def test_cpus_that_only_the_host_uses_are_shared_before_another_guests() -> None:
    of_node_0 = (cpu.index for cpu in host_with(cores_per_node=2).cpus if cpu.node == 0)
    place = planned(host_with(pinned(*of_node_0), cores_per_node=2)).placement
    assert (place.node, place.why.partition(" (")[0]) == (
        1,
        "not the card's node, no node has cores to itself for it",
    )


def test_the_specs_node_decides_alone() -> None:
    assert planned(node=1).placement.node == 1
    assert planned(node=1).placement.why == ""


def test_a_probe_on_the_guests_own_disk_makes_no_array() -> None:
    plan = plan_deployment(make_request(storage=GUEST_DISK), make_host(), SHA)
    assert isinstance(plan, Plan)
    assert plan.controller is None
    assert [s.kind for s in plan.steps][-4:] == [
        "install-driver",
        "program-receive-all",
        "start-guard",
        "start-capture",
    ]
    assert sum(isinstance(s, InstallDriver) for s in plan.steps) == 1


def test_the_expected_shares_stand_in_the_plan() -> None:
    assert any("44.0 %, each watched VM 44.0 %" in note.text for note in planned().warnings)


@pytest.mark.parametrize("device", [0x10FB, 0x1528, 0x1563, 0x15AD, 0x15C4])
def test_watching_on_a_10_gigabit_card_is_planned_and_said_to_be_unproven(device: int) -> None:
    result = ask(replace_device(host_with(), PF, device=device))
    assert isinstance(result, Plan)
    (step,) = (s for s in result.steps if isinstance(s, ReplicateTraffic))
    assert step.family == result.family
    assert [a.text for a in result.warnings if f"unproven on an {result.family}" in a.text]
    assert not [a.text for a in planned().warnings if "unproven on an" in a.text]
