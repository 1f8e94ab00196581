"""The whole path: deploy, send, store, compare."""

from __future__ import annotations

import re

from hpcapvf.model.errors import ExitCode
from orchestrator.remote import Envelope
from tests.lab.conftest import PROBE, SPEC, Server


def test_every_frame_sent_is_stored_identical_and_in_order(deployed: Envelope) -> None:
    (proof,) = deployed.result["proofs"]
    assert proof["frames_sent"] >= 5000
    assert proof["frames_sent"] == proof["frames_stored"] == proof["frames_identical"], proof["comparison"]
    assert proof["loss"] == 0
    assert proof["bytes_stored"] > 60 * proof["frames_sent"]


def test_the_mix_has_every_kind_of_frame(deployed: Envelope) -> None:
    classes = " ".join(deployed.result["proofs"][0]["comparison"]["sent_per_class"])
    for kind in ("ipv4", "ipv6", "vlan", "multicast", "broadcast", "unknown-unicast", "unicast-to-vf", "unicast-to-pf"):
        assert kind in classes, kind


def test_all_checks_of_the_machine_are_good(deployed: Envelope) -> None:
    assert deployed.result["findings"]
    assert [finding for finding in deployed.result["findings"] if not finding["ok"]] == []
    assert deployed.exit_code is ExitCode.OK, deployed.error


def test_the_same_spec_again_changes_nothing_and_says_so(server: Server, deployed: Envelope) -> None:
    assert deployed.ok
    before = server.snapshot()
    answer = server.command("deploy-vnp", SPEC)
    assert answer.ok, answer.error
    assert answer.result["changed"] is False
    assert server.changes_since(before) == ()


def test_another_spec_under_the_same_name_is_refused(server: Server, deployed: Envelope) -> None:
    assert deployed.ok
    server.write("/root/other.yaml", server.spec().replace("memory_mib: 1024", "memory_mib: 1280"))
    answer = server.command("deploy-vnp", "/root/other.yaml")
    assert answer.exit_code is ExitCode.CONFLICT, answer.error
    assert PROBE in answer.error["message"]


def test_status_tells_what_stands(server: Server, deployed: Envelope) -> None:
    assert deployed.ok
    status = server.command("hpcapvf", "status", PROBE).result
    assert status["condition"] == "deployed"
    assert status["domain"] == "running"
    assert status["guard"]["checks"] > 0


def metrics_of(server: Server) -> dict[str, float]:
    """Of the probe, from the file that node_exporter would read."""
    text = server.shell(
        "hpcapvf metrics --progress none --textfile /run/hpcapvf.prom >&2; cat /run/hpcapvf.prom; rm /run/hpcapvf.prom"
    )
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(
        re.fullmatch(r"hpcapvf_[a-z_]+({[a-z]+=\"[^\"]*\"(,[a-z]+=\"[^\"]*\")*})? [0-9.e+-]+", line) for line in lines
    )
    return {line.partition("{")[0]: float(line.rpartition(" ")[2]) for line in lines if f'probe="{PROBE}"' in line}


def test_metrics_tell_of_the_probe_and_move_when_frames_are_sent(server: Server, deployed: Envelope) -> None:
    assert deployed.ok
    before = metrics_of(server)
    sent = server.command("hpcapvf", "verify", PROBE, "--source", "wire", timeout_s=300).result["proofs"][0][
        "frames_sent"
    ]
    after = metrics_of(server)
    for name in ("hpcapvf_up", "hpcapvf_guard_up", "hpcapvf_capture_service_up", "hpcapvf_listeners"):
        assert after[name] == 1, name
    for name in ("received", "published", "stored"):
        moved = after[f"hpcapvf_{name}_frames_total"] - before[f"hpcapvf_{name}_frames_total"]
        assert moved >= sent >= 5000, name
    assert after["hpcapvf_registers_differ"] == after["hpcapvf_ring_full_dropped_frames_total"] == 0
    assert 0 <= after["hpcapvf_ring_held_bytes"] <= after["hpcapvf_ring_size_bytes"]
    assert 0 < after["hpcapvf_disk_free_bytes"] < after["hpcapvf_disk_size_bytes"]
    (told,) = server.command("hpcapvf", "top", "--once").result["deployments"]
    assert told["capture"]["counters"]["received"] >= after["hpcapvf_received_frames_total"]


def test_the_guard_repairs_what_the_cards_driver_overwrites(server: Server, deployed: Envelope) -> None:
    """A change of the PF's receive mode makes igb write its filters anew; the captures that follow prove the repair."""
    assert deployed.ok
    wanted = server.snapshot()["registers"]
    before = server.command("hpcapvf", "status", PROBE).result["guard"]
    server.shell(
        f"ip link set {server.interface} promisc on; sleep 2; ip link set {server.interface} promisc off; sleep 3"
    )
    after = server.command("hpcapvf", "status", PROBE).result["guard"]
    assert after["drifts"] > before["drifts"], after
    assert after["registers"], after
    assert not after["error"], after
    assert server.snapshot()["registers"] == wanted
