"""What is checked of an agent: the copy on the card, the VMs it watches, and that just their frames are stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hpcapvf.model.errors import NotCapable, RegisterRefused
from hpcapvf.model.host import DomainInfo, Host
from hpcapvf.model.plan import Finding, Plan
from hpcapvf.model.steps import ProgramReceiveAll, ReplicateTraffic, Step, WatchedVf, WatchLink
from hpcapvf.nic.receive import programme_of
from hpcapvf.verify.checks import check_mirror
from hpcapvf.verify.expect import expected_frames, targets_of
from hpcapvf.verify.frames import BROADCAST, ethernet
from hpcapvf.verify.mirrors import read_mirror
from hpcapvf.verify.mix import traffic_mix
from tests.factories import make_host, vf_at
from tests.unit.nic import test_mirror as card
from tests.unit.nic.registers_in_memory import Registers
from tests.unit.verify.capture_guest import CaptureGuest
from tests.unit.verify.sample import PF, VF, sample_plan
from tests.unit.verify.test_proof import Bench, red

STEP = ReplicateTraffic(PF, "82576", card.MONITOR, card.MONITOR_MAC, (WatchedVf("web1", VF, card.WATCHED),))
WEB1 = DomainInfo("web1", "u", running=True, hostdevs=(VF,))


def agent_plan(step: ReplicateTraffic | WatchLink = STEP) -> Plan:
    plan = sample_plan()
    steps: tuple[Step, ...] = tuple(step if isinstance(s, ProgramReceiveAll) else s for s in plan.steps)
    return replace(plan, steps=steps, vf_index=card.MONITOR, function_mac=card.MONITOR_MAC)


def bench(link: WatchLink | None = None, *, replicated: bool = True, guest: CaptureGuest | None = None) -> Bench:
    registers: Registers = card.card()
    if link:
        registers.write(programme_of(link, registers.read))
    elif replicated:
        registers.write(card.replication().wants(registers.read))
    made = Bench(guest or CaptureGuest())
    made.registers.values = {registers.table.register(n).offset(i): v for (n, i), v in registers.held.items()}
    return made


def host_with(*domains: DomainInfo, **changes: Any) -> Host:
    return make_host(**{"domains": domains} | changes)


def test_a_copy_is_seen_and_its_way_named() -> None:
    assert read_mirror(STEP, bench().machine()).backend == "replication"
    state = read_mirror(STEP, bench(replicated=False).machine())
    assert state.backend is None
    assert {want.register for want in state.drifted} == {"QDE", "RAH", "VLVF", "VMOLR"}
    made = bench()
    made.registers.refusal = "no mapping"
    with pytest.raises(RegisterRefused, match="no mapping"):
        read_mirror(STEP, made.machine())


def failed(findings: list[Finding]) -> list[str]:
    return [f"{f.check}: {f.found}" for f in findings if not f.ok]


def test_checks_are_green_for_a_copy_and_a_vm_in_its_place() -> None:
    assert failed(check_mirror(STEP, host_with(WEB1), bench().machine())) == []


def test_a_vf_that_is_watched_by_its_number_needs_no_vm() -> None:
    watched = WatchedVf("ens5|vf0", vf_at(0), card.WATCHED)
    step = replace(STEP, watched=(watched,))
    there = make_host(vfs=2, domains=())
    assert failed(check_mirror(step, there, bench().machine())) == []
    gone = failed(check_mirror(step, make_host(vfs=0, domains=()), bench().machine()))
    assert gone == [f"watched VM ens5|vf0: VF {vf_at(0)} is gone"]


def test_checks_are_red_without_a_copy() -> None:
    (line,) = failed(check_mirror(STEP, host_with(WEB1), bench(replicated=False).machine()))
    assert line.startswith("registers that copy traffic: ")
    assert "differ: QDE[0]" in line
    assert "VMOLR[1]" in line


@pytest.mark.parametrize(
    ("host", "found"),
    [
        (host_with(replace(WEB1, running=False)), "web1 is off"),
        (host_with(), "web1 is gone"),
        (host_with(replace(WEB1, hostdevs=())), f"web1 no longer holds VF {VF}"),
        (host_with(replace(WEB1, running=False), replace(WEB1, name="db1")), f"VF {VF} belongs to db1 now"),
        (host_with(domains=None), "libvirt could not be asked"),
    ],
)
def test_checks_are_red_when_the_vm_went_elsewhere(host: Host, found: str) -> None:
    assert failed(check_mirror(STEP, host, bench().machine())) == [f"watched VM web1: {found}"]


def frame(destination: Any, *vlan: int) -> bytes:
    return ethernet(destination, card.UNKNOWN, 0x88B5, bytes(60), tags=tuple((0x8100, v) for v in vlan))


def test_expected_are_the_watched_vms_frames_and_its_own() -> None:
    wanted = [
        frame(card.WATCHED_MAC), frame(card.WATCHED_MAC, 100), frame(card.SECOND_MAC), frame(card.MONITOR_MAC),
        frame(BROADCAST), frame(BROADCAST, 100), frame(card.GROUP), frame(card.GROUP, 100),
    ]  # fmt: skip
    others = [
        frame(card.UNKNOWN), frame(card.OTHER_MAC), frame(card.PF_MAC), frame(card.NO_GROUP), frame(BROADCAST, 200),
        frame(card.WATCHED_MAC, 200), frame(card.WATCHED_MAC, 300),
    ]  # fmt: skip
    assert list(expected_frames(agent_plan(), wanted + others, bench().machine())) == wanted
    assert list(expected_frames(sample_plan(), others, bench().machine())) == others


@pytest.mark.parametrize(
    ("watch", "owned", "told"),
    [("ens5|rest", False, [card.UNKNOWN, BROADCAST, card.GROUP]), ("ens5|link", True, None)],
)
def test_expected_of_the_link_is_all_and_of_the_rest_what_nobody_else_gets(
    watch: str, owned: bool, told: list[Any] | None
) -> None:
    step = WatchLink(PF, "82576", card.MONITOR, owned=owned, name=watch)
    made = bench(step)
    frames = [frame(mac) for mac in (card.UNKNOWN, BROADCAST, card.GROUP, card.WATCHED_MAC, card.PF_MAC)]
    plan = agent_plan(step)
    expected = frames if told is None else [frame(mac) for mac in told]
    assert list(expected_frames(plan, frames, made.machine())) == expected


def test_a_card_without_a_model_is_not_guessed_at() -> None:
    with pytest.raises(NotCapable, match="i350"):
        expected_frames(agent_plan(replace(STEP, family="i350")), [], bench().machine())


def test_the_mix_is_aimed_at_the_watched_vm() -> None:
    targets = targets_of(agent_plan(), bench(replicated=False).machine())
    assert targets.vf_mac == card.WATCHED_MAC
    assert targets.others == (card.SECOND_MAC, card.MONITOR_MAC)


def proof_checks(arrival: Callable[[list[bytes]], list[bytes]]) -> set[str]:
    made = bench(guest=CaptureGuest(arrival=arrival))
    plan = agent_plan()
    frames = traffic_mix(200, targets=targets_of(plan, made.machine()))
    return red(made.prove(frames=frames, steps=plan.steps, vf_index=1, function_mac=card.MONITOR_MAC))


def only_expected(frames: list[bytes]) -> list[bytes]:
    return list(expected_frames(agent_plan(), frames, bench().machine()))


def test_the_proof_is_green_for_just_the_expected_frames() -> None:
    assert proof_checks(only_expected) == set()


def test_the_proof_is_red_for_a_frame_that_was_for_others() -> None:
    def one_more(frames: list[bytes]) -> list[bytes]:
        wanted = only_expected(frames)
        return [*wanted, next(f for f in frames if f not in wanted)]

    assert proof_checks(one_more) == {"frames for others"}


def test_the_proof_is_red_for_a_lost_frame() -> None:
    assert "frames missing" in proof_checks(lambda frames: only_expected(frames)[:-1])
