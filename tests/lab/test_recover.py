"""A deployment that dies in its middle, by SIGKILL and by the server's reset button, and a probe that persists.

Not part of `make test`, since it starts the guest several times: `make test-recover`, or with a server that is up and
ready `HPCAPVF_TEST_LAB=NAME pytest -m lab tests/lab/test_recover.py`.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from orchestrator.remote import Envelope
from tests.lab.conftest import SPEC, Server, looked_at

NAME = "probe1"
FOLDER = f"/var/lib/hpcapvf/deployments/{NAME}"
REACH_S = 420.0
RECOVER_S = 900.0


def begin(server: Server, spec: str) -> None:
    """Start a deployment that goes on without us."""
    server.write(SPEC, spec)
    server.shell(
        "sync\n"  # the toolkit was pushed a moment ago
        "systemctl reset-failed recover-test.service 2>/dev/null || true\n"
        f"systemd-run --quiet --unit=recover-test.service --property=SendSIGKILL=yes deploy-vnp {SPEC}"
    )


def wait_for_step(server: Server, kind: str) -> None:
    """Until the journal has the begin of a step of this kind."""
    end = time.monotonic() + REACH_S
    wanted = f'"event":"begin".*"kind":"{kind}"'
    while time.monotonic() < end:
        if server.lab.run(["grep", "-q", wanted, f"{FOLDER}/journal.jsonl"], timeout_s=60).returncode == 0:
            return
        time.sleep(0.2)
    raise AssertionError(f"the deployment did not come to {kind}: {server.shell(f'cat {FOLDER}/journal.jsonl')}")


def kill(server: Server) -> None:
    """SIGKILL to deploy-vnp, as the kernel's out-of-memory killer would."""
    server.shell("systemctl kill --signal=KILL --kill-whom=main recover-test.service; sleep 1")


def reset(server: Server) -> Server:
    """The reset button, and the server as it is then. The service of systemd recovers while we wait."""
    server.lab.reboot(hard=True)
    return looked_at(server.lab)


def recovered(server: Server) -> Envelope:
    """Recover, and wait for the service that may do the same."""
    answer = server.command("hpcapvf", "recover", "--wait", "600", timeout_s=RECOVER_S)
    assert answer.ok, answer.error
    return answer


@pytest.mark.parametrize("step", ["set-numvfs", "make-seed", "install-driver"])
def test_killed_in_the_middle(server: Server, before: dict[str, Any], step: str) -> None:
    begin(server, server.spec())
    wait_for_step(server, step)
    kill(server)
    answer = recovered(server)
    assert [done["action"] for done in answer.result["deployments"]] == ["put back"]
    assert server.changes_since(before) == ()


@pytest.mark.parametrize("step", ["bind-driver", "start-domain"])
def test_reset_in_the_middle(server: Server, before: dict[str, Any], step: str) -> None:
    """Compared with the same server, started again without us: the card's port was up once there as well."""
    begin(server, server.spec())
    wait_for_step(server, step)
    after = reset(server)
    recovered(after)
    after.shell(f"ip link set {after.interface} up; sleep 3; ip link set {after.interface} down; sleep 1")
    assert after.changes_since(before) == ()


def test_a_probe_that_persists_is_there_again(server: Server, before: dict[str, Any]) -> None:
    server.write(SPEC, server.spec() + "persist: true\nwipe: [all]\n")
    answer = server.command("deploy-vnp", SPEC, timeout_s=1200)
    assert answer.ok, answer.error
    after = reset(server)
    recovered(after)
    status = after.command("hpcapvf", "status", NAME).result
    assert (status["condition"], status["domain"]) == ("deployed", "running"), json.dumps(status)
    proof = after.command("hpcapvf", "verify", NAME, "--source", "wire", timeout_s=600)
    assert proof.ok, proof.error
    assert after.command("hpcapvf", "destroy", NAME, timeout_s=600).ok
    after.shell(f"ip link set {after.interface} up; sleep 3; ip link set {after.interface} down; sleep 1")
    assert after.changes_since(before) == ()
