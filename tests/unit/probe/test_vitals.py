"""What the doctor's facts are read from."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpcapvf.model.address import PciAddress
from hpcapvf.model.vitals import Bar, PcieLink, ReservedRegion, StoredModule, Vitals
from hpcapvf.probe import probe_host
from hpcapvf.probe.vitals import parse_msix_vectors, parse_regions, parse_resources, probe_vitals
from tests.fakes import tree
from tests.fakes.machine import FakeMachine, fake_machine

PF, RAID = PciAddress.parse(tree.PF), PciAddress.parse(tree.CONTROLLER)
FOLDER = tree.device_folder(tree.PF)
NO_BAR = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
VF_BAR = "0x00000000fe000000 0x00000000fe01bfff 0x0000000000140204\n"
EFI = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"


def config(*capabilities: tuple[int, int]) -> bytes:
    """A configuration space with these capabilities: (identifier, 16 bits behind it)."""
    data = bytearray(256)
    data[0x06] = 0x10
    at, link = 0x40, 0x34
    for identifier, word in capabilities:
        data[link] = at
        data[at] = identifier
        data[at + 2 : at + 4] = word.to_bytes(2, "little")
        at, link = at + 16, at + 1
    return bytes(data)


@pytest.fixture
def fake(tmp_path: Path) -> FakeMachine:
    return fake_machine(tmp_path)


def vitals(fake: FakeMachine) -> Vitals:
    return probe_vitals(fake.files, probe_host(fake.files), commands=fake.commands)


def test_a_bare_tree_leaves_everything_unknown(fake: FakeMachine) -> None:
    found = vitals(fake)
    assert (found.interrupts_remapped, found.iommu_tables, found.secure_boot, found.nested) == (None,) * 4
    card = found.function(PF)
    assert (card.vf_bars, card.last_bus, card.msix_vectors, card.reserved, card.link) == (None,) * 5
    assert found.sriov_told
    assert found.modules == (StoredModule(tree.GUEST_RELEASE, None),)
    assert found.programs is not None
    assert "hpcapdd" in found.programs


def test_a_tree_that_says_everything(fake: FakeMachine) -> None:
    write = fake.kernel.tree.write
    write("/proc/interrupts", " CPU0\n 24: 0 IR-PCI-MSIX-0000:02:00.0 0-edge enp2s0\n  1: 0 IR-IO-APIC 1-edge i8042\n")
    write("/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "N")
    write("/sys/firmware/acpi/tables/DMAR", "x")
    write("/proc/cpuinfo", "processor : 0\nflags\t\t: fpu vmx pdpe1gb\nprocessor : 1\nflags : fpu\n")
    write("/sys/module/kvm_intel/parameters/nested", "Y")
    write("/sys/module/module/parameters/sig_enforce", "N")
    fake.kernel.tree.folder("/sys/firmware/efi/efivars")
    fake.kernel.tree.at(EFI).write_bytes(b"\x06\0\0\0\x01")
    write(f"{FOLDER}/resource", NO_BAR * 7 + VF_BAR + NO_BAR * 5)
    write(f"{FOLDER}/msi_bus", "1")
    for name, value in {"current_link_speed": "2.5 GT/s PCIe", "max_link_speed": "5.0 GT/s PCIe"}.items():
        write(f"{FOLDER}/{name}", value)
    for name, value in {"current_link_width": "1", "max_link_width": "4"}.items():
        write(f"{FOLDER}/{name}", value)
    fake.kernel.tree.at(f"{FOLDER}/config").write_bytes(config((0x01, 0), (0x11, 0x8009)))
    group = fake.kernel.tree.at(f"{FOLDER}/iommu_group").resolve().name
    write(f"/sys/kernel/iommu_groups/{group}/reserved_regions", "0xfee00000 0xfeefffff msi\n0x1000 0x1fff direct")
    write(f"{tree.device_folder(tree.CONTROLLER)}/host0/scsi_host/host0/version_fw", "16.00.01.00")
    fake.kernel.tree.at(f"/var/lib/hpcapvf/driver/{tree.GUEST_RELEASE}/hpcapvf.ko").write_bytes(
        b"\x7fELF\0vermagic=6.12.0-guest-amd64 SMP preempt mod_unload \0"
    )
    fake.commands.on(
        "ethtool", lambda _a, _i: (0, "driver: igb\nfirmware-version: 3.29, 0x8000021a\nbus-info: x\n", "")
    )
    found = vitals(fake)
    assert (found.interrupts_remapped, found.unsafe_interrupts, found.iommu_tables) == (True, False, ("DMAR",))
    assert (found.secure_boot, found.nested, found.signatures_enforced) == (True, True, False)
    assert found.cpu_flags == frozenset({"fpu", "vmx", "pdpe1gb"})
    card = found.function(PF)
    assert card.vf_bars == (Bar(0xFE000000, 0xFE01BFFF, 0x140204), *([Bar(0, 0, 0)] * 5))
    assert (card.msix_vectors, card.msi_allowed, card.link) == (10, True, PcieLink(2.5, 1, 5.0, 4))
    assert card.reserved == (ReservedRegion(0xFEE00000, 0xFEEFFFFF, "msi"), ReservedRegion(0x1000, 0x1FFF, "direct"))
    assert (card.firmware, found.function(RAID).firmware) == ("3.29, 0x8000021a", "16.00.01.00")
    assert found.modules == (StoredModule(tree.GUEST_RELEASE, "6.12.0-guest-amd64"),)
    assert found.unreadable == ()


def test_interrupts_without_remapping_and_no_uefi(fake: FakeMachine) -> None:
    fake.kernel.tree.write("/proc/interrupts", " CPU0\n  4: 1 IO-APIC 4-edge ttyS0\n 24: 0 PCI-MSI 49152-edge x\n")
    fake.kernel.tree.folder("/sys/firmware/acpi")
    found = vitals(fake)
    assert found.interrupts_remapped is False
    assert found.secure_boot is False


def test_interrupts_of_another_architecture_tell_nothing(fake: FakeMachine) -> None:
    fake.kernel.tree.write("/proc/interrupts", " CPU0\n 13: 5 GICv3 27 Level arch_timer\n")
    assert vitals(fake).interrupts_remapped is None


def test_what_is_damaged_is_noted_and_unknown(fake: FakeMachine) -> None:
    fake.kernel.tree.write(f"{FOLDER}/resource", "nonsense")
    fake.kernel.tree.at(f"{FOLDER}/config").write_bytes(config((0x11, 9))[:64])
    fake.kernel.tree.write(f"{FOLDER}/current_link_speed", "Unknown")
    found = vitals(fake)
    card = found.function(PF)
    assert (card.vf_bars, card.msix_vectors, card.link) == (None, None, None)
    assert len(found.unreadable) == 2


def test_a_function_behind_a_bridge_knows_the_last_bus(fake: FakeMachine, tmp_path: Path) -> None:
    bridge = "/sys/devices/pci0000:00/0000:00:01.0"
    place = fake.kernel.tree.at(f"{bridge}/{tree.PF}")
    fake.kernel.tree.folder(bridge)
    fake.kernel.tree.at(FOLDER).rename(place)
    fake.kernel.tree.link(f"/sys/bus/pci/devices/{tree.PF}", f"{bridge}/{tree.PF}")
    fake.kernel.tree.write(f"{bridge}/subordinate_bus_number", "2")
    assert vitals(fake).function(PF).last_bus == 2


def test_an_ethtool_that_fails_leaves_the_firmware_unknown(fake: FakeMachine) -> None:
    fake.commands.remove("ethtool")
    assert vitals(fake).function(PF).firmware is None


@pytest.mark.parametrize(
    ("data", "vectors"),
    [(config((0x05, 0), (0x11, 2)), 3), (config((0x05, 0)), 0), (bytes(256), 0)],
)
def test_msix_vectors(data: bytes, vectors: int) -> None:
    assert parse_msix_vectors(data) == vectors


def test_capabilities_in_a_circle_or_cut_short_are_an_error() -> None:
    circle = bytearray(config((0x05, 0)))
    circle[0x41] = 0x40
    for data in (bytes(circle), bytes(10), config((0x05, 0), (0x11, 2))[:64]):
        with pytest.raises(ValueError, match=r"config|capabilities"):
            parse_msix_vectors(data)


@pytest.mark.parametrize("text", ["0x1 0x2", "a b c d", "zz 0x1 msi"])
def test_lines_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_regions(text)
    with pytest.raises(ValueError, match=r"."):
        parse_resources(text)
