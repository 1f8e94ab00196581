"""What each storage mode becomes on the factory's host, and what it is refused for."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import ExitCode
from hpcapvf.model.host import BlockDevice, DomainInfo, Host, PciDevice, Sriov
from hpcapvf.model.plan import Plan, Refusal
from hpcapvf.model.request import EngineRequest, RaidRequest, StorageRequest
from hpcapvf.model.steps import MakeRaid
from hpcapvf.plan import plan_deployment
from hpcapvf.plan.storage import virtio_serial
from hpcapvf.probe.disks import lasting_path
from tests.factories import RAID, make_host, make_request, replace_device, replace_disk

NVME = PciAddress.parse("0000:23:00.0")
NAMESPACE = BlockDevice("nvme0n1", 4 << 30, NVME, serial="N0", in_use=(), path="/dev/disk/by-id/nvme-N0")


def with_nvme(**changes: Any) -> Host:
    sriov = Sriov(2, 0, offset=1, stride=1, autoprobe=True)
    device = PciDevice(NVME, 0x1B36, 0x0010, 0x010802, "nvme", 0, "numa_node", 12, sriov)
    host = make_host()
    host = dataclasses.replace(host, pci=(*host.pci, device), disks=(*host.disks, NAMESPACE))
    return replace_device(host, NVME, **changes)


def planned(mode: str, host: Host | None = None, **request: Any) -> Plan | Refusal:
    controller = {"virtio": str(RAID), "nvme-vf": str(NVME), "passthrough": str(RAID)}.get(mode, "")
    raid = RaidRequest(kind=request.pop("kind", "md"))
    storage = StorageRequest(mode=mode, controller=controller, raid=raid)
    result = plan_deployment(make_request(storage=storage, **request), host or with_nvme(), "ab" * 32)
    assert isinstance(result, Plan | Refusal)
    return result


def kinds(plan: Plan | Refusal) -> list[str]:
    assert isinstance(plan, Plan), plan
    return [step.kind for step in plan.steps]


def test_none_touches_no_disk_and_says_so() -> None:
    plan = planned("none")
    assert not {"bind-driver", "make-raid", "lend-disks"} & set(kinds(plan)[8:])
    assert isinstance(plan, Plan)
    assert (plan.controller, plan.request.storage.capture_directory) == (None, "null")
    assert any("nothing is stored" in warning.text for warning in plan.warnings)


def test_virtio_lends_each_disk_by_its_lasting_name() -> None:
    plan = planned("virtio", wipe=("diska",))
    assert kinds(plan).count("bind-driver") == 1, "the VF only: the controller stays the host's"
    assert isinstance(plan, Plan)
    assert [disk.path for disk in plan.block_devices] == [f"/dev/disk/by-id/scsi-disk{c}" for c in "abcd"]
    assert plan.controller is None
    assert next(s for s in plan.steps if isinstance(s, MakeRaid)).wipe == ("diska",)


def test_nvme_vf_is_made_and_brought_online_before_it_is_bound() -> None:
    plan = planned("nvme-vf")
    found = kinds(plan)
    at = found.index("lend-disks")
    expected = ["lend-disks", "free-nvme-queues", "set-autoprobe", "set-numvfs", "start-nvme-vf", "bind-driver"]
    assert found[at : at + 6] == expected
    assert isinstance(plan, Plan)
    assert plan.controller == PciAddress.parse("0000:23:00.1")


@pytest.mark.parametrize(
    ("kind", "step"), [("md", "make-raid"), ("hardware", "make-volume"), ("existing", "mount-existing")]
)
def test_what_is_made_of_the_disks(kind: str, step: str) -> None:
    plan = planned("passthrough", kind=kind)
    assert kinds(plan)[-2:] == [step, "start-capture"]
    assert isinstance(plan, Plan)
    assert [s.reversible for s in plan.steps if s.kind == step] == [kind == "existing"]


def test_only_hardware_is_told_of_the_caches() -> None:
    for kind in ("md", "hardware", "existing"):
        plan = planned("virtio", kind=kind)
        assert isinstance(plan, Plan)
        assert any("4.3.2" in warning.source for warning in plan.warnings) == (kind == "hardware")


DOMAIN = DomainInfo("web9", "u", running=False, block_devices=("/dev/disk/by-id/scsi-diskb",))


@pytest.mark.parametrize(
    ("mode", "host", "code", "words"),
    [
        ("virtio", replace_disk(make_host(), "sdb", in_use=("mounted on /x",)), ExitCode.REFUSED, "mounted on /x"),
        ("virtio", replace_disk(make_host(), "sdb", in_use=None), ExitCode.REFUSED, "does not say whether"),
        ("virtio", replace_disk(make_host(), "sdb", path=None), ExitCode.REFUSED, "no lasting name"),
        ("virtio", replace_disk(make_host(), "sdb", serial=None), ExitCode.REFUSED, "no serial number"),
        ("virtio", replace_disk(make_host(), "sdb", serial="diska"), ExitCode.REFUSED, "cannot be told from sda"),
        ("virtio", make_host(domains=(DOMAIN,)), ExitCode.REFUSED, "belongs to domain web9"),
        ("passthrough", make_host(domains=(DOMAIN,)), ExitCode.REFUSED, "belongs to domain web9"),
        ("nvme-vf", with_nvme(sriov=None), ExitCode.NOT_CAPABLE, "no SR-IOV"),
        ("nvme-vf", with_nvme(class_code=0x010601), ExitCode.NOT_CAPABLE, "no NVMe controller"),
        ("nvme-vf", with_nvme(driver="vfio-pci"), ExitCode.REFUSED, "only the driver nvme"),
        ("nvme-vf", with_nvme(sriov=Sriov(2, 1, 1, 1, True)), ExitCode.REFUSED, "1 VF(s) already"),
        ("nvme-vf", replace_disk(with_nvme(), "nvme0n1", in_use=("swap",)), ExitCode.REFUSED, "in use: swap"),
    ],
)  # fmt: skip
def test_what_is_refused(mode: str, host: Host, code: ExitCode, words: str) -> None:
    result = planned(mode, host)
    assert isinstance(result, Refusal)
    assert result.code is code
    assert any(words in reason.why for reason in result.reasons), result.reasons


def test_virtio_needs_no_group_of_its_own() -> None:
    assert isinstance(planned("virtio", replace_device(make_host(), RAID, iommu_group=1)), Plan)


def test_a_serial_number_fits_a_virtio_disk() -> None:
    assert virtio_serial("S 1/2") == "S_1_2"
    assert virtio_serial("0" * 12 + "b" * 20) == "b" * 20


def test_a_lasting_name_is_by_identity_before_place() -> None:
    links = ["/dev/disk/by-path/pci-0", "/dev/disk/by-id/wwn-1", "/dev/disk/by-id/scsi-S1"]
    assert lasting_path(links, "S1") == "/dev/disk/by-id/scsi-S1"
    assert lasting_path(links[:2], "S1") == "/dev/disk/by-id/wwn-1"
    assert lasting_path(links[:1], None) == "/dev/disk/by-path/pci-0"
    assert lasting_path([], "S1") is None


AFTER_FORMATTING = {"make-raid", "make-volume", "start-capture", "program-receive-all", "start-guard"}


@pytest.mark.parametrize("kind", ["md", "hardware"])
@pytest.mark.parametrize("engine", ["hpcapvf", "tcpdump"])
@pytest.mark.parametrize("mode", ["passthrough", "virtio", "nvme-vf"])
def test_what_cannot_be_undone_comes_when_all_that_may_fail_on_the_host_is_done(
    mode: str, engine: str, kind: str
) -> None:
    """Only what needs the disks, or the frames stored there, comes later; nothing is wiped that is not named."""
    plan = planned(mode, kind=kind, engine=EngineRequest(kind=engine))
    if not isinstance(plan, Plan):
        pytest.skip("refused: more disks than one volume")
    (index,) = [n for n, step in enumerate(plan.steps) if not step.reversible]
    assert {step.kind for step in plan.steps[index:]} <= AFTER_FORMATTING
    assert [getattr(step, "wipe", ()) for step in plan.steps if not step.reversible] == [()]
