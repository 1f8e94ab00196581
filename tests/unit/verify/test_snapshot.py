"""The snapshot sees every kind of thing that a deployment changes, and equal hosts compare equal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hpcapvf.model.address import PciAddress
from hpcapvf.verify.snapshot import snapshot_difference, take_snapshot
from tests.fakes.machine import FakeMachine, fake_machine
from tests.fakes.tree import CONTROLLER, PF, PF_INTERFACE

PF_ADDRESS = PciAddress.parse(PF)
CONTROLLER_ADDRESS = PciAddress.parse(CONTROLLER)


def snapshot(fake: FakeMachine) -> dict[str, Any]:
    return take_snapshot(fake.machine, PF_ADDRESS, CONTROLLER_ADDRESS, "82576")


def put(fake: FakeMachine, path: str, text: str = "x") -> None:
    place = fake.root / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)


def test_twice_the_same_host_is_no_difference_and_json(tmp_path: Path) -> None:
    fake = fake_machine(tmp_path)
    put(fake, "/etc/libvirt/qemu/networks/default.xml")
    before = snapshot(fake)
    assert json.loads(json.dumps(before)) == before
    assert snapshot_difference(before, snapshot(fake)) == ()
    assert not [part for part in before.values() if isinstance(part, dict) and "unreadable" in part]
    assert (before["sriov"]["sriov_numvfs"], before["pci"][PF]["driver"], before["controller_disks"]) == ("0", "igb", 4)
    assert before["links"][PF_INTERFACE]["pause"] == {"rx": "on", "tx": "on"}
    assert before["networks"]["default"] is not None
    assert len(before["registers"]) > 128


def set_vfs(fake: FakeMachine) -> None:
    fake.machine.files.write_text(f"/sys/bus/pci/devices/{PF}/sriov_numvfs", "1")


def override(fake: FakeMachine) -> None:
    fake.machine.files.write_text(f"/sys/bus/pci/devices/{CONTROLLER}/driver_override", "vfio-pci")


def unbind(fake: FakeMachine) -> None:
    fake.machine.files.write_text(f"/sys/bus/pci/devices/{CONTROLLER}/driver/unbind", CONTROLLER)


def reserve(fake: FakeMachine) -> None:
    folder = "/sys/devices/system/node/node0/hugepages/hugepages-2048kB"
    fake.machine.files.write_text(f"{folder}/nr_hugepages", "8")


def program(fake: FakeMachine) -> None:
    fake.registers.values[0x5AD0] = 1 << 25


def link_up(fake: FakeMachine) -> None:
    fake.machine.commands.run(["ip", "link", "set", "dev", PF_INTERFACE, "up"], timeout_s=1)


def pause_off(fake: FakeMachine) -> None:
    fake.machine.commands.run(["ethtool", "-A", PF_INTERFACE, "rx", "off", "tx", "off"], timeout_s=1)


def network(fake: FakeMachine) -> None:
    active = fake.machine.hypervisor.network_active("default")
    fake.machine.hypervisor.set_network_active("default", not active)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (set_vfs, "sriov.sriov_numvfs"),
        (override, f"pci.{CONTROLLER}.override"),
        (unbind, f"pci.{CONTROLLER}.driver"),
        (reserve, "hugepages.node0 hugepages-2048kB"),
        (program, "registers.VMOLR[0]"),
        (link_up, f"links.{PF_INTERFACE}.up"),
        (pause_off, f"links.{PF_INTERFACE}.pause.rx"),
        (network, "networks.default"),
        (lambda f: put(f, "/run/systemd/transient/hpcapvf-guard-a.service"), "units["),
        (lambda f: put(f, "/var/lib/hpcapvf/deployments/a/state.json"), "files["),
        (lambda f: put(f, "/var/lib/libvirt/images/hpcapvf/a/disk.qcow2"), "files["),
        (lambda f: f.machine.hypervisor.define("<domain><name>a</name><uuid>u</uuid></domain>"), "domains.a.uuid"),
    ],
)  # fmt: skip
def test_each_kind_of_change_is_seen(tmp_path: Path, change: Any, place: str) -> None:
    fake = fake_machine(tmp_path)
    put(fake, "/etc/libvirt/qemu/networks/default.xml")
    before = snapshot(fake)
    change(fake)
    difference = snapshot_difference(before, snapshot(fake))
    assert [line for line in difference if line.startswith(place)], difference


def test_what_cannot_be_read_is_never_equal(tmp_path: Path) -> None:
    fake = fake_machine(tmp_path)
    fake.commands.remove("ethtool")
    before = snapshot(fake)
    assert "unreadable" in before["links"]
    (line,) = snapshot_difference(before, snapshot(fake))
    assert line.startswith("links.unreadable: was ")


def test_registers_that_software_does_not_own_are_left_out(tmp_path: Path) -> None:
    fake = fake_machine(tmp_path)
    before = snapshot(fake)
    fake.registers.values[0x0C88] = 1  # VFLRE
    fake.registers.values[0x5AD0] = fake.registers.values.get(0x5AD0, 0) ^ 0x5EE  # RLPML of VMOLR
    assert snapshot_difference(before, snapshot(fake)) == ()


def test_a_filter_that_is_not_valid_is_empty_whatever_it_says(tmp_path: Path) -> None:
    fake = fake_machine(tmp_path)
    rah_23, pool_0, valid = 0x54E4 + 7 * 8, 1 << 18, 1 << 31
    fake.registers.values[rah_23] = 0
    before = snapshot(fake)
    fake.registers.values[rah_23] = pool_0
    assert snapshot_difference(before, snapshot(fake)) == ()
    fake.registers.values[rah_23] = pool_0 | valid
    (line,) = snapshot_difference(before, snapshot(fake))
    assert line == "registers.RAH[23]: was 0x00000000, became 0x00040000"
