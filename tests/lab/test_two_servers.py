"""Two servers, one inventory, one command: a probe on each at once, and one of the two fails in the middle."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from hpcapvf.lab.inventory import GROUP
from hpcapvf.lab.push import push
from hpcapvf.lab.server import Lab
from hpcapvf.model.errors import ExitCode
from hpcapvf.model.progress import Silent
from orchestrator.remote import Envelope, parse_envelope
from tests.lab.conftest import PROBE, Server, looked_at
from tests.lab.evidence import Evidence
from tests.lab.frozen import unless_frozen

PROGRAMS = Path(sys.executable).parent
# The guest loses its power once it has begun to start. Written down, so that the test can look that it happened.
POWER_CUT = f"""\
cat >/root/power-cut.sh <<'END'
for second in $(seq 3000); do
    if [ "$(virsh --connect qemu:///system domstate {PROBE} 2>/dev/null)" = running ]; then
        sleep 10
        virsh --connect qemu:///system destroy {PROBE} && touch /root/power-was-cut
        exit
    fi
    sleep 1
done
END
rm -f /root/power-was-cut
systemd-run --unit power-cut --collect sh /root/power-cut.sh
"""


@dataclass(frozen=True)
class Pair:
    """first: the server on which all goes well. second: where the guest loses its power. folder: the operator's."""

    first: Server
    second: Server
    folder: Path

    def deploy(self) -> Envelope:
        """The one command for both."""
        words = ("-i", str(self.folder / "hosts.yaml"), str(self.folder / "probe1.yaml"))
        return command("deploy-vnp", *words, timeout_s=4800)


def command(*words: str, timeout_s: float) -> Envelope:
    """One of the project's commands here, as an operator runs it."""

    def run() -> Envelope:
        argv = [str(PROGRAMS / words[0]), *words[1:], "--json"]
        result = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False, timeout=timeout_s)
        return parse_envelope(result.stdout)

    return unless_frozen(run)


@pytest.fixture(scope="module")
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """`lab up --servers 2`, with the toolkit on both; gone afterwards."""
    name, folder = f"pair-{os.getpid()}", tmp_path_factory.mktemp("pair")
    labs = [Lab(f"{name}-{number}") for number in (1, 2)]
    try:
        up = command("hpcapvf", "lab", "up", "--servers", "2", "--name", name, timeout_s=2400)
        assert up.ok, up.error
        for lab in labs:
            push(lab, Silent())
        written = command(
            *("hpcapvf", "lab", "inventory", "--name", name, "--output", str(folder / "hosts.yaml")), timeout_s=60
        )
        assert written.ok, written.error
        yield Pair(looked_at(labs[0]), looked_at(labs[1]), folder)
    finally:
        if request.session.testsfailed:
            for lab in labs:
                Evidence(lab).keep()
        down = command("hpcapvf", "lab", "down", "--clean", "--name", name, timeout_s=600)
    assert down.ok, down.error


@pytest.fixture(scope="module")
def before(pair: Pair) -> dict[str, dict[str, Any]]:
    """Both servers before the command."""
    return {server.lab.name: server.settled_snapshot() for server in (pair.first, pair.second)}


@pytest.fixture(scope="module")
def fleet(pair: Pair, before: dict[str, dict[str, Any]]) -> Envelope:
    """What the command says; the second guest loses its power meanwhile."""
    assert len(before) == 2
    (pair.folder / "probe1.yaml").write_text(pair.first.spec())
    pair.second.shell(POWER_CUT)
    return pair.deploy()


def test_the_inventory_names_both(pair: Pair) -> None:
    hosts = yaml.safe_load((pair.folder / "hosts.yaml").read_text())[GROUP]["hosts"]
    assert set(hosts) == {f"lab-{pair.first.lab.name}", f"lab-{pair.second.lab.name}"}
    assert len({host["ansible_port"] for host in hosts.values()}) == 2


def test_each_host_is_told_for_itself(pair: Pair, fleet: Envelope) -> None:
    pair.second.shell("test -e /root/power-was-cut")
    good, bad = (fleet.result["hosts"][f"lab-{server.lab.name}"] for server in (pair.first, pair.second))
    assert good["state"] == "changed", good
    assert bad["state"] == "failed", bad
    assert bad["exit_code"] in (ExitCode.STEP_FAILED, ExitCode.TIMEOUT), bad
    assert fleet.exit_code == bad["exit_code"]
    assert fleet.result["counts"] == {"ok": 0, "changed": 1, "failed": 1, "unreachable": 0}
    assert fleet.error["message"] == "1 of 2 hosts failed"


def test_the_first_has_a_probe_that_stores_what_comes(pair: Pair, fleet: Envelope) -> None:
    assert fleet.result
    answer = pair.first.command("hpcapvf", "verify", PROBE, "--source", "wire", timeout_s=600)
    assert answer.ok, answer.error


def test_the_second_is_as_it_was(pair: Pair, fleet: Envelope, before: dict[str, dict[str, Any]]) -> None:
    assert fleet.result
    assert pair.second.changes_since(before[pair.second.lab.name]) == ()
    assert pair.second.shell("virsh --connect qemu:///system list --all --name").split() == []


def test_another_run_mends_the_second_and_leaves_the_first_alone(pair: Pair, fleet: Envelope) -> None:
    assert fleet.result
    again = pair.deploy()
    assert again.ok, json.dumps(again.error)
    states = {name: report["state"] for name, report in again.result["hosts"].items()}
    assert states == {f"lab-{pair.first.lab.name}": "ok", f"lab-{pair.second.lab.name}": "changed"}
