"""The guest, as its own kernel says. It is reached through the host, which keeps the key."""

from __future__ import annotations

from tests.validation import checks, scripts
from tests.validation.conftest import Target


def test_the_module_is_loaded_and_has_the_vf(guest: dict[str, str]) -> None:
    assert checks.module_problems(guest["modules"], guest["bound"]) == []


def test_the_polling_thread_keeps_to_its_cpu(target: Target, guest: dict[str, str]) -> None:
    assert checks.polling_problems(guest["polling"], target.step("install-driver")["polling_cpu"]) == []


def test_there_is_one_device_node_that_only_its_group_reads(guest: dict[str, str]) -> None:
    assert checks.node_problems(guest["nodes"]) == []


def test_the_array_has_the_chunk_that_was_asked_for(target: Target, guest: dict[str, str]) -> None:
    assert checks.raid_problems(guest["mdstat"], target.step("make-raid")["chunk_kib"]) == []


def test_the_captures_file_system_is_as_asked_for(target: Target, guest: dict[str, str]) -> None:
    step = target.step("make-raid")
    assert checks.filesystem_problems(guest["mounts"], step["mount"], step["filesystem"]) == []


def test_the_captures_file_system_knows_the_array(target: Target, guest: dict[str, str]) -> None:
    step = target.step("make-raid")
    problems = checks.mount_option_problems(guest["mounts"], guest["mdstat"], step["mount"], step["chunk_kib"])
    assert problems == []


def test_the_guests_clock_is_kept(target: Target) -> None:
    assert checks.clock_problems(target.in_guest(scripts.CLOCK)) == []


def test_the_guests_clock_agrees_with_the_hosts(target: Target) -> None:
    before = target.run(scripts.CLOCK)
    guest = target.in_guest(scripts.CLOCK)
    assert checks.offset_problems(before, guest, target.run(scripts.CLOCK)) == []


def test_counters_move_when_the_wire_carries_frames(counted: tuple[str, str]) -> None:
    assert checks.counter_problems(*counted) == []
