"""What the probe finds of the ways to copy traffic, on small trees."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from hpcapvf.host.files import LocalFiles
from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import FileFailed
from hpcapvf.model.host import CardWays, Representor
from hpcapvf.model.paths import ixgbe_registers, mirror_file, register_device
from hpcapvf.probe import probe_host
from tests.fakes.machine import fake_machine
from tests.fakes.tree import PF, PF_INTERFACE, Shape, Tree, add_interface, build

ADDRESS = PciAddress.parse(PF)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return build(tmp_path, Shape())


def ways(tree: Tree) -> CardWays:
    (found,) = probe_host(LocalFiles(str(tree.root))).ways
    return found


def test_a_card_of_which_nothing_is_known(tree: Tree) -> None:
    assert ways(tree) == CardWays(ADDRESS)


def test_an_out_of_tree_driver_has_a_version_and_a_taint(tree: Tree) -> None:
    tree.write("/sys/module/igb/version", "5.14.16")
    tree.write("/sys/module/igb/taint", "OE")
    assert (ways(tree).driver_version, ways(tree).out_of_tree) == ("5.14.16", True)
    tree.write("/sys/module/igb/taint", "")
    assert ways(tree).out_of_tree is False


def test_our_register_device_and_ixgbe_s_file(tree: Tree) -> None:
    tree.write("/dev/null", "")
    tree.write("/sys/kernel/debug/other", "")
    assert (ways(tree).register_device, ways(tree).debugfs_registers) == (False, False)
    tree.write(register_device(ADDRESS), "")
    tree.write(ixgbe_registers(ADDRESS), "")
    assert (ways(tree).register_device, ways(tree).debugfs_registers) == (True, True)


def test_files_of_out_of_tree_i40e(tmp_path: Path) -> None:
    fake = fake_machine(tmp_path)
    fake.kernel.mirror_files = True
    assert probe_host(fake.machine.files).ways[0].mirror_files is None  # no VFs, no files to be seen
    fake.machine.files.write_text(f"/sys/bus/pci/devices/{PF}/sriov_numvfs", "2")
    assert fake.machine.files.read_text(mirror_file(ADDRESS, 1, "egress")) == "off\n"
    assert probe_host(fake.machine.files).ways[0].mirror_files is True


def test_representors_are_told_by_port_name_and_switch(tree: Tree) -> None:
    tree.write(f"/sys/class/net/{PF_INTERFACE}/phys_switch_id", "aabb")
    for name, port, switch in (
        ("rep1", "pf0vf1", "aabb"), ("rep0", "c1pf0vf0", "aabb"), ("sf0", "pf0sf7", "aabb"), ("far", "pf0vf2", "ccdd"),
    ):  # fmt: skip
        add_interface(tree, PF, name, "02:00:00:00:00:09", up=True)
        tree.write(f"/sys/class/net/{name}/phys_port_name", port)
        tree.write(f"/sys/class/net/{name}/phys_switch_id", switch)
    assert ways(tree).representors == (Representor(0, "rep0"), Representor(1, "rep1"))


def test_dpdk_s_release_is_told_by_its_libraries(tree: Tree) -> None:
    def abi() -> int | None:
        return probe_host(LocalFiles(str(tree.root))).dpdk_abi

    assert abi() is None
    for name in ("librte_eal.so", "librte_eal.so.22", "librte_eal.so.25.0", "librte_eal.a"):
        tree.write(f"/usr/lib/x86_64-linux-gnu/{name}", "")
    assert abi() == 25


def test_what_a_driver_does_not_support_is_absent_not_unreadable(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    read = LocalFiles.read_text

    def refusing(self: LocalFiles, path: str) -> str | None:
        if path.endswith("/phys_port_name"):
            raise FileFailed(path, "read", errno.EOPNOTSUPP, reason="Operation not supported (ENOTSUP)")
        if path.endswith("/phys_switch_id"):
            raise FileFailed(path, "read", errno.EIO, reason="Input/output error (EIO)")
        return read(self, path)

    monkeypatch.setattr(LocalFiles, "read_text", refusing)
    unreadable = probe_host(LocalFiles(str(tree.root))).unreadable
    assert unreadable
    assert all("/phys_switch_id: " in line for line in unreadable)
