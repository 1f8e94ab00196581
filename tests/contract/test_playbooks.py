"""The playbooks through a real Ansible, against hosts that are folders here and commands that only answer.

An ssh of our own runs what Ansible sends in this machine's shell. What would change the machine itself is either out of
reach (each path is a variable) or refused by that ssh.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from hpcapvf.model.errors import ExitCode
from orchestrator.commands.deploy import deploy_vnma_parser, deploy_vnp_parser
from orchestrator.fleet import HostReport, parse_event, summarize
from orchestrator.playbooks import ansible_environment, playbooks_folder
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
KEY = '#!/bin/sh\necho "root@127.0.0.1: Permission denied (publickey)." >&2\nexit 255\n'
SUDO = '#!/bin/sh\necho "sudo: a password is required" >&2\nexit 1\n'
SECRET = "kept-to-itself"  # noqa: S105 - nobody asks for it
INSTALLED = "xorriso libvirt-daemon-system"
# What would change this machine: each only writes down that it was called.
RECORDER = '#!/bin/sh\necho "${0##*/} $*" >>"$HPCAPVF_TEST_HOST/called"\n'
GONE = '#!/bin/sh\necho "ssh: connect to host gone port 22: Connection refused" >&2\nexit 255\n'
# All commands are this one. It answers from files in the folder of the host, which the spec names.
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
elif words[0] == "status":
    result = {"deployments": [{"name": "probe1"}] if (host / "deployed").exists() else []}
elif words[0] == "destroy":
    (host / "deployed").unlink()
    result = {"name": words[1]}
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
        result |= {} if same else {"plan": {}, "changes": [{"place": "sriov_numvfs", "before": "0", "after": "1"}]}
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
    play: Callable[..., dict[str, HostReport]]

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
    (folder / "machine-id").write_text(f"{folder.name}\n")
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
        "driver_store_folder": str(folder / "driver"),
        "deploy_folder": str(folder / "specs"),
        "hpcapvf_poll_s": 1,
        "hpcapvf_packages": INSTALLED.split(),
        "one_name_file": str(folder / "machine-id"),
        "prepare_host_modules_file": str(folder / "modules.conf"),
        "prepare_host_hugepages_file": str(folder / "hugepages.conf"),
        **more,
    }


def _make_programs(programs: Path) -> None:
    """The project's commands, and in place of the system's what does no harm."""
    programs.mkdir()
    for name in ("hpcapvf", "deploy-vnp", "deploy-vnma"):
        _program(programs / name, COMMAND)
    for name in ("apt-get", "modprobe", "systemd-tmpfiles", "systemd-sysusers", "udevadm", "rmmod", "insmod"):
        _program(programs / name, RECORDER)
    listed = "".join(f"{name} installed\\n" for name in INSTALLED.split())
    _program(programs / "dpkg-query", f"#!/bin/sh\nprintf '{listed}gone config-files\\n'\n")
    _program(programs / "modinfo", '#!/bin/sh\ncat "$3"\n')
    _program(programs / "uname", '#!/bin/sh\n[ $# = 1 ] && [ $1 = -r ] && echo 6.12.0-test || exec /bin/uname "$@"\n')


def _make_store(store: Path) -> None:
    """A driver's store as it was built here."""
    for name in ("6.12.0-test/hpcapvf.ko", "etc/sysusers.d/hpcapvf.conf", "etc/udev/rules.d/60-hpcapvf.rules"):
        (store / name).parent.mkdir(parents=True, exist_ok=True)
        (store / name).write_text("first\n")
    for folder in ("bin", "lib"):
        (store / folder).mkdir()
    (store / "bin/hpcapdd").write_text("tool")
    (store / "lib/libhpcapvf.so").symlink_to("libhpcapvf.so.1")


def _make_inventory(tmp_path: Path, programs: Path, store: Path) -> Path:
    """Hosts: ready, refused, gone, bare (no kernel arguments), busy (the same, and a guest runs), old (no IOMMU).

    Also: key (ssh refuses it), sudo (that refuses), twin (another name of ready), lacking (a package is absent).
    """

    def host(name: str, arguments: list[str], guests: list[str], **more: Any) -> dict[str, Any]:
        return _host(tmp_path / name, programs, arguments=arguments, guests=guests, **more)

    hosts: Mapping[str, Any] = {
        "ready": host("ready", ["quiet", *ARGUMENTS], ["other"]),
        "refused": host("refused", ARGUMENTS, []),
        "gone": host("gone", ARGUMENTS, [], ansible_ssh_executable=str(_program(tmp_path / "gone-ssh", GONE))),
        "bare": host("bare", ["quiet"], []),
        "busy": host("busy", ["quiet", "iommu=pt"], ["other"]),
        "old": host("old", ["quiet"], []),
        "key": host("key", ARGUMENTS, [], ansible_ssh_executable=str(_program(tmp_path / "key-ssh", KEY))),
        "sudo": host("sudo", ARGUMENTS, [], ansible_user="operator", ansible_become=True,
                     ansible_become_password=SECRET,
                     ansible_become_exe=str(_program(tmp_path / "sudo-refuses", SUDO))),
        "twin": host("twin", ARGUMENTS, []),
        "lacking": host("lacking", ARGUMENTS, [], hpcapvf_packages=["xorriso", "gone"],
                        hpcapvf_hugepages={0: 64, 1: 0}),
    }  # fmt: skip
    (tmp_path / "twin/machine-id").write_text("ready\n")
    guest = host("guest", [], [], guest_driver_modules=str(tmp_path / "guest/modules"),
                 guest_driver_programs=str(tmp_path / "guest/bin"), guest_driver_settings=str(tmp_path / "guest/etc"),
                 guest_driver_sys=str(tmp_path / "guest/sys"))  # fmt: skip
    (tmp_path / "guest/bin").mkdir()
    (tmp_path / "old/acpi/IVRS").unlink()
    inventory = tmp_path / "inventory.yml"
    variables = {"hpcapvf_driver_store": str(store)}
    groups = {
        "hypervisors": {"hosts": hosts, "vars": variables},
        "guests": {"hosts": {"guest": guest}, "vars": variables},
    }
    inventory.write_text(yaml.safe_dump(groups, sort_keys=False))
    return inventory


@pytest.fixture
def fleet(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Fleet:
    """The hosts of ``_make_inventory`` and one guest, nothing done to them yet."""
    monkeypatch.setenv("ANSIBLE_CONFIG", str(tmp_path / "none.cfg"))
    monkeypatch.setenv("ANSIBLE_LOCAL_TEMP", str(tmp_path / "local"))
    _make_programs(tmp_path / "bin")
    _make_store(tmp_path / "store")
    inventory = _make_inventory(tmp_path, tmp_path / "bin", tmp_path / "store")
    spec = tmp_path / "probe1.yaml"
    spec.write_text(
        textwrap.dedent("""\
        version: 1
        host: {{ inventory_hostname }}
        """)
    )

    def deploy(limit: str, *words: str, agent: bool = False) -> Envelope:
        options = ["-i", str(inventory), "--limit", limit, "--json", "--progress", "none", *words]
        run(deploy_vnma_parser() if agent else deploy_vnp_parser(), [str(spec), *options])
        said = capsys.readouterr()
        assert SECRET not in said.out + said.err
        return parse_envelope(said.out)

    def play(name: str, limit: str, *words: str) -> dict[str, HostReport]:
        argv = [sys.executable, "-m", "ansible", "playbook", "-i", str(inventory), "--limit", limit, *words]
        folder = playbooks_folder()
        result = subprocess.run([*argv, str(folder / f"{name}.yml")], env=ansible_environment(folder),
                                capture_output=True, text=True, check=False, timeout=600)  # fmt: skip
        events = filter(None, map(parse_event, (result.stdout + result.stderr).splitlines()))
        reports = {report.host: report for report in summarize(events)}
        assert reports, result.stdout + result.stderr
        return reports

    return Fleet(tmp_path, deploy, play)


def test_a_host_is_deployed_once_and_a_check_tells_the_truth(fleet: Fleet) -> None:
    check = fleet.deploy("ready", "--dry-run")
    assert check.ok, check.error
    changes = check.result["hosts"]["ready"]["changed"]
    assert "deploy: Ask what would be deployed" in changes
    assert [change for change in changes if "prepare_host" in change] == [
        "prepare_host: Have the modules loaded at every start"
    ]
    assert "+vfio-pci" in "".join(check.result["hosts"]["ready"]["diff"])
    assert check.result["hosts"]["ready"]["changes"] == [{"place": "sriov_numvfs", "before": "0", "after": "1"}]
    assert not (fleet.folder / "ready/modules.conf").exists()
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
    (fleet.folder / "ready/deployed").write_text("version: 1\nhost: ready\n")  # half of the fleet stands already
    answer = fleet.deploy("ready,refused,gone,busy,old,key,sudo,twin")
    hosts = answer.result["hosts"]
    assert {name: host["state"] for name, host in hosts.items()} == {
        "ready": "changed", "refused": "failed", "gone": "unreachable", "busy": "failed", "old": "failed",
        "key": "unreachable", "sudo": "failed", "twin": "failed",
    }  # fmt: skip
    assert hosts["refused"]["reason"] == "no room"
    assert hosts["refused"]["details"] == ["node 0: 1 core"]
    assert hosts["refused"]["exit_code"] == ExitCode.REFUSED
    assert "Connection refused" in hosts["gone"]["reason"]
    assert "would end the guests that run here: other" in hosts["busy"]["reason"]
    assert "intel_iommu=on iomem=relaxed" in hosts["busy"]["reason"]
    assert "the firmware announces no IOMMU" in hosts["old"]["reason"]
    assert answer.exit_code is ExitCode.HOST_FAILED
    assert "Permission denied (publickey)" in hosts["key"]["reason"]
    assert "a password is required" in hosts["sudo"]["reason"]
    assert "the host that the inventory calls ready" in hosts["twin"]["reason"]
    assert not [change for change in hosts["ready"]["changed"] if change == "deploy: Deploy"]
    assert answer.error["message"] == "7 of 8 hosts failed"
    assert len(answer.error["details"]) == 7
    untouched = {"specs", "driver", "grub.d", "modules.conf", "deployed"}
    for name in ("gone", "busy", "old", "key", "sudo", "twin"):
        assert not untouched & {path.name for path in (fleet.folder / name).iterdir()}, name
    assert fleet.called("twin") == fleet.called("sudo") == []
    assert not (fleet.folder / "refused/deployed").exists()


def test_a_check_of_a_bare_host_says_that_it_would_be_rebooted(fleet: Fleet) -> None:
    answer = fleet.deploy("bare", "--dry-run")
    assert answer.ok, answer.error
    changes = answer.result["hosts"]["bare"]["changed"]
    assert "+GRUB_CMDLINE_LINUX_DEFAULT" in "".join(answer.result["hosts"]["bare"]["diff"])
    for change in ("prepare_host: Have the kernel arguments in GRUB's settings", "prepare_host: Reboot"):
        assert change in changes
    assert not (fleet.folder / "bare/grub.d").exists()
    assert fleet.called("bare") == ["hpcapvf probe"]


def test_packages_modules_and_hugepages_are_brought_once(fleet: Fleet) -> None:
    check = fleet.play("prepare-host", "lacking", "--check", "--diff")["lacking"]
    assert fleet.called("lacking")[1:] == ["apt-get --simulate --no-install-recommends install gone"]
    assert "nr_hugepages - - - - 64" in "".join(check.diff)
    assert not (fleet.folder / "lacking/hugepages.conf").exists()

    fleet.play("prepare-host", "lacking")
    assert fleet.called("lacking")[3:] == [
        "apt-get --yes --no-install-recommends install gone",
        "modprobe --all vfio-pci",
        f"systemd-tmpfiles --create {fleet.folder}/lacking/hugepages.conf",
    ]
    lines = (fleet.folder / "lacking/hugepages.conf").read_text().splitlines()[1:]
    place = "/sys/devices/system/node/node{}/hugepages/hugepages-2048kB/nr_hugepages"
    assert lines == [f"w {place.format(0)} - - - - 64", f"w {place.format(1)} - - - - 0"]
    again = fleet.play("prepare-host", "lacking", "--extra-vars", '{"hpcapvf_packages": ["xorriso"]}')["lacking"]
    assert (again.state, again.changed) == ("ok", ())


def test_an_agent_is_deployed_by_its_own_command_and_each_deployment_is_taken_away_once(fleet: Fleet) -> None:
    answer = fleet.deploy("ready", "--ttl", "2h", agent=True)
    assert answer.ok, answer.error
    (line,) = (line for line in fleet.called("ready") if line.startswith("deploy-vnma "))
    assert line.endswith(" --ttl 2h")
    assert not any(line.startswith("deploy-vnp ") for line in fleet.called("ready"))

    assert fleet.play("validate", "ready")["ready"].state == "ok"
    assert fleet.called("ready")[-1] == "hpcapvf verify probe1 --source none"

    name = ("--extra-vars", "hpcapvf_name=probe1")
    assert fleet.play("destroy", "ready")["ready"].reason.startswith("name the deployment")
    check = fleet.play("destroy", "ready", "--check", *name)["ready"]
    assert check.changed == ("destroy: Say that it would be taken away",)
    assert (fleet.folder / "ready/deployed").exists()
    assert fleet.play("destroy", "ready", *name)["ready"].changed == ("destroy: Take it away",)
    assert not (fleet.folder / "ready/deployed").exists()
    assert fleet.play("destroy", "ready", *name)["ready"].state == "ok"


def test_a_guest_gets_the_driver_once_and_a_newer_one_when_there_is_one(fleet: Fleet) -> None:
    place, module = fleet.folder / "guest", fleet.folder / "guest/modules/6.12.0-test/updates/hpcapvf.ko"
    fleet.play("guest-driver", "guest", "--check")
    assert not module.exists()
    first = fleet.play("guest-driver", "guest")["guest"]
    assert (first.state, module.read_text()) == ("changed", "first\n"), first
    assert (place / "bin/hpcapdd").read_text() == "tool"
    assert (place / "etc/udev/rules.d/60-hpcapvf.rules").exists()
    assert "systemd-sysusers" in fleet.called("guest")[0]
    again = fleet.play("guest-driver", "guest")["guest"]
    assert (again.state, again.changed) == ("ok", ()), again

    (place / "sys").mkdir()
    (place / "sys/srcversion").write_text("first\n")
    (fleet.folder / "store/6.12.0-test/hpcapvf.ko").write_text("second\n")
    fleet.play("guest-driver", "guest")
    assert module.read_text() == "second\n"
    assert "rmmod hpcapvf" not in fleet.called("guest")
    fleet.play("guest-driver", "guest", "--extra-vars", '{"hpcapvf_guest_reload": true}')
    assert fleet.called("guest")[-2:] == ["rmmod hpcapvf", f"insmod {module}"]


def test_a_guest_for_whose_kernel_nothing_was_built_is_told(fleet: Fleet) -> None:
    (fleet.folder / "store/6.12.0-test/hpcapvf.ko").unlink()
    report = fleet.play("guest-driver", "guest")["guest"]
    assert "the guest runs 6.12.0-test" in report.reason


def test_an_inventory_without_a_host_is_an_error(fleet: Fleet) -> None:
    answer = fleet.deploy("nobody")
    assert answer.exit_code is ExitCode.USAGE
    assert "hypervisors" in answer.error["hint"]
