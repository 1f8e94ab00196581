"""Where an operator sits: an inventory with the lab's server and a host that is not there, and ``deploy-vnp -i``."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hpcapvf.lab.inventory import GROUP, inventory
from hpcapvf.lab.push import DRIVER_STORE
from hpcapvf.lab.server import Lab
from orchestrator.remote import Envelope, parse_envelope
from tests.lab.frozen import unless_frozen

DEPLOY = Path(sys.executable).with_name("deploy-vnp")
GONE = "gone"


@dataclass(frozen=True)
class Outside:
    """folder: the inventory, the specs and the driver's store of whoever runs the command."""

    lab: Lab
    folder: Path

    @property
    def host(self) -> str:
        """The server's name in the inventory."""
        return f"lab-{self.lab.name}"

    def deploy(self, spec: str, *words: str, timeout_s: float = 2400) -> Envelope:
        """``deploy-vnp -i INVENTORY SPEC --json``; its progress goes to this test's standard error."""
        path = self.folder / "probe1.yaml"
        path.write_text(spec)
        argv = [str(DEPLOY), "-i", str(self.folder / "hosts.yaml"), str(path), "--json", *words]

        def run() -> Envelope:
            result = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False, timeout=timeout_s)
            return parse_envelope(result.stdout)

        return unless_frozen(run)

    def report(self, answer: Envelope) -> dict[str, Any]:
        """What an answer says about the server."""
        found: dict[str, Any] = answer.result["hosts"][self.host]
        return found


def step_outside(lab: Lab, folder: Path) -> Outside:
    """The driver is taken from the server, so that the playbooks must bring it; another host is not there."""
    place = f"/{DRIVER_STORE}"
    packed = lab.run(["tar", "--create", "--directory", place, "."], timeout_s=60).stdout
    (folder / "store").mkdir()
    subprocess.run(["tar", "--extract", "--directory", str(folder / "store")], input=packed, check=True, timeout=60)
    assert lab.run(["rm", "-r", f"{place}/bin"], timeout_s=60).returncode == 0
    hosts = inventory(lab.name, lab.target(), lab.facts())
    hosts[GROUP]["hosts"][GONE] = {"ansible_host": "127.0.0.1", "ansible_port": 1}
    hosts[GROUP]["vars"] = {"hpcapvf_driver_store": str(folder / "store")}
    (folder / "hosts.yaml").write_text(yaml.safe_dump(hosts))
    return Outside(lab, folder)
