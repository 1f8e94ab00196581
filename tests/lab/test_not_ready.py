"""A server that was booted without what a probe needs: the refusal names all of it, with the kernel arguments."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from hpcapvf.lab.inventory import inventory
from hpcapvf.lab.machine import LabConfig
from hpcapvf.lab.server import Lab
from hpcapvf.model.errors import ExitCode
from hpcapvf.verify import snapshot_difference
from orchestrator.remote import parse_envelope
from tests.lab.conftest import Server, started


@pytest.fixture(scope="module")
def bare_server() -> Iterator[Server]:
    """A server without IOMMU and without ``iomem=relaxed``."""
    name = f"test-bare-{os.getpid()}"
    try:
        yield started(name, LabConfig(name=name, iommu=False, iomem_relaxed=False))
    finally:
        Lab(name).down(clean=True)


def test_an_inventory_tells_it_of_the_host_and_does_not_reboot_it(bare_server: Server, tmp_path: Path) -> None:
    lab = bare_server.lab
    boot = lab.boot_id()
    (tmp_path / "hosts.yaml").write_text(yaml.safe_dump(inventory(lab.name, lab.target(), lab.facts())))
    (tmp_path / "probe1.yaml").write_text(bare_server.spec())
    argv = [Path(sys.executable).with_name("deploy-vnp"), "-i", tmp_path / "hosts.yaml", tmp_path / "probe1.yaml"]
    result = subprocess.run([*argv, "--json"], stdout=subprocess.PIPE, text=True, check=False, timeout=600)
    answer = parse_envelope(result.stdout)
    assert answer.exit_code is ExitCode.HOST_FAILED, answer.error
    assert "no IOMMU" in answer.result["hosts"][f"lab-{lab.name}"]["reason"]
    assert lab.boot_id() == boot


def test_the_refusal_names_the_iommu_and_the_registers(bare_server: Server) -> None:
    before = bare_server.snapshot()
    assert "unreadable" in before.pop("registers"), "without iomem=relaxed nobody can read them"
    bare_server.write("/root/probe1.yaml", bare_server.spec())
    answer = bare_server.command("deploy-vnp", "/root/probe1.yaml")
    assert answer.exit_code is ExitCode.NOT_CAPABLE, answer.error
    said = json.dumps(answer.error)
    for word in ("IOMMU", "intel_iommu=on", "iomem=relaxed"):
        assert word in said, said
    after = bare_server.snapshot()
    after.pop("registers")
    assert snapshot_difference(before, after) == ()
