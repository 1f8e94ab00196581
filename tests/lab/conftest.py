"""One emulated server for all end-to-end tests, and one deployment in it.

The order matters, since all share one server: what is refused, then the deployment, then taking it away. With the
variable HPCAPVF_TEST_LAB the lab of that name is used and left running; otherwise a lab is made and removed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hpcapvf.lab.images import GUEST_FILE, MEDIA_PATH
from hpcapvf.lab.machine import LabConfig
from hpcapvf.lab.push import push
from hpcapvf.lab.server import Lab
from hpcapvf.model.codec import from_json
from hpcapvf.model.host import Host
from hpcapvf.model.progress import Silent
from hpcapvf.verify import snapshot_difference
from orchestrator.remote import Envelope, must, run_on_server
from orchestrator.suggest import suggest_spec

ORDER = ("test_bad_input", "test_demo_path", "test_pcaps", "test_validation", "test_destroy", "test_contract",
         "test_not_ready", "test_playbooks")  # fmt: skip
PROBE = "probe1"
SPEC = f"/root/{PROBE}.yaml"
IMAGE = f"{MEDIA_PATH}/{GUEST_FILE}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs the lab, and runs in ORDER."""
    here = [item for item in items if Path(item.path).parent == Path(__file__).parent]
    for item in here:
        item.add_marker(pytest.mark.lab)
    sorted_here = iter(sorted(here, key=lambda item: ORDER.index(Path(item.path).stem)))
    items[:] = [next(sorted_here) if item in here else item for item in items]


@dataclass(frozen=True)
class Server:
    """The emulated server with the toolkit in it, and what it is."""

    lab: Lab
    host: Host

    def command(self, *argv: str, timeout_s: float = 180) -> Envelope:
        """Run one of the project's commands there."""
        return run_on_server(self.lab, argv, Silent(), timeout_s=timeout_s)

    def shell(self, script: str, *, timeout_s: float = 60) -> str:
        """Run a shell script there; its standard output. AssertionError if it fails."""
        result = self.lab.run(["sh", "-euc", script], timeout_s=timeout_s)
        assert result.returncode == 0, result.error_text
        return result.text

    def write(self, path: str, text: str) -> None:
        """Write a file there."""
        result = self.lab.run(["sh", "-c", f"cat >{path}"], timeout_s=60, stdin=text.encode())
        assert result.returncode == 0, result.error_text

    def spec(self, name: str = PROBE) -> str:
        """A spec that this server can fulfil."""
        return suggest_spec(self.host, name=name, image=IMAGE)

    @property
    def pf(self) -> str:
        """PCI address of the SR-IOV card."""
        return str(next(device.address for device in self.host.pci if device.sriov and device.sriov.total_vfs))

    @property
    def interface(self) -> str:
        """Network interface of the SR-IOV card."""
        return next(interface.name for interface in self.host.interfaces if str(interface.pci) == self.pf)

    @property
    def controller(self) -> str:
        """PCI address of the RAID controller."""
        return str(next(device.address for device in self.host.pci if device.class_code >> 8 == 0x0104))

    def snapshot(self) -> dict[str, Any]:
        """Everything that a deployment may change."""
        answer = must(self.command("hpcapvf", "snapshot", self.pf, self.controller))
        snapshot: dict[str, Any] = answer.result["snapshot"]
        return snapshot

    def changes_since(self, before: dict[str, Any]) -> tuple[str, ...]:
        """One line for each thing that is not as it was."""
        return snapshot_difference(before, self.snapshot())


def started(name: str, config: LabConfig) -> Server:
    """Bring a lab up, with the toolkit in it."""
    lab = Lab(name)
    lab.up(config)
    push(lab, Silent())
    answer = must(run_on_server(lab, ["hpcapvf", "probe"], Silent(), timeout_s=180))
    return Server(lab, from_json(Host, answer.result["host"]))


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The shared server."""
    kept = os.environ.get("HPCAPVF_TEST_LAB")
    name = kept or f"test-{os.getpid()}"
    try:
        yield started(name, LabConfig(name=name))
    finally:
        if not kept:
            Lab(name).down(clean=True)


@pytest.fixture(scope="session")
def before(server: Server) -> dict[str, Any]:
    """The server before anything was deployed.

    The card's port was up once, as in the tests of bad input: the PF's driver writes registers when that happens.
    """
    server.shell(f"ip link set {server.interface} up; sleep 3; ip link set {server.interface} down; sleep 1")
    return server.snapshot()


@pytest.fixture(scope="session")
def deployed(server: Server, before: dict[str, Any]) -> Envelope:
    """The answer of ``deploy-vnp`` with frames from the wire; the deployment stands afterwards."""
    assert before, "the snapshot comes first"
    server.write(SPEC, server.spec())
    answer = server.command("deploy-vnp", SPEC, "--source", "wire", timeout_s=1200)
    assert answer.result, answer.error
    return answer
