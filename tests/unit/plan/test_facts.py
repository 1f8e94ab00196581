"""What a plan takes for granted, and what it says when that is no longer so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hpcapvf.model.address import CpuSet
from hpcapvf.model.facts import changes
from hpcapvf.model.host import DomainInfo, Host, HugepagePool
from hpcapvf.model.plan import Plan
from hpcapvf.plan import plan_deployment
from hpcapvf.plan.facts import facts_of
from tests.factories import PF, RAID, make_host, make_request, replace_device, replace_disk, replace_interface, vf_at


def planned(host: Host) -> Plan:
    plan = plan_deployment(make_request(), host, "0" * 64)
    assert isinstance(plan, Plan)
    return plan


def domain(**changed: Any) -> DomainInfo:
    return replace(DomainInfo("web2", "87654321-1234-5678-1234-567812345678", running=True), **changed)


def test_the_same_host_has_changed_in_nothing() -> None:
    host = make_host(vfs=2)
    plan = planned(host)
    assert len(plan.facts) >= 10
    assert changes(plan.facts, facts_of(plan, host)) == ()


def test_what_the_plan_does_not_need_may_change() -> None:
    host = make_host(vfs=2)
    plan = planned(host)
    other = domain(hostdevs=(vf_at(1),))
    assert changes(plan.facts, facts_of(plan, replace(host, domains=(other,), hostname="new"))) == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda h: replace_device(h, PF, driver="vfio-pci"), f"the driver of {PF} was igb, now it is vfio-pci"),
        (lambda h: replace(h, domains=(domain(hostdevs=(vf_at(0),)),)), "was free, now it is of domain web2"),
        (lambda h: replace(h, domains=(domain(hostdevs=(RAID,)),)), f"controller {RAID} was free"),
        (lambda h: replace_disk(h, "sdb", in_use=("mounted on /srv",)), "now it is sdb mounted on /srv"),
        (lambda h: replace_interface(h, "ens5", default_route=True), "carries the default route"),
        (lambda h: replace_interface(h, "ens5", master="br0"), "part of br0"),
        (lambda h: replace(h, domains=(domain(name="probe1"),)), "domain probe1 was not there, now it is running"),
        (lambda h: replace(h, images=()), "now it is not there"),
        (
            lambda h: replace(h, nodes=(replace(h.nodes[0], hugepages=(HugepagePool(2048, 7, 0),)), *h.nodes[1:])),
            "hugepages of 2048 KiB on node 0",
        ),
        (lambda h: replace(h, domains=(domain(pinned=CpuSet.of(range(6))),)), "now it is pinned by web2"),
    ],
)
def test_what_the_plan_needs_is_told_in_words(change: Any, said: str) -> None:
    host = make_host(vfs=2)
    plan = planned(host)
    found = changes(plan.facts, facts_of(plan, change(host)))
    assert any(said in line for line in found), found
