"""The machine under test: a hypervisor host that Testinfra reaches, and the guest behind it.

What is expected is read from the host: the plan in ``/var/lib/hpcapvf/deployments/NAME/state.json``, whose form is
documented (docs/reference.md). It says what was promised; whether it holds, these tests see for themselves.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.validation import scripts

STATES = "/var/lib/hpcapvf/deployments"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("hpcapvf")
    group.addoption("--deployment", help="which deployment of the host; needed where there are several")
    group.addoption("--state", help="read what is expected from this file of the host instead of the deployment's own")
    group.addoption("--send", help="a command that puts frames on the link; it runs here, and ends when they are sent")


def option(config: pytest.Config, name: str) -> Any:
    """An option of this folder; None where its options are not defined because all tests are collected."""
    return config.getoption(name, default=None)


@dataclass(frozen=True)
class Target:
    """A deployment on a host. run: runs a shell script there as root, in_guest: in the guest; both return its text."""

    state: dict[str, Any]
    run: Callable[[str], str]
    in_guest: Callable[[str], str]

    @property
    def plan(self) -> dict[str, Any]:
        """What was promised."""
        found: dict[str, Any] = self.state["plan"]
        return found

    @property
    def placement(self) -> dict[str, Any]:
        """Who sits where."""
        found: dict[str, Any] = self.plan["placement"]
        return found

    def step(self, kind: str) -> dict[str, Any]:
        """The step of this kind; the test is skipped if the plan has none."""
        for step in self.plan["steps"]:
            if step["kind"] == kind:
                found: dict[str, Any] = step
                return found
        pytest.skip(f"the plan has no step {kind}")

    @property
    def passed(self) -> list[str]:
        """PCI functions that the guest was given."""
        return [address for address in (self.plan["function"], self.plan["controller"]) if address]


def checked(result: Any, what: str) -> str:
    """The standard output of a command that ended well."""
    assert result.rc == 0, f"{what} failed with status {result.rc}: {result.stderr.strip()}"
    return str(result.stdout)


def read_state(run: Callable[[str], str], config: pytest.Config) -> dict[str, Any]:
    """The state file of the deployment that is meant."""
    path = option(config, "--state")
    if not path:
        name = option(config, "--deployment")
        names = [name] if name else run(f"ls {STATES}").split()
        assert len(names) == 1, f"name one with --deployment: {', '.join(names) or 'there is none'}"
        path = f"{STATES}/{names[0]}/state.json"
    state: dict[str, Any] = json.loads(run(f"cat {shlex.quote(path)}"))
    assert state["version"] == 1, f"{path} has a form that these tests do not know"
    assert state["condition"] == "deployed", f"{path}: {state['condition']}"
    return state


def guest_command(state: dict[str, Any], address: str, script: str) -> str:
    """The ssh command line on the host that runs a script in the guest as root, with the deployment's own key."""
    plan = state["plan"]
    folder = f"{STATES}/{state['name']}"
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": "30",
        "HostKeyAlias": state["name"],
        "IdentitiesOnly": "yes",
        "IdentityFile": f"{folder}/id_ed25519",
        "LogLevel": "ERROR",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": f"{folder}/known_hosts",
    }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    remote = f"sudo -n -- sh -c {shlex.quote(script)}"
    return shlex.join(["ssh", "-F", "none", *words, "-l", plan["request"]["guest"]["user"], "--", address, remote])


@pytest.fixture(scope="module")
def target(host: Any, request: pytest.FixtureRequest) -> Target:
    """The deployment, with the way to its host and to its guest. Without --hosts there is nothing to look at."""
    if not option(request.config, "hosts"):
        pytest.skip("name hosts: --hosts=ssh://root@host, or --hosts=ansible://hypervisors --ansible-inventory=FILE")

    def run(script: str) -> str:
        return checked(host.run("sh -c %s", script), script.strip().partition("\n")[0])

    state = read_state(run, request.config)
    found: list[str] = []

    def in_guest(script: str) -> str:
        if not found:
            found.append(guest_address(run, state))
        return run(guest_command(state, found[0], script))

    return Target(state, run, in_guest)


def guest_address(run: Callable[[str], str], state: dict[str, Any]) -> str:
    """The address that libvirt's network leased to the guest's management port."""
    network, mac = state["plan"]["request"]["guest"]["network"], state["plan"]["management_mac"]
    leases = run(f"virsh --connect qemu:///system net-dhcp-leases {shlex.quote(network)} --mac {mac}")
    addresses = [
        word.partition("/")[0] for line in leases.splitlines() if mac in line for word in line.split() if "/" in word
    ]
    assert addresses, f"{network} has no lease for {mac}"
    return addresses[-1]


@pytest.fixture(scope="module")
def qemu(target: Target) -> dict[str, str]:
    """What the kernel says about the VM's process: ``threads``, ``numa_maps``, ``mems``."""
    parts = target.run(scripts.QEMU.replace("NAME", target.state["name"])).split(scripts.CUT)
    return dict(zip(("threads", "numa_maps", "mems"), parts, strict=True))


@pytest.fixture(scope="module")
def guest(target: Target) -> dict[str, str]:
    """What the guest's kernel says: ``modules``, ``bound``, ``nodes``, ``mounts``, ``mdstat``, ``polling``."""
    parts = target.in_guest(scripts.GUEST).split(scripts.CUT)
    return dict(zip(("modules", "bound", "nodes", "mounts", "mdstat", "polling"), parts, strict=True))


@pytest.fixture
def counted(target: Target, request: pytest.FixtureRequest) -> tuple[str, str]:
    """The driver's counters before and after the command of --send."""
    command = option(request.config, "--send")
    if not command:
        pytest.skip("nobody sends: name a command with --send")
    before = target.in_guest(scripts.COUNTERS)
    sent = subprocess.run(shlex.split(command), check=False, capture_output=True, text=True, timeout=600)
    assert sent.returncode == 0, f"{command} failed: {sent.stderr.strip()}"
    time.sleep(2)  # the polling thread naps, and an emulated one naps longer
    return before, target.in_guest(scripts.COUNTERS)
