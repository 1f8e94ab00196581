"""One emulated server for all end-to-end tests, and one deployment in it.

The order matters, since all share one server: it starts without what a probe needs, is made ready through a reboot by
the playbooks, then comes what is refused, the deployment (by the playbooks as well), and taking it away. With the
variable HPCAPVF_TEST_LAB the lab of that name is used and left running, ready as it is; otherwise a lab is made and
removed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
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
from hpcapvf.verify.snapshot import snapshot_difference
from orchestrator.remote import Envelope, must, run_on_server
from orchestrator.suggest import suggest_spec
from tests.lab.evidence import Evidence
from tests.lab.frozen import unless_frozen
from tests.lab.outside import Outside, step_outside

ORDER = ("test_not_ready", "test_bad_input", "test_playbooks", "test_demo_path", "test_pcaps", "test_fetch",
         "test_validation", "test_destroy", "test_cells", "test_two_probes", "test_agent", "test_recover",
         "test_two_servers", "test_contract")  # fmt: skip
PROBE = "probe1"
SPEC = f"/root/{PROBE}.yaml"
IMAGE = f"{MEDIA_PATH}/{GUEST_FILE}"
KERNEL_ARGUMENTS = ("intel_iommu=on", "iommu=pt", "iomem=relaxed")
GRUB_FILE = "/etc/default/grub.d/hpcapvf.cfg"


EVIDENCE = pytest.StashKey[Evidence]()


def pytest_exception_interact(node: pytest.Item) -> None:
    """A test failed: what the lab says is kept at once, before later tests change it."""
    if isinstance(node, pytest.Item) and (evidence := node.config.stash.get(EVIDENCE, None)):
        evidence.keep()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What the lab said is shown where the failed tests are listed."""
    if (evidence := config.stash.get(EVIDENCE, None)) and evidence.told:
        terminalreporter.section("the lab at the first failure")
        terminalreporter.write_line(evidence.told)


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
        return unless_frozen(lambda: run_on_server(self.lab, argv, Silent(), timeout_s=timeout_s))

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

    def settled_snapshot(self) -> dict[str, Any]:
        """The same after the card's port was up once: the PF's driver writes registers when that happens."""
        self.shell(f"ip link set {self.interface} up; sleep 3; ip link set {self.interface} down; sleep 1")
        return self.snapshot()

    def changes_since(self, before: dict[str, Any]) -> tuple[str, ...]:
        """One line for each thing that is not as it was."""
        return snapshot_difference(before, self.snapshot())


def too_large(spec: str) -> str:
    """The spec with more memory than the server has."""
    return spec.replace("memory_mib: 1024", "memory_mib: 131072")


def looked_at(lab: Lab) -> Server:
    """The server as it is now."""
    answer = must(run_on_server(lab, ["hpcapvf", "probe"], Silent(), timeout_s=180))
    return Server(lab, from_json(Host, answer.result["host"]))


@contextmanager
def in_a_lab(prefix: str, **config: Any) -> Iterator[Server]:
    """For runs without pytest: the lab that HPCAPVF_TEST_LAB names, else one that is removed afterwards."""
    kept = os.environ.get("HPCAPVF_TEST_LAB")
    lab = Lab(kept or f"{prefix}-{os.getpid()}")
    try:
        lab.up(None if kept else LabConfig(name=lab.name, **config))
        push(lab, Silent())
        yield looked_at(lab)
    finally:
        if not kept:
            lab.down(clean=True)


@pytest.fixture(scope="session")
def first_start(request: pytest.FixtureRequest) -> Iterator[Server]:
    """The shared server with the toolkit.

    Its kernel has no argument that a probe needs if one of the tests begins there (not_ready, first_run).
    """
    kept = os.environ.get("HPCAPVF_TEST_LAB")
    lab = Lab(kept or f"test-{os.getpid()}")
    request.config.stash[EVIDENCE] = Evidence(lab)
    bare = any({"not_ready", "first_run"} & set(getattr(item, "fixturenames", ())) for item in request.session.items)
    try:
        lab.up(None if kept else LabConfig(name=lab.name, bare=bare))
        push(lab, Silent())
        yield looked_at(lab)
    finally:
        if not kept:
            lab.down(clean=True)


@pytest.fixture(scope="session")
def outside(first_start: Server, tmp_path_factory: pytest.TempPathFactory) -> Outside:
    """Where an operator with an inventory sits."""
    return step_outside(first_start.lab, tmp_path_factory.mktemp("outside"))


@pytest.fixture(scope="session")
def first_run(first_start: Server, outside: Outside) -> Envelope:
    """The first run from outside: it makes the server ready, reboots it, and is refused for what the spec asks."""
    return outside.deploy(too_large(first_start.spec()))


@pytest.fixture(scope="session")
def server(first_start: Server, request: pytest.FixtureRequest) -> Server:
    """The shared server, ready for a probe."""
    ready = first_start
    if not ready.host.iommu_active:
        request.getfixturevalue("first_run")
        ready = looked_at(first_start.lab)
    request.config.stash[EVIDENCE].boot_id = ready.lab.boot_id()
    return ready


@pytest.fixture(scope="session")
def before(server: Server) -> dict[str, Any]:
    """The server before anything was deployed; its card's port was up once, as in the tests of bad input."""
    return server.settled_snapshot()


@pytest.fixture(scope="session")
def deployed_by_ansible(server: Server, before: dict[str, Any], outside: Outside) -> Envelope:
    """The run from outside that deploys; the deployment stands afterwards."""
    assert before, "the snapshot comes first"
    return outside.deploy(server.spec(), "--limit", outside.host)


@pytest.fixture(scope="session")
def deployed(server: Server, deployed_by_ansible: Envelope) -> Envelope:
    """The proof with frames from the wire that the probe which stands captures what is sent."""
    assert deployed_by_ansible.ok, deployed_by_ansible.error
    server.write(SPEC, server.spec())
    answer = server.command("hpcapvf", "verify", PROBE, "--source", "wire", timeout_s=300)
    assert answer.result, answer.error
    return answer
