"""The end-to-end proof: known frames go onto the link, and what the probe stored is read back and compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from hpcapvf.host.protocols import Clock, Files, FrameSource, Guest, Machine, SendReport, guest_access
from hpcapvf.model.address import Mac
from hpcapvf.model.codec import to_json
from hpcapvf.model.errors import RegisterRefused
from hpcapvf.model.plan import Finding, Plan
from hpcapvf.model.progress import Progress
from hpcapvf.model.steps import StartGuard
from hpcapvf.nic.tables import register_table
from hpcapvf.raw.records import Record
from hpcapvf.verify.capture import Capture, Flush, HpcapvfCapture, StoredFile, capture_step, fetch, settle
from hpcapvf.verify.compare import SHORTEST_ON_LINK_BYTES, Comparison, compare
from hpcapvf.verify.expect import expected_frames, targets_of
from hpcapvf.verify.judgement import judge
from hpcapvf.verify.mix import MixTargets, serial_of
from hpcapvf.verify.pcap_capture import PcapCapture
from hpcapvf.verify.readings import open_registers, read_guard

LARGEST_FETCH_BYTES = 1 << 30
_FAULTS_LISTED = 20


@dataclass(frozen=True)
class ProofTimes:
    """Deadlines and patience. send_frames_per_s: the slowest source that is waited for."""

    guest_s: float = 120.0
    flush_s: float = 120.0
    send_s: float = 120.0
    send_frames_per_s: float = 200.0
    still_s: float = 2.0
    quiet_s: float = 10.0
    settle_s: float = 90.0
    watch_s: float = 5.0


@dataclass(frozen=True)
class Proof:
    """What was proved. Counters are differences over the proof; None means unknown or not applicable, never 0.

    frames_sent: None without a source. frames_expected: how many of them should be stored (of a probe all).
    frames_in_vf: frames that the card gave the VF, as its PF counts them; None if the card does not count or is out of
    reach. frames_received: by the driver. Both with frames of the machines themselves.
    frames_counted: by the capture service
    in the files that it closed. With storage mode none these two are the proof: frames_stored, bytes_stored and
    comparison do not apply and are None.
    nic_drops: frames that the card dropped for want of descriptors, as the PF counts them (not on the emulated
    card, whose counter stays 0). guard: what the register guard did meanwhile.
    comparison: without a source, with nothing, so that everything stored counts as foreign.
    """

    source: str
    frames_sent: int | None
    source_seconds: float | None
    frames_received: int
    frames_stored: int | None
    bytes_stored: int | None
    counters: dict[str, int]
    nic_drops: int | None
    guard: dict[str, int] | None
    files: tuple[StoredFile, ...]
    faults: tuple[str, ...]
    comparison: Comparison | None
    findings: tuple[Finding, ...]
    phases_s: dict[str, float] = field(default_factory=dict)
    never_seen: tuple[str, ...] = ()
    frames_expected: int | None = None
    frames_in_vf: int | None = None
    frames_counted: int | None = None

    @property
    def ok(self) -> bool:
        """Whether every finding is good."""
        return all(finding.ok for finding in self.findings)

    def report(self) -> dict[str, Any]:
        """JSON-ready, with the headline figures on top; loss is the share of sent frames that is missing."""
        figures = self.comparison if self.frames_sent is not None else None
        head = {
            "ok": self.ok,
            "frames_sent": self.frames_sent,
            "frames_expected": self.frames_expected,
            "frames_in_vf": self.frames_in_vf,
            "frames_received": self.frames_received,
            "frames_counted": self.frames_counted,
            "frames_stored": self.frames_stored,
            "frames_identical": figures.frames_identical if figures else None,
            "frames_foreign": figures.frames_foreign if figures else None,
            "frames_padded": figures.frames_padded if figures else None,
            "bytes_stored": self.bytes_stored,
            "loss": figures.frames_missing / figures.frames_sent if figures and figures.frames_sent else None,
        }
        rest: dict[str, Any] = to_json(self)
        return head | {key: value for key, value in rest.items() if key not in head}


def prove(
    plan: Plan,
    machine: Machine,
    source: FrameSource | None,
    frames: Sequence[bytes],
    progress: Progress,
    *,
    targets: MixTargets | None = None,
    times: ProofTimes | None = None,
) -> Proof:
    """Send the frames, read back what was stored, compare.

    source None or named ``none``: nothing is sent, only counters and files are checked. targets: who owns which MAC,
    for the classes of lost frames; None: the VF and the PF. An agent is held to the frames that its VMs are given, and
    none of the others may come. Errors: StepFailed and
    WaitTimedOut where the path itself is broken; lost or changed frames are findings, not errors.
    """
    owners = (targets or targets_of(plan, machine)).owners()
    return _Prover(plan, machine, progress, times or ProofTimes(), owners).run(source, frames)


class _Prover:
    """One proof: the machine, and how long each phase took."""

    def __init__(
        self, plan: Plan, machine: Machine, progress: Progress, times: ProofTimes, owners: dict[Mac, str]
    ) -> None:
        self.plan = plan
        self.machine = machine
        self.clock: Clock = machine.clock
        self.progress = progress
        self.times = times
        self.owners = owners
        self.directory = capture_step(plan).directory
        self.phases_s: dict[str, float] = {}

    def run(self, source: FrameSource | None, frames: Sequence[bytes]) -> Proof:
        with self._phase("flush", "closing the file that is being written"):
            guest = self.machine.guests.connect(guest_access(self.plan), timeout_s=self.times.guest_s)
            capture = self._capture(guest)
            capture.flush(self.times.flush_s)
            before = capture.counters()
            side_before = self._side_counters()
        sends = source if source is not None and source.name != "none" else None
        expected = expected_frames(self.plan, frames, self.machine) if sends else ()
        sent = self._send(sends, frames)
        after = self._settle(capture, before, len(expected) if sends else None)
        with self._phase("flush again", "closing the file with the frames"):
            second = capture.flush(self.times.flush_s)
            side_after = self._side_counters()
        stored = self.plan.request.storage.mode != "none"
        records, faults, count_errors = self._read_back(guest, capture, second) if stored else ([], (), ())
        with self._phase("compare"):
            comparison = self._compare(expected, records) if stored else None
        counters = {name: after[name] - before[name] for name in after if name in before}
        counted = sum(file.frames or 0 for file in second.files)
        guard = _difference(side_before[1], side_after[1])
        in_vf = _counted(side_before[2], side_after[2], counters.get("received", 0))
        findings = judge(
            sent=sent.sent if sent else None,
            offered=len(frames) if sends else None,
            wanted=len(expected) if sends else None,
            unwanted=self._unwanted(frames, expected, records) if sends else 0,
            comparison=comparison,
            counted=counted,
            counters=counters,
            loss_counters=capture.loss_counters,
            in_vf=in_vf,
            nic_drops=_minus(side_after[0], side_before[0]),
            guard=guard,
            guard_expected=any(isinstance(step, StartGuard) for step in self.plan.steps),
            faults=faults,
            count_errors=count_errors,
            unsaved=sum(file.unsaved_frames for file in second.files),
            restarted=second.restarted,
        )
        return Proof(
            source=source.name if source is not None else "none",
            frames_sent=len(frames) if sends else None,
            frames_expected=len(expected) if sends else None,
            source_seconds=sent.seconds if sent else None,
            frames_in_vf=in_vf,
            frames_received=counters.get("received", 0),
            frames_counted=counted,
            frames_stored=None if comparison is None else comparison.frames_stored if sends else len(records),
            bytes_stored=sum(len(record.data) for record in records) if stored else None,
            counters=counters,
            nic_drops=_minus(side_after[0], side_before[0]),
            guard=guard,
            files=second.files,
            faults=faults[:_FAULTS_LISTED],
            comparison=comparison,
            findings=findings,
            phases_s=self.phases_s,
            never_seen=self.plan.never_seen,
        )

    @contextmanager
    def _phase(self, name: str, detail: str = "") -> Iterator[None]:
        self.progress.phase(name, detail)
        start = self.clock.monotonic()
        yield
        self.phases_s[name] = round(self.clock.monotonic() - start, 3)

    def _send(self, source: FrameSource | None, frames: Sequence[bytes]) -> SendReport | None:
        if source is None:
            return None
        with self._phase("send", f"{len(frames)} frames from {source.name}"):
            timeout_s = self.times.send_s + len(frames) / self.times.send_frames_per_s
            return source.send(frames, timeout_s=timeout_s)

    def _capture(self, guest: Guest) -> Capture:
        if self.plan.request.engine.kind != "hpcapvf":
            return PcapCapture(guest, self.clock, self.directory, self.plan.request.engine.kind)
        return HpcapvfCapture(guest, self.clock)

    def _settle(self, capture: Capture, before: dict[str, int], wanted: int | None) -> dict[str, int]:
        """Counters after the frames; without a source, after having watched for a while."""
        with self._phase("settle", "until the driver's counters stand still"):
            if wanted is None:
                self.clock.sleep(self.times.watch_s)
                return capture.counters()
            goal = before.get("received", 0) + wanted

            def read() -> dict[str, int]:
                counters = capture.counters()
                self.progress.advance(counters.get("received", 0) - before.get("received", 0), wanted, "frames")
                return counters

            return settle(
                read,
                self.clock,
                received_at_least=goal,
                still_s=self.times.still_s,
                quiet_s=self.times.quiet_s,
                timeout_s=self.times.settle_s,
            )

    def _read_back(
        self, guest: Guest, capture: Capture, flushed: Flush
    ) -> tuple[list[Record], tuple[str, ...], tuple[str, ...]]:
        """Records of all files in order, the files' faults, and files whose frames are not as many as was said."""
        records: list[Record] = []
        faults: list[str] = []
        miscounted: list[str] = []
        total = sum(file.file_bytes for file in flushed.files)
        with self._phase("fetch", f"{len(flushed.files)} files, {total} bytes"):
            done = 0
            for file in flushed.files:
                done += file.file_bytes
                if done > LARGEST_FETCH_BYTES:
                    faults.append(f"{file.path}: not read, a proof fetches at most {LARGEST_FETCH_BYTES} bytes")
                    continue
                found, wrong = capture.read(fetch(guest, file, self.directory))
                records += found
                faults += [f"{file.path}: {fault}" for fault in wrong]
                if file.frames is not None and len(found) != file.frames:
                    miscounted.append(f"{file.path}: {len(found)} frames, {file.frames} were announced")
                self.progress.advance(done, total, "bytes")
        return records, tuple(faults), tuple(miscounted)

    def _compare(self, frames: Sequence[bytes], records: Sequence[Record]) -> Comparison:
        caplen = self.plan.request.engine.caplen
        return compare(frames, records, caplen=caplen, owners=self.owners, identify=serial_of)

    def _unwanted(self, frames: Sequence[bytes], expected: Sequence[bytes], records: Sequence[Record]) -> int:
        """How many stored frames were sent for others."""
        caplen, wanted = self.plan.request.engine.caplen or None, set(expected)
        others = {f.ljust(SHORTEST_ON_LINK_BYTES, b"\0")[:caplen] for f in frames if f not in wanted}
        return sum(record.data in others for record in records)

    def _side_counters(self) -> tuple[int | None, dict[str, int] | None, int | None]:
        """Drops that the card counted for the VF's queues, the guard's counts, and frames that the card gave the VF;
        None where not to be had."""
        drops, guard = _nic_drops(self.plan, self.machine), _guard_counts(self.plan.request.name, self.machine.files)
        return drops, guard, _nic_gave(self.plan, self.machine)


def _guard_counts(name: str, files: Files) -> dict[str, int] | None:
    """The register guard's counts; None if it never wrote any."""
    counts = read_guard(name, files)
    if counts is None:
        return None
    return {key: value for key, value in counts.items() if isinstance(value, int) and not isinstance(value, bool)}


def _nic_drops(plan: Plan, machine: Machine) -> int | None:
    """Frames that the card dropped on the VF's queues for want of descriptors (RQDPC), as the PF counts them; None
    where the PF is the guest's."""
    if plan.vf_index is None:
        return None
    try:
        table = register_table(plan.family)
        queues = range(plan.vf_index, table.register("RQDPC").count, table.register("VMOLR").count)
        with open_registers(plan.pf, plan.family, machine) as read:
            return sum(read("RQDPC", queue) for queue in queues)
    except RegisterRefused:
        return None


def _nic_gave(plan: Plan, machine: Machine) -> int | None:
    """Frames that the card gave the VF (PFVFGPRC), as the PF counts them; None where the PF is the guest's."""
    if plan.vf_index is None:
        return None
    try:
        with open_registers(plan.pf, plan.family, machine) as read:
            return read("PFVFGPRC", plan.vf_index)
    except RegisterRefused:
        return None


def _counted(before: int | None, after: int | None, received: int) -> int | None:
    """Frames that the card gave the VF meanwhile. None if it never counted, or if the driver had frames and it did not
    count them: such a card, or its emulation, has no counter there."""
    found = _minus(after, before)
    return None if found == 0 and (after == 0 or received > 0) else found


def _minus(after: int | None, before: int | None) -> int | None:
    """A difference; None if either is unknown or the counter went back (the PF driver clears it)."""
    return None if after is None or before is None or after < before else after - before


def _difference(before: dict[str, int] | None, after: dict[str, int] | None) -> dict[str, int] | None:
    if before is None or after is None:
        return None
    return {key: value - before.get(key, 0) for key, value in after.items()}
