"""What a user can get wrong: each has its own message and exit code, and the server stays as it was."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest

from hpcapvf.model.errors import ExitCode
from orchestrator.remote import Envelope, parse_envelope
from tests.lab.conftest import Server

FOLDER = "/root/bad"
# Name -> what is replaced in a good spec (text, by), exit code, words that the answer must hold.
CASES: dict[str, tuple[tuple[str, str], ExitCode, tuple[str, ...]]] = {
    "unknown key": (("  receive: all", "  recieve: all"), ExitCode.BAD_SPEC, ("network.recieve",)),
    "no such PF": (("pf: {pf}", "pf: enp99s0"), ExitCode.NOT_FOUND, ("enp99s0", "no such network interface")),
    "PF without SR-IOV": (("pf: {pf}", "pf: {controller}"), ExitCode.NOT_CAPABLE, ("no SR-IOV capability",)),
    "default route": (("", ""), ExitCode.REFUSED, ("carries the default route",)),
    "boot disk": (("controller: {controller}", "controller: {boot}"), ExitCode.REFUSED, ("is in use", "mounted on /")),
    "too few hugepages": (("memory_mib: 1024", "memory_mib: 131072"), ExitCode.REFUSED, ("hugepages",)),
    "no guest image": (("debian-lab.qcow2", "nowhere.qcow2"), ExitCode.NOT_FOUND, ("no such guest image",)),
    "too many VFs": (("  vfs: 1", "  vfs: 99"), ExitCode.REFUSED, ("network.vfs",)),
}


def _boot_controller(server: Server) -> str:
    for disk in server.host.disks:
        if disk.in_use and any(use.startswith("mounted on /") for use in disk.in_use):
            return str(disk.controller)
    raise AssertionError("the inventory names no disk that is mounted")


def _spec(server: Server, case: str) -> str:
    names = {"pf": server.interface, "controller": server.controller, "boot": _boot_controller(server)}
    good = server.spec()
    old, new = (text.format(**names) for text in CASES[case][0])
    assert old in good
    return good.replace(old, new) if old else good


@pytest.fixture(scope="module")
def answers(server: Server, before: dict[str, Any]) -> dict[str, Envelope]:
    """All cases in one session on the server; one of them has the default route on the card while it runs."""
    script = [f"mkdir -p {FOLDER}"]
    for case in CASES:
        path = shlex.quote(f"{FOLDER}/{case}.yaml")
        script.append(f"cat >{path} <<'END'\n{_spec(server, case)}END")
        if case == "default route":
            script.append(f"ip link set {server.interface} up; ip route add default dev {server.interface} metric 4000")
        script.append(f"deploy-vnp {path} --json --progress none | python3 -c 'import json,sys; "
                      "print(json.dumps(json.load(sys.stdin)))'")  # fmt: skip
        if case == "default route":
            script.append(f"ip route del default dev {server.interface}; ip link set {server.interface} down")
    assert before
    lines = server.shell("\n".join(script), timeout_s=600).splitlines()
    assert len(lines) == len(CASES), lines
    return {case: parse_envelope(line) for case, line in zip(CASES, lines, strict=True)}


@pytest.mark.parametrize("case", CASES)
def test_each_has_its_own_message_hint_and_exit_code(case: str, answers: dict[str, Envelope]) -> None:
    _, code, words = CASES[case]
    answer = answers[case]
    assert answer.exit_code is code, answer.error
    said = json.dumps(answer.error)
    for word in words:
        assert word in said, said
    assert answer.error["hint"] or any("(" in detail for detail in answer.error["details"]), said


def test_the_server_stays_as_it_was(server: Server, before: dict[str, Any], answers: dict[str, Envelope]) -> None:
    assert all(not answer.ok for answer in answers.values())
    assert server.changes_since(before) == ()
    assert server.command("hpcapvf", "status").result == {"deployments": []}


def test_a_dry_run_shows_the_plan_and_changes_nothing(server: Server, before: dict[str, Any]) -> None:
    server.write("/root/dry.yaml", server.spec("dry"))
    answer = server.command("deploy-vnp", "/root/dry.yaml", "--dry-run")
    assert answer.ok, answer.error
    kinds = [step["kind"] for step in answer.result["plan"]["steps"]]
    assert kinds.index("define-domain") < kinds.index("start-domain") < kinds.index("make-raid")
    assert server.changes_since(before) == ()
