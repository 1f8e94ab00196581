"""What Prometheus is told: every metric of the table, what is unknown left out, and names that others rely on."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from hpcapvf.model.paths import guard_path
from hpcapvf.verify.metrics import METRICS, Sample, render_metrics, samples_of
from hpcapvf.verify.status import RATED, DeploymentStatus, unknown_status
from tests.unit.verify.sample import OneGuest, TreeFiles
from tests.unit.verify.test_status import COUNTS, MISSED, Mute, StatusGuest, status

ROOT = Path(__file__).parents[3]
NOW = 1_700_000_000.0
_RATES = "".join(f"{name} {{}}\n" for name in RATED)
ALL_PRINTED = (
    f"uptime 100.0\n{_RATES.format(*[5] * len(RATED))}uptime 101.0\n{_RATES.format(*range(100, 100 + len(RATED)))}"
    "listeners 1\nring_mib 64\nring_held_bytes 4096\nunit active\nstored 2500\nstored_bytes 150000\nunsaved 3\n"
    "disk  144000000 500000000\n"
)


def told() -> DeploymentStatus:
    """A deployment of which everything is known."""
    guard = json.dumps(COUNTS | {"last_drift_at": 1_699_999_000.5})
    found = status(
        guests=OneGuest(StatusGuest(ALL_PRINTED)), files=TreeFiles({guard_path("probe"): guard, MISSED: "9\n"})
    )
    return replace(found, copies_missing=2, ends_at=NOW + 60)  # this plan has no such mirror and no time limit


def values(*statuses: DeploymentStatus) -> dict[str, float]:
    """Of one deployment: name to value."""
    return {sample.name: sample.value for sample in samples_of(statuses, NOW)}


def test_every_metric_of_the_table_has_a_value_where_all_is_known() -> None:
    found = values(told())
    assert set(found) == {metric.name for metric in METRICS}
    for name, value in {
        "hpcapvf_up": 1,
        "hpcapvf_received_frames_total": 100,
        "hpcapvf_ring_full_dropped_frames_total": 104,
        "hpcapvf_clock_stepped_back_seconds_total": 116e-9,
        "hpcapvf_ring_held_bytes": 4096,
        "hpcapvf_ring_size_bytes": 64 << 20,
        "hpcapvf_unsaved_frames_total": 3,
        "hpcapvf_nic_missed_frames_total": 9,
        "hpcapvf_disk_free_bytes": 144000000,
        "hpcapvf_guard_drifts_total": 2,
        "hpcapvf_guard_last_drift_timestamp_seconds": 1_699_999_000.5,
        "hpcapvf_registers_differ": 0,
        "hpcapvf_mirror_places_missing": 2,
        "hpcapvf_ends_timestamp_seconds": NOW + 60,
        "hpcapvf_guard_failing": 0,
        "hpcapvf_capture_service_up": 1,
        "hpcapvf_metrics_written_timestamp_seconds": NOW,
    }.items():
        assert found[name] == pytest.approx(value), name


def test_every_value_has_the_labels_that_the_table_says() -> None:
    labels = {metric.name: metric.labels for metric in METRICS}
    for sample in samples_of((told(),), NOW):
        assert tuple(sample.labels) == labels[sample.name], sample


def test_no_two_metrics_share_a_value_by_mistake() -> None:
    """Each counter of the driver has a value of its own in this sample; two that agree read the same file."""
    found = values(told())
    counters = [found[m.name] for m in METRICS if m.source.startswith("driver: `") and m.kind == "counter"]
    assert len(set(counters)) == len(counters) == len(RATED)


def test_what_is_unknown_is_absent_and_never_zero() -> None:
    mute = values(status(guests=Mute(), files=TreeFiles({})))
    assert mute["hpcapvf_up"] == 0
    assert not [name for name in mute if re.search("received|nic_missed|disk|ring|listener|capture_service", name)]
    assert "hpcapvf_guard_drifts_total" not in mute
    assert set(values(unknown_status("probe", "unreadable", "damaged"))) == {
        "hpcapvf_metrics_written_timestamp_seconds", "hpcapvf_up", "hpcapvf_deployment_condition",
    }  # fmt: skip


def test_one_that_is_silent_leaves_the_others() -> None:
    text = render_metrics(samples_of((replace(status(guests=Mute()), name="a"), replace(told(), name="b")), NOW))
    assert 'hpcapvf_up{probe="a"} 0\nhpcapvf_up{probe="b"} 1\n' in text
    assert 'hpcapvf_received_frames_total{probe="b"} 100\n' in text
    assert 'hpcapvf_received_frames_total{probe="a"}' not in text


def test_the_text_says_each_metric_once_with_help_and_type() -> None:
    text = render_metrics(samples_of((told(), replace(told(), name="other")), NOW))
    for metric in METRICS:
        assert text.count(f"# HELP {metric.name} {metric.help}\n# TYPE {metric.name} {metric.kind}\n") == 1
    assert "nan" not in text.lower().replace("unanswered", "")


def test_labels_and_help_cannot_break_out_of_their_line() -> None:
    nasty = Sample("hpcapvf_up", {"probe": 'a"b\\c\nd'}, 1)
    assert 'hpcapvf_up{probe="a\\"b\\\\c\\nd"} 1\n' in render_metrics([nasty])


def test_what_a_damaged_guard_file_holds_is_not_passed_on() -> None:
    files = TreeFiles({guard_path("probe"): json.dumps({"drifts": "many", "checks": True}), MISSED: "9\n"})
    found = values(status(files=files))
    assert "hpcapvf_guard_drifts_total" not in found
    assert "hpcapvf_guard_checks_total" not in found


def test_names_carry_their_units() -> None:
    for metric in METRICS:
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert re.fullmatch(r"hpcapvf(_[a-z]+)+", metric.name), metric.name


@pytest.mark.parametrize("file", ["alerts.yml", "dashboard.json"])
def test_what_is_drawn_and_alerted_on_is_in_the_table(file: str) -> None:
    used = set(re.findall(r"\bhpcapvf_[a-z_]+", (ROOT / "playbooks/monitoring" / file).read_text()))
    assert len(used) > 10
    assert used <= {metric.name for metric in METRICS}


def test_the_dashboard_draws_what_an_operator_looks_for() -> None:
    panels = json.loads((ROOT / "playbooks/monitoring/dashboard.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    drawn = " ".join(target["expr"] for panel in panels for target in panel["targets"])
    for part in ("received_bytes", "ring_full", "nic_missed", "ring_held", "listeners", "disk_free", "drifts", "_up"):
        assert part in drawn, part
