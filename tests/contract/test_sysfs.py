"""What the kernel does when its attribute files are written: VFs, drivers, hugepages."""

from __future__ import annotations

import errno

import pytest

from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import FileFailed, WaitTimedOut
from tests.contract.conftest import Bench


def test_vfs_come_and_go(bench: Bench) -> None:
    files = bench.machine.files
    bench.write(f"{bench.pf_folder}/sriov_numvfs", "2")
    bench.machine.udev.wait_for_vfs(PciAddress.parse(bench.pf), 2, timeout_s=90)
    addresses = [files.link_name(f"{bench.pf_folder}/virtfn{index}") or "" for index in range(2)]
    for address in addresses:
        assert bench.read(f"/sys/bus/pci/devices/{address}/device") == "0x10ca"
        assert files.link_name(f"/sys/bus/pci/devices/{address}/physfn") == bench.pf
        assert files.link_name(f"/sys/bus/pci/devices/{address}/iommu_group") is not None
    assert files.link_name(f"{bench.pf_folder}/virtfn2") is None
    bench.write(f"{bench.pf_folder}/sriov_numvfs", "0")
    assert not any(files.exists(f"/sys/bus/pci/devices/{address}") for address in addresses)


def test_the_number_of_vfs_changes_only_through_zero(bench: Bench) -> None:
    bench.write(f"{bench.pf_folder}/sriov_numvfs", "2")
    with pytest.raises(FileFailed) as refused:
        bench.write(f"{bench.pf_folder}/sriov_numvfs", "3")
    assert refused.value.errno == errno.EBUSY
    bench.write(f"{bench.pf_folder}/sriov_numvfs", "2")  # the same number again is no error
    assert bench.read(f"{bench.pf_folder}/sriov_numvfs") == "2"


def test_more_vfs_than_there_can_be_are_refused(bench: Bench) -> None:
    too_many = int(bench.read(f"{bench.pf_folder}/sriov_totalvfs")) + 1
    with pytest.raises(FileFailed) as refused:
        bench.write(f"{bench.pf_folder}/sriov_numvfs", str(too_many))
    assert refused.value.errno == errno.ERANGE


def test_without_autoprobe_new_vfs_have_no_driver(bench: Bench) -> None:
    bench.write(f"{bench.pf_folder}/sriov_drivers_autoprobe", "0")
    bench.write(f"{bench.pf_folder}/sriov_numvfs", "1")
    bench.machine.udev.wait_for_vfs(PciAddress.parse(bench.pf), 1, timeout_s=90)
    assert bench.driver(bench.machine.files.link_name(f"{bench.pf_folder}/virtfn0") or "") is None


def test_waiting_for_vfs_that_do_not_come_ends(bench: Bench) -> None:
    with pytest.raises(WaitTimedOut, match=bench.pf):
        bench.machine.udev.wait_for_vfs(PciAddress.parse(bench.pf), 1, timeout_s=1)


def test_a_vf_goes_to_vfio_and_comes_back(bench: Bench, vf: str) -> None:
    override = bench.read(f"/sys/bus/pci/devices/{vf}/driver_override")
    bench.rebind(vf, "vfio-pci")
    assert bench.driver(vf) == "vfio-pci"
    bench.rebind(vf, "")
    assert bench.driver(vf) in {"igbvf", None}
    assert bench.read(f"/sys/bus/pci/devices/{vf}/driver_override") == override == "(null)"


def test_a_bound_function_cannot_be_bound_again(bench: Bench, vf: str) -> None:
    bench.rebind(vf, "vfio-pci")
    with pytest.raises(FileFailed) as refused:
        bench.write("/sys/bus/pci/drivers/vfio-pci/bind", vf)
    assert refused.value.errno == errno.EBUSY


def test_a_driver_refuses_what_it_does_not_match(bench: Bench, vf: str) -> None:
    if bench.driver(vf):
        bench.write(f"/sys/bus/pci/devices/{vf}/driver/unbind", vf)
    with pytest.raises(FileFailed) as refused:
        bench.write("/sys/bus/pci/drivers/vfio-pci/bind", vf)
    assert refused.value.errno == errno.ENODEV
    with pytest.raises(FileFailed) as refused:
        bench.write("/sys/bus/pci/drivers/vfio-pci/unbind", vf)
    assert refused.value.errno == errno.ENODEV


def test_the_controllers_disks_leave_with_it_and_return(bench: Bench) -> None:
    def disks() -> list[str]:
        names = bench.machine.files.list("/sys/block") or ()
        paths = {name: bench.machine.files.real_path(f"/sys/block/{name}") or "" for name in names}
        return [name for name, path in paths.items() if f"/{bench.controller}/" in path]

    before = disks()
    assert len(before) >= 2
    bench.rebind(bench.controller, "vfio-pci")
    assert bench.driver(bench.controller) == "vfio-pci"
    assert disks() == []
    bench.rebind(bench.controller, "")
    bench.until(lambda: len(disks()) == len(before), "the disks are back")
    assert bench.driver(bench.controller) == "megaraid_sas"


def test_hugepages_of_a_node_there_and_back(bench: Bench) -> None:
    pool = "/sys/devices/system/node/node1/hugepages/hugepages-2048kB"
    before = int(bench.read(f"{pool}/nr_hugepages"))
    bench.write(f"{pool}/nr_hugepages", str(before + 8))
    assert bench.read(f"{pool}/nr_hugepages") == str(before + 8)
    assert int(bench.read(f"{pool}/free_hugepages")) >= 8
    bench.write(f"{pool}/nr_hugepages", str(before))
    assert bench.read(f"{pool}/nr_hugepages") == str(before)


def test_more_hugepages_than_memory_are_not_an_error_but_fewer_pages(bench: Bench) -> None:
    pool = "/sys/devices/system/node/node1/hugepages/hugepages-1048576kB"
    if not bench.machine.files.exists(pool):
        pytest.skip("this machine has no 1 GiB pages")
    bench.write(f"{pool}/nr_hugepages", "4000")
    got = int(bench.read(f"{pool}/nr_hugepages"))
    bench.write(f"{pool}/nr_hugepages", "0")
    assert got < 4000


def test_a_word_where_a_number_belongs_is_refused(bench: Bench) -> None:
    with pytest.raises(FileFailed) as refused:
        bench.write(f"{bench.pf_folder}/sriov_numvfs", "many")
    assert refused.value.errno == errno.EINVAL


def test_attributes_that_can_only_be_read(bench: Bench) -> None:
    with pytest.raises(FileFailed) as refused:
        bench.write(f"{bench.pf_folder}/vendor", "0x1")
    assert refused.value.errno in {errno.EACCES, errno.EPERM, errno.EIO}
    with pytest.raises(FileFailed) as refused:
        bench.write(f"{bench.pf_folder}/no_such_attribute", "1")
    assert refused.value.errno in {errno.ENOENT, errno.EACCES}
