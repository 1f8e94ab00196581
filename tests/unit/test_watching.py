"""The proof with watched VMs as data: who should get what, what is missing or too many, and the table."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.lab.conftest import Server
from tests.watching.card import Card, wrong_with
from tests.watching.stage import differences, told_otherwise
from tests.watching.table import markdown
from tests.watching.traffic import AGENT, EACH, SIZE, Kind, Numbers, is_ours, is_talk, kinds, mixed
from tests.watching.vms import VLAN, SmallVm

AGENT_MAC, PF_MAC = "02:00:00:00:00:aa", "02:00:00:00:00:bb"


@pytest.fixture
def vms() -> tuple[SmallVm, ...]:
    """Three VMs of a server that is nowhere."""
    nowhere: Server = None  # type: ignore[assignment]
    return tuple(SmallVm(nowhere, number) for number in (1, 2, 3))


def to(of: tuple[Kind, ...], name: str) -> frozenset[str]:
    return next(kind.to for kind in of if kind.name == name)


def test_the_agent_is_due_what_the_watched_vms_are_and_no_more(vms: tuple[SmallVm, ...]) -> None:
    of = kinds(vms, 2, AGENT_MAC, PF_MAC)
    assert to(of, "to web2") == to(of, "to web2 in the VLAN") == {"web2", AGENT}
    assert to(of, "to web3") == {"web3"}
    assert to(of, "broadcast") == to(of, "multicast") == {"web1", "web2", "web3", AGENT}
    assert to(of, "to the agent") == {AGENT}
    for nobodys in ("unknown unicast", "to the PF", "to web1 in another VLAN", "multicast nobody wants"):
        assert to(of, nobodys) == frozenset()
    without = kinds(vms, 2, None, PF_MAC)
    assert all(AGENT not in kind.to for kind in without)
    assert {kind.name for kind in of} - {kind.name for kind in without} == {"to the agent"}


def test_an_agent_on_the_rest_or_the_link_is_due_what_nobody_owns_or_all(vms: tuple[SmallVm, ...]) -> None:
    rest, link = (kinds(vms, n, AGENT_MAC, PF_MAC, wide=wide) for n, wide in ((0, "rest"), (3, "link")))
    assert all(AGENT in kind.to for kind in link)
    due = {kind.name for kind in rest if AGENT in kind.to}
    assert due == {
        "unknown unicast", "multicast", "multicast nobody wants", "broadcast", "broadcast in the VLAN",
        "broadcast in another VLAN", "to the agent",
    }  # fmt: skip
    for of in (rest, link):
        assert [kind.to - {AGENT} for kind in of] == [kind.to - {AGENT} for kind in kinds(vms, 1, AGENT_MAC, PF_MAC)]


def test_frames_are_unique_marked_and_of_one_size(vms: tuple[SmallVm, ...]) -> None:
    of = kinds(vms, 1, AGENT_MAC, PF_MAC)
    sent = mixed(of, Numbers())
    assert len(set(sent.frames)) == len(sent.frames) == EACH * len(of)
    assert {len(frame) for frame in sent.frames} == {SIZE}
    assert all(is_ours(frame) and not is_talk(frame) for frame in sent.frames)
    assert len(sent.due[AGENT]) == EACH * sum(AGENT in kind.to for kind in of)


def test_what_is_missing_and_too_many_is_told_by_kind(vms: tuple[SmallVm, ...]) -> None:
    of = kinds(vms, 1, AGENT_MAC, PF_MAC)
    sent = mixed(of, Numbers(), each=2)
    foreign = bytes(60)
    assert differences("web1", sent.due["web1"], [foreign, *sent.due["web1"]], of) == []
    assert differences("web1", sent.due["web1"], sent.due["web1"][1:], of) == ["web1: 1 missing: multicast"]
    twice = [*sent.due["web1"], sent.due["web1"][0]]
    assert differences("web1", sent.due["web1"], twice, of) == ["web1: 1 too many: multicast"]
    changed = [frame[:-1] + b"\0" for frame in sent.due["web1"]]
    assert len(differences("web1", sent.due["web1"], changed, of)) == 2 * sum("web1" in kind.to for kind in of)
    others = [frame for frame in sent.frames if frame[:6].hex(":") == vms[2].mac and frame[14:16] == b"\0\5"]
    assert VLAN == 5
    assert differences(AGENT, [], others, of) == [f"{AGENT}: 2 too many: to web3 in the VLAN"]


def test_what_hpcapstat_tells_is_held_against_what_was_sent(vms: tuple[SmallVm, ...]) -> None:
    numbers, mac = Numbers(), vms[0].mac
    due = [numbers.frame(mac), numbers.frame(mac, VLAN), numbers.frame(mac, VLAN)]
    none = {"frames": 0, "bytes": 0}
    group = {"src": "02:48:50:56:46:ee", "dst": mac, "vlan": None, "frames": 1, "bytes": SIZE}
    lines: list[dict[str, Any]] = [{"groups": [group], "other": none, "lost": none}, {"other": none, "lost": none}]
    lines[1]["groups"] = [group | {"vlan": VLAN, "frames": 2, "bytes": 2 * SIZE}, group | {"src": mac}]
    assert told_otherwise("\n".join(map(json.dumps, lines)), due) == []
    assert len(told_otherwise("\n".join(map(json.dumps, lines)), due[1:])) == 1
    assert len(told_otherwise(json.dumps(lines[0]), due)) == 1
    lines[0]["lost"] = {"frames": 1, "bytes": SIZE}
    assert told_otherwise("\n".join(map(json.dumps, lines)), due) == ["hpcapstat: 1 frames lost or in no group"]


def test_the_cards_filters_and_queues_are_held_against_who_is_watched() -> None:
    owners = {"02:00:00:00:00:01": 1, "02:00:00:00:00:02": 2}
    right = Card({"02:00:00:00:00:01": frozenset({1, 0}), "02:00:00:00:00:02": frozenset({2})}, frozenset({0, 8}))
    assert wrong_with(right, owners, {"02:00:00:00:00:01"}, 0) == []
    assert len(wrong_with(right, owners, owners, 0)) == 1
    assert len(wrong_with(right, owners, (), None)) == 1, "the copy goes on although nobody watches"
    assert "QDE" in wrong_with(Card(right.pools, frozenset({0})), owners, {"02:00:00:00:00:01"}, 0)[0]


def test_the_table_says_what_was_not_run_and_what_failed() -> None:
    share = {"sent": 100, "rate": 10.0, "monitor": 90, "watched": [50, 48]}
    found: dict[str, Any] = {"problems": {"exact": [], "server reset": ["x"]}, "counts": {"share": share}}
    table = markdown({"2 VMs": found, "3 VMs": {"problems": {"deployed": ["no"]}, "counts": {}}})
    assert "| 1 VM | not run |" in table
    assert (
        "| 2 VMs | 90.0 % | 48.0 % to 50.0 % | 100.0 % | 50.0 % | 100 at 10/s | yes | server reset: FAILED |" in table
    )
    assert "| 3 VMs | FAILED |" in table
