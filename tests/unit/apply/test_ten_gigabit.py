"""Deployments on cards of 10 Gb/s: programmed through the same steps, and then frames are put into the model of their
switch. No such card was at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpcapvf.apply.run import apply_plan, destroy
from hpcapvf.model.address import Mac
from hpcapvf.model.errors import RegisterRefused
from hpcapvf.model.progress import Silent
from hpcapvf.model.steps import ReplicateTraffic
from hpcapvf.nic.switch import Frame
from hpcapvf.nic.switches import switch_of
from hpcapvf.verify.expect import expected_frames
from hpcapvf.verify.mirrors import read_mirror
from hpcapvf.verify.readings import read_drift
from orchestrator.answer import Table
from orchestrator.commands.nic import nic_answer
from tests.fakes import tree
from tests.fakes.registers import PF_MAC, FakeRegisters10g
from tests.unit.apply.world import (
    MONITOR_MAC,
    NAME,
    PF,
    VF,
    VF_MAC,
    WATCHED_MAC,
    World,
    domain_xml,
    make_monitor_plan,
    make_vfs,
    make_world,
    of_family,
)

FAMILIES = ("82599", "x540", "x550", "x552", "x553")
PROBE, OTHER, PF_POOL, WATCHED, MONITOR = 0, 1, 2, 0, 1
FOREIGN = Mac.parse("02:00:00:00:00:77")
FRAMES = {
    "unknown unicast": Mac.parse("00:de:ad:be:ef:00"),
    "own unicast": VF_MAC,
    "unicast of the PF": PF_MAC,
    "unicast of another VF": FOREIGN,
    "multicast": Mac.parse("01:00:5e:01:02:03"),
    "broadcast": Mac.parse("ff:ff:ff:ff:ff:ff"),
}


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


def registers_of(world: World) -> FakeRegisters10g:
    registers = world.fake.registers
    assert isinstance(registers, FakeRegisters10g)
    return registers


def delivered(world: World, frame: Frame, sender: int | None = None) -> frozenset[int]:
    deliver = switch_of(world.plan.family)
    assert deliver is not None
    return deliver(registers_of(world).inside, frame, sender).pools


def watching(root: Path, family: str) -> World:
    """VM web1 runs with VF 0 and is in VLAN 5; the plan watches it from VF 1."""
    world = make_world(root, family=family)
    make_vfs(world.fake)
    files = world.fake.machine.files
    files.write_text(f"/sys/bus/pci/devices/{VF}/driver_override", "vfio-pci")
    files.write_text("/sys/bus/pci/drivers_probe", str(VF))
    world.fake.hypervisor.networks["default"] = True
    world.fake.hypervisor.define(domain_xml("web1", "87654321-1234-5678-1234-567812345678", (VF,), network=False))
    world.fake.hypervisor.start("web1")
    registers = registers_of(world)
    registers.vf_filters = {1: (WATCHED_MAC, WATCHED), 127: (MONITOR_MAC, MONITOR)}
    registers.set("VLVF", 33, 1 << 31 | 5)
    registers.set("VLVFB", 66, 1 << WATCHED)
    registers.set("VFTA", 0, 1 << 5)
    registers.wipe()
    world.plan = of_family(make_monitor_plan(world.plan), family)
    return world


@pytest.mark.parametrize("family", FAMILIES)
def test_receive_all_there_and_back(family: str, tmp_path: Path) -> None:
    world = make_world(tmp_path, family=family)
    registers = registers_of(world)
    registers.vf_filters = {5: (VF_MAC, PROBE), 100: (FOREIGN, OTHER)}
    registers.wipe()
    before = world.snapshot()
    assert PROBE not in delivered(world, Frame(FOREIGN))
    apply_plan(world.plan, world.fake.machine, Silent())
    assert not read_drift(world.plan, world.fake.machine)
    assert registers.drop_enable.elements[:8] == [1, 1, 1, 1, 0, 0, 0, 0]  # 4 queues a pool in this mode
    missed = [
        (kind, vlan, sender)
        for kind, mac in FRAMES.items()
        for vlan in (None, 5, 100, 4095)
        for sender in (None, OTHER, PF_POOL)
        if PROBE not in delivered(world, Frame(mac, vlan=vlan), sender)
    ]
    assert missed == []
    destroy(NAME, world.fake.machine, Silent())
    assert world.snapshot() == before


@pytest.mark.parametrize("family", FAMILIES)
def test_an_agent_by_mirror_rule_there_and_back(family: str, tmp_path: Path) -> None:
    world = watching(tmp_path, family)
    before = world.snapshot()
    apply_plan(world.plan, world.fake.machine, Silent())
    step = next(s for s in world.plan.steps if isinstance(s, ReplicateTraffic))
    assert read_mirror(step, world.fake.machine).backend == "mirror rules"
    assert delivered(world, Frame(WATCHED_MAC)) == {WATCHED, MONITOR}
    assert delivered(world, Frame(WATCHED_MAC, vlan=5), PF_POOL) == {WATCHED, MONITOR}
    assert delivered(world, Frame(PF_MAC)) == {PF_POOL}
    assert registers_of(world).drop_enable.elements[4:8] == [1, 1, 1, 1]
    frames = [bytes.fromhex(str(mac).replace(":", "")) + bytes(54) for mac in (WATCHED_MAC, PF_MAC, MONITOR_MAC)]
    assert expected_frames(world.plan, frames, world.fake.machine) == (frames[0], frames[2])
    destroy(NAME, world.fake.machine, Silent())
    assert world.snapshot() == before


@pytest.mark.parametrize(("device", "family"), [(0x10FB, "82599"), (0x1563, "x550")])
def test_nic_show_says_which_mac_vlan_and_rule_feeds_which_pool(device: int, family: str, tmp_path: Path) -> None:
    world = watching(tmp_path, family)
    apply_plan(world.plan, world.fake.machine, Silent())
    registers_of(world).set("VMOLR", 40, 1 << 22 | 1 << 23)
    world.fake.kernel.tree.write(f"{tree.device_folder(tree.PF)}/device", f"{device:#x}")
    result = nic_answer(tree.PF_INTERFACE, world.fake.machine).result
    switch = result["switch"]
    assert result["family"] == family
    assert {(m["index"], m["mac"]): m["pools"] for m in switch["macs"]} == {
        (0, str(PF_MAC)): [PF_POOL],
        (1, str(WATCHED_MAC)): [WATCHED],
        (127, str(MONITOR_MAC)): [MONITOR],
    }
    assert switch["vlans"] == [{"index": 33, "vlan": 5, "pools": [WATCHED]}]
    rule = {"index": 0, "types": ["pools"], "pools": [WATCHED], "vlan_filters": [], "to_pool": MONITOR}
    assert switch["rules"] == [rule]
    assert (switch["default_pool"], switch["replication"], switch["vlan_filtering"]) == (PF_POOL, True, True)
    assert [p["pool"] for p in switch["pools"] if p["receives"]] == [0, 1, 2]
    high = ["all unicast", "every VLAN"] if family == "x550" else []
    assert switch["pools"][40]["takes"] == high


def test_nic_show_names_the_vlans_of_a_rule_and_leaves_idle_pools_out(tmp_path: Path) -> None:
    world = watching(tmp_path, "82599")
    registers = registers_of(world)
    registers.set("VMRCTL", 2, 1 << 3 | MONITOR << 8)
    registers.set("VMRVLAN", 2, 1 << 7)
    registers.set("VMRVLAN", 6, 1 << 33 - 32)
    registers.set("VMOLR", 40, 1 << 27)
    world.fake.kernel.tree.write(f"{tree.device_folder(tree.PF)}/device", "0x10fb")
    parts = nic_answer(tree.PF_INTERFACE, world.fake.machine).shown
    shown = {part.title: part for part in parts if isinstance(part, Table)}
    (rule,) = shown["mirror rules"].rows
    assert rule[1:4] == ("VLANs", "none", "filter 7, not in use, 5")
    assert [row[0] for row in shown["pools"].rows] == ["0", "1", "2", "40"]


def test_a_card_without_the_rules_falls_back_to_replication(tmp_path: Path) -> None:
    world = watching(tmp_path, "82599")
    registers_of(world).frozen = frozenset({"VMRCTL"})
    before = world.snapshot()
    outcome = apply_plan(world.plan, world.fake.machine, Silent())
    (notes,) = (r.notes for r in outcome.steps if r.kind == ReplicateTraffic.kind)
    assert "VMRCTL[0] did not keep" in notes[0]
    assert delivered(world, Frame(WATCHED_MAC)) == {WATCHED, MONITOR}
    assert delivered(world, Frame(WATCHED_MAC, vlan=5)) == {WATCHED, MONITOR}
    assert delivered(world, Frame(MONITOR_MAC)) == {MONITOR}
    assert registers_of(world).get("VMRVM", 0) == 0
    destroy(NAME, world.fake.machine, Silent())
    assert world.snapshot() == before


def test_drop_enable_that_is_not_kept_fails_and_is_undone(tmp_path: Path) -> None:
    world = make_world(tmp_path, family="82599")
    before = world.snapshot()
    world.fake.registers.drop_enable.stuck = True
    with pytest.raises(RegisterRefused, match=rf"programme {PF}.*QDE\[0\] did not keep"):
        apply_plan(world.plan, world.fake.machine, Silent())
    assert world.snapshot() == before
