"""Every guard: what it says, its exit code, and that one thing alone triggers it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import ExitCode
from hpcapvf.model.host import BlockDevice, Deployed, DomainInfo, Host, HugepagePool, Image, NetInterface, PciDevice
from hpcapvf.model.plan import Plan, Reason, Refusal
from hpcapvf.plan import plan_deployment
from tests.factories import (
    BOOT_DISK,
    IMAGE,
    IMAGE_SHA256,
    PF,
    RAID,
    make_host,
    make_request,
    replace_device,
    replace_disk,
    replace_interface,
    vf_at,
)

SHA = "ab" * 32
CONFLICT, NOT_FOUND, NOT_CAPABLE = ExitCode.CONFLICT, ExitCode.NOT_FOUND, ExitCode.NOT_CAPABLE
REGISTER_REFUSED, REFUSED = ExitCode.REGISTER_REFUSED, ExitCode.REFUSED


def refusal(host: Host, **request: Any) -> Refusal:
    result = plan_deployment(make_request(**request), host, SHA)
    assert isinstance(result, Refusal), result
    return result


def only_reason(host: Host, **request: Any) -> tuple[ExitCode, Reason]:
    result = refusal(host, **request)
    assert len(result.reasons) == 1, result.reasons
    return result.code, result.reasons[0]


def neighbour(**changes: Any) -> PciDevice:
    device = PciDevice(PciAddress.parse("0000:22:00.1"), 0x1000, 0x1234, 0x020000, "tg3", 0, "numa_node", 11)
    return dataclasses.replace(device, **changes)


def plus(host: Host, *devices: PciDevice) -> Host:
    return dataclasses.replace(host, pci=(*host.pci, *devices))


def test_a_whole_card_is_refused_while_it_has_vfs() -> None:
    code, reason = only_reason(make_host(vfs=2), mode="passthrough")
    assert (code, reason.subject) == (REFUSED, str(PF))
    assert "has 2 VF(s), which would vanish" in reason.why


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"class_code": 0x010700}, "is no network card"),
        ({"physfn": RAID}, "is itself a virtual function"),
        ({"iommu_group": None}, "is in no IOMMU group"),
    ],
)
def test_what_cannot_be_a_whole_card(changes: dict[str, Any], words: str) -> None:
    _, reason = only_reason(replace_device(make_host(), PF, **changes), mode="passthrough")
    assert words in reason.why


def test_a_whole_card_of_a_domain_is_refused() -> None:
    taken = DomainInfo("other", "u-u", running=False, hostdevs=(PF,))
    code, reason = only_reason(make_host(domains=(taken,)), mode="passthrough")
    assert (code, reason.why) == (REFUSED, "belongs to domain other")


def test_a_whole_card_with_the_default_route_is_refused() -> None:
    code, reason = only_reason(replace_interface(make_host(), "ens5", default_route=True), mode="passthrough")
    assert (code, reason.subject) == (REFUSED, "ens5")


def sriov_changed(**changes: Any) -> Host:
    host = make_host()
    sriov = host.device(PF).sriov  # type: ignore[union-attr]
    return replace_device(host, PF, sriov=dataclasses.replace(sriov, **changes))  # type: ignore[type-var]


DOMAIN = DomainInfo("web1", "11111111-2222-3333-4444-555555555555", True)

CASES: dict[str, tuple[Host, dict[str, Any], ExitCode, str, str]] = {
    # name: host, request, code, subject, words of the reason or hint
    "no such interface": (make_host(), {"pf": "ens9"}, NOT_FOUND, "ens9", "ens5 (0000:21:00.0)"),
    "no such function": (make_host(), {"pf": "0000:99:00.0"}, NOT_FOUND, "0000:99:00.0", "no such PCI function"),
    "interface without PCI": (
        make_host(interfaces=(NetInterface("br0", None, None, True, False),)),
        {"pf": "br0"}, NOT_CAPABLE, "br0", "is no PCI function",
    ),
    "no SR-IOV": (replace_device(make_host(), PF, sriov=None), {}, NOT_CAPABLE, str(PF), "shows no SR-IOV capability"),
    "SR-IOV switched off": (sriov_changed(total_vfs=0), {}, NOT_CAPABLE, str(PF), "offers no virtual functions"),
    "a VF as PF": (
        replace_interface(make_host(vfs=1), "ens5", pci=vf_at(0)), {}, NOT_CAPABLE, str(vf_at(0)),
        "name the physical function: 0000:21:00.0",
    ),
    "unknown card": (replace_device(make_host(), PF, device=0x1533), {}, NOT_CAPABLE, str(PF), "8086:1533"),
    "too many VFs": (make_host(), {"vfs": 8}, REFUSED, str(PF), "can make 7 VFs, network.vfs asks for 8"),
    "VF offset unknown": (sriov_changed(offset=None), {}, NOT_CAPABLE, str(PF), "where its VFs will appear"),
    "default route": (
        replace_interface(make_host(), "ens5", default_route=True), {}, REFUSED, "ens5", "carries the default route",
    ),
    "default route unknown": (
        replace_interface(make_host(), "ens5", default_route=None), {}, REFUSED, "ens5", "does not say",
    ),
    "in a bridge": (replace_interface(make_host(), "ens5", master="br0"), {}, REFUSED, "ens5", "part of br0"),
    "PF without interface": (
        dataclasses.replace(
            replace_device(make_host(), PF, driver="vfio-pci"), interfaces=make_host().interfaces[:1]
        ),
        {"pf": str(PF)}, NOT_CAPABLE, str(PF), "driver: vfio-pci",
    ),
    "no such controller": (
        make_host(), {"controller": "0000:99:00.0"}, NOT_FOUND, "0000:99:00.0", "0000:22:00.0 (1000:0079)",
    ),
    "not a controller": (make_host(), {"controller": "0000:20:00.0"}, NOT_CAPABLE, "0000:20:00.0", "class 060400"),
    "boot disk": (make_host(), {"controller": str(BOOT_DISK)}, REFUSED, str(BOOT_DISK), "vda is in use: mounted on /"),
    "swap": (replace_disk(make_host(), "sdb", in_use=("swap",)), {}, REFUSED, str(RAID), "sdb is in use: swap"),
    "disk use unknown": (
        replace_disk(make_host(), "sdc", in_use=None), {}, REFUSED, str(RAID), "does not say whether its disk sdc",
    ),
    "controller of a domain": (
        make_host(domains=(dataclasses.replace(DOMAIN, hostdevs=(RAID,)),)), {}, REFUSED, str(RAID), "domain web1",
    ),
    "shared IOMMU group": (
        plus(make_host(), neighbour()), {}, REFUSED, str(RAID), "shares IOMMU group 11 with 0000:22:00.1 (driver tg3)",
    ),
    "group shared with a guest's device": (
        plus(make_host(domains=(dataclasses.replace(DOMAIN, hostdevs=(neighbour().address,)),)),
             neighbour(driver="vfio-pci")),
        {}, REFUSED, str(RAID), "0000:22:00.1 (domain web1)",
    ),
    "no IOMMU group": (
        replace_device(make_host(), RAID, iommu_group=None), {}, NOT_CAPABLE, str(RAID), "no IOMMU group",
    ),
    "IOMMU off": (make_host(iommu_active=False), {}, NOT_CAPABLE, "IOMMU", "intel_iommu=on iommu=pt"),
    "IOMMU unknown": (make_host(iommu_active=None), {}, NOT_CAPABLE, "IOMMU", "does not say"),
    "no vfio": (make_host(vfio_available=False), {}, NOT_CAPABLE, "vfio-pci", "no such driver"),
    "strict devmem": (make_host(iomem_strict=True), {}, REGISTER_REFUSED, "resource0", "boot with iomem=relaxed, or"),
    "lockdown": (make_host(lockdown="integrity"), {}, REGISTER_REFUSED, "resource0", "lockdown (integrity)"),
    "image missing": (make_host(), {"image": "/no.qcow2"}, NOT_FOUND, "/no.qcow2", "hpcapvf image build"),
    "image empty": (make_host(images=(Image(IMAGE, True, 0, IMAGE_SHA256),)), {}, REFUSED, IMAGE, "empty"),
    "image altered": (make_host(), {"sha256": "00" * 32}, REFUSED, IMAGE, "its checksum is 5e5e"),
    "image without checksum": (make_host(images=(Image(IMAGE, True, 9),)), {}, REFUSED, IMAGE, "sha256sum"),
    "other spec deployed": (
        make_host(deployments=(Deployed("probe1", "cd" * 32, "deployed"),)), {}, CONFLICT, "probe1", "different spec",
    ),
    "cut short": (
        make_host(deployments=(Deployed("probe1", SHA, "incomplete"),)), {}, CONFLICT, "probe1",
        "hpcapvf recover probe1",
    ),
    "lost by reboot": (
        make_host(deployments=(Deployed("probe1", SHA, "lost by reboot"),)), {}, CONFLICT, "probe1", "--forward",
    ),
    "foreign domain": (
        make_host(domains=(dataclasses.replace(DOMAIN, name="probe1"),)), {}, CONFLICT, "probe1", "did not make",
    ),
    "node unknown": (
        replace_device(make_host(), PF, numa_node=None), {}, REFUSED, str(PF), "set placement.node (one of 0, 1)",
    ),
    "node offline": (replace_device(make_host(), PF, numa_node=5), {}, REFUSED, str(PF), "node 5 is offline"),
    "no such node": (make_host(), {"node": 7}, NOT_FOUND, "node 7", "nodes of this host: 0, 1"),
    "node without CPUs": (
        dataclasses.replace(make_host(), cpus=tuple(c for c in make_host().cpus if c.node == 1)),
        {"policy": "strict"}, REFUSED, "node 0", "no online CPU",
    ),
    "too few cores, strict": (
        make_host(), {"vcpus": 6, "policy": "strict"}, REFUSED, "node 0", "needs 7 free physical",
    ),
    "too few hugepages": (
        make_host(memory_free_mib=1100), {}, REFUSED, "node 0", "512 of 2048 KiB needed, 0 free; its 1100 MiB",
    ),
    "no 1 GiB pages": (make_host(), {"hugepage_kib": 1048576}, REFUSED, "node 0", "hugepagesz=1G"),
    "page size unknown to the host": (
        dataclasses.replace(
            make_host(), nodes=tuple(dataclasses.replace(n, hugepages=n.hugepages[1:]) for n in make_host().nodes)
        ),
        {}, NOT_CAPABLE, "node 0", "sizes there: 1048576 KiB",
    ),
    "node without memory": (
        dataclasses.replace(make_host(), nodes=tuple(dataclasses.replace(n, memory_mib=0) for n in make_host().nodes)),
        {}, REFUSED, "node 0", "has no memory",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_guard(case: str) -> None:
    host, request, code, subject, words = CASES[case]
    found, reason = only_reason(host, **request)
    assert found == code
    assert reason.subject == subject
    assert words in f"{reason.why} | {reason.hint}"
    assert reason.hint


def test_all_reasons_are_told_at_once_under_the_code_that_comes_first() -> None:
    host = replace_disk(make_host(iommu_active=False, iomem_strict=True), "sda", in_use=("mounted on /data",))
    result = refusal(host, image="/no.qcow2", vcpus=6, policy="strict", pf="ens4")
    assert result.code == NOT_FOUND
    subjects = [r.subject for r in result.reasons]
    assert len(subjects) == len(set(result.reasons))
    assert {"0000:00:03.0", "ens4", str(RAID), "IOMMU", "resource0", "/no.qcow2", "node 0"} <= set(subjects)


def test_register_access_matters_only_if_registers_are_written() -> None:
    assert isinstance(
        plan_deployment(make_request(receive="own"), make_host(iomem_strict=True, lockdown="x"), SHA), Plan
    )


def test_each_vf_that_was_tried_is_named() -> None:
    host = make_host(vfs=5, domains=(dataclasses.replace(DOMAIN, hostdevs=(vf_at(0),)),))
    host = replace_device(host, vf_at(1), iommu_group=2)
    host = dataclasses.replace(
        host,
        pci=tuple(d for d in host.pci if d.address != vf_at(2)),
        interfaces=(
            *host.interfaces,
            NetInterface("v3", vf_at(3), None, True, False),
            NetInterface("v4", vf_at(4), None, False, False, master="br0"),
        ),
    )
    result = refusal(host)
    assert result.code == REFUSED
    why = {r.subject: r.why for r in result.reasons}
    assert why.pop(str(PF)) == "none of its 5 VFs is free"
    assert why == {
        str(vf_at(0)): "belongs to domain web1, which runs",
        str(vf_at(1)): "shares IOMMU group 2 with 0000:00:03.0 (driver virtio-pci)",
        str(vf_at(2)): "the host does not say what this VF is",
        str(vf_at(3)): "its interface v3 is up",
        str(vf_at(4)): "its interface v4 is part of br0",
    }


def test_the_first_free_vf_is_taken() -> None:
    host = make_host(vfs=3, domains=(dataclasses.replace(DOMAIN, hostdevs=(vf_at(0), vf_at(1))),))
    result = plan_deployment(make_request(), host, SHA)
    assert isinstance(result, Plan)
    assert (result.function, result.vf_index) == (vf_at(2), 2)


def test_a_vf_whose_interface_is_down_is_free() -> None:
    host = make_host(vfs=1)
    host = dataclasses.replace(host, interfaces=(*host.interfaces, NetInterface("v0", vf_at(0), None, False, False)))
    assert isinstance(plan_deployment(make_request(), host, SHA), Plan)


def test_a_vf_on_vfio_pci_is_not_taken_if_libvirt_cannot_be_asked() -> None:
    host = replace_device(make_host(vfs=1, domains=None), vf_at(0), driver="vfio-pci")
    assert "libvirt could not be asked" in refusal(host).reasons[1].why
    assert isinstance(plan_deployment(make_request(), dataclasses.replace(host, domains=()), SHA), Plan)


@pytest.mark.parametrize(
    "harmless",
    [
        neighbour(driver=None),
        neighbour(driver="vfio-pci"),
        neighbour(class_code=0x060400, driver="pcieport"),
        neighbour(class_code=0x060400, driver=None),
        neighbour(iommu_group=99),
    ],
)
def test_bridges_and_unused_functions_do_not_share_a_group(harmless: PciDevice) -> None:
    assert isinstance(plan_deployment(make_request(), plus(make_host(), harmless), SHA), Plan)


def test_auto_takes_the_only_controller_with_unused_disks() -> None:
    result = plan_deployment(make_request(controller="auto"), make_host(), SHA)
    assert isinstance(result, Plan)
    assert result.controller == RAID


def test_auto_takes_a_controller_that_waits_on_vfio_pci() -> None:
    host = dataclasses.replace(replace_device(make_host(), RAID, driver="vfio-pci"), disks=make_host().disks[:1])
    result = plan_deployment(make_request(controller="auto"), host, SHA)
    assert isinstance(result, Plan)
    assert result.controller == RAID


def test_auto_refuses_to_choose_among_several() -> None:
    second = neighbour(class_code=0x010802, driver="nvme", iommu_group=12)
    host = plus(make_host(), second)
    host = dataclasses.replace(host, disks=(*host.disks, BlockDevice("nvme0n1", 1, second.address, in_use=())))
    code, reason = only_reason(host, controller="auto")
    assert code == REFUSED
    assert "0000:22:00.0 (1000:0079), 0000:22:00.1 (1000:1234)" in reason.why


def test_auto_names_every_controller_it_tried() -> None:
    host = replace_disk(make_host(), "sda", in_use=("part of md0",))
    host = plus(host, neighbour(class_code=0x010601, driver="ahci", iommu_group=12))
    result = refusal(host, controller="auto")
    assert result.code == REFUSED
    assert {r.subject for r in result.reasons} == {"auto", str(BOOT_DISK), str(RAID), "0000:22:00.1"}
    assert any(r.why == "has no disks" for r in result.reasons)


def test_hugepages_that_are_free_already_need_no_memory() -> None:
    assert isinstance(plan_deployment(make_request(), make_host(memory_free_mib=0, free_pages=512), SHA), Plan)
    assert "511 free" in refusal(make_host(memory_free_mib=0, free_pages=511)).reasons[0].why


def test_hugepages_in_use_are_not_free() -> None:
    host = make_host(memory_free_mib=0)
    pools = (HugepagePool(2048, 1000, 100),)
    host = dataclasses.replace(host, nodes=tuple(dataclasses.replace(n, hugepages=pools) for n in host.nodes))
    assert "100 free" in refusal(host).reasons[0].why


def test_a_host_reserve_stays() -> None:
    assert isinstance(plan_deployment(make_request(), make_host(memory_free_mib=1024 + 256), SHA), Plan)
    assert refusal(make_host(memory_free_mib=1024 + 255)).code == REFUSED
