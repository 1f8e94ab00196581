"""Metrics, alert rules and dashboard by Prometheus' own promtool; and the script that asks a guest, by a real shell."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from hpcapvf.apply.run import apply_plan
from hpcapvf.apply.state import state_path
from hpcapvf.model.errors import ExitCode
from hpcapvf.model.progress import Silent
from hpcapvf.verify import status
from hpcapvf.verify.capture import DRIVER_FOLDERS
from hpcapvf.verify.metrics import Sample, render_metrics, samples_of
from orchestrator.main import hpcapvf_parser
from orchestrator.runner import run
from tests.unit.apply.world import NAME, make_world
from tests.unit.verify.test_metrics import ALL_PRINTED, NOW, told

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "playbooks/monitoring"
PROMTOOL = shutil.which("promtool") or str(ROOT / "build/tools/promtool")
needs_promtool = pytest.mark.skipif(not Path(PROMTOOL).exists(), reason="no promtool here: make build/tools/promtool")
TIMEOUT_S = 120
# Of each alert: a series, its values a minute apart that must raise it, those that must not, and its labels.
P = 'instance="h",probe="p"'
GROWS, STANDS = "0+3x60", "7x60"
ALERTS: dict[str, tuple[dict[str, str], dict[str, str], dict[str, str]]] = {
    "HpcapvfProbeDown": ({f"hpcapvf_up{{{P}}}": "0x60"}, {f"hpcapvf_up{{{P}}}": "1x60"}, {}),
    "HpcapvfCondition": (
        {f'hpcapvf_deployment_condition{{condition="incomplete",{P}}}': "1x60"},
        {f'hpcapvf_deployment_condition{{condition="deployed",{P}}}': "1x60"},
        {"condition": "incomplete"},
    ),
    "HpcapvfCaptureStopped": (
        {f"hpcapvf_capture_service_up{{{P}}}": "0x60"}, {f"hpcapvf_capture_service_up{{{P}}}": "1x60"}, {},
    ),
    **{
        alert: ({f"{metric}{{{P}}}": GROWS}, {f"{metric}{{{P}}}": STANDS}, {})
        for alert, metric in {
            "HpcapvfRingFullLoss": "hpcapvf_ring_full_dropped_frames_total",
            "HpcapvfNoListenerLoss": "hpcapvf_no_listener_dropped_frames_total",
            "HpcapvfQueueFullLoss": "hpcapvf_queue_full_dropped_frames_total",
            "HpcapvfErrorFrames": "hpcapvf_error_frames_total",
            "HpcapvfUnsavedLoss": "hpcapvf_unsaved_frames_total",
            "HpcapvfCardLoss": "hpcapvf_nic_missed_frames_total",
            "HpcapvfMirrorDrift": "hpcapvf_guard_drifts_total",
            "HpcapvfClockStepped": "hpcapvf_clock_steps_back_total",
        }.items()
    },
    "HpcapvfRingFilling": (
        {f"hpcapvf_ring_held_bytes{{{P}}}": "51x60", f"hpcapvf_ring_size_bytes{{{P}}}": "100x60"},
        {f"hpcapvf_ring_held_bytes{{{P}}}": "50x60", f"hpcapvf_ring_size_bytes{{{P}}}": "100x60"},
        {},
    ),
    "HpcapvfDiskSoonFull": (
        {f"hpcapvf_disk_full_in_seconds{{{P}}}": "21599x60"}, {f"hpcapvf_disk_full_in_seconds{{{P}}}": "21600x60"}, {},
    ),
    "HpcapvfDiskFull": (
        {f"hpcapvf_disk_free_bytes{{{P}}}": "4x60", f"hpcapvf_disk_size_bytes{{{P}}}": "100x60"},
        {f"hpcapvf_disk_free_bytes{{{P}}}": "5x60", f"hpcapvf_disk_size_bytes{{{P}}}": "100x60"},
        {},
    ),
    "HpcapvfRegistersDiffer": (
        {f"hpcapvf_registers_differ{{{P}}}": "1x60"}, {f"hpcapvf_registers_differ{{{P}}}": "0x60"}, {},
    ),
    "HpcapvfGuardDown": ({f"hpcapvf_guard_up{{{P}}}": "0x60"}, {f"hpcapvf_guard_up{{{P}}}": "1x60"}, {}),
    "HpcapvfMirrorGone": (
        {f"hpcapvf_mirror_places_missing{{{P}}}": "1x60"}, {f"hpcapvf_mirror_places_missing{{{P}}}": "0x60"}, {},
    ),
    "HpcapvfGuardFailing": (
        {f"hpcapvf_guard_failing{{{P}}}": "1x60"}, {f"hpcapvf_guard_failing{{{P}}}": "0x60"}, {},
    ),
    "HpcapvfMetricsOld": (
        {'hpcapvf_metrics_written_timestamp_seconds{instance="h"}': "3470x60"},
        {'hpcapvf_metrics_written_timestamp_seconds{instance="h"}': "3480x60"},
        {},
    ),
}  # fmt: skip


def promtool(*words: str | Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    argv = [PROMTOOL, *map(str, words)]
    return subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


def rules() -> dict[str, dict[str, Any]]:
    (group,) = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


def filled(text: str, labels: dict[str, str]) -> str:
    """A rule's annotation with its labels, as Prometheus fills it in."""
    return re.sub(r"{{ \$labels\.(\w+) }}", lambda match: labels[match[1]], text)


def rule_tests(rule_file: Path, where: Path) -> Path:
    """A file for ``promtool test rules``: each alert is raised by what must raise it, and by nothing else."""
    tests = []
    for alert, (raising, quiet, labels) in ALERTS.items():
        rule = rules()[alert]
        own = {"instance": "h"} | ({} if alert == "HpcapvfMetricsOld" else {"probe": "p"}) | labels
        said = {key: filled(text, own) for key, text in rule["annotations"].items()}
        expected = {"exp_labels": own | rule["labels"], "exp_annotations": said}
        for series, alerts in ((raising, [expected]), (quiet, [])):
            tests.append(
                {
                    "interval": "1m",
                    "input_series": [{"series": name, "values": values} for name, values in series.items()],
                    "alert_rule_test": [{"eval_time": "1h", "alertname": alert, "exp_alerts": alerts}],
                }
            )
    path = where / "alerts_test.yml"
    path.write_text(yaml.safe_dump({"rule_files": [str(rule_file)], "tests": tests}))
    return path


@needs_promtool
def test_promtool_takes_the_metrics() -> None:
    samples = samples_of((told(),), NOW)
    good = promtool("check", "metrics", stdin=render_metrics(samples))
    assert (good.returncode, good.stdout, good.stderr) == (0, "", "")
    nasty = Sample("hpcapvf_up", {"probe": 'a"b\\c\nd'}, 1)
    assert promtool("check", "metrics", stdin=render_metrics([nasty])).returncode == 0
    torn = promtool("check", "metrics", stdin=render_metrics(samples).replace('probe="probe"', 'probe="pro"be"'))
    assert torn.returncode != 0


@needs_promtool
def test_promtool_takes_what_the_command_prints_of_a_fake_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A probe that stands, and one whose state file is damaged."""
    world = make_world(tmp_path)
    apply_plan(world.plan, world.fake.machine, Silent())
    world.fake.guest.on("sh", lambda argv, _stdin: (0, ALL_PRINTED if "uptime" in argv[2] else "", ""))
    world.fake.files.replace(state_path("bad"), b"{")
    monkeypatch.setattr("orchestrator.commands.metrics.local_machine", lambda: world.fake.machine)
    assert run(hpcapvf_parser(["metrics"]), ["metrics", "--progress", "none"]) == ExitCode.OK
    printed = capsys.readouterr().out
    assert f'hpcapvf_up{{probe="{NAME}"}} 1\n' in printed
    checked = promtool("check", "metrics", stdin=printed)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


@needs_promtool
def test_promtool_takes_the_rules_and_each_is_raised_by_what_must_raise_it(tmp_path: Path) -> None:
    assert set(ALERTS) == set(rules())
    checked = promtool("check", "rules", MONITORING / "alerts.yml")
    assert checked.returncode == 0, checked.stderr
    tested = promtool("test", "rules", rule_tests(MONITORING / "alerts.yml", tmp_path))
    assert tested.returncode == 0, tested.stdout + tested.stderr


@needs_promtool
@pytest.mark.parametrize(
    ("was", "becomes"),
    [("> 0.5", "> 0.51"), ("full_in_seconds < 6", "full_in_seconds < 7"), ("hpcapvf_up == 0", "hpcapvf_up == 2")],
)
def test_a_rule_that_is_wrong_is_seen(was: str, becomes: str, tmp_path: Path) -> None:
    text = (MONITORING / "alerts.yml").read_text()
    assert text.count(was) == 1
    wrong = tmp_path / "alerts.yml"
    wrong.write_text(text.replace(was, becomes))
    assert promtool("test", "rules", rule_tests(wrong, tmp_path)).returncode != 0


@needs_promtool
def test_promtool_takes_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    panels = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    drawn = [target["expr"] for panel in panels for target in panel["targets"]]
    assert len(drawn) > 15
    texts = [re.sub(r"\$(instance|probe)", ".*", text.replace("$__rate_interval", "5m")) for text in drawn]
    recorded = [{"record": f"drawn:{number}", "expr": text} for number, text in enumerate(texts)]
    path = tmp_path / "drawn.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "drawn", "rules": recorded}]}))
    checked = promtool("check", "rules", path)
    assert checked.returncode == 0, checked.stderr
    path.write_text(path.read_text().replace("rate(", "rat(", 1))
    assert promtool("check", "rules", path).returncode != 0


def test_the_script_that_asks_a_guest_works_in_a_shell(tmp_path: Path) -> None:
    """The driver's files of two VFs, hpcapdd's events and a file system, as a guest has them."""
    script = status._SCRIPT
    for number, place in enumerate(DRIVER_FOLDERS):
        script = script.replace(place, str(tmp_path / f"{number}/0000:*/hpcapvf"))
    for vf in ("0000:05:10.0", "0000:05:10.2"):
        folder = tmp_path / "0" / vf / "hpcapvf"
        folder.mkdir(parents=True)
        for name in (*status.RATED, *status._FILLS):
            (folder / name).write_text("21\n")
        (folder / "mac").write_text("02:00:00:00:00:01\n")
    events = tmp_path / "capture.jsonl"
    closed = (
        '{"event":"closed","file":"/c/x","reason":"full","frames":%d,"bytes":%d,"file_bytes":4096,"first_ns":1,'
        + ('"last_ns":2,"unsaved_frames":%d,"synced":true}\n')
    )
    events.write_text('{"event":"started"}\n' + closed % (10, 900, 0) + closed % (5, 100, 2) + '{"event":"flushed"}\n')
    systemctl = tmp_path / "systemctl"  # this machine may have none
    systemctl.write_text('#!/bin/sh\necho "$*" >"$0.asked"\necho active\n')
    systemctl.chmod(0o755)

    def asked() -> status.CaptureRates:
        argv = ["sh", "-c", f'PATH="$3:$PATH"\n{script}', "hpcapvf", str(tmp_path), str(events), str(tmp_path)]
        result = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        return status.parse_rates(result.stdout, "/c", 0)

    found = asked()
    assert found.counters == dict.fromkeys(status.RATED, 42)
    assert (found.listeners, found.ring_bytes, found.ring_held_bytes) == (42, 42 << 20, 42)
    assert (found.stored, found.stored_bytes, found.unsaved) == (15, 1000, 2)
    assert (found.unit, found.free_bytes is not None) == ("active", True)
    assert (tmp_path / "systemctl.asked").read_text() == "is-active hpcapvf-capture.service\n"
    events.unlink()
    assert asked().stored is None
