"""Real machines that others recorded, from the folder that HPCAPVF_TEST_INPUTS names. Facts were read by hand."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hpcapvf.host.files import LocalFiles
from hpcapvf.model.address import CpuSet, Mac, PciAddress
from hpcapvf.model.codec import from_json, to_json
from hpcapvf.model.host import Host
from hpcapvf.probe import probe_host
from tests.unit.probe.trees import damage_and_probe, unpack

INPUTS = os.environ.get("HPCAPVF_TEST_INPUTS")
ARCHIVES = sorted((Path(INPUTS) / "hosts").glob("*.tar.bz2")) if INPUTS else []
REASON = "HPCAPVF_TEST_INPUTS names no folder with hosts/*.tar.bz2"
pytestmark = pytest.mark.skipif(not ARCHIVES, reason=REASON)


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    unpacked: dict[str, Path] = {}

    def tree(start: str) -> Path:
        archive = next((a for a in ARCHIVES if a.name.startswith(start)), None)
        if archive is None:
            pytest.skip(f"no recording {start}* under HPCAPVF_TEST_INPUTS")
        if archive.name not in unpacked:
            unpacked[archive.name] = unpack(archive, tmp_path_factory.mktemp("recorded"))
        return unpacked[archive.name]

    return tree


def probed(tree: Path) -> Host:
    return probe_host(LocalFiles(str(tree)))


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda a: a.name.removesuffix(".tar.bz2"))
def test_every_recording_gives_an_inventory_that_survives_json(archive: Path, recorded: Callable[[str], Path]) -> None:
    host = probed(recorded(archive.name))
    assert host.nodes
    assert host.cpus
    assert from_json(Host, json.loads(json.dumps(to_json(host)))) == host
    assert {cpu for node in host.nodes for cpu in node.cpus} <= {cpu.index for cpu in host.cpus}
    assert all(cpu.index in cpu.siblings for cpu in host.cpus)
    assert host.domains is None  # nothing was asked, so nothing is known


def test_four_nodes_and_a_raid_controller_whose_node_nobody_tells(recorded: Callable[[str], Path]) -> None:
    host = probed(recorded("40intel64"))
    assert [len(node.cpus) for node in host.nodes] == [10, 10, 10, 10]
    assert [node.memory_mib for node in host.nodes] == [131058, 131072, 131072, 131072]
    assert host.nodes[0].distances == (10, 20, 20, 20)
    assert len(host.cpus) == 40
    assert len(host.pci) == 37
    (raid,) = [d for d in host.pci if (d.vendor, d.device) == (0x1000, 0x0079)]
    assert (raid.address, raid.driver) == (PciAddress.parse("0000:01:00.0"), "megaraid_sas")
    # numa_node is -1 and local_cpus are the CPUs of all four nodes: to name one of them would be a guess
    assert (raid.numa_node, raid.numa_from) == (None, "unknown")
    hca = host.device(PciAddress.parse("0000:43:00.0"))
    assert hca is not None
    assert (hca.numa_node, hca.numa_from) == (2, "numa_node")
    wired = [i for i in host.interfaces if i.pci and i.pci.bus in {2, 3}]
    assert [(i.name, i.up) for i in wired] == [("eth0", True), ("eth1", False), ("eth2", False), ("eth3", False)]
    assert wired[0].mac == Mac.parse("78:2b:cb:38:ac:1b")
    assert wired[0].default_route is None  # there is no routing table in the recording
    assert next(i for i in host.interfaces if i.name == "ib0").mac is None
    (disk,) = host.disks
    assert (disk.name, disk.controller) == ("sda", raid.address)
    assert disk.in_use == ("mounted on /", "mounted on /local", "mounted on /tmp", "mounted on /var")
    assert (host.iommu_active, host.kernel_arguments, host.iomem_strict) == (None, None, None)
    assert host.unreadable == ()


def test_two_nodes_137_devices_and_an_nvme_disk_on_the_node_of_its_local_cpus(recorded: Callable[[str], Path]) -> None:
    host = probed(recorded("32em64t"))
    assert [str(node.cpus) for node in host.nodes] == ["0-7", "8-15"]
    assert [node.distances for node in host.nodes] == [(10, 21), (21, 10)]
    assert len(host.pci) == 137
    nvme = host.device(PciAddress.parse("0000:00:02.0"))
    assert nvme is not None
    assert (nvme.driver, nvme.numa_node, nvme.numa_from) == ("nvme", 0, "local_cpus")
    ports = [d for d in host.pci if (d.vendor, d.device) == (0x8086, 0x1521)]
    assert [(str(p.address), p.driver, p.numa_node, p.sriov) for p in ports] == [
        ("0000:02:00.0", "igb", 0, None),
        ("0000:02:00.3", "igb", 0, None),
    ]
    disks = {disk.name: disk for disk in host.disks}
    assert disks["nvme0n1"].controller == nvme.address
    assert disks["nvme0n1"].in_use is None  # mounts are known, swap is not
    assert disks["sda"].serial == "14090C05022B"
    assert disks["sda"].in_use is not None
    assert "mounted on /" in disks["sda"].in_use
    assert "sr0" not in disks
    assert not any(name.startswith(("loop", "ram")) for name in disks)


def test_eight_small_nodes(recorded: Callable[[str], Path]) -> None:
    host = probed(recorded("16amd64"))
    assert [str(node.cpus) for node in host.nodes] == [f"{n}-{n + 1}" for n in range(0, 16, 2)]
    assert host.nodes[3].distances == (20, 20, 20, 10, 20, 20, 20, 20)
    assert host.pci == ()
    assert any("PCI devices are unknown" in line for line in host.unreadable)


def test_offline_cpus_and_nodes_are_not_offered(recorded: Callable[[str], Path]) -> None:
    host = probed(recorded("offline"))
    (node,) = host.nodes
    assert (node.index, node.memory_mib, node.distances) == (1, 65536, (10,))
    assert node.cpus == CpuSet.of(range(5, 20, 2))  # its cpulist also names 1, 3, 21 and 23, which are offline
    assert [cpu.index for cpu in host.cpus] == list(range(4, 21))
    assert host.cpus[0].node == 0  # offline, but that is where it is


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda a: a.name.removesuffix(".tar.bz2"))
def test_damage_never_gives_a_traceback(archive: Path, recorded: Callable[[str], Path], tmp_path: Path) -> None:
    """Many files at a time are removed or spoilt, seeded; what is left must still be an inventory."""
    tree = tmp_path / "tree"
    shutil.copytree(recorded(archive.name), tree, symlinks=True, ignore_dangling_symlinks=True)
    assert damage_and_probe(tree, rounds=10, files_at_a_time=30, seed=archive.name) > 0
