"""Two probes on one card, each of which receives everything (thesis, section 6.2.4): every frame reaches both."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from hpcapvf.model.errors import ExitCode
from orchestrator.remote import Envelope
from tests.lab.conftest import Server
from tests.lab.test_fetch import frames_of

FIRST, SECOND = "first", "second"
_DEPLOY_TIMEOUT_S = 1200.0


def spec_of(server: Server, name: str) -> str:
    """The first has the RAID controller and makes the VFs; the second stores on its own disk."""
    spec: dict[str, Any] = yaml.safe_load(server.spec(name))
    spec["network"] |= {"vfs": 2} if name == FIRST else {}
    spec["engine"] |= {"file_mib": 256}
    spec["storage"] = {"controller": server.controller} if name == FIRST else {"mode": "guest-disk"}
    return json.dumps(spec | {"wipe": ["all"]} if name == FIRST else spec)


@pytest.fixture(scope="module")
def untouched(server: Server) -> dict[str, Any]:
    """The server before the first was deployed."""
    return server.settled_snapshot()


@pytest.fixture(scope="module")
def both(server: Server, untouched: dict[str, Any]) -> Iterator[dict[str, Envelope]]:
    """The answers of the two deployments, each with its proof."""
    assert untouched
    answers = {}
    try:
        for name in (FIRST, SECOND):
            server.write(f"/root/{name}.yaml", spec_of(server, name))
            words = ("deploy-vnp", f"/root/{name}.yaml", "--source", "wire")
            answers[name] = server.command(*words, timeout_s=_DEPLOY_TIMEOUT_S)
        yield answers
    finally:
        for name in (SECOND, FIRST):
            server.command("hpcapvf", "destroy", name, timeout_s=600)


def test_each_is_proved(both: dict[str, Envelope]) -> None:
    for name, answer in both.items():
        assert answer.ok, (name, answer.error)
        (proof,) = answer.result["proofs"]
        assert proof["frames_identical"] == proof["frames_sent"] > 0, name
    assert any("receives everything from this card as well" in w["text"] for w in both[SECOND].warnings)


@pytest.mark.parametrize("proved", [FIRST, SECOND])
def test_every_frame_reaches_both(server: Server, both: dict[str, Envelope], proved: str) -> None:
    assert all(answer.ok for answer in both.values())
    start = int(time.time()) - 1
    answer = server.command("hpcapvf", "verify", proved, "--source", "wire", timeout_s=300)
    assert answer.ok, answer.error
    sent = answer.result["proofs"][0]["frames_sent"]
    stored = {}
    for name in (FIRST, SECOND):
        path = f"/root/{name}-{proved}.pcapng"
        fetched = server.command("hpcapvf", "fetch", name, "--from", f"-{int(time.time()) - start}s", "-o", path)
        assert fetched.ok, (name, fetched.error)
        stored[name] = Counter(frames_of(server.lab.run(["cat", path], timeout_s=120).stdout))
    assert stored[FIRST].total() >= sent
    assert stored[FIRST] == stored[SECOND]


def test_the_first_cannot_take_the_vfs_of_the_second_away(server: Server, both: dict[str, Envelope]) -> None:
    assert both[SECOND].ok
    refused = server.command("hpcapvf", "destroy", FIRST, timeout_s=300)
    assert refused.exit_code is ExitCode.CONFLICT
    assert SECOND in json.dumps(refused.error)


def test_after_both_the_server_is_as_before(
    server: Server, both: dict[str, Envelope], untouched: dict[str, Any]
) -> None:
    assert both[SECOND].ok
    for name in (SECOND, FIRST):
        destroyed = server.command("hpcapvf", "destroy", name, timeout_s=600)
        assert destroyed.ok, (name, destroyed.error)
    assert server.changes_since(untouched) == ()
