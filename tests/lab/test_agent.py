"""An agent watches an ordinary VM: it stores exactly what the card gives that VM, which notices nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hpcapvf.model.errors import ExitCode
from hpcapvf.raw.pcap import Frame, write_pcap
from orchestrator.remote import Envelope
from orchestrator.suggest import suggest_monitor_spec
from tests.lab.conftest import IMAGE, Server, looked_at
from tests.lab.watched import MAC, NAME, WatchedVm

AGENT = "agent1"
SPEC = f"/root/{AGENT}.yaml"
BROADCAST = "ff:ff:ff:ff:ff:ff"
ALL_HOSTS = "01:00:5e:00:00:01"
NOBODY = "02:99:99:99:99:99"
SENDER = bytes.fromhex("0248505646ee")
EACH = 40
TTL_S = 1800  # less than what is left of a DHCP lease, which the jump of the clock shortens as well


def frame(number: int, destination: str) -> Frame:
    """A frame of 60 bytes that can be told from all others."""
    head = bytes.fromhex(destination.replace(":", "")) + SENDER + b"\x88\xb5"
    return Frame(number * 1_000_000, head + number.to_bytes(4, "big") + bytes(42))


@pytest.fixture(scope="module")
def web1(server: Server) -> Iterator[WatchedVm]:
    vm = WatchedVm(server)
    try:
        vm.start()
        vm.wait()
        yield vm
    finally:
        vm.stop()


@pytest.fixture(scope="module")
def before(web1: WatchedVm) -> dict[str, Any]:
    """The server with the VM that will be watched."""
    return web1.server.snapshot()


@pytest.fixture(scope="module")
def boot_id(web1: WatchedVm) -> str:
    return web1.shell("cat /proc/sys/kernel/random/boot_id")


@pytest.fixture(scope="module")
def agent(web1: WatchedVm, before: dict[str, Any], boot_id: str) -> Envelope:
    """The answer of ``deploy-vnma`` with the project's own frames from the wire."""
    assert before
    assert boot_id
    server = web1.server
    server.write(SPEC, suggest_monitor_spec(looked_at(server.lab).host, name=AGENT, image=IMAGE))
    answer = server.command("deploy-vnma", SPEC, "--ttl", f"{TTL_S}s", "--source", "wire", timeout_s=900)
    assert answer.result, answer.error
    return answer


def mirrors(server: Server) -> dict[str, Any]:
    """The one mirror that the server has."""
    (found,) = server.command("hpcapvf", "mirrors").result["mirrors"]
    result: dict[str, Any] = found
    return result


def test_a_vm_that_is_off_is_not_watched(web1: WatchedVm) -> None:
    server = web1.server
    spec = suggest_monitor_spec(looked_at(server.lab).host, name=AGENT, image=IMAGE)
    server.write("/root/none.yaml", spec.replace(NAME, "web9"))
    answer = server.command("deploy-vnma", "/root/none.yaml")
    assert answer.exit_code is ExitCode.NOT_FOUND, answer.error
    assert "web9" in str(answer.error)


def test_mirror_rules_were_tried_first_and_the_card_has_none(agent: Envelope) -> None:
    assert agent.exit_code is ExitCode.OK, agent.error
    notes = " ".join(note for step in agent.result["steps"] for note in step.get("notes", ()))
    assert "mirror rules cannot be used: VMR" in notes, notes
    assert "copied by replication" in notes, notes


def test_the_mix_is_stored_as_the_watched_vm_is_given_it(agent: Envelope) -> None:
    (proof,) = agent.result["proofs"]
    assert proof["ok"], proof["findings"]
    assert 0 < proof["frames_expected"] < proof["frames_sent"]
    assert proof["frames_identical"] == proof["frames_expected"]


def test_it_is_told_who_watches_whom_and_which_filter_feeds_which_pool(web1: WatchedVm, agent: Envelope) -> None:
    server = web1.server
    found = mirrors(server)
    assert found["monitor"] == AGENT
    assert [watched["domain"] for watched in found["watches"]] == [NAME]
    assert found["backend"] == "replication"
    switch = server.command("hpcapvf", "nic", "show", server.interface).result
    (filter_of_web1,) = [entry for entry in switch["switch"]["macs"] if entry["mac"] == MAC]
    assert set(filter_of_web1["pools"]) == {found["pool"], found["watches"][0]["pool"]}
    assert NAME in switch["owners"][str(found["watches"][0]["pool"])]
    assert agent.result["name"] == AGENT


def test_agent_and_watched_vm_both_have_what_is_the_vms(web1: WatchedVm, agent: Envelope, tmp_path: Path) -> None:
    """Counted here, without the engine's model of the card."""
    own_mac = agent.result["plan"]["function_mac"]
    kinds = (MAC, own_mac, NOBODY, ALL_HOSTS, BROADCAST)
    sent = [frame(number, kinds[number % len(kinds)]) for number in range(EACH * len(kinds))]
    (tmp_path / "kinds.pcap").write_bytes(write_pcap(sent))
    server = web1.server
    server.lab.put(tmp_path / "kinds.pcap", "/root/kinds.pcap")
    web1.record()
    answer = server.command("hpcapvf", "verify", AGENT, "--source", "wire", "--pcap", "/root/kinds.pcap", timeout_s=300)
    own = {f.data for f in web1.recorded()}
    (proof,) = answer.result["proofs"]
    assert answer.ok, (answer.error, proof["findings"])
    assert proof["frames_stored"] == proof["frames_identical"] == EACH * 4, "web1's, its own, multicast, broadcast"
    for kind in (MAC, ALL_HOSTS, BROADCAST):
        wanted = {f.data for f in sent if f.data[:6].hex(":") == kind}
        assert len(wanted) == EACH
        assert wanted <= own, kind


def test_the_guard_repairs_what_a_reset_of_the_watched_vf_wipes(web1: WatchedVm, agent: Envelope) -> None:
    assert agent.ok
    server = web1.server
    drifts = server.command("hpcapvf", "status", AGENT).result["guard"]["drifts"]
    web1.shell("ip link set lan0 down; sleep 1; ip link set lan0 up; sleep 1")
    deadline = time.monotonic() + 60
    while server.command("hpcapvf", "status", AGENT).result["guard"]["drifts"] == drifts:
        assert time.monotonic() < deadline, "the guard saw nothing"
    time.sleep(2)
    assert mirrors(server)["backend"] == "replication"


def test_the_end_of_its_time_takes_the_agent_away_and_leaves_all_as_it_was(
    web1: WatchedVm, before: dict[str, Any], boot_id: str, agent: Envelope
) -> None:
    """The server's clock is put forward to the end, as the timer sees it; nobody but systemd does the rest."""
    assert agent.ok
    server = web1.server
    until = mirrors(server)["until"]
    begin = time.monotonic()
    now = float(server.shell("systemctl stop chrony; date +%s"))
    assert 0 < until - now <= TTL_S
    try:
        server.shell(f"date -s @{until:.0f}")
        deadline = time.monotonic() + 400
        while server.command("hpcapvf", "mirrors").result["mirrors"]:
            assert time.monotonic() < deadline, server.shell(f"journalctl --no-pager -n 30 -u hpcapvf-end-{AGENT}")
            time.sleep(5)
        server.shell(f"while systemctl is-active -q hpcapvf-end-{AGENT}; do sleep 1; done", timeout_s=300)
    finally:
        server.shell(f"date -s @{now + time.monotonic() - begin:.0f}; systemctl start chrony")
    assert server.changes_since(before) == ()
    assert server.command("hpcapvf", "status").result["deployments"] == []
    assert web1.shell("cat /proc/sys/kernel/random/boot_id") == boot_id
    watched = [json.loads(line) for line in server.shell("cat /var/log/hpcapvf/audit.jsonl").splitlines()]
    assert [line["event"] for line in watched] == ["begin", "end"]
    assert (watched[0]["watched"], watched[0]["ends_at"], watched[1]["why"]) == ([NAME], until, "time over")
