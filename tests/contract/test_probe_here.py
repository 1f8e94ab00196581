"""The probe on a machine that behaves: it must see what was just changed."""

from __future__ import annotations

from hpcapvf.model.address import PciAddress
from hpcapvf.probe import probe_host
from tests.contract.conftest import Bench


def test_the_probe_sees_the_machine(bench: Bench, vf: str) -> None:
    host = probe_host(bench.machine.files, commands=bench.machine.commands, hypervisor=bench.machine.hypervisor)
    pf = host.device(PciAddress.parse(bench.pf))
    assert pf is not None
    assert pf.sriov is not None
    assert (pf.driver, pf.numa_node, pf.sriov.num_vfs) == ("igb", 0, 2)
    assert pf.sriov.vfs[0] == PciAddress.parse(vf)
    assert len(host.nodes) == 2
    assert host.domains is not None
    assert (host.iommu_active, host.iomem_strict, host.lockdown) == (True, False, "none")
    assert (host.vfio_available, host.kvm_available) == (True, True)
    assert sum(disk.controller == PciAddress.parse(bench.controller) for disk in host.disks) >= 2
    assert any(disk.in_use and "mounted on /" in disk.in_use for disk in host.disks)
    assert [i.name for i in host.interfaces if i.pci == pf.address] == [bench.interface]
    assert host.unreadable == ()
