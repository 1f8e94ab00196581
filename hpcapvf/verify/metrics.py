"""What Prometheus is told: one table of metrics, and the text in which they are told.

Names follow Prometheus' rules (https://prometheus.io/docs/practices/naming/): base units, ``_total`` for what only
grows. What is unknown is absent, never 0. Text: https://prometheus.io/docs/instrumenting/exposition_formats/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hpcapvf.verify.status import CaptureRates, DeploymentStatus

Number = int | float
Values = Callable[[DeploymentStatus], Iterable[tuple[dict[str, str], Number]]]


@dataclass(frozen=True)
class Metric:
    """One metric. kind: ``counter`` or ``gauge``; labels: all that it has; source: where its value is read."""

    name: str
    kind: str
    help: str
    source: str
    values: Values
    labels: tuple[str, ...] = ("probe",)


@dataclass(frozen=True)
class Sample:
    """One value of a metric."""

    name: str
    labels: dict[str, str]
    value: Number


def _one(read: Callable[[DeploymentStatus], Number | None]) -> Values:
    def values(status: DeploymentStatus) -> Iterable[tuple[dict[str, str], Number]]:
        value = read(status)
        return () if value is None else (({}, value),)

    return values


def _captured(read: Callable[[CaptureRates], Number | None]) -> Values:
    return _one(lambda status: None if status.capture is None else read(status.capture))


def _counter(name: str, file: str, text: str) -> Metric:
    """A counter of the driver. file: its name in sysfs."""
    return Metric(name, "counter", text, f"driver: `{file}`", _captured(lambda capture: capture.counters.get(file)))


def _guarded(name: str, kind: str, key: str, text: str) -> Metric:
    """A number that the register guard wrote."""

    def read(status: DeploymentStatus) -> Number | None:
        value: Any = (status.guard or {}).get(key)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    return Metric(name, kind, text, f"guard: `{key}` of guard.json", _one(read))


def _is(word: str | None, wanted: str) -> int | None:
    return None if word is None else int(word == wanted)


def _stepped_back_s(capture: CaptureRates) -> float | None:
    nanoseconds = capture.counters.get("clock_stepped_back_ns")
    return None if nanoseconds is None else nanoseconds / 1e9


def _full_in(capture: CaptureRates) -> float | None:
    return capture.full_in_s


def _guard_fails(status: DeploymentStatus) -> int | None:
    return None if status.guard is None else int(bool(status.guard.get("error")))


WRITTEN = Metric(
    "hpcapvf_metrics_written_timestamp_seconds", "gauge", "When these metrics were read, in seconds since 1970",
    "the host's clock", lambda _status: (), (),
)  # fmt: skip
_DEPLOYMENT = (
    Metric(
        "hpcapvf_up", "gauge", "1 if the guest runs and told of its capture (other engines than hpcapvf: if it runs)",
        "libvirt, and the guest over ssh", _one(lambda status: int(status.up)),
    ),
    Metric(
        "hpcapvf_deployment_condition", "gauge", "1, with the deployment's condition as a label",
        "state.json", lambda status: (({"condition": status.condition}, 1),), ("probe", "condition"),
    ),
    Metric(
        "hpcapvf_ends_timestamp_seconds", "gauge", "When the agent's time limit takes it away, in seconds since 1970",
        "journal of the deployment", _one(lambda status: status.ends_at),
    ),
    Metric(
        "hpcapvf_guest_running", "gauge", "1 if the guest runs", "libvirt",
        _one(lambda status: _is(status.guest, "running")),
    ),
    Metric(
        "hpcapvf_registers_differ", "gauge",
        "Registers of the card that are not as capture or mirror need them, just now", "the card's registers",
        _one(lambda status: status.registers_differ),
    ),
    Metric(
        "hpcapvf_mirror_places_missing", "gauge",
        "Files or tc filters of a mirror without registers that do not ask for the copies, just now",
        "the driver's files, or tc", _one(lambda status: status.copies_missing),
    ),
    Metric(
        "hpcapvf_nic_missed_frames_total", "counter",
        "Frames that the card's whole port missed for want of room; frames for which a VF had no descriptor may not be "
        "among them", "host: `rx_missed_errors` of the PF's interface", _one(lambda status: status.nic_missed),
    ),
)  # fmt: skip
_GUARD = (
    Metric(
        "hpcapvf_guard_up", "gauge", "1 if the service that guards the card's registers runs", "systemd of the host",
        _one(lambda status: _is(status.guard_unit, "active")),
    ),
    Metric("hpcapvf_guard_failing", "gauge", "1 if the guard's last look at the registers failed",
           "guard: `error` of guard.json", _one(_guard_fails)),
    _guarded("hpcapvf_guard_checks_total", "counter", "checks", "Looks of the guard at the card's registers"),
    _guarded("hpcapvf_guard_drifts_total", "counter", "drifts",
             "Looks at which registers of the capture or the mirror had been overwritten"),
    _guarded("hpcapvf_guard_reapplied_registers_total", "counter", "registers_reapplied",
             "Registers that the guard wrote anew"),
    _guarded("hpcapvf_guard_last_drift_timestamp_seconds", "gauge", "last_drift_at",
             "When registers had been overwritten the last time, in seconds since 1970"),
)  # fmt: skip
_TAKEN = (
    _counter("hpcapvf_received_frames_total", "received", "Frames that the driver took from the VF"),
    _counter("hpcapvf_received_bytes_total", "received_bytes", "Bytes on the wire of the frames taken, without CRC"),
    _counter("hpcapvf_published_frames_total", "published", "Frames put into the ring for the listeners"),
    _counter("hpcapvf_published_bytes_total", "published_bytes", "Bytes on the wire of the frames put into the ring"),
    _counter("hpcapvf_ring_full_dropped_frames_total", "ring_full_drops",
             "Frames dropped because the slowest listener had not made room"),
    _counter("hpcapvf_ring_full_dropped_bytes_total", "ring_full_bytes", "Bytes of frames dropped for a full ring"),
    _counter("hpcapvf_no_listener_dropped_frames_total", "no_listener_drops",
             "Frames dropped because no program had the device open"),
    _counter("hpcapvf_no_listener_dropped_bytes_total", "no_listener_bytes", "Bytes of frames that nobody listened to"),
    _counter("hpcapvf_queue_full_dropped_frames_total", "queue_full_drops",
             "Frames of a network device that the polling thread took too late; not among the frames taken"),
    _counter("hpcapvf_queue_full_dropped_bytes_total", "queue_full_bytes", "Bytes of frames taken too late"),
    _counter("hpcapvf_duplicate_frames_total", "duplicates", "Frames left out because they were seen a moment before"),
    _counter("hpcapvf_duplicate_bytes_total", "duplicate_bytes", "Bytes of frames left out as duplicates"),
    _counter("hpcapvf_error_frames_total", "errors", "Frames that the card flagged, or longer than a receive buffer"),
    _counter("hpcapvf_error_bytes_total", "error_bytes", "Bytes of frames with an error"),
    _counter("hpcapvf_resets_total", "resets", "How often the VF was set up again after its PF was reset"),
    _counter("hpcapvf_clock_steps_back_total", "clock_steps_back", "How often the guest's clock was set back"),
    Metric("hpcapvf_clock_stepped_back_seconds_total", "counter", "By how much the guest's clock was set back, in sum",
           "driver: `clock_stepped_back_ns`", _captured(_stepped_back_s)),
)  # fmt: skip
_KEPT = (
    Metric("hpcapvf_listeners", "gauge", "Programs that have the capture device open", "driver: `listeners`",
           _captured(lambda capture: capture.listeners)),
    Metric("hpcapvf_ring_size_bytes", "gauge", "Size of the ring", "driver: `ring_mib`",
           _captured(lambda capture: capture.ring_bytes)),
    Metric("hpcapvf_ring_held_bytes", "gauge", "Bytes of the ring that its slowest reader has not freed",
           "driver: `ring_held_bytes`", _captured(lambda capture: capture.ring_held_bytes)),
    Metric("hpcapvf_capture_service_up", "gauge", "1 if the capture service runs in the guest", "systemd of the guest",
           _captured(lambda capture: _is(None if capture.unit == "unknown" else capture.unit, "active"))),
    Metric("hpcapvf_stored_frames_total", "counter", "Frames in the files that were closed since the guest started",
           "hpcapdd: `frames` of closed files", _captured(lambda capture: capture.stored)),
    Metric("hpcapvf_stored_bytes_total", "counter", "Bytes on the wire of the frames in closed files",
           "hpcapdd: `bytes` of closed files", _captured(lambda capture: capture.stored_bytes)),
    Metric("hpcapvf_unsaved_frames_total", "counter", "Frames that could not be written to the disk",
           "hpcapdd: `unsaved_frames` of closed files", _captured(lambda capture: capture.unsaved)),
    Metric("hpcapvf_disk_free_bytes", "gauge", "Free space of the file system of the captures", "guest: df",
           _captured(lambda capture: capture.free_bytes)),
    Metric("hpcapvf_disk_size_bytes", "gauge", "Size of the file system of the captures; used is size less free",
           "guest: df", _captured(lambda capture: capture.size_bytes)),
    Metric("hpcapvf_disk_full_in_seconds", "gauge", "How long the disk lasts at the present rate; absent if none comes",
           "guest: df, and the rate of frames put into the ring", _captured(_full_in)),
)  # fmt: skip
METRICS: tuple[Metric, ...] = (WRITTEN, *_DEPLOYMENT, *_GUARD, *_TAKEN, *_KEPT)


def samples_of(statuses: Sequence[DeploymentStatus], now: float) -> tuple[Sample, ...]:
    """Every value that is known, in the order of the table. now: seconds since 1970."""
    found = [Sample(WRITTEN.name, {}, round(now, 3))]
    for metric in METRICS:
        for status in statuses:
            found += [Sample(metric.name, {"probe": status.name} | more, v) for more, v in metric.values(status)]
    return tuple(found)


def render_metrics(samples: Sequence[Sample]) -> str:
    """The text format, version 0.0.4; a metric without a value is left out."""
    lines: list[str] = []
    for metric in METRICS:
        mine = [sample for sample in samples if sample.name == metric.name]
        if mine:
            lines += [f"# HELP {metric.name} {_escaped(metric.help)}", f"# TYPE {metric.name} {metric.kind}"]
            lines += [f"{sample.name}{_labels(sample.labels)} {sample.value}" for sample in mine]
    return "".join(f"{line}\n" for line in lines)


def _labels(labels: dict[str, str]) -> str:
    said = ",".join(f'{name}="{_quoted(value)}"' for name, value in labels.items())
    return f"{{{said}}}" if said else ""


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', '\\"')
