"""From outside: an inventory and a spec take a server that is not ready through its reboot to a verified probe."""

from __future__ import annotations

from hpcapvf.model.errors import ExitCode
from orchestrator.remote import Envelope
from tests.lab.conftest import KERNEL_ARGUMENTS, PROBE, Server
from tests.lab.outside import GONE, Outside


def test_the_first_run_reboots_the_server_and_says_why_the_spec_is_refused(
    outside: Outside, first_run: Envelope, server: Server
) -> None:
    report = outside.report(first_run)
    assert report["state"] == "failed", report
    assert "hugepages" in " ".join((report["reason"], *report["details"])), report
    for words in ("Have the kernel arguments", "Reboot", "Have the driver built"):
        assert any(words in change for change in report["changed"]), report
    cmdline = server.shell("cat /proc/cmdline").split()
    assert all(cmdline.count(argument) == 1 for argument in KERNEL_ARGUMENTS), cmdline
    assert first_run.exit_code is max(ExitCode.REFUSED, ExitCode.HOST_FAILED)


def test_the_host_that_is_not_there_is_told_and_held_nobody_up(first_run: Envelope) -> None:
    report = first_run.result["hosts"][GONE]
    assert report["state"] == "unreachable"
    assert report["reason"]
    assert first_run.result["counts"] == {"ok": 0, "changed": 0, "failed": 1, "unreachable": 1}
    assert any(detail.startswith(f"{GONE}:") for detail in first_run.error["details"])


def test_the_next_run_deploys_without_another_reboot(
    outside: Outside, server: Server, deployed_by_ansible: Envelope
) -> None:
    report = outside.report(deployed_by_ansible)
    assert report["state"] == "changed", report
    assert any("deploy: Deploy" in change for change in report["changed"]), report
    assert not any("Reboot" in change for change in report["changed"]), report
    assert deployed_by_ansible.ok, deployed_by_ansible.error
    status = server.command("hpcapvf", "status", PROBE).result
    assert (status["condition"], status["domain"]) == ("deployed", "running")


def test_another_run_changes_nothing(outside: Outside, server: Server, deployed_by_ansible: Envelope) -> None:
    assert deployed_by_ansible.ok
    boot = server.lab.boot_id()
    answer = outside.deploy(server.spec(), "--limit", outside.host)
    assert answer.ok, answer.error
    assert answer.result["changed"] is False
    assert (outside.report(answer)["state"], outside.report(answer)["changed"]) == ("ok", [])
    assert server.lab.boot_id() == boot
