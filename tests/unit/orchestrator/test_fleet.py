"""From the lines that Ansible's results are told in to one report per host."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from hpcapvf.model.errors import ExitCode, HpcapvfError
from orchestrator.commands.deploy import deploy_vnma_parser, deploy_vnp_parser
from orchestrator.envelope import envelope
from orchestrator.fleet import fleet_answer, parse_event, summarize
from orchestrator.playbooks import CannotRun, event_reader, playbook_command, playbooks_folder


def result(host: str, status: str, task: str = "Deploy", role: str = "deploy", **more: Any) -> dict[str, Any]:
    return {"event": "result", "host": host, "role": role, "task": task, "status": status, **more}


REFUSED = {"exit_code": 5, "error": {"message": "no room", "hint": "fewer vCPUs", "details": ["node 0: 1 core"]}}
EVENTS = [
    {"event": "task", "role": "prepare_host", "task": "Look at the host"},
    result("c", "unreachable", "Look at the host", "prepare_host", reason="ssh: connect to host c: No route to host"),
    result("a", "ok", "Look at the host", "prepare_host", exit_code=0, error=None),
    result("b", "changed", "Have the spec on the host"),
    result("b", "ok", exit_code=5, error=REFUSED["error"]),
    result("b", "failed", "Stop if it was not deployed", reason="no room; node 0: 1 core (fewer vCPUs)"),
    result("d", "failed", "Reboot", "prepare_host", reason="Timed out waiting for last boot time check"),
    result("e", "changed", "Deploy", exit_code=0, error=None),
]


def test_each_host_has_its_state_and_its_reason() -> None:
    reports = {report.host: report for report in summarize(EVENTS)}
    assert {name: report.state for name, report in reports.items()} == {
        "a": "ok", "b": "failed", "c": "unreachable", "d": "failed", "e": "changed",
    }  # fmt: skip
    assert (reports["b"].reason, reports["b"].hint) == ("no room", "fewer vCPUs")
    assert reports["b"].details == ("node 0: 1 core",)
    assert reports["b"].exit_code is ExitCode.REFUSED
    assert reports["b"].changed == ("deploy: Have the spec on the host",)
    assert "No route to host" in reports["c"].reason
    assert reports["c"].exit_code is reports["d"].exit_code is ExitCode.HOST_FAILED
    assert reports["d"].task == "prepare_host: Reboot"


def test_the_worst_host_gives_the_exit_code_and_the_error_names_them_all() -> None:
    answer = fleet_answer(summarize(EVENTS), dry_run=False)
    told = envelope("deploy-vnp", answer)
    assert told["exit_code"] == ExitCode.HOST_FAILED
    assert told["result"]["counts"] == {"ok": 1, "changed": 1, "failed": 2, "unreachable": 1}
    assert told["error"]["message"] == "3 of 5 hosts failed"
    assert [line.partition(":")[0] for line in told["error"]["details"]] == ["b", "c", "d"]
    alone = fleet_answer(summarize([event for event in EVENTS if event.get("host") in ("a", "b")]), dry_run=False)
    assert alone.final_code is ExitCode.REFUSED


def test_hosts_that_are_as_asked_are_no_change_and_no_error() -> None:
    answer = fleet_answer(summarize([result("a", "ok"), result("b", "ok")]), dry_run=True)
    assert answer.final_code is ExitCode.OK
    assert answer.result["changed"] is False
    assert answer.result["dry_run"] is True


def test_an_exit_code_of_another_version_is_a_defect_not_a_crash() -> None:
    (report,) = summarize([result("a", "ok", exit_code=99, error=None), result("a", "failed", reason="odd")])
    assert report.exit_code is ExitCode.INTERNAL
    assert report.reason == "odd"


@pytest.mark.parametrize("line", ["[WARNING]: something", "[]", '{"event": "other"}', '{"event": "task"}', ""])
def test_other_lines_are_no_events(line: str) -> None:
    assert parse_event(line) is None


class Recorder:
    """Progress as a list."""

    def __init__(self) -> None:
        self.seen: list[tuple[object, ...]] = []

    def phase(self, name: str, detail: str = "") -> None:
        self.seen.append((name, detail))

    def advance(self, done: int, total: int, unit: str = "") -> None:
        self.seen.append((done, total, unit))


def test_tasks_are_phases_and_a_failure_is_told_when_it_happens() -> None:
    events: list[dict[str, Any]] = []
    recorder = Recorder()
    read = event_reader(events, recorder)
    for event in EVENTS[:3]:
        read(json.dumps(event))
    read("[WARNING]: something")
    assert events == EVENTS[:3]
    assert recorder.seen == [
        ("prepare_host: Look at the host", ""),
        ("c unreachable", "ssh: connect to host c: No route to host"),
    ]


def command(tmp_path: Path, *words: str) -> list[str]:
    for name in ("spec.yaml", "hosts.yaml"):
        (tmp_path / name).touch()
    args = deploy_vnp_parser().parse_args([str(tmp_path / "spec.yaml"), "-i", str(tmp_path / "hosts.yaml"), *words])
    return playbook_command(args, Path("/books"))


def test_the_command_line_is_this_pythons_own_ansible(tmp_path: Path) -> None:
    argv = command(tmp_path, "--limit", "lab-*", "--dry-run", "--source", "wire")
    assert argv[:4] == [sys.executable, "-m", "ansible", "playbook"]
    assert argv[-1] == "/books/site.yml"
    assert {"--check", "--diff"} <= set(argv)
    assert argv[argv.index("--limit") + 1] == "lab-*"
    variables = json.loads(argv[argv.index("--extra-vars") + 1])
    assert variables == {
        "hpcapvf_spec": str(tmp_path / "spec.yaml"), "hpcapvf_source": "wire", "hpcapvf_force": [],
        "hpcapvf_kind": "vnp",
    }  # fmt: skip
    assert "--check" not in command(tmp_path)
    forced = command(tmp_path, "--force", "bridge", "--force", "disk-held")
    assert json.loads(forced[forced.index("--extra-vars") + 1])["hpcapvf_force"] == ["bridge", "disk-held"]


def test_what_cannot_be_is_refused_before_ansible_starts(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="--pcap"):
        command(tmp_path, "--pcap", "a.pcap")
    with pytest.raises(HpcapvfError, match="no inventory"):
        command(tmp_path, "-i", str(tmp_path / "nowhere.yaml"))


def test_a_limit_without_an_inventory_is_refused() -> None:
    args = deploy_vnp_parser().parse_args(["spec.yaml", "--limit", "a"])
    with pytest.raises(CannotRun, match="--limit"):
        args.handler(args, Recorder())


def test_the_playbooks_are_found() -> None:
    folder = playbooks_folder()
    assert (folder / "callback_plugins/hpcapvf_lines.py").is_file()
    assert {path.name for path in (folder / "roles").iterdir()} == {
        "one_name", "prepare_host", "driver_store", "deploy", "validate", "destroy", "guest_driver",
    }  # fmt: skip
    assert {path.stem for path in folder.glob("*.yml")} == {
        "site", "prepare-host", "deploy-vnp", "deploy-vnma", "guest-driver", "validate", "destroy",
    }  # fmt: skip


def test_the_agents_command_names_its_kind(tmp_path: Path) -> None:
    for name in ("spec.yaml", "hosts.yaml"):
        (tmp_path / name).touch()
    args = deploy_vnma_parser().parse_args(
        [str(tmp_path / "spec.yaml"), "-i", str(tmp_path / "hosts.yaml"), "--ttl", "2h"]
    )
    argv = playbook_command(args, Path("/books"))
    variables = json.loads(argv[argv.index("--extra-vars") + 1])
    assert (variables["hpcapvf_kind"], variables["hpcapvf_ttl"]) == ("vnma", "2h")


def test_a_check_tells_what_of_files_and_plan_would_be_different() -> None:
    change = {"place": "sriov_numvfs", "before": "0", "after": "1"}
    events = [
        result("a", "changed", diff="--- before\n+++ after\n+iommu=pt\n"),
        result("a", "changed", exit_code=0, error=None, changes=[change]),
        result("b", "ok", changes="odd"),
    ]
    answer = fleet_answer(summarize(events), dry_run=True)
    assert answer.result["hosts"]["a"]["diff"] == ["--- before\n+++ after\n+iommu=pt\n"]
    assert answer.result["hosts"]["a"]["changes"] == [change]
    assert answer.result["hosts"]["b"]["changes"] == []
    (text,) = answer.shown[1:]
    assert str(text).splitlines() == ["a:", "--- before", "+++ after", "+iommu=pt", "  sriov_numvfs: 0 -> 1"]
