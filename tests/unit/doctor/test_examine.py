"""Each finding of the doctor, seen good, bad and unknown."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from hpcapvf.doctor import examine
from hpcapvf.model.address import CpuSet
from hpcapvf.model.host import Host, HugepagePool
from hpcapvf.model.vitals import (
    Bar,
    Diagnosis,
    FunctionVitals,
    PcieLink,
    ReservedRegion,
    StoredModule,
    Verdict,
    Vitals,
)
from orchestrator.answer import Table
from orchestrator.commands.doctor import doctor_answer, show_diagnoses
from tests.factories import PF, RAID, make_host, replace_device

CARD = FunctionVitals(
    PF,
    vf_bars=(Bar(0xFE000000, 0xFE01BFFF, 0x140204), *([Bar(0, 0, 0)] * 5)),
    last_bus=0x21,
    msix_vectors=10,
    msi_allowed=True,
    reserved=(ReservedRegion(0xFEE00000, 0xFEEFFFFF, "msi"),),
    link=PcieLink(5.0, 4, 5.0, 4),
    firmware="1.2.3",
)
CONTROLLER = dataclasses.replace(CARD, address=RAID, vf_bars=None, link=PcieLink(5.0, 8, 5.0, 8))
PROGRAMS = ("checkraw", "hpcapdd", "hpcapdump", "hpcapstat", "pcap2raw", "raw2pcap")
WELL = Vitals(
    interrupts_remapped=True,
    unsafe_interrupts=False,
    iommu_tables=("DMAR",),
    cpu_flags=frozenset({"vmx", "pdpe1gb"}),
    nested=True,
    secure_boot=False,
    signatures_enforced=False,
    sriov_told=True,
    functions=(CARD, CONTROLLER),
    modules=(StoredModule("6.12.0-guest", "6.12.0-guest"),),
    programs=PROGRAMS,
)


def healthy() -> Host:
    host = make_host()
    nodes = tuple(
        dataclasses.replace(n, hugepages=(HugepagePool(2048, 8, 8), HugepagePool(1 << 20, 1, 1))) for n in host.nodes
    )
    quiet = {"isolated": CpuSet.parse("1-5"), "governors": ((0, "performance"),), "irqbalance": True}
    return dataclasses.replace(host, nodes=nodes, **quiet)  # type: ignore[arg-type]


def card(**changes: Any) -> Vitals:
    return dataclasses.replace(WELL, functions=(dataclasses.replace(CARD, **changes), CONTROLLER))


def well(**changes: Any) -> Vitals:
    return dataclasses.replace(WELL, **changes)


def pages(host: Host, *pools: HugepagePool, free_mib: int | None = 3000) -> Host:
    nodes = tuple(dataclasses.replace(n, hugepages=pools, memory_free_mib=free_mib) for n in host.nodes)
    return dataclasses.replace(host, nodes=nodes)


def found(host: Host, vitals: Vitals, check: str) -> Diagnosis:
    matches = [f for f in examine(host, vitals) if f.check.startswith(check)]
    assert matches, check
    return matches[0]


def test_a_host_that_is_ready_has_nothing_but_ok() -> None:
    assert {f.check: f.verdict for f in examine(healthy(), WELL) if f.verdict is not Verdict.OK} == {}
    assert doctor_answer("lab", examine(healthy(), WELL)).final_code == 0


H = dataclasses.replace
Case = tuple[str, Callable[[Host], Host], Vitals, Verdict, str, str]
SAME: Callable[[Host], Host] = lambda host: host  # noqa: E731 - a table's entry
# Check, what is wrong with the host, what is wrong with its vitals, verdict, words of the cause, words of the remedy.
CASES: list[Case] = [
    ("isolated CPUs", lambda h: H(h, isolated=CpuSet()), WELL, Verdict.WARNING, "to others", "isolcpus=CPUS"),
    ("frequency governor", lambda h: H(h, governors=((0, "performance"), (3, "powersave"))), WELL, Verdict.WARNING,
     "speed up first", "cpupower frequency-set -g performance"),
    ("irqbalance", lambda h: H(h, isolated=CpuSet()), WELL, Verdict.WARNING, "interrupts", "IRQBALANCE_BANNED_CPULIST"),
    ("IOMMU", lambda h: H(h, iommu_active=False), WELL, Verdict.FAULT, "DMAR", "intel_iommu=on iommu=pt"),
    ("IOMMU", lambda h: H(h, iommu_active=False), well(iommu_tables=("IVRS",)), Verdict.FAULT, "IVRS", "amd_iommu=on"),
    ("IOMMU", lambda h: H(h, iommu_active=False), well(iommu_tables=()), Verdict.FAULT, "announces none", "VT-d"),
    ("IOMMU", lambda h: H(h, iommu_active=False), well(iommu_tables=None), Verdict.FAULT, "firmware, or", "VT-d"),
    (
        "IOMMU",
        lambda h: H(h, iommu_active=False, kernel_arguments=("intel_iommu=off",)),
        WELL, Verdict.FAULT, "booted with intel_iommu=off", "take intel_iommu=off out",
    ),
    ("IOMMU", lambda h: H(h, iommu_active=None), WELL, Verdict.UNKNOWN, "/sys/class/iommu", "root"),
    ("interrupt", SAME, well(interrupts_remapped=False), Verdict.FAULT, "then refuses", "allow_unsafe_interrupts=1"),
    (
        "interrupt", SAME, well(interrupts_remapped=False, unsafe_interrupts=True),
        Verdict.WARNING, "any interrupt of the host", "firmware",
    ),
    (
        "interrupt", lambda h: H(h, kernel_arguments=("intremap=off",)), well(interrupts_remapped=False),
        Verdict.FAULT, "intremap=off", "take intremap=off out",
    ),
    ("interrupt", SAME, well(interrupts_remapped=None), Verdict.UNKNOWN, "/proc/interrupts", "dmesg"),
    ("kernel arg", lambda h: H(h, kernel_arguments=("pci=nomsi",)), WELL, Verdict.FAULT, "MSI-X", "take nomsi out"),
    ("kernel arg", lambda h: H(h, kernel_arguments=()), WELL, Verdict.WARNING, "translated", "iommu=pt"),
    ("kernel arg", lambda h: H(h, kernel_arguments=None), WELL, Verdict.UNKNOWN, "/proc/cmdline", "root"),
    ("device memory", lambda h: H(h, iomem_strict=True), WELL, Verdict.FAULT, "refuses to map", "iomem=relaxed"),
    ("device memory", lambda h: H(h, iomem_strict=None), WELL, Verdict.UNKNOWN, "configuration", "cmdline"),
    ("lockdown", lambda h: H(h, lockdown="integrity"), well(secure_boot=True), Verdict.FAULT, "Secure", "firmware"),
    (
        "lockdown", lambda h: H(h, lockdown="confidentiality", kernel_arguments=("lockdown=confidentiality",)), WELL,
        Verdict.FAULT, "booted with lockdown", "take lockdown=confidentiality out",
    ),
    ("lockdown", lambda h: H(h, lockdown=None), WELL, Verdict.UNKNOWN, "securityfs", "cat"),
    ("Secure Boot", SAME, well(secure_boot=True), Verdict.WARNING, "refuse hpcapvf.ko", "mokutil"),
    ("Secure Boot", SAME, well(signatures_enforced=True), Verdict.WARNING, "refuse hpcapvf.ko", "sign the module"),
    ("Secure Boot", SAME, well(secure_boot=None), Verdict.UNKNOWN, "Secure Boot unknown", "mokutil"),
    ("vfio", lambda h: H(h, vfio_available=False), WELL, Verdict.FAULT, "no such module", "linux-image-amd64"),
    ("vfio", lambda h: H(h, vfio_available=None), WELL, Verdict.UNKNOWN, "list of modules", "modinfo"),
    ("KVM", lambda h: H(h, kvm_available=False), WELL, Verdict.WARNING, "not loaded", "modprobe kvm_intel"),
    (
        "KVM", lambda h: H(h, kvm_available=False), well(cpu_flags=frozenset({"hypervisor"})),
        Verdict.WARNING, "hides virtualisation", "nested=1",
    ),
    (
        "KVM", lambda h: H(h, kvm_available=False), well(cpu_flags=frozenset({"sse"})),
        Verdict.WARNING, "offers none", "VT-x",
    ),
    ("KVM", lambda h: H(h, kvm_available=None), WELL, Verdict.UNKNOWN, "/dev/kvm", "modprobe"),
    (
        "libvirt", lambda h: H(h, domains=None, unreadable=("libvirt: no socket",)), WELL,
        Verdict.FAULT, "no socket", "systemctl start libvirtd",
    ),
    (
        "libvirt", lambda h: H(h, domains=None, unreadable=("libvirt: no library; hpcapvf[host] brings it",)), WELL,
        Verdict.FAULT, "no library", "apt-get install python3-libvirt",
    ),
    ("libvirt", lambda h: H(h, domains=None), WELL, Verdict.UNKNOWN, "not asked", "host itself"),
    ("SR-IOV", lambda h: replace_device(h, PF, sriov=None), WELL, Verdict.FAULT, "firmware", "lspci"),
    (
        "SR-IOV", lambda h: replace_device(h, PF, sriov=None), well(sriov_told=False),
        Verdict.UNKNOWN, "in part only", "host itself",
    ),
    ("BAR space", SAME, card(vf_bars=(Bar(0, 0, 0),) * 6), Verdict.FAULT, "no room", "pci=realloc"),
    (
        "BAR space", SAME, card(vf_bars=(Bar(0x1000, 0x1CFFF, 0x20140204),) + (Bar(0, 0, 0),) * 5),
        Verdict.FAULT, "firmware", "pci=realloc",
    ),
    (
        "BAR space", SAME, card(vf_bars=(Bar(0, 0x1BFFF, 0x140204),) + (Bar(0, 0, 0),) * 5),
        Verdict.FAULT, "no room", "pci=realloc",
    ),
    ("BAR space", SAME, card(vf_bars=None), Verdict.UNKNOWN, "CONFIG_PCI_IOV", "root"),
    (
        "bus numbers",
        lambda h: replace_device(h, PF, sriov=H(next(d for d in h.pci if d.address == PF).sriov, offset=256)),  # type: ignore[type-var]
        WELL, Verdict.FAULT, "reach bus 22", "pci=assign-busses",
    ),
    ("bus numbers", SAME, card(last_bus=None), Verdict.UNKNOWN, "subordinate_bus_number", "root"),
    ("MSI-X", SAME, card(msi_allowed=False), Verdict.FAULT, "may not use MSI", "another slot"),
    ("MSI-X", SAME, card(msix_vectors=0), Verdict.FAULT, "no MSI-X", "another card"),
    ("MSI-X", SAME, card(msix_vectors=None), Verdict.UNKNOWN, "configuration space", "root"),
    (
        "reserved regions", SAME, card(reserved=(ReservedRegion(0x1000, 0x1FFF, "direct"),)),
        Verdict.FAULT, "RMRR", "another slot",
    ),
    ("reserved regions", SAME, card(reserved=None), Verdict.UNKNOWN, "reserved_regions", "root"),
    ("PCIe link", SAME, card(link=PcieLink(5.0, 1, 5.0, 4)), Verdict.WARNING, "x4", "lspci"),
    ("PCIe link", SAME, card(link=PcieLink(2.5, 4, 5.0, 4)), Verdict.WARNING, "5 GT/s", "another slot"),
    ("PCIe link", SAME, card(link=None), Verdict.UNKNOWN, "not said", "root"),
    ("firmware of ens5", SAME, card(firmware=None), Verdict.UNKNOWN, "does not tell", "ethtool -i"),
    ("2 MiB pages", lambda h: pages(h, HugepagePool(2048, 0, 0), free_mib=100), WELL, Verdict.WARNING, "room", "free"),
    ("2 MiB pages", pages, WELL, Verdict.UNKNOWN, "hugepages folder", "ls"),
    ("2 MiB pages", lambda h: pages(h, HugepagePool(2048, 0, 0), free_mib=None), WELL, Verdict.UNKNOWN, "said", "cat"),
    ("1 GiB pages", lambda h: pages(h, HugepagePool(1 << 20, 0, 0)), WELL, Verdict.WARNING, "boot", "hugepages=0:1"),
    (
        "1 GiB pages", lambda h: H(pages(h, HugepagePool(1 << 20, 0, 0)), kernel_release="5.10.0-9"), WELL,
        Verdict.WARNING, "boot", "evenly over all nodes",
    ),
    ("1 GiB pages", pages, WELL, Verdict.UNKNOWN, "hugepages-1048576kB", "pdpe1gb"),
    ("1 GiB pages", SAME, well(cpu_flags=frozenset({"vmx"})), Verdict.WARNING, "pdpe1gb", "hugepage_kib: 2048"),
    ("driver", SAME, well(modules=()), Verdict.FAULT, "no guest can load it", "make -C driver module"),
    ("driver", SAME, well(modules=(StoredModule("6.1", "6.12"),)), Verdict.FAULT, "vermagic", "hpcapvf.ko"),
    ("driver", SAME, well(modules=(StoredModule("6.1", None),)), Verdict.UNKNOWN, "no vermagic", "modinfo"),
    ("driver", SAME, well(programs=("hpcapdd",)), Verdict.FAULT, "programs", "make -C driver user"),
    ("driver", SAME, well(modules=None), Verdict.UNKNOWN, "/var/lib", "host itself"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("check", "host", "vitals", "verdict", "cause", "remedy"), CASES, ids=[f"{c[0]}-{c[3]}-{c[4]}" for c in CASES]
)
def test_what_is_wrong_is_told_with_cause_and_remedy(
    check: str, host: Callable[[Host], Host], vitals: Vitals, verdict: Verdict, cause: str, remedy: str
) -> None:
    finding = found(host(healthy()), vitals, check)
    assert finding.verdict is verdict
    assert cause in finding.cause
    assert remedy in finding.remedy
    assert finding.source


def test_a_relaxable_region_does_not_hinder() -> None:
    vitals = card(reserved=(ReservedRegion(0, 0xFFF, "direct-relaxable"),))
    assert found(healthy(), vitals, "reserved regions").verdict is Verdict.OK


def test_nothing_known_is_unknown_and_never_ok_or_a_fault() -> None:
    nothing = Host(None, None, None, None, None, None, (), (), ())
    verdicts = {f.check: f.verdict for f in examine(nothing, Vitals())}
    assert set(verdicts.values()) == {Verdict.UNKNOWN}
    assert doctor_answer(None, examine(nothing, Vitals())).final_code == 0


def test_a_fault_ends_with_4_and_is_named_in_the_error() -> None:
    answer = doctor_answer("lab", examine(H(healthy(), iommu_active=False), WELL))
    assert answer.final_code == 4
    assert answer.error is not None
    assert any(line.startswith("IOMMU: off") for line in answer.error.details)
    assert answer.result["counts"]["fault"] == 1


def test_the_text_for_people_is_as_kept(golden: Callable[[str, str], None]) -> None:
    host = pages(H(healthy(), iommu_active=False, lockdown=None), HugepagePool(2048, 8, 8), HugepagePool(1 << 20, 0, 0))
    lines = []
    for part in show_diagnoses(examine(host, card(vf_bars=(Bar(0, 0, 0),) * 6))):
        if isinstance(part, Table):
            lines += ["  ".join(row) for row in (part.columns, *part.rows)]
        else:
            lines.append(part)
    golden("doctor.txt", "\n".join(lines) + "\n")
