"""A plan of an agent that watches all of the link, or what nobody else on the card gets."""

from __future__ import annotations

import dataclasses

import pytest

from hpcapvf.model.codec import from_json, to_json
from hpcapvf.model.errors import ExitCode
from hpcapvf.model.host import Deployed, Host
from hpcapvf.model.plan import Plan, Refusal
from hpcapvf.model.steps import ReplicateTraffic, WatchLink
from hpcapvf.nic import backends
from tests.factories import PF, make_host, replace_device, replace_interface
from tests.unit.plan.test_watch import OTHER_PF, SHA, ask, host_with, other_card, planned, refused

LINK, REST = ("ens5|link",), ("ens5|rest",)
PROBE = (Deployed("vnp7", SHA, "deployed", receive_all_pf=PF),)


def step_of(plan: Plan) -> WatchLink:
    (step,) = (s for s in plan.steps if isinstance(s, WatchLink))
    return step


@pytest.mark.parametrize(("watch", "owned"), [(LINK, True), (REST, False)])
def test_the_agent_is_ended_and_guarded_as_any_other(watch: tuple[str, ...], owned: bool) -> None:
    plan = planned(watch=watch)
    kinds = [step.kind for step in plan.steps]
    assert kinds[-3:] == ["prepare-end", "watch-link", "start-guard"]
    assert "set-numvfs" not in kinds and "set-pause" not in kinds
    step = step_of(plan)
    assert (step.pf, step.pool, step.owned, step.default_pool) == (PF, plan.vf_index, owned, True)
    assert step.name == watch[0] and step.watched == ()
    assert not any(isinstance(s, ReplicateTraffic) for s in plan.steps)
    assert next(c.backend for c in plan.backends if c.verdict == "taken") == backends.RECEIVE_PROGRAMME
    assert from_json(Plan, to_json(plan)) == plan


def test_the_plan_says_what_it_costs_the_others() -> None:
    for watch, text in ((LINK, "every frame of the link"), (REST, "what no other VF and not the PF gets")):
        told = [a.text for a in planned(watch=watch).warnings if text in a.text]
        assert len(told) == 1
        assert "VLAN filter is off" in told[0] and "not measured" in told[0]


def test_beside_a_probe_the_link_is_watched_without_the_default_pool() -> None:
    assert not step_of(planned(host_with(deployments=PROBE), watch=LINK)).default_pool


def _strict(host: Host) -> Host:
    return dataclasses.replace(host, iomem_strict=True)


REFUSED = {
    "rest beside a probe": (
        host_with(deployments=PROBE), REST, ExitCode.REFUSED, "ens5|rest", "vnp7 receives everything", "ens5|link",
    ),
    "another card": (
        other_card(host_with()), (f"{OTHER_PF}|link",), ExitCode.REFUSED, f"{OTHER_PF}|link", "is on another card",
        f"network.pf: {OTHER_PF}",
    ),
    "no such card": (host_with(), ("ens9|link",), ExitCode.NOT_FOUND, "ens9", "no such network interface", "ens5"),
    "no VFs": (make_host(vfs=0), LINK, ExitCode.REFUSED, str(PF), "has no VFs", "deploy-vnp"),
    "a bridge lives from the default pool": (
        replace_interface(host_with(), "ens5", master="br0"), LINK, ExitCode.REFUSED, "ens5", "is part of br0",
        "nomaster",
    ),
    "registers out of reach": (
        _strict(host_with()), REST, ExitCode.REGISTER_REFUSED, "", "", "iomem=relaxed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_each_refusal_says_who_why_and_what_helps(name: str) -> None:
    host, watch, code, subject, why, hint = REFUSED[name]
    found = refused(host, watch=watch)
    assert found[0] is code
    assert subject in found[1] and why in found[2] and hint in found[3], found


def test_the_hosts_own_network_may_be_on_the_card() -> None:
    planned(replace_interface(host_with(), "ens5", default_route=True), watch=LINK)


def test_a_card_of_another_kind_says_that_a_probe_can() -> None:
    """i40e gives a trusted VF the link; for an agent that is not built, and said."""
    host = replace_device(host_with(), PF, device=0x1572, driver="i40e")
    result = ask(host, LINK)
    assert isinstance(result, Refusal) and result.code is ExitCode.NOT_CAPABLE
    assert any("deploy-vnp" in reason.why for reason in result.reasons)
