"""A server that was booted without what a probe needs: the refusal names all of it, with the kernel arguments."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from hpcapvf.lab.machine import LabConfig
from hpcapvf.lab.server import Lab
from hpcapvf.model.errors import ExitCode
from hpcapvf.verify import snapshot_difference
from tests.lab.conftest import Server, started


@pytest.fixture(scope="module")
def bare_server() -> Iterator[Server]:
    """A server without IOMMU and without ``iomem=relaxed``."""
    name = f"test-bare-{os.getpid()}"
    try:
        yield started(name, LabConfig(name=name, iommu=False, iomem_relaxed=False))
    finally:
        Lab(name).down(clean=True)


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
