"""One deployment for each way to store: planned, proved with frames from the wire, taken away without a trace.

Needs a lab with the NVMe controller: `hpcapvf lab up --name storage --nvme`, `hpcapvf lab push --name storage`, then
HPCAPVF_TEST_LAB=storage pytest -m lab tests/lab/test_storage_modes.py. Elsewhere these tests are skipped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from orchestrator.remote import Envelope
from tests.lab.conftest import Server, looked_at

NAME = "cell1"
SPEC = f"/root/{NAME}.yaml"
_NVME_CLASS = 0x010802
# Cell -> mode, kind of array, whether disks may be wiped. "existing" mounts the array that the cell before it made.
CELLS: dict[str, tuple[str, str, bool]] = {
    "none": ("none", "md", False),
    "virtio": ("virtio", "md", True),
    "existing": ("virtio", "existing", False),
    "nvme-vf": ("nvme-vf", "md", True),
}


@pytest.fixture(scope="module")
def ready(server: Server) -> Server:
    """The server as it is now, if it has the NVMe controller."""
    now = looked_at(server.lab)
    if not any(device.class_code == _NVME_CLASS for device in now.host.pci):
        pytest.skip("the lab has no NVMe controller: hpcapvf lab up --nvme")
    return now


def nvme(server: Server) -> str:
    """PCI address of the NVMe controller."""
    return str(next(d.address for d in server.host.pci if d.class_code == _NVME_CLASS and d.physfn is None))


def spec_of(server: Server, cell: str) -> str:
    mode, kind, wipe = CELLS[cell]
    spec: dict[str, Any] = yaml.safe_load(server.spec(NAME))
    storage: dict[str, Any] = {"mode": mode}
    if mode != "none":
        storage |= {"controller": nvme(server) if mode == "nvme-vf" else server.controller, "raid": {"kind": kind}}
    spec["storage"] = storage
    if wipe:
        spec["wipe"] = ["all"]
    return json.dumps(spec, indent=1)  # YAML 1.2 holds JSON


def facts(server: Server, cell: str) -> dict[str, Any]:
    """The engine's snapshot, and what it does not know of: shares of the NVMe's VFs, and arrays of the host."""
    controller = nvme(server) if CELLS[cell][0] == "nvme-vf" else server.controller
    shares = "nvme list-secondary /dev/nvme0 --output-format=json; nvme primary-ctrl-caps /dev/nvme0 -o json"
    taken = server.command("hpcapvf", "snapshot", server.pf, controller).result["snapshot"]
    known: dict[str, Any] = dict(taken)
    return known | {"nvme": server.shell(shares), "arrays": server.shell("grep ^md /proc/mdstat || true")}


@pytest.fixture(scope="module", params=CELLS)
def cell(request: pytest.FixtureRequest, ready: Server) -> Iterator[tuple[str, Server, dict[str, Any], Envelope]]:
    """Each in turn: its name, the server, the facts before, and the answer of the deployment with its proof."""
    server, name = ready, request.param
    server.shell(f"ip link set {server.interface} up; sleep 3; ip link set {server.interface} down; sleep 1")
    before = facts(server, name)
    server.write(SPEC, spec_of(server, name))
    answer = server.command("deploy-vnp", SPEC, "--source", "wire", timeout_s=900)
    try:
        yield name, server, before, answer
    finally:
        server.command("hpcapvf", "destroy", NAME, timeout_s=600)


def test_it_is_deployed_and_proved(cell: tuple[str, Server, dict[str, Any], Envelope]) -> None:
    name, _, _, answer = cell
    assert answer.ok, answer.error
    assert all(finding["ok"] for finding in answer.result["findings"]), answer.result["findings"]
    (proof,) = answer.result["proofs"]
    assert proof["ok"], proof["findings"]
    assert proof["frames_received"] >= proof["frames_sent"] > 0
    if name == "none":
        assert proof["frames_counted"] >= proof["frames_sent"]
        assert [proof[key] for key in ("frames_stored", "frames_identical", "bytes_stored", "loss")] == [None] * 4
    else:
        assert proof["frames_identical"] == proof["frames_sent"]


def test_destroy_leaves_the_server_as_it_was(cell: tuple[str, Server, dict[str, Any], Envelope]) -> None:
    name, server, before, answer = cell
    assert answer.ok, answer.error
    destroyed = server.command("hpcapvf", "destroy", NAME, timeout_s=600)
    assert destroyed.ok, destroyed.error
    after = facts(server, name)
    assert {key: (before[key], after[key]) for key in before if before[key] != after[key]} == {}
