"""The playbooks through a real Ansible, against hosts that are folders here and commands that only answer.

An ssh of our own runs what Ansible sends in this machine's shell. What would change the machine itself is either out of
reach (each path is a variable) or refused by that ssh.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from hpcapvf.model.errors import ExitCode
from orchestrator.commands.deploy import deploy_vnp_parser
from orchestrator.remote import Envelope, parse_envelope
from orchestrator.runner import run

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ansible") is None, reason="Ansible is not installed")
ARGUMENTS = ["intel_iommu=on", "iommu=pt", "iomem=relaxed"]
SSH = """\
#!/bin/sh
for word; do last=$word; done
case $last in *shutdown*|*reboot*) echo "refused: $last" >&2; exit 99;; esac
exec sh -c "$last"
"""
GONE = '#!/bin/sh\necho "ssh: connect to host gone port 22: Connection refused" >&2\nexit 255\n'
# Both commands are this one. It answers from files in the folder of the host, which the spec names.
COMMAND = """\
#!/usr/bin/env python3
import json, os, pathlib, sys
name, words = pathlib.Path(sys.argv[0]).name, sys.argv[1:]
host = pathlib.Path(os.environ["HPCAPVF_TEST_HOST"])
with (host / "called").open("a") as log:
    log.write(" ".join([name, *words]) + "\\n")
result, error, code = {}, None, 0
if words[0] == "probe":
    result = {"host": json.loads((host / "probe.json").read_text())}
elif words[0] == "verify":
    result = {"name": words[1], "findings": []}
else:
    spec = pathlib.Path(words[0]).read_text()
    deployed = host / "deployed"
    same = deployed.exists() and deployed.read_text() == spec
    result = {"name": "probe1", "changed": False}
    if "refused" in spec:
        code, result = 5, {}
        error = {"type": "PlacementRefused", "message": "no room", "hint": "fewer", "details": ["node 0: 1 core"]}
    elif "--dry-run" in words:
        result |= {} if same else {"plan": {}}
    elif not same:
        deployed.write_text(spec)
        result["changed"] = True
print(json.dumps({"schema": "hpcapvf/1", "command": name, "ok": not code, "exit_code": code, "result": result,
                  "warnings": [], "error": error}))
sys.exit(code)
"""


@dataclass(frozen=True)
class Fleet:
    """Hosts that are folders, and the command line in front of them."""

    folder: Path
    deploy: Callable[..., Envelope]

    def called(self, host: str) -> list[str]:
        """What was run on a host, in order, without the options about output."""
        log = self.folder / host / "called"
        lines = log.read_text().splitlines() if log.exists() else []
        return [line.replace(" --json --progress none", "") for line in lines]


def _program(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def _host(folder: Path, programs: Path, *, arguments: list[str], guests: list[str], **more: Any) -> dict[str, Any]:
    (folder / "acpi").mkdir(parents=True)
    (folder / "acpi/IVRS").touch()
    domains = [{"name": name, "running": True} for name in guests]
    (folder / "probe.json").write_text(json.dumps({"kernel_arguments": arguments, "domains": domains}))
    environment = f"HPCAPVF_TEST_HOST={folder} PATH={programs}:$PATH"
    return {
        "ansible_host": "127.0.0.1",
        "ansible_user": "root",
        "ansible_ssh_executable": str(_program(folder / "ssh", SSH.replace("exec sh", f"exec env {environment} sh"))),
        "ansible_ssh_transfer_method": "piped",
        "ansible_pipelining": True,
        "ansible_remote_tmp": str(folder / "tmp"),
        "ansible_async_dir": str(folder / "async"),
        "ansible_python_interpreter": sys.executable,
        "prepare_host_grub_file": str(folder / "grub.d/hpcapvf.cfg"),
        "prepare_host_update_grub": "/bin/true",
        "prepare_host_acpi_tables": str(folder / "acpi"),
        "guest_driver_folder": str(folder / "driver"),
        "deploy_folder": str(folder / "specs"),
        "hpcapvf_poll_s": 1,
        **more,
    }


@pytest.fixture
def fleet(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Fleet:
    """Hosts: ready, refused, gone, bare (no kernel arguments), busy (the same, and a guest runs), old (no IOMMU)."""
    monkeypatch.setenv("ANSIBLE_CONFIG", str(tmp_path / "none.cfg"))
    monkeypatch.setenv("ANSIBLE_LOCAL_TEMP", str(tmp_path / "local"))
    programs, store = tmp_path / "bin", tmp_path / "store"
    programs.mkdir()
    for name in ("hpcapvf", "deploy-vnp"):
        _program(programs / name, COMMAND)
    (store / "bin").mkdir(parents=True)
    (store / "bin/hpcapdd").write_text("tool")
    (store / "lib").mkdir()
    (store / "lib/libhpcapvf.so").symlink_to("libhpcapvf.so.1")

    def host(name: str, arguments: list[str], guests: list[str], **more: Any) -> dict[str, Any]:
        return _host(tmp_path / name, programs, arguments=arguments, guests=guests, **more)

    hosts: Mapping[str, Any] = {
        "ready": host("ready", ["quiet", *ARGUMENTS], ["other"]),
        "refused": host("refused", ARGUMENTS, []),
        "gone": host("gone", ARGUMENTS, [], ansible_ssh_executable=str(_program(tmp_path / "gone-ssh", GONE))),
        "bare": host("bare", ["quiet"], []),
        "busy": host("busy", ["quiet", "iommu=pt"], ["other"]),
        "old": host("old", ["quiet"], []),
    }
    (tmp_path / "old/acpi/IVRS").unlink()
    inventory = tmp_path / "inventory.yml"
    variables = {"hpcapvf_driver_store": str(store)}
    inventory.write_text(yaml.safe_dump({"hypervisors": {"hosts": hosts, "vars": variables}}))
    spec = tmp_path / "probe1.yaml"
    spec.write_text(
        textwrap.dedent("""\
        version: 1
        host: {{ inventory_hostname }}
        """)
    )

    def deploy(limit: str, *words: str) -> Envelope:
        options = ["-i", str(inventory), "--limit", limit, "--json", "--progress", "none", *words]
        run(deploy_vnp_parser(), [str(spec), *options])
        return parse_envelope(capsys.readouterr().out)

    return Fleet(tmp_path, deploy)


def test_a_host_is_deployed_once_and_a_check_tells_the_truth(fleet: Fleet) -> None:
    check = fleet.deploy("ready", "--dry-run")
    assert check.ok, check.error
    changes = check.result["hosts"]["ready"]["changed"]
    assert "deploy: Ask what would be deployed" in changes
    assert not any("prepare_host" in change for change in changes)
    assert not (fleet.folder / "ready/specs").exists()
    assert not (fleet.folder / "ready/driver").exists()

    first = fleet.deploy("ready")
    assert first.ok, first.error
    assert "deploy: Deploy" in first.result["hosts"]["ready"]["changed"]
    assert (fleet.folder / "ready/specs/probe1.yaml").read_text() == "version: 1\nhost: ready\n"
    assert (fleet.folder / "ready/driver/bin/hpcapdd").read_text() == "tool"
    assert fleet.called("ready")[-1] == "hpcapvf verify probe1 --source none"

    again = fleet.deploy("ready")
    assert again.ok, again.error
    assert again.result["hosts"]["ready"]["changed"] == []
    assert again.result["counts"] == {"ok": 1, "changed": 0, "failed": 0, "unreachable": 0}


def test_hosts_fail_each_with_its_own_reason_and_the_others_go_on(fleet: Fleet) -> None:
    answer = fleet.deploy("ready,refused,gone,busy,old")
    hosts = answer.result["hosts"]
    assert {name: host["state"] for name, host in hosts.items()} == {
        "ready": "changed", "refused": "failed", "gone": "unreachable", "busy": "failed", "old": "failed",
    }  # fmt: skip
    assert hosts["refused"]["reason"] == "no room"
    assert hosts["refused"]["details"] == ["node 0: 1 core"]
    assert hosts["refused"]["exit_code"] == ExitCode.REFUSED
    assert "Connection refused" in hosts["gone"]["reason"]
    assert "would end the guests that run here: other" in hosts["busy"]["reason"]
    assert "intel_iommu=on iomem=relaxed" in hosts["busy"]["reason"]
    assert "the firmware announces no IOMMU" in hosts["old"]["reason"]
    assert answer.exit_code is ExitCode.HOST_FAILED
    assert len(answer.error["details"]) == 4
    assert not [name for name in ("busy", "old") if (fleet.folder / name / "grub.d").exists()]


def test_a_check_of_a_bare_host_says_that_it_would_be_rebooted(fleet: Fleet) -> None:
    answer = fleet.deploy("bare", "--dry-run")
    assert answer.ok, answer.error
    changes = answer.result["hosts"]["bare"]["changed"]
    for change in ("prepare_host: Have the kernel arguments in GRUB's settings", "prepare_host: Reboot"):
        assert change in changes
    assert not (fleet.folder / "bare/grub.d").exists()
    assert fleet.called("bare") == ["hpcapvf probe"]


def test_an_inventory_without_a_host_is_an_error(fleet: Fleet) -> None:
    answer = fleet.deploy("nobody")
    assert answer.exit_code is ExitCode.USAGE
    assert "hypervisors" in answer.error["hint"]
