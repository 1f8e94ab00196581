"""How a deployment fares: each part told, or unknown with its reason."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import pytest

from hpcapvf.host.protocols import CommandResult, Machine
from hpcapvf.model.errors import StepFailed, WaitTimedOut
from hpcapvf.model.host import DomainInfo
from hpcapvf.model.paths import guard_path
from hpcapvf.verify.capture import DRIVER_FOLDERS
from hpcapvf.verify.status import DeploymentStatus, parse_rates, read_status
from orchestrator.commands.status import say_duration, show_statuses
from tests.fakes.streams import StreamsByRunning
from tests.unit.verify.sample import OneGuest, RegisterCells, ScriptedCommands, TreeFiles, sample_plan
from tests.unit.verify.test_checks import good_registers

PRINTED = (
    "uptime 100.00\nreceived 1000\nreceived_bytes 60000\npublished 900\npublished_bytes 54000\nring_full_drops 0\n"
    "uptime 102.00\nreceived 3000\nreceived_bytes 180000\npublished 2900\npublished_bytes 174000\nring_full_drops 4\n"
    "listeners 1\nring_mib 64\nring_held_bytes 4096\n"
    "unit active\nstored 2500\nstored_bytes 150000\nunsaved 3\ndisk  144000000 500000000\n"
)
MISSED = "/sys/class/net/enp5s0/statistics/rx_missed_errors"
COUNTS = {"checks": 12, "drifts": 2, "registers_reapplied": 7, "error": ""}


@dataclass
class StatusGuest(StreamsByRunning):
    """Prints what it is told to."""

    printed: str = PRINTED

    def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None) -> CommandResult:
        assert argv[3:] == ["hpcapvf", "/srv/capture", "/run/hpcapvf/capture.jsonl"]
        for folder in DRIVER_FOLDERS:  # of a VF, and of an interface that is captured
            assert f" {folder}/received " in argv[2]
        return CommandResult(tuple(argv), 0, self.printed, "")

    def put(self, data: bytes, path: str, mode: int = 0o644) -> None:
        raise AssertionError("status writes nothing")

    def get(self, path: str, limit: int) -> bytes:
        raise AssertionError("status fetches nothing")


class Mute:
    """Guests that never answer."""

    def connect(self, access: object, *, timeout_s: float) -> Any:
        raise WaitTimedOut(f"guest probe did not answer within {timeout_s:g} s")


@dataclass
class Libvirt:
    running: bool | None = True
    broken: bool = False

    def domains(self) -> tuple[DomainInfo, ...]:
        if self.broken:
            raise StepFailed("libvirt does not answer")
        return () if self.running is None else (DomainInfo("probe", "u", running=self.running),)


@dataclass
class Host:
    files: Any
    registers: Any
    hypervisor: Any
    guests: Any
    commands: Any


def status(**changes: Any) -> DeploymentStatus:
    parts = {
        "files": TreeFiles({guard_path("probe"): json.dumps(COUNTS), MISSED: "9\n"}),
        "registers": good_registers(),
        "hypervisor": Libvirt(),
        "guests": OneGuest(StatusGuest()),
        "commands": ScriptedCommands({"systemctl is-active": (0, "active\n")}),
    }
    machine = cast(Machine, Host(**(parts | changes)))
    return read_status("probe", "deployed", sample_plan(), machine, guest_timeout_s=5)


def test_all_is_told() -> None:
    found = status()
    assert (found.condition, found.guest, found.guard, found.guard_unit) == ("deployed", "running", COUNTS, "active")
    assert (found.registers, found.registers_differ, found.unknown) == ("as wanted", 0, {})
    assert (found.up, found.nic_missed) == (True, 9)
    capture = found.capture
    assert capture is not None
    assert (capture.unit, capture.free_bytes, capture.size_bytes) == ("active", 144000000, 500000000)
    assert capture.counters["received"] == 3000
    assert (capture.per_s["received"], capture.per_s["ring_full_drops"]) == (1000, 2)
    assert capture.stored_bytes_per_s == 60000 + 1000 * 12
    assert capture.full_in_s == 2000
    assert (capture.listeners, capture.ring_bytes, capture.ring_held_bytes) == (1, 64 << 20, 4096)
    assert (capture.stored, capture.stored_bytes, capture.unsaved, capture.drops_per_s) == (2500, 150000, 3, 2)


def test_what_a_driver_or_a_service_does_not_tell_is_none() -> None:
    silent = "\n".join(line for line in PRINTED.splitlines() if line.split()[0] not in ("ring_held_bytes", "stored"))
    capture = parse_rates(silent, "/x", 0)
    assert (capture.ring_held_bytes, capture.stored, capture.listeners, capture.unsaved) == (None, None, 1, 3)


def test_a_card_that_counts_nothing_is_unknown_and_not_zero() -> None:
    for text in ({}, {MISSED: "many\n"}):
        found = status(files=TreeFiles({guard_path("probe"): json.dumps(COUNTS), **text}))
        assert found.nic_missed is None
        assert set(found.unknown) == {"nic_missed"}


def test_a_number_that_no_counter_can_hold_is_not_taken() -> None:
    assert "published" not in parse_rates(PRINTED.replace("published 2900", "published " + "9" * 21), "/x", 0).counters


def test_bytes_that_are_not_kept_fill_no_disk() -> None:
    assert parse_rates(PRINTED, "/x", 20).stored_bytes_per_s == 1000 * (20 + 12)


def test_without_traffic_the_disk_lasts() -> None:
    still = PRINTED.replace("3000", "1000").replace("2900", "900").replace("174000", "54000")
    assert parse_rates(still, "/x", 0).full_in_s is None


def test_counters_of_several_vfs_are_summed() -> None:
    assert (
        parse_rates(PRINTED.replace("received 3000\n", "received 3000\nreceived 500\n"), "/x", 0).counters["received"]
        == 3500
    )


@pytest.mark.parametrize("printed", ["", "uptime 1\nuptime 2\nunit active\n", "uptime 1\nreceived 1\n", "nonsense"])
def test_no_vf_or_no_answer_is_unknown(printed: str) -> None:
    found = status(guests=OneGuest(StatusGuest(printed)))
    assert found.capture is None
    assert not found.up
    assert "no VF" in found.unknown["capture"]


def test_a_disk_that_does_not_answer_is_unknown_alone() -> None:
    capture = parse_rates(PRINTED.replace("disk  144000000 500000000", "disk "), "/x", 0)
    assert (capture.free_bytes, capture.full_in_s, capture.per_s["received"]) == (None, None, 1000)


def test_each_part_fails_alone() -> None:
    found = status(registers=RegisterCells(refusal="strict"), guests=Mute())
    assert (found.registers, found.capture, found.guard) == (None, None, COUNTS)
    assert set(found.unknown) == {"registers", "capture"}
    found = status(hypervisor=Libvirt(broken=True))
    assert found.guest is None
    assert found.unknown["guest"] == "libvirt does not answer"
    assert "unknown" in found.unknown["capture"]


def test_a_guest_that_is_off_is_not_waited_for() -> None:
    for running, word in ((False, "off"), (None, "absent")):
        found = status(hypervisor=Libvirt(running), guests=Mute())
        assert (found.guest, found.unknown["capture"]) == (word, f"the guest is {word}")


def test_registers_that_differ_are_counted() -> None:
    assert (status(registers=RegisterCells()).registers or "").endswith(" differ")


def test_people_get_one_line_for_each() -> None:
    shown = show_statuses([status(), status(guests=Mute())])
    assert shown.rows[0] == (
        "probe", "deployed", "running", "active", "7", "as wanted", "1000", "2", "1", "0 %", "137 MiB", "33 min 20 s",
    )  # fmt: skip
    assert shown.rows[1][-1] == "unknown"


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "never at this rate"), (5, "5 s"), (61, "1 min 1 s"), (90000, "1 d 1 h"), (0, "0 s")]
)
def test_durations(seconds: float | None, text: str) -> None:
    assert say_duration(seconds) == text
