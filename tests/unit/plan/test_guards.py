"""Each guard: what it is called, that its own name lifts it and no other does, and what the plan then says and does."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from hpcapvf.model.address import PciAddress
from hpcapvf.model.codec import from_json, to_json
from hpcapvf.model.host import DomainInfo, Host, NetInterface, PciDevice
from hpcapvf.model.plan import Plan, Refusal
from hpcapvf.model.steps import BindDriver
from hpcapvf.plan import plan_deployment
from hpcapvf.plan.guards import FORCEABLE, GUARDS
from tests.factories import PF, RAID, make_host, make_request, replace_device, replace_disk, replace_interface, vf_at

SHA = "ab" * 32
NEIGHBOUR = PciDevice(PciAddress.parse("0000:22:00.1"), 0x1000, 0x1234, 0x020000, "tg3", 0, "numa_node", 11)
OFF = DomainInfo("web1", "11111111-2222-3333-4444-555555555555", False)


def ask(host: Host, *force: str, **request: Any) -> Plan | Refusal:
    result = plan_deployment(make_request(**request), host, SHA, frozenset(force))
    assert isinstance(result, Plan | Refusal)
    return result


def plus(host: Host, *devices: PciDevice) -> Host:
    return dataclasses.replace(host, pci=(*host.pci, *devices))


def held_by(*hostdevs: PciAddress, running: bool = False, **host: Any) -> Host:
    return make_host(domains=(dataclasses.replace(OFF, hostdevs=hostdevs, running=running),), **host)


CASES: dict[str, tuple[Host, str]] = {
    "default-route": (replace_interface(make_host(), "ens5", default_route=True), "carries the default route"),
    "bridge": (replace_interface(make_host(), "ens5", master="bond0"), "is part of bond0"),
    "vf-in-use": (held_by(vf_at(0), vfs=1), "belongs to domain web1"),
    "controller-in-use": (held_by(RAID), "belongs to domain web1"),
    "iommu-group": (plus(make_host(), NEIGHBOUR), "shares IOMMU group 11 with 0000:22:00.1 (driver tg3)"),
    "disk-held": (replace_disk(make_host(), "sdb", in_use=("part of md0",)), "sdb is in use: part of md0"),
    "disk-mounted": (replace_disk(make_host(), "sdb", in_use=("mounted on /srv", "part of md0")), "mounted on /srv"),
    "running-vm": (held_by(RAID, running=True), "belongs to domain web1, which runs"),
    "foreign-domain": (make_host(domains=(dataclasses.replace(OFF, name="probe1"),)), "did not make"),
}
UNFORCEABLE = [g.name for g in GUARDS if g.never]


def test_every_guard_has_a_case() -> None:
    assert set(CASES) == {guard.name for guard in GUARDS}


@pytest.mark.parametrize("name", CASES)
def test_a_refusal_names_the_guard_and_its_word(name: str) -> None:
    host, said = CASES[name]
    refused = ask(host, *(set(FORCEABLE) - {name}))
    assert isinstance(refused, Refusal)
    reasons = [r for r in refused.reasons if r.guard]
    assert {r.guard for r in reasons} == {name}
    word = f"--force {name}" if name in FORCEABLE else f"guard {name} cannot be forced"
    for reason in reasons:
        assert said in reason.why
        assert word in reason.hint


@pytest.mark.parametrize("name", FORCEABLE)
def test_its_name_lifts_a_guard_with_a_warning_that_stays_with_the_plan(name: str) -> None:
    host, said = CASES[name]
    plan = ask(host, name)
    assert isinstance(plan, Plan), plan
    assert plan.forced == (name,)
    (warning,) = (w for w in plan.warnings if w.source == f"--force {name}")
    assert warning.text.startswith("forced: ")
    assert said in warning.text
    assert from_json(Plan, to_json(plan)).forced == (name,)


@pytest.mark.parametrize("name", UNFORCEABLE)
def test_what_would_certainly_be_lost_cannot_be_forced(name: str) -> None:
    assert isinstance(ask(CASES[name][0], *(g.name for g in GUARDS)), Refusal)


def test_a_name_that_lifted_nothing_is_said() -> None:
    plan = ask(make_host(), "bridge")
    assert isinstance(plan, Plan)
    assert plan.forced == ()
    assert [w.text for w in plan.warnings if w.source == "--force bridge"] == [
        "guard bridge did not object, so nothing was forced"
    ]


def test_a_free_vf_is_preferred_to_a_forced_one() -> None:
    plan = ask(held_by(vf_at(0), vfs=2), "vf-in-use")
    assert isinstance(plan, Plan)
    assert (plan.vf_index, plan.forced) == (1, ())


def test_a_running_vms_vf_is_not_taken_while_an_idle_ones_may_be() -> None:
    domains = (
        dataclasses.replace(OFF, hostdevs=(vf_at(0),), running=True),
        dataclasses.replace(OFF, name="web2", hostdevs=(vf_at(1),)),
    )
    plan = ask(make_host(vfs=2, domains=domains), "vf-in-use")
    assert isinstance(plan, Plan)
    assert plan.vf_index == 1
    both = tuple(dataclasses.replace(d, hostdevs=(vf_at(0),)) for d in domains)
    refused = ask(make_host(vfs=1, domains=both[::-1]), "vf-in-use")
    assert isinstance(refused, Refusal)
    assert "running-vm" in {r.guard for r in refused.reasons}


def test_a_forced_group_is_taken_from_the_host_as_a_whole() -> None:
    plan = ask(plus(make_host(), NEIGHBOUR), "iommu-group")
    assert isinstance(plan, Plan)
    bound = [s.device for s in plan.steps if isinstance(s, BindDriver)]
    assert bound == [plan.function, RAID, NEIGHBOUR.address]


@pytest.mark.parametrize(
    ("host", "said"),
    [
        (
            dataclasses.replace(
                plus(make_host(), NEIGHBOUR),
                interfaces=(*make_host().interfaces, NetInterface("ens9", NEIGHBOUR.address, None, True, True)),
            ),
            "carries the default route",
        ),
        (replace_device(make_host(), PciAddress.parse("0000:00:02.0"), iommu_group=11), "mounted on /"),
        (replace_device(make_host(vfs=1), vf_at(0), iommu_group=10), "0000:21:00.0 (driver igb)"),
        (plus(held_by(NEIGHBOUR.address), NEIGHBOUR), "domain web1"),
    ],
    ids=["default route beside it", "boot disk beside it", "its own PF beside it", "a VM's device beside it"],
)
def test_a_forced_group_takes_nothing_that_the_host_cannot_spare(host: Host, said: str) -> None:
    refused = ask(host, *FORCEABLE)
    assert isinstance(refused, Refusal)
    assert any(said in r.why and "cannot be forced" not in r.hint for r in refused.reasons)


def test_auto_takes_no_controller_by_force() -> None:
    refused = ask(replace_disk(make_host(), "sda", in_use=("part of md0",)), "disk-held", controller="auto")
    assert isinstance(refused, Refusal)
    assert not any("--force" in r.hint for r in refused.reasons)


def test_a_vf_with_the_hosts_default_route_is_guarded_by_that_name() -> None:
    interface = NetInterface("v0", vf_at(0), None, True, True)
    host = make_host(vfs=1)
    host = dataclasses.replace(host, interfaces=(*host.interfaces, interface))
    assert isinstance(ask(host, "vf-in-use"), Refusal)
    assert isinstance(ask(host, "default-route"), Plan)
    assert host.device(PF) is not None


def test_a_named_vf_is_taken_or_refused_and_no_other() -> None:
    plan = ask(make_host(vfs=4), pf="ens5|vf2")
    assert isinstance(plan, Plan)
    assert (plan.function, plan.vf_index) == (vf_at(2), 2)
    future = ask(make_host(), pf=f"{PF}|vf2", vfs=3)
    assert isinstance(future, Plan)
    assert (future.function, future.vf_index) == (vf_at(2), 2)
    for host, wish, said in (
        (held_by(vf_at(2), vfs=4), {}, "its VF 2 is not free"),
        (make_host(vfs=2), {}, "has no VF 2: it has 2"),
        (make_host(), {"vfs": 2}, "there will be no VF 2"),
    ):
        refused = ask(host, pf="ens5|vf2", **wish)
        assert isinstance(refused, Refusal)
        assert said in refused.reasons[0].why
