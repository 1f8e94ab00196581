"""Which QEMU and which acceleration are taken, and why; identities of processes, state, inventory."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from hpcapvf.lab.accel import nesting_obstacle
from hpcapvf.lab.emulator import Emulator, choose, parse_version
from hpcapvf.lab.inventory import inventory
from hpcapvf.lab.machine import LabConfig
from hpcapvf.lab.process import ProcessId, start_ticks_of, tail
from hpcapvf.lab.ssh import SshTarget
from hpcapvf.lab.state import LabState, lab_folder, lab_names, load_state, save_state
from hpcapvf.model.errors import BadSpec, LabFailed, NotFound

MACHINES = Emulator(("/usr/bin/qemu",), {}, "/usr/bin/qemu")
OWN = Emulator(("/cache/qemu",), {}, "")


def test_version_is_read() -> None:
    assert parse_version("QEMU emulator version 10.0.13 (Debian 1:10.0.13+ds-0+deb13u1)\nCopyright") == (10, 0, 13)
    assert parse_version("something else") == ()


def test_the_machines_own_is_taken_when_it_works() -> None:
    made = choose([MACHINES, OWN], lambda _: (10, 1, 0), lambda _: True)
    assert made.emulator is MACHINES
    assert "10.1.0 maps VFs above 4 GiB" in made.reason


def test_an_old_one_is_passed_over_with_a_reason() -> None:
    made = choose([MACHINES, OWN], lambda one: (7, 2, 22) if one.program else (10, 0, 13), lambda _: True)
    assert made.emulator is OWN
    assert "7.2.22 is too old" in made.reason


def test_one_that_loses_vf_addresses_is_passed_over() -> None:
    made = choose([MACHINES, OWN], lambda _: (10, 0, 2), lambda one: not one.program)
    assert made.emulator is OWN
    assert "loses the upper half" in made.reason


def test_one_that_cannot_be_asked_is_passed_over() -> None:
    def vf_works(one: Emulator) -> bool:
        if one.program:
            raise LabFailed("no card")
        return True

    assert choose([MACHINES, OWN], lambda _: (10, 0, 0), vf_works).emulator is OWN


def test_without_any_that_works_all_reasons_are_told() -> None:
    with pytest.raises(LabFailed) as raised:
        choose([OWN], lambda _: (10, 0, 2), lambda _: False)
    assert len(raised.value.details) == 2
    assert "has no qemu-system-x86_64" in raised.value.details[0]


@pytest.mark.parametrize(("value", "works"), [("Y\n", True), ("1\n", True), ("N\n", False), ("0\n", False)])
def test_nesting_is_read_from_the_module(tmp_path: Path, value: str, works: bool) -> None:
    folder = tmp_path / "sys/module/kvm_amd/parameters"
    folder.mkdir(parents=True)
    (folder / "nested").write_text(value)
    assert (nesting_obstacle(tmp_path) == "") is works


def test_unknown_nesting_is_not_reported_as_working(tmp_path: Path) -> None:
    assert "does not say" in nesting_obstacle(tmp_path)


def test_start_time_is_read_past_a_strange_name() -> None:
    fields = " ".join(str(number) for number in range(4, 53))
    assert start_ticks_of(f"17 (a b) c) S {fields}") == 22


def test_tail_drops_empty_lines() -> None:
    assert tail("a\n\nb\nc\n", lines=2) == ("b", "c")


@pytest.fixture
def state_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


def make_state() -> LabState:
    process = ProcessId(12, 345, "marker")
    return LabState(LabConfig(name="one"), "s", "g", "b", "tcg", "why", "10.0.13", "", "because", 2200, process, None)


def test_state_survives_writing_and_reading(state_home: Path) -> None:
    save_state(make_state())
    assert asdict(load_state("one")) == asdict(make_state())
    assert lab_names() == ["one"]
    assert lab_folder("one").is_relative_to(state_home)


def test_an_unknown_lab_names_the_known_ones(state_home: Path) -> None:
    save_state(make_state())
    with pytest.raises(NotFound) as raised:
        load_state("two")
    assert "one" in raised.value.hint


@pytest.mark.parametrize("name", ["", "..", "a/b", "A", "-a", "a" * 32, "a\n"])
def test_names_that_are_no_folder_are_refused(name: str) -> None:
    with pytest.raises(BadSpec):
        lab_folder(name)


def test_inventory_reaches_the_lab_without_the_users_ssh_settings() -> None:
    target = SshTarget(2200, Path("/s/a b/key"), Path("/s/a b/known_hosts"))
    host = inventory("one", target, {"fact": 1})["hypervisors"]["hosts"]["lab-one"]
    assert (host["ansible_host"], host["ansible_port"], host["ansible_user"]) == ("127.0.0.1", 2200, "root")
    assert host["fact"] == 1
    assert '-o UserKnownHostsFile="/s/a b/known_hosts"' in host["ansible_ssh_common_args"]
    assert "-F /dev/null" in host["ansible_ssh_common_args"]
