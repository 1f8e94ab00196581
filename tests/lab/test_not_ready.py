"""A server that was booted without what a probe needs: the refusal names all of it, with the kernel arguments."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hpcapvf.model.errors import ExitCode
from hpcapvf.verify.snapshot import snapshot_difference
from tests.lab.conftest import GRUB_FILE, KERNEL_ARGUMENTS, Server
from tests.lab.outside import Outside


@pytest.fixture(autouse=True)
def not_ready(first_start: Server) -> None:
    """A kept lab may have been started ready."""
    if first_start.host.iommu_active:
        pytest.skip("the kept lab was started ready")


def without_registers(server: Server) -> dict[str, Any]:
    """The server's snapshot; without iomem=relaxed nobody can read the card's registers."""
    snapshot = server.snapshot()
    assert "unreadable" in snapshot.pop("registers")
    return snapshot


def test_the_refusal_names_the_iommu_and_the_registers(first_start: Server) -> None:
    before = without_registers(first_start)
    first_start.write("/root/probe1.yaml", first_start.spec())
    answer = first_start.command("deploy-vnp", "/root/probe1.yaml")
    assert answer.exit_code is ExitCode.NOT_CAPABLE, answer.error
    said = json.dumps(answer.error)
    for word in ("IOMMU", *KERNEL_ARGUMENTS):
        assert word in said, said
    assert snapshot_difference(before, without_registers(first_start)) == ()


def test_a_check_from_outside_says_what_would_change_and_changes_nothing(first_start: Server, outside: Outside) -> None:
    before, boot = without_registers(first_start), first_start.lab.boot_id()
    answer = outside.deploy(first_start.spec(), "--dry-run", "--limit", outside.host)
    assert answer.ok, answer.error
    assert answer.result["dry_run"] is True
    changed = outside.report(answer)["changed"]
    for words in ("Have the kernel arguments", "Reboot", "Have the driver built", "the plan waits for the reboot"):
        assert any(words in change for change in changed), changed
    assert first_start.lab.boot_id() == boot
    assert snapshot_difference(before, without_registers(first_start)) == ()
    first_start.shell(f"test ! -e {GRUB_FILE}; test ! -e /var/lib/hpcapvf/driver/bin; test ! -e /etc/hpcapvf")
