"""What the probe stored is brought to the server by time, and the server is examined while the probe runs."""

from __future__ import annotations

from hpcapvf.model.errors import ExitCode
from orchestrator.remote import Envelope
from tests.lab.conftest import PROBE, Server

ENHANCED_PACKET = 6


def frames_of(data: bytes) -> list[bytes]:
    """Frames of a pcapng file, read here without the project's reader."""
    frames, at = [], 0
    while at < len(data):
        kind, length, caplen = (int.from_bytes(data[at + i : at + i + 4], "little") for i in (0, 4, 20))
        if kind == ENHANCED_PACKET:
            frames.append(data[at + 28 : at + 28 + caplen])
        at += length
    return frames


def test_everything_that_was_stored_comes(server: Server, deployed: Envelope) -> None:
    stored = deployed.result["proofs"][0]["frames_stored"]
    answer = server.command("hpcapvf", "fetch", PROBE, "-o", "/root/all.pcapng", timeout_s=300)
    assert answer.ok, answer.error
    assert answer.result["frames"] >= stored
    copy = server.lab.run(["cat", "/root/all.pcapng"], timeout_s=120)
    assert len(frames_of(copy.stdout)) == answer.result["frames"]
    assert server.shell("ls -A /root | grep -c '[.]part$' || true").strip() == "0"


def test_a_range_brings_less_and_the_open_file_is_closed(server: Server, deployed: Envelope) -> None:
    assert deployed.ok
    answer = server.command("hpcapvf", "fetch", PROBE, "--from", "-1s", "-o", "/root/last.pcapng", timeout_s=300)
    whole = server.command("hpcapvf", "fetch", PROBE, "--to", "now", "-o", "/root/whole.pcapng", timeout_s=300)
    assert answer.ok and whole.ok, (answer.error, whole.error)
    assert answer.result["frames"] < whole.result["frames"]


def test_what_is_there_and_what_is_not(server: Server, deployed: Envelope) -> None:
    assert deployed.ok
    again = server.command("hpcapvf", "fetch", PROBE, "-o", "/root/all.pcapng", timeout_s=300)
    assert again.exit_code is ExitCode.CONFLICT
    never = server.command("hpcapvf", "fetch", PROBE, "--to", "2001-01-01T00:00:00Z", "-o", "/root/x", timeout_s=300)
    assert never.exit_code is ExitCode.NOT_FOUND
    none = server.command("hpcapvf", "fetch", PROBE, "--filter", "no filter (", "-o", "/root/x", timeout_s=300)
    assert none.exit_code is ExitCode.STEP_FAILED
    assert server.shell("test -e /root/x || echo absent").strip() == "absent"


def test_the_doctor_finds_the_server_fit(server: Server, deployed: Envelope) -> None:
    assert deployed.ok
    answer = server.command("hpcapvf", "doctor")
    verdicts = {finding["check"].split(" of ")[0]: finding["verdict"] for finding in answer.result["findings"]}
    assert answer.ok, answer.error
    for check in ("IOMMU", "interrupt remapping", "device memory", "vfio-pci", "KVM", "libvirt", "SR-IOV card"):
        assert verdicts[check] == "ok", check
    assert verdicts["BAR space for VFs"] == verdicts["MSI-X"] == verdicts["driver for the guest"] == "ok"


def test_status_tells_rates_and_the_disk(server: Server, deployed: Envelope) -> None:
    assert deployed.ok
    status = server.command("hpcapvf", "status", PROBE, "--wait", "60").result
    assert status["registers"] == "as wanted"
    assert status["capture"]["counters"]["received"] > 0
    assert 0 < status["capture"]["free_bytes"] < status["capture"]["size_bytes"]
    assert status["unknown"] == {}
