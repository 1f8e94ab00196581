"""Which way to copy traffic is taken, by card, driver and host, and the reason of every way."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from hpcapvf.model.backends import NEXT, REFUSED, SPARE, TAKEN
from hpcapvf.model.codec import from_json, to_json
from hpcapvf.model.errors import ExitCode
from hpcapvf.model.host import CardWays, Copies, Deployed, Host, NetInterface, Representor
from hpcapvf.model.plan import Plan, Refusal
from hpcapvf.model.steps import (
    InstallDriver,
    MirrorByFiles,
    MirrorByTc,
    SetPrivateFlag,
    SetTestpmdModes,
    StartGuard,
    TrustVf,
    WatchedVf,
)
from hpcapvf.nic.backends import BACKENDS, dpdk_releases
from hpcapvf.plan import plan_deployment
from orchestrator.tables import show_backends
from tests.factories import GUEST_DISK, PF, WEB1, make_host, make_request, replace_device, vf_at

SHA = "ab" * 32
XL710, E810, CONNECTX5 = 0x1572, 0x1593, 0x1017


def host_with(driver: str = "igb", device: int = 0x10C9, *, vendor: int = 0x8086, **ways: Any) -> Host:
    """Two VFs, one of which web1 runs with; ``ways`` are facts of the card, the rest of the host."""
    facts = {f.name for f in dataclasses.fields(CardWays)}
    of_card = {name: value for name, value in ways.items() if name in facts}
    of_host = {name: value for name, value in ways.items() if name not in facts}
    facts_of_host = {"domains": (WEB1,)} | of_host
    host = make_host(vfs=2, ways=(CardWays(PF, **of_card),), **facts_of_host)
    return replace_device(host, PF, driver=driver, device=device, vendor=vendor)


def agent(host: Host, **request: Any) -> Plan | Refusal:
    wish = make_request(receive="own", storage=GUEST_DISK, watch=("web1",), **request)
    return plan_deployment(wish, host, SHA)  # type: ignore[return-value]


def probe(host: Host, **request: Any) -> Plan | Refusal:
    return plan_deployment(make_request(**request), host, SHA)  # type: ignore[return-value]


def verdicts(plan: Plan | Refusal) -> dict[str, str]:
    assert isinstance(plan, Plan), plan
    return {c.backend.name: c.verdict for c in plan.backends}


def reason(plan: Plan | Refusal, name: str) -> str:
    assert isinstance(plan, Plan), plan
    return next(c.why for c in plan.backends if c.backend.name == name)


def test_an_agent_on_an_82576_tries_rules_then_filters() -> None:
    plan = agent(host_with())
    assert verdicts(plan) == {
        "mirror rules": TAKEN,
        "replication": NEXT,
        "i40e mirror files": REFUSED,
        "tc mirred on representors": REFUSED,
        "testpmd mirror-rule": REFUSED,
        "register device": REFUSED,
        "register window": TAKEN,
        "ixgbe debugfs": REFUSED,
        "testpmd registers": REFUSED,
    }
    assert "if mirror rules do not read back" in reason(plan, "replication")
    assert from_json(Plan, json.loads(json.dumps(to_json(plan)))) == plan


def test_every_candidate_has_a_reason_and_a_finding() -> None:
    for plan in (agent(host_with()), probe(make_host()), agent(host_with("i40e", XL710, mirror_files=True))):
        assert isinstance(plan, Plan)
        for candidate in plan.backends:
            assert candidate.why
            assert candidate.found


def test_nothing_is_copied_so_nothing_is_looked_at() -> None:
    for plan in (probe(make_host(), receive="own"), probe(make_host(), mode="passthrough")):
        assert isinstance(plan, Plan)
        assert plan.backends == ()


def test_the_tables_say_what_each_can_do_and_how_far_it_is_proven() -> None:
    plan = agent(host_with())
    assert isinstance(plan, Plan)
    copy, registers = show_backends(plan)
    rows = {row[1]: row for row in copy.rows}
    assert rows["mirror rules"][2] == "to a VM, VLANs, 4 a port"
    assert rows["mirror rules"][5] == "unproven on hardware"
    assert rows["replication"][5] == "seen on the emulated 82576"
    assert rows["i40e mirror files"][2] == "to and from a VM, VLANs, 1 a source and direction"
    assert [row[1] for row in registers.rows][:2] == ["register device", "register window"]


@pytest.mark.parametrize(("driver", "device"), [("i40e", XL710), ("ice", E810)])
def test_the_whole_link_by_a_trusted_vf(driver: str, device: int) -> None:
    plan = probe(host_with(driver, device, domains=()))
    assert isinstance(plan, Plan)
    assert verdicts(plan)["trusted promiscuous VF"] == TAKEN
    kinds = [step.kind for step in plan.steps]
    flag, trust = SetPrivateFlag("ens5", "vf-true-promisc-support"), TrustVf("ens5", 0)
    assert plan.steps.index(flag) < plan.steps.index(trust) < kinds.index("start-domain")
    assert not any(isinstance(step, StartGuard) for step in plan.steps)
    assert "program-receive-all" not in kinds
    (install,) = (step for step in plan.steps if isinstance(step, InstallDriver))
    assert install.by_interface  # HPCAPvf has no driver for these VFs
    assert any("unproven on hardware" in note.text for note in plan.warnings)
    assert not any("82576" in note.source or "ixgbe" in note.text for note in plan.warnings)  # none of other cards


def test_registers_need_not_be_reached_for_a_trusted_vf() -> None:
    assert isinstance(probe(host_with("i40e", XL710, domains=(), iomem_strict=True, lockdown="integrity")), Plan)


def agents(**copies: tuple[tuple[int, ...], int]) -> tuple[Deployed, ...]:
    """Agents on the card by name, with the VFs that they watch and their own."""
    return tuple(Deployed(name, SHA, "deployed", copies=Copies(PF, *pair)) for name, pair in copies.items())


def test_a_card_without_a_rule_left_takes_the_next_way_and_names_who_has_them() -> None:
    three = agents(a1=((0,), 1), a2=((0,), 1), a3=((0,), 1))
    assert verdicts(agent(host_with(deployments=three)))["mirror rules"] == TAKEN
    plan = agent(host_with(deployments=(*three, *agents(a4=((0,), 1)))))
    assert (verdicts(plan)["mirror rules"], verdicts(plan)["replication"]) == (REFUSED, TAKEN)
    why = reason(plan, "mirror rules")
    assert why.startswith("rules wanted: 1; free of the card's 4: 0 (held by a1, a2, a3, a4)"), why
    lost = tuple(dataclasses.replace(d, condition="lost by reboot") for d in (*three, *agents(a4=((0,), 1))))
    assert verdicts(agent(host_with(deployments=lost)))["mirror rules"] == TAKEN


def test_an_agent_that_would_watch_itself_over_another_is_refused() -> None:
    plan = agent(host_with(deployments=agents(other=((1,), 0))))
    assert isinstance(plan, Refusal)
    assert [(r.subject, r.why) for r in plan.reasons] == [(str(PF), "pool 0 would watch itself")]
    assert isinstance(agent(host_with(deployments=agents(other=((0,), 1)))), Plan)


def test_a_source_of_i40e_has_one_destination() -> None:
    first = Deployed("agent1", SHA, "deployed", copies=Copies(PF, (0,), 5, by_files=True))
    reasons = refused(agent(host_with("i40e", XL710, mirror_files=True, out_of_tree=True, deployments=(first,))))
    assert "VF 0 is mirrored to VF 5 by agent1, and a source has one destination" in reasons["i40e mirror files"]
    other = dataclasses.replace(first, copies=Copies(PF, (1,), 5, by_files=True))
    assert isinstance(agent(host_with("i40e", XL710, mirror_files=True, out_of_tree=True, deployments=(other,))), Plan)


def test_an_agent_by_the_files_of_out_of_tree_i40e() -> None:
    plan = agent(host_with("i40e", XL710, mirror_files=True, out_of_tree=True, driver_version="2.23.17"))
    assert isinstance(plan, Plan)
    assert plan.steps[-2] == MirrorByFiles(PF, 1, (WatchedVf("web1", vf_at(0), 0),))
    found = next(c.found for c in plan.backends if c.backend.name == "i40e mirror files")
    assert found == "driver i40e 2.23.17 (out-of-tree) with sriov/0/ingress_mirror"


def refused(plan: Plan | Refusal) -> dict[str, str]:
    assert isinstance(plan, Refusal)
    assert plan.code == ExitCode.NOT_CAPABLE
    return {r.subject.partition(": ")[2]: r.why for r in plan.reasons}


@pytest.mark.parametrize(("asked", "copied"), [("to", ("to",)), ("from", ("from",)), ("both", ("to", "from"))])
def test_only_the_directions_that_are_asked_for_are_copied(asked: str, copied: tuple[str, ...]) -> None:
    plan = agent(host_with("i40e", XL710, mirror_files=True, out_of_tree=True), directions=asked)
    assert isinstance(plan, Plan)
    (step,) = (s for s in plan.steps if isinstance(s, MirrorByFiles))
    assert step.directions == copied


@pytest.mark.parametrize("asked", ["from", "both"])
def test_a_direction_that_the_card_cannot_copy_is_refused_with_what_it_can(asked: str) -> None:
    result = agent(host_with(), directions=asked)
    assert isinstance(result, Refusal)
    assert result.code is ExitCode.NOT_CAPABLE
    assert any(f"copies only frames to a VM, and network.directions asks for {asked}" in r.why for r in result.reasons)
    assert {r.hint for r in result.reasons} == {"directions: auto takes what the card can copy"}
    assert isinstance(agent(host_with(), directions="to"), Plan)


def test_in_tree_i40e_has_no_way_for_an_agent_and_says_why_of_each() -> None:
    reasons = refused(agent(host_with("i40e", XL710, mirror_files=False, out_of_tree=False)))
    assert set(reasons) == {
        "mirror rules", "replication", "i40e mirror files", "tc mirred on representors", "testpmd mirror-rule",
    }  # fmt: skip
    assert reasons["i40e mirror files"].startswith("version: this driver has no sriov/N/ingress_mirror")
    assert "driver i40e (in-tree)" in reasons["i40e mirror files"]
    assert reasons["tc mirred on representors"].startswith("driver: only ice and mlx5")


@pytest.mark.parametrize(("driver", "device", "vendor"), [("ice", E810, 0x8086), ("mlx5_core", CONNECTX5, 0x15B3)])
def test_an_agent_by_tc_on_representors(driver: str, device: int, vendor: int) -> None:
    names = (Representor(0, "ens5_0"), Representor(1, "ens5_1"))
    host = host_with(driver, device, vendor=vendor, representors=names)
    stands_for_vf = NetInterface("a_rep", PF, None, up=True, default_route=False)
    others = (*names, Representor(7, "a_rep"))
    ways = (dataclasses.replace(host.ways[0], representors=others),)
    plan = agent(dataclasses.replace(host, interfaces=(stands_for_vf, *host.interfaces), ways=ways))
    assert isinstance(plan, Plan)
    assert plan.pf_interface == "ens5"  # and not a representor, whatever its name
    assert plan.steps[-2] == MirrorByTc(PF, 1, "ens5_1", ("ens5_0",), (WatchedVf("web1", vf_at(0), 0),))


def test_a_switch_in_legacy_mode_says_how_to_change_it() -> None:
    reasons = refused(agent(host_with("mlx5_core", CONNECTX5, vendor=0x15B3)))
    assert f"devlink dev eswitch set pci/{PF} mode switchdev" in reasons["tc mirred on representors"]


def test_a_vf_without_a_representor_is_named() -> None:
    result = agent(host_with("ice", E810, representors=(Representor(1, "ens5_1"),)))
    assert isinstance(result, Refusal)
    assert [(r.subject, r.why) for r in result.reasons] == [(f"VF 0 of {PF}", "has no representor on the host")]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"lockdown": "integrity"}, "lockdown: "),
        ({"iomem_strict": True}, "IO_STRICT_DEVMEM: "),
    ],
)
def test_the_register_device_needs_neither_relaxed_memory_nor_an_open_kernel(
    changes: dict[str, Any], word: str
) -> None:
    plan = agent(host_with(register_device=True, **changes))
    assert verdicts(plan)["register device"] == TAKEN
    assert verdicts(plan)["register window"] == REFUSED
    assert reason(plan, "register window").startswith(word)
    result = agent(host_with(register_device=False, **changes))
    assert isinstance(result, Refusal)
    assert result.code == ExitCode.REGISTER_REFUSED


def test_two_ways_to_the_registers_one_is_not_needed() -> None:
    assert verdicts(agent(host_with(register_device=True)))["register window"] == SPARE


def test_strict_memory_is_no_hindrance_while_no_driver_is_bound() -> None:
    """The kernel keeps only regions that a driver has claimed (iomem_is_exclusive)."""
    plan = plan_deployment(make_request(), replace_device(make_host(iomem_strict=True), PF, driver=None), SHA)
    assert verdicts(plan)["register window"] == TAKEN  # type: ignore[arg-type]


def reg_ops(host: Host) -> tuple[str, str]:
    plan = agent(dataclasses.replace(host, lockdown=host.lockdown))
    assert isinstance(plan, Plan)
    found = next(c for c in plan.backends if c.backend.name == "ixgbe debugfs")
    return found.verdict, found.why


def test_ixgbe_debugfs_by_driver() -> None:
    """The 82576 stands for a family with a table here; the driver decides."""
    assert reg_ops(host_with())[1].startswith("driver: ")
    verdict, _ = reg_ops(host_with("ixgbe", debugfs_registers=True, iomem_strict=True))
    assert verdict == TAKEN
    assert reg_ops(host_with("ixgbe", debugfs_registers=True))[0] == SPARE
    assert reg_ops(host_with("ixgbe", debugfs_registers=False))[1].startswith("version: ")
    assert "mount -t debugfs" in reg_ops(host_with("ixgbe", debugfs_registers=None))[1]
    locked = host_with("ixgbe", debugfs_registers=True, register_device=True, lockdown="integrity")
    assert reg_ops(locked)[1].startswith("lockdown: ")


@pytest.mark.parametrize(
    ("abi", "words"),
    [
        (21, "agents beside DPDK are not built"),
        (22, "version: DPDK took its mirror rules out in 21.11"),
        (25, "version: DPDK took its mirror rules out in 21.11"),
    ],
)
def test_testpmd_mirror_rule_by_version(abi: int, words: str) -> None:
    host = host_with("vfio-pci", dpdk_abi=abi)
    assert words in reason(agent(host), "testpmd mirror-rule")


def test_registers_by_testpmd_went_in_22_11() -> None:
    def why(abi: int | None) -> str:
        host = dataclasses.replace(make_host(), dpdk_available=True, dpdk_abi=abi)
        return reason(probe(host, generator="dpdk"), "testpmd registers")

    assert why(25).startswith("version: DPDK 22.11 took")
    assert why(None).startswith("version: which DPDK is installed cannot be told")
    assert not why(22).startswith("version: ")


def test_names_of_dpdk_releases() -> None:
    assert [dpdk_releases(abi) for abi in (21, 22, 25)] == ["20.11 to 21.08", "21.11 to 22.07", "24.11 to 25.07"]


def test_the_table_of_ways_is_whole() -> None:
    assert len({b.name for b in BACKENDS}) == len(BACKENDS)
    for backend in BACKENDS:
        assert backend.layer in ("copy", "registers")
        assert backend.does
        assert backend.source
        assert backend.layer == "registers" or backend.directions or backend.whole_link


def test_dpdk_sets_the_modes_of_an_ixgbe_card_s_vf() -> None:
    def on(device: int) -> Plan | Refusal:
        host = dataclasses.replace(make_host(), dpdk_available=True, dpdk_abi=25, iomem_strict=True)
        return probe(replace_device(host, PF, device=device, driver="ixgbe"), generator="dpdk")

    plan = on(0x10FB)
    assert isinstance(plan, Plan)
    assert verdicts(plan)["testpmd rxmode and uta"] == TAKEN
    assert SetTestpmdModes("probe1", 0) in plan.steps
    assert not any(isinstance(step, StartGuard) for step in plan.steps)
    assert isinstance(on(0x10C9), Refusal)  # DPDK's driver of the 82576 has no such modes
