"""A plan as a diff: old values where the host says them, and nothing that a step changes left out."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from hpcapvf.domain import complete_plan
from hpcapvf.model.changes import Area, Change
from hpcapvf.model.codec import from_json, to_json
from hpcapvf.model.host import Host
from hpcapvf.model.plan import Plan
from hpcapvf.model.steps import ReplicateTraffic, Step
from hpcapvf.plan import plan_deployment
from hpcapvf.plan.changes import changes_of, is_described
from orchestrator.answer import Table
from orchestrator.diff import show_changes
from tests.factories import PF, RAID, make_host, make_request, vf_at


def planned(host: Host, **request: Any) -> Plan:
    plan = plan_deployment(make_request(**request), host, "ab" * 32)
    assert isinstance(plan, Plan), plan
    return complete_plan(plan)


def change(changes: tuple[Change, ...], words: str) -> Change:
    found = [c for c in changes if words in c.place]
    assert len(found) == 1, (words, [c.place for c in changes])
    return found[0]


def registers(name: str, index: int) -> int:
    """A card as it comes: one valid MAC filter, the VLAN filter on."""
    return {("RAH", 0): 1 << 31, ("RCTL", 0): 1 << 18, ("MTA", 0): 0xFFFFFFFF}.get((name, index), 0)


def test_old_values_come_from_the_host() -> None:
    host = make_host(free_pages=3)
    changes = changes_of(planned(host), host)
    base = f"/sys/bus/pci/devices/{PF}"
    for place, before, after in (
        (f"{base}/sriov_numvfs", "0", "1"),
        (f"{base}/sriov_drivers_autoprobe", "1", "0"),
        (f"{RAID}/driver_override", None, "vfio-pci"),
        ("node0/hugepages/hugepages-2048kB", "3", "512"),
        ("ens5: link", "down", "up"),
        ("ens5: pause", None, "autoneg off, rx off, tx off"),
        ("state of domain probe1", "absent", "running"),
    ):
        found = change(changes, place)
        assert (found.before, found.after) == (before, after), place
    drivers = {c.place: c.before for c in changes if c.place.endswith("/driver")}
    assert drivers[f"/sys/bus/pci/devices/{RAID}/driver"] == "megaraid_sas"
    assert drivers[f"/sys/bus/pci/devices/{vf_at(0)}/driver"] == ""


def test_what_the_host_does_not_say_is_unknown_and_not_absent() -> None:
    host = make_host()
    plan = planned(host)
    silent = dataclasses.replace(host, domains=None, kernel_arguments=None, nodes=(), interfaces=(), pci=())
    changes = changes_of(plan, silent)
    for place in ("sriov_numvfs", "nr_hugepages", "ens5: link", "state of domain", "/proc/cmdline"):
        assert change(changes, place).before is None, place
    assert next(c for c in changes if c.place == "domain probe1").before is None


def test_kernel_arguments_stay_and_say_who_changes_them() -> None:
    host = make_host()
    last = changes_of(planned(host), host)[-1]
    assert (last.area, last.step) == (Area.KERNEL, None)
    assert last.before == last.after == "intel_iommu=on iommu=pt iomem=relaxed"
    assert "prepare_host" in last.note


def test_only_formatting_cannot_be_undone() -> None:
    host = make_host()
    assert [c.place for c in changes_of(planned(host), host) if not c.reversible] == ["disks of the controller"]


def test_registers_are_told_with_what_they_hold_now() -> None:
    host = make_host()
    found = {c.place: c for c in changes_of(planned(host), host, registers) if c.area is Area.REGISTERS}
    names = " ".join(found)
    assert f"{PF} MTA[1-127] bits 0xffffffff" in found  # the first holds already
    assert "MTA[0]" not in names
    filters = found[f"{PF} RAH[0] bits 0x00040000"]
    assert (filters.before, filters.after) == ("0x00000000", "0x00040000")
    vlan = found[f"{PF} RCTL[0] bits 0x00040000"]
    assert (vlan.before, vlan.after) == ("0x00040000", "0x00000000")
    uta = next(c for place, c in found.items() if "UTA" in place)
    assert uta.before is None  # it does not read back


def test_registers_out_of_reach_are_unknown() -> None:
    host = make_host()
    found = [c for c in changes_of(planned(host), host) if c.area is Area.REGISTERS]
    assert {c.before for c in found} == {None}
    assert any("RAH[each valid]" in c.place for c in found)


def test_every_kind_of_step_is_described_but_one_that_is_tried_on_the_card() -> None:
    assert [kind for kind in typing.get_args(Step) if not is_described(kind)] == [ReplicateTraffic]


def test_a_step_of_an_unknown_kind_is_one_change() -> None:
    @dataclasses.dataclass(frozen=True)
    class Strange:
        kind: ClassVar[str] = "strange"
        reversible: ClassVar[bool] = False

        def describe(self) -> str:
            return "do something strange"

    host = make_host()
    plan = dataclasses.replace(planned(host), steps=(Strange(),))  # type: ignore[arg-type]
    found = changes_of(plan, host)[0]
    assert (found.place, found.before, found.after, found.reversible) == (
        "strange",
        None,
        "do something strange",
        False,
    )


def test_changes_survive_json() -> None:
    host = make_host()
    for found in changes_of(planned(host), host):
        assert from_json(Change, to_json(found)) == found


@pytest.mark.parametrize("read", [None, registers], ids=["out-of-reach", "read"])
def test_the_diff_for_people_is_as_kept(read: Any, golden: Callable[[str, str], None]) -> None:
    host = make_host()
    lines = []
    for part in show_changes(changes_of(planned(host), host, read)):
        if isinstance(part, Table):
            lines += ["  ".join(row).rstrip() for row in (part.columns, *part.rows)]
        elif read is None:  # the texts are the same in both
            lines.append(part)
    golden(f"plan-diff{'' if read is None else '-registers'}.txt", "\n".join(lines) + "\n")
