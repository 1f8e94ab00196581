"""What people are shown: complete, and honest where the host does not say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hpcapvf.model.errors import NotCapable
from hpcapvf.model.host import Host
from hpcapvf.model.plan import Finding
from hpcapvf.spec import parse_spec
from orchestrator.answer import Part
from orchestrator.suggest import suggest_spec
from orchestrator.tables import show_findings, show_host, show_plan
from tests.factories import RAID
from tests.unit.orchestrator.printed import text_of_parts
from tests.unit.orchestrator.sample_host import sample_host, sample_plan


def _text(*parts: Part) -> str:
    return text_of_parts(parts)


def test_the_inventory_names_nodes_cards_controllers_and_disks() -> None:
    text = _text(*show_host(sample_host()))
    for wanted in (
        "6.12.0-test",
        "0-5",
        "ens5",
        "0000:21:00.0",
        "0 of 7",
        "default route",
        "1000:0079",
        "sda",
        "diskd",
    ):
        assert wanted in text, wanted
    assert "None" not in text


def test_a_host_that_says_nothing_is_unknown_and_never_no() -> None:
    text = _text(*show_host(Host(None, None, None, None, None, None, (), (), ())))
    rows = {line.split()[0]: line.split()[-1] for line in text.splitlines() if len(line.split()) == 2}
    for name in ("name", "IOMMU", "VFIO", "KVM", "lockdown"):
        assert rows[name] == "unknown"


def test_the_plan_names_each_step_and_where_everything_goes() -> None:
    plan = sample_plan()
    text = _text(*show_plan(plan))
    for step in plan.steps:
        assert step.describe() in text
    pins = plan.placement
    polling = f"vCPU {pins.polling_vcpu} (polling)"
    for wanted in (
        polling,
        f"CPU {pins.vcpu_pins[0]}",
        f"{pins.hugepages} hugepages",
        str(plan.function),
        "pause frames",
    ):
        assert wanted in text, wanted


def test_a_failed_check_shows_what_was_found() -> None:
    text = _text(show_findings([Finding("vCPU 0 pin", False, "CPU 1", "CPU 4", "was it moved?")]))
    assert "FAILED" in text
    assert "CPU 4" in text
    assert "was it moved?" in text


def test_a_suggested_spec_is_one_that_the_parser_takes() -> None:
    request = parse_spec(suggest_spec(sample_host(), name="probe1", image="/var/lib/images/guest.qcow2"))
    assert request.network.pf == "ens5"
    assert request.storage.controller == str(RAID)
    assert request.network.vfs == 1
    assert parse_spec(suggest_spec(sample_host(), name="p", image="/i", vfs=2)).network.vfs == 2


def test_no_spec_is_suggested_for_disks_in_use_or_the_default_route() -> None:
    host = sample_host()
    used = replace(host, disks=tuple(replace(disk, in_use=("mounted on /",)) for disk in host.disks))
    with pytest.raises(NotCapable, match="storage controller"):
        suggest_spec(used, name="p", image="/i")
    routed = replace(host, interfaces=tuple(replace(i, default_route=True) for i in host.interfaces))
    with pytest.raises(NotCapable, match="network card"):
        suggest_spec(routed, name="p", image="/i")
