"""Recorded /proc and /sys trees of real machines: an inventory or a clear refusal, never a crash."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from hpcapvf.model.codec import from_json
from hpcapvf.model.errors import ExitCode
from hpcapvf.model.host import Host
from orchestrator.main import hpcapvf_parser
from orchestrator.runner import run
from tests.unit.probe.trees import unpack

INPUTS = os.environ.get("HPCAPVF_TEST_INPUTS")
ARCHIVES = sorted(Path(INPUTS, "hosts").glob("*.tar.*")) if INPUTS else []

pytestmark = pytest.mark.skipif(not ARCHIVES, reason="HPCAPVF_TEST_INPUTS names no folder with hosts/*.tar.*")


@pytest.fixture(scope="module", params=ARCHIVES, ids=lambda path: path.name)
def tree(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recorded tree, unpacked."""
    return unpack(request.param, tmp_path_factory.mktemp("host"))


def _online(root: Path) -> int:
    """CPUs that the tree says are online, counted here without the project's reader."""
    text = (root / "sys/devices/system/cpu/online").read_text()
    spans = [part.split("-") for part in text.strip().split(",")]
    return sum(int(span[-1]) - int(span[0]) + 1 for span in spans)


def test_the_inventory_has_every_cpu_and_every_pci_function(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(hpcapvf_parser(), ["probe", "--root", str(tree), "--json", "--progress", "none"]) == ExitCode.OK
    host: Host = from_json(Host, json.loads(capsys.readouterr().out)["result"]["host"])
    assert len(host.cpus) == _online(tree)
    devices = tree / "sys/bus/pci/devices"
    assert len(host.pci) == (len(list(devices.iterdir())) if devices.is_dir() else 0)


def test_the_readable_inventory_says_unknown_and_never_none(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(hpcapvf_parser(), ["probe", "--root", str(tree), "--progress", "none"]) == ExitCode.OK
    text = capsys.readouterr().out
    assert "unknown" in text
    assert "None" not in text


def test_a_plan_is_refused_with_reasons(tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        "version: 1\nguest: {name: probe1, image: /var/lib/nowhere.qcow2}\n"
        "network: {pf: eth0}\nstorage: {controller: '0000:01:00.0'}\n"
    )
    code = run(hpcapvf_parser(), ["plan", str(spec), "--root", str(tree), "--json", "--progress", "none"])
    answer = json.loads(capsys.readouterr().out)
    assert code in (ExitCode.NOT_CAPABLE, ExitCode.REFUSED, ExitCode.NOT_FOUND)
    assert answer["error"]["message"]
    assert answer["error"]["details"] or answer["error"]["hint"]


def test_the_doctor_examines_it_and_says_unknown_rather_than_ok(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A partial tree says nothing of its firmware, of libvirt and of the driver's store."""
    code = run(hpcapvf_parser(), ["doctor", "--root", str(tree), "--json", "--progress", "none"])
    answer = json.loads(capsys.readouterr().out)
    verdicts = {finding["check"]: finding["verdict"] for finding in answer["result"]["findings"]}
    assert (
        verdicts["libvirt"]
        == verdicts["driver for the guest"]
        == verdicts["Secure Boot and module signing"]
        == "unknown"
    )
    assert code == (ExitCode.NOT_CAPABLE if "fault" in verdicts.values() else ExitCode.OK)
    for finding in answer["result"]["findings"]:
        assert finding["source"]
        assert finding["verdict"] == "ok" or (finding["cause"] and finding["remedy"])
