"""A server that was booted without what a probe needs: the refusal names all of it, with the kernel arguments."""

from __future__ import annotations

import json

import pytest

from hpcapvf.model.errors import ExitCode
from hpcapvf.verify import snapshot_difference
from tests.lab.conftest import KERNEL_ARGUMENTS, Server


def test_the_refusal_names_the_iommu_and_the_registers(first_start: Server) -> None:
    if first_start.host.iommu_active:
        pytest.skip("the kept lab was started ready")
    before = first_start.snapshot()
    assert "unreadable" in before.pop("registers"), "without iomem=relaxed nobody can read them"
    first_start.write("/root/probe1.yaml", first_start.spec())
    answer = first_start.command("deploy-vnp", "/root/probe1.yaml")
    assert answer.exit_code is ExitCode.NOT_CAPABLE, answer.error
    said = json.dumps(answer.error)
    for word in ("IOMMU", *KERNEL_ARGUMENTS):
        assert word in said, said
    after = first_start.snapshot()
    after.pop("registers")
    assert snapshot_difference(before, after) == ()
