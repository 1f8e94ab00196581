"""From outside: an inventory and a spec take a server that is not ready through its reboot to a verified probe."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from hpcapvf.lab.inventory import GROUP, inventory
from hpcapvf.lab.machine import LabConfig
from hpcapvf.lab.push import DRIVER_STORE
from hpcapvf.lab.server import Lab
from hpcapvf.model.errors import ExitCode
from hpcapvf.verify import snapshot_difference
from orchestrator.remote import Envelope, parse_envelope
from tests.lab.conftest import PROBE, Server, started

DEPLOY = Path(sys.executable).with_name("deploy-vnp")
ARGUMENTS = ("intel_iommu=on", "iommu=pt", "iomem=relaxed")
GONE = "gone"


@dataclass(frozen=True)
class Outside:
    """Where the operator sits: an inventory, a spec and the command."""

    server: Server
    folder: Path

    @property
    def host(self) -> str:
        """The server's name in the inventory."""
        return f"lab-{self.server.lab.name}"

    def deploy(self, *words: str, timeout_s: float = 2400) -> Envelope:
        """``deploy-vnp -i INVENTORY SPEC --json``; its progress goes to this test's standard error."""
        argv = [str(DEPLOY), "-i", str(self.folder / "hosts.yaml"), str(self.folder / "probe1.yaml"), "--json"]
        result = subprocess.run([*argv, *words], stdout=subprocess.PIPE, text=True, check=False, timeout=timeout_s)
        return parse_envelope(result.stdout)

    def report(self, answer: Envelope) -> dict[str, Any]:
        """What an answer says about the server."""
        found: dict[str, Any] = answer.result["hosts"][self.host]
        return found


@pytest.fixture(scope="module")
def bare() -> Iterator[Server]:
    """A server whose kernel was given nothing that a probe needs."""
    name = f"test-playbooks-{os.getpid()}"
    try:
        yield started(name, LabConfig(name=name, bare=True))
    finally:
        Lab(name).down(clean=True)


@pytest.fixture(scope="module")
def outside(bare: Server, tmp_path_factory: pytest.TempPathFactory) -> Outside:
    """The driver's store is taken from the server, so that the playbooks must bring it; another host is not there."""
    folder = tmp_path_factory.mktemp("outside")
    store = f"/{DRIVER_STORE}"
    packed = bare.lab.run(["tar", "--create", "--directory", store, "."], timeout_s=60).stdout
    (folder / "store").mkdir()
    subprocess.run(["tar", "--extract", "--directory", str(folder / "store")], input=packed, check=True, timeout=60)
    bare.shell(f"rm -rf {store}")
    lab = bare.lab
    hosts = inventory(lab.name, lab.target(), lab.facts())
    hosts[GROUP]["hosts"][GONE] = {"ansible_host": "127.0.0.1", "ansible_port": 1}
    hosts[GROUP]["vars"] = {"hpcapvf_driver_store": str(folder / "store")}
    (folder / "hosts.yaml").write_text(yaml.safe_dump(hosts))
    (folder / "probe1.yaml").write_text(bare.spec())
    return Outside(bare, folder)


@pytest.fixture(scope="module")
def deployed_by_ansible(outside: Outside) -> Envelope:
    """The answer of the run that does the work, on the server and on the host that is not there."""
    return outside.deploy("--source", "wire")


def without_registers(snapshot: dict[str, Any]) -> dict[str, Any]:
    """Before the reboot nobody can read the card's registers."""
    return {name: part for name, part in snapshot.items() if name != "registers"}


def test_a_check_says_what_would_change_and_changes_nothing(outside: Outside) -> None:
    server = outside.server
    before, boot = without_registers(server.snapshot()), server.lab.boot_id()
    answer = outside.deploy("--dry-run", "--limit", outside.host)
    assert answer.ok, answer.error
    assert answer.result["dry_run"] is True
    changed = outside.report(answer)["changed"]
    for words in ("Have the kernel arguments", "Reboot", "Have the driver built", "the plan waits for the reboot"):
        assert any(words in change for change in changed), changed
    assert server.lab.boot_id() == boot
    assert snapshot_difference(before, without_registers(server.snapshot())) == ()
    server.shell(f"test ! -e /etc/default/grub.d/hpcapvf.cfg; test ! -e /{DRIVER_STORE}/bin; test ! -e /etc/hpcapvf")


def test_the_run_reboots_the_server_and_deploys(outside: Outside, deployed_by_ansible: Envelope) -> None:
    report = outside.report(deployed_by_ansible)
    assert report["state"] == "changed", report
    for words in ("Have the kernel arguments", "Reboot", "Have the driver built", "deploy: Deploy"):
        assert any(words in change for change in report["changed"]), report
    cmdline = outside.server.shell("cat /proc/cmdline").split()
    assert all(cmdline.count(argument) == 1 for argument in ARGUMENTS), cmdline
    status = outside.server.command("hpcapvf", "status", PROBE).result
    assert (status["condition"], status["domain"]) == ("deployed", "running")


def test_the_host_that_is_not_there_is_told_and_held_nobody_up(outside: Outside, deployed_by_ansible: Envelope) -> None:
    report = deployed_by_ansible.result["hosts"][GONE]
    assert report["state"] == "unreachable"
    assert report["reason"]
    assert deployed_by_ansible.exit_code is ExitCode.HOST_FAILED
    assert deployed_by_ansible.result["counts"] == {"ok": 0, "changed": 1, "failed": 0, "unreachable": 1}
    assert any(detail.startswith(f"{GONE}:") for detail in deployed_by_ansible.error["details"])


def test_the_second_run_changes_nothing(outside: Outside, deployed_by_ansible: Envelope) -> None:
    assert outside.report(deployed_by_ansible)["state"] == "changed"
    boot = outside.server.lab.boot_id()
    for words in ((), ("--dry-run",)):
        answer = outside.deploy("--limit", outside.host, *words)
        assert answer.ok, answer.error
        assert answer.result["changed"] is False
        assert (outside.report(answer)["state"], outside.report(answer)["changed"]) == ("ok", [])
    assert outside.server.lab.boot_id() == boot
