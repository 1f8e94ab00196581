"""The probe on small trees: what is read, what is unknown, and what is noted as unreadable."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from hpcapvf.host.files import LocalFiles
from hpcapvf.model.address import CpuSet, PciAddress
from hpcapvf.model.codec import from_json, to_json
from hpcapvf.model.errors import NotCapable
from hpcapvf.model.host import Copies, Deployed, DomainInfo, Host
from hpcapvf.probe import probe_host
from hpcapvf.probe.disks import parse_mountinfo, parse_serial_page, parse_swaps
from hpcapvf.probe.interfaces import parse_ipv4_defaults, parse_ipv6_defaults
from hpcapvf.probe.numa import parse_distances, parse_meminfo
from hpcapvf.probe.pci import parse_config_ids, resolve_node
from hpcapvf.probe.state import parse_checksum
from tests.fakes.machine import fake_machine
from tests.fakes.tree import CONTROLLER, IMAGE, MANAGEMENT_NIC, PF, PF_INTERFACE, RELEASE, Shape, Tree, build
from tests.unit.probe.trees import damage_and_probe

NODES = "/sys/devices/system/node"
CPUS = "/sys/devices/system/cpu"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return build(tmp_path, Shape())


def probe(tree: Tree, **how: tuple[str, ...]) -> Host:
    return probe_host(LocalFiles(str(tree.root)), **how)  # type: ignore[arg-type]


def test_a_whole_server(tree: Tree) -> None:
    host = probe(tree)
    assert host.unreadable == ()
    assert (host.hostname, host.kernel_release) == ("fake-server", RELEASE)
    assert "iomem=relaxed" in (host.kernel_arguments or ())
    assert (host.iommu_active, host.iomem_strict, host.lockdown) == (True, False, "none")
    assert (host.vfio_available, host.kvm_available) == (True, True)
    assert [(n.index, str(n.cpus), n.memory_mib, n.memory_free_mib, n.distances) for n in host.nodes] == [
        (0, "0-3", 4096, 2048, (10, 21)),
        (1, "4-7", 4096, 2048, (21, 10)),
    ]
    assert [(p.size_kib, p.total, p.free) for p in host.nodes[0].hugepages] == [(2048, 0, 0), (1048576, 0, 0)]
    pf = host.device(PciAddress.parse(PF))
    assert pf is not None
    assert pf.sriov is not None
    assert (pf.sriov.total_vfs, pf.sriov.num_vfs, pf.sriov.offset, pf.sriov.stride) == (7, 0, 128, 2)
    assert from_json(Host, json.loads(json.dumps(to_json(host)))) == host


def test_an_empty_folder_is_all_unknown(tmp_path: Path) -> None:
    host = probe_host(LocalFiles(str(tmp_path)))
    assert (host.nodes, host.cpus, host.pci, host.interfaces, host.disks) == ((), (), (), (), ())
    assert {host.iommu_active, host.iomem_strict, host.lockdown, host.vfio_available, host.kvm_available} == {None}
    assert host.unreadable == ("/sys/bus/pci/devices: absent: PCI devices are unknown",)


def test_vfs_are_found_by_their_links(tmp_path: Path) -> None:
    fake = fake_machine(tmp_path)
    fake.machine.files.write_text(f"/sys/bus/pci/devices/{PF}/sriov_numvfs", "3")
    host = probe_host(fake.machine.files)
    pf = host.device(PciAddress.parse(PF))
    assert pf is not None
    assert pf.sriov is not None
    assert [str(vf) for vf in pf.sriov.vfs] == ["0000:02:10.0", "0000:02:10.2", "0000:02:10.4"]
    vf = host.device(pf.sriov.vfs[1])
    assert vf is not None
    assert (vf.physfn, vf.driver, vf.vendor, vf.device) == (pf.address, "igbvf", 0x8086, 0x10CA)
    assert vf.iommu_group is not None
    assert host.group_members(vf.iommu_group) == (vf,)


def test_a_hole_among_the_vfs_is_noted(tmp_path: Path) -> None:
    fake = fake_machine(tmp_path)
    fake.machine.files.write_text(f"/sys/bus/pci/devices/{PF}/sriov_numvfs", "3")
    (tmp_path / f"sys/bus/pci/devices/{PF}/virtfn1").unlink()
    host = probe_host(fake.machine.files)
    pf = host.device(PciAddress.parse(PF))
    assert pf is not None
    assert pf.sriov is not None
    assert len(pf.sriov.vfs) == 1
    assert any("virtfn1" in line for line in host.unreadable)


def test_what_cannot_be_parsed_is_noted_and_unknown(tree: Tree) -> None:
    tree.write(f"{NODES}/node0/meminfo", "Node 0 MemTotal: lots kB")
    tree.write("/sys/kernel/security/lockdown", "maybe")
    host = probe(tree)
    assert host.nodes[0].memory_mib is None
    assert host.lockdown is None
    assert any(line.startswith(f"{NODES}/node0/meminfo: not understood") for line in host.unreadable)
    assert any("lockdown" in line for line in host.unreadable)


def test_ids_come_from_the_configuration_space_when_the_files_are_gone(tree: Tree) -> None:
    folder = tree.at(f"/sys/bus/pci/devices/{PF}")
    for name in ("vendor", "device", "class"):
        (folder / name).unlink()
    (folder / "config").write_bytes(bytes.fromhex("8680c910 06041000 01 000002".replace(" ", "")) + bytes(52))
    device = probe(tree).device(PciAddress.parse(PF))
    assert device is not None
    assert (device.vendor, device.device, device.class_code) == (0x8086, 0x10C9, 0x020000)


def test_a_function_without_ids_is_left_out_and_noted(tree: Tree) -> None:
    tree.at(f"/sys/bus/pci/devices/{PF}/vendor").unlink()
    host = probe(tree)
    assert host.device(PciAddress.parse(PF)) is None
    assert any(PF in line and "left out" in line for line in host.unreadable)


@pytest.mark.parametrize(
    ("own", "local", "expected"),
    [
        (1, "0-3", (1, "numa_node")),
        (-1, "4-5", (1, "local_cpus")),
        (None, "0", (0, "local_cpus")),
        (-1, "0-7", (None, "unknown")),
        (-1, "", (None, "unknown")),
        (-1, None, (None, "unknown")),
    ],
)
def test_a_devices_node(tree: Tree, own: int | None, local: str | None, expected: tuple[int | None, str]) -> None:
    cpus = None if local is None else CpuSet.parse(local)
    assert resolve_node(own, cpus, probe(tree).nodes) == expected


def test_the_local_cpu_mask_is_used_when_there_is_no_list(tree: Tree) -> None:
    tree.write(f"/sys/bus/pci/devices/{CONTROLLER}/numa_node", "-1")
    tree.at(f"/sys/bus/pci/devices/{CONTROLLER}/local_cpulist").unlink()
    tree.write(f"/sys/bus/pci/devices/{CONTROLLER}/local_cpus", "00000000,000000f0")
    device = probe(tree).device(PciAddress.parse(CONTROLLER))
    assert device is not None
    assert (device.numa_node, device.numa_from) == (1, "local_cpus")


def test_nodes_without_cpus_or_memory_stay(tree: Tree) -> None:
    tree.write(f"{NODES}/node1/cpulist", "")
    tree.at(f"{NODES}/node1/meminfo").unlink()
    node = probe(tree).nodes[1]
    assert (len(node.cpus), node.memory_mib) == (0, None)


def test_an_offline_node_is_not_a_node(tree: Tree) -> None:
    tree.write(f"{NODES}/online", "1")
    tree.write(f"{NODES}/possible", "0-1")
    (node,) = probe(tree).nodes
    assert (node.index, node.distances) == (1, (10,))


def test_threads_of_a_core(tree: Tree) -> None:
    for cpu in range(8):
        tree.at(f"{CPUS}/cpu{cpu}/topology/thread_siblings_list").unlink()
        tree.write(f"{CPUS}/cpu{cpu}/topology/core_id", str(cpu % 4 // 2))
    assert [str(cpu.siblings) for cpu in probe(tree).cpus[:4]] == ["0-1", "0-1", "2-3", "2-3"]
    tree.write(f"{CPUS}/cpu0/topology/thread_siblings", "00000081")
    assert str(probe(tree).cpus[0].siblings) == "0,7"


def test_cpus_that_are_switched_off(tree: Tree) -> None:
    tree.at(f"{CPUS}/online").unlink()
    tree.write(f"{CPUS}/cpu5/online", "0")
    host = probe(tree)
    assert 5 not in [cpu.index for cpu in host.cpus]
    assert str(host.nodes[1].cpus) == "4,6-7"


def test_the_default_route_is_also_that_of_what_lies_below(tree: Tree) -> None:
    assert {i.name: i.default_route for i in probe(tree).interfaces} == {"eth0": True, PF_INTERFACE: False}
    header = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
    tree.write("/proc/net/route", f"{header}br0\t00000000\t0202000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n")
    tree.write("/sys/devices/virtual/net/br0/address", "02:00:00:00:00:09")
    tree.link("/sys/class/net/br0", "/sys/devices/virtual/net/br0")
    tree.link(f"/sys/class/net/{PF_INTERFACE}/master", "/sys/devices/virtual/net/br0")
    found = {i.name: (i.default_route, i.master) for i in probe(tree).interfaces}
    assert found[PF_INTERFACE] == (True, "br0")
    assert found["eth0"] == (False, None)
    tree.at("/proc/net/route").unlink()
    assert {i.default_route for i in probe(tree).interfaces} == {None}


def test_what_is_no_interface_is_not_listed(tree: Tree) -> None:
    tree.write("/sys/class/net/bonding_masters", "bond0")
    tree.link("/sys/class/net/gone0", "/sys/devices/virtual/net/gone0")
    found = {i.name: i for i in probe(tree).interfaces}
    assert "bonding_masters" not in found
    assert (found["gone0"].up, found["gone0"].mac) == (None, None)


def test_a_virtio_interface_hangs_on_its_pci_function(tree: Tree) -> None:
    tree.write(f"/sys/devices/pci0000:00/{MANAGEMENT_NIC}/virtio1/net/eth7/address", "52:54:00:00:00:07")
    tree.link("/sys/class/net/eth7", f"/sys/devices/pci0000:00/{MANAGEMENT_NIC}/virtio1/net/eth7")
    found = {i.name: i.pci for i in probe(tree).interfaces}
    assert found["eth7"] == PciAddress.parse(MANAGEMENT_NIC)


def test_disks_and_what_uses_them(tree: Tree) -> None:
    disks = {disk.name: disk for disk in probe(tree).disks}
    assert disks["vda"].in_use == ("mounted on /",)
    assert disks["sda"].in_use == ()
    assert disks["sda"].controller == PciAddress.parse(CONTROLLER)
    assert (disks["sda"].serial, disks["sda"].size_bytes) == ("serial-sda", 8 << 30)


def test_a_disk_in_an_array_in_a_volume_group_is_in_use(tree: Tree) -> None:
    for name, number in (("md0", "9:0"), ("dm-0", "253:0")):
        tree.write(f"/sys/devices/virtual/block/{name}/dev", number)
        tree.folder(f"/sys/devices/virtual/block/{name}/holders")
        tree.link(f"/sys/block/{name}", f"/sys/devices/virtual/block/{name}")
    tree.folder("/sys/block/sda/holders/md0")
    tree.folder("/sys/block/md0/holders/dm-0")
    tree.write("/sys/block/dm-0/dm/name", "vg-swap")
    tree.write("/proc/swaps", "Filename Type Size Used Priority\n/dev/mapper/vg-swap partition 1 0 -2\n")
    disks = {disk.name: disk for disk in probe(tree).disks}
    assert disks["sda"].in_use == ("part of dm-0", "part of md0", "swap")
    assert "md0" not in disks


def test_the_second_disk_of_a_mounted_btrfs_is_in_use(tree: Tree) -> None:
    """The mount table names the first only."""
    tree.write("/sys/fs/btrfs/features/raid1c34", "0")
    tree.link("/sys/fs/btrfs/2e1a/devices/sda", "/sys/block/sda")
    disks = {disk.name: disk for disk in probe(tree).disks}
    assert disks["sda"].in_use == ("mounted as btrfs 2e1a",)
    assert disks["sdb"].in_use == ()


@pytest.mark.parametrize(("pool", "use"), [("tank", ("mounted as ZFS pool tank",)), ("other", ())])
def test_a_disk_of_an_imported_zfs_pool_is_in_use(tree: Tree, pool: str, use: tuple[str, ...]) -> None:
    """ZFS takes a partition and shows no holder; a pool that is not imported works with nothing."""
    tree.write("/sys/block/sda/sda1/partition", "1")
    tree.write("/sys/block/sda/sda1/dev", "8:1")
    tree.write("/run/udev/data/b8:1", "E:ID_FS_TYPE=zfs_member\nE:ID_FS_LABEL=tank\n")
    tree.folder(f"/proc/spl/kstat/zfs/{pool}")
    assert {disk.name: disk for disk in probe(tree).disks}["sda"].in_use == use


def test_use_is_unknown_without_the_mount_table(tree: Tree) -> None:
    for path in ("/proc/self/mountinfo", "/proc/mounts"):
        tree.at(path).unlink()
    assert {disk.in_use for disk in probe(tree).disks} == {None}


def test_serial_numbers_of_scsi_disks(tree: Tree) -> None:
    tree.at("/sys/block/sda/serial").unlink()
    tree.at("/sys/block/sda/device/vpd_pg80").write_bytes(b"\x00\x80\x00\x08LABDISK0")
    disks = {disk.name: disk for disk in probe(tree).disks}
    assert disks["sda"].serial == "LABDISK0"


def test_nvme_below_a_subsystem_hangs_on_its_controller(tree: Tree) -> None:
    subsystem = "/sys/devices/virtual/nvme-subsystem/nvme-subsys0"
    controller = f"/sys/devices/pci0000:00/{CONTROLLER}/nvme/nvme0"
    tree.write(f"{controller}/serial", "NV1")
    tree.write(f"{subsystem}/nvme0n1/size", "2048")
    tree.link(f"{subsystem}/nvme0", controller)
    tree.link(f"{subsystem}/nvme0n1/device", subsystem)
    tree.write(f"{subsystem}/serial", "NV1")
    tree.link("/sys/block/nvme0n1", f"{subsystem}/nvme0n1")
    tree.write(f"{subsystem}/nvme0n1/hidden", "0")
    tree.write(f"{controller}/nvme0c0n1/hidden", "1")
    tree.link("/sys/block/nvme0c0n1", f"{controller}/nvme0c0n1")
    (disk,) = (d for d in probe(tree).disks if d.name.startswith("nvme"))
    assert (disk.controller, disk.serial) == (PciAddress.parse(CONTROLLER), "NV1")


@pytest.mark.parametrize(
    ("arguments", "config", "expected"),
    [
        ("quiet", "CONFIG_IO_STRICT_DEVMEM=y\n", True),
        ("quiet", "# CONFIG_IO_STRICT_DEVMEM is not set\n", False),
        ("quiet", "CONFIG_OTHER=y\n", None),
        ("iomem=relaxed", "CONFIG_IO_STRICT_DEVMEM=y\n", False),
        ("iomem=relaxed iomem=strict", "", True),
    ],
)
def test_device_memory_is_strict_or_not(tree: Tree, arguments: str, config: str, expected: bool | None) -> None:
    tree.write("/proc/cmdline", arguments)
    tree.write(f"/boot/config-{RELEASE}", config)
    assert probe(tree).iomem_strict is expected


def test_no_iommu_is_no_and_no_word_is_unknown(tmp_path: Path) -> None:
    tree = build(tmp_path, Shape(iommu=False))
    assert probe(tree).iommu_active is False
    tree.at("/sys/class/iommu").rmdir()
    tree.at("/sys/kernel/iommu_groups").rmdir()
    assert probe(tree).iommu_active is None


def test_images_by_sidecar_by_reckoning_and_missing(tmp_path: Path) -> None:
    fake = fake_machine(tmp_path)
    (image,) = probe_host(fake.machine.files, images=(IMAGE,)).images
    assert image.exists
    assert image.sha256 is not None
    (tmp_path / f"{IMAGE[1:]}.sha256").unlink()
    (unknown,) = probe_host(fake.machine.files, images=(IMAGE,)).images
    assert unknown.sha256 is None
    (reckoned,) = probe_host(fake.machine.files, images=(IMAGE,), commands=fake.machine.commands).images
    assert reckoned.sha256 == hashlib.sha256((tmp_path / IMAGE[1:]).read_bytes()).hexdigest()
    (missing,) = probe_host(fake.machine.files, images=("/none",)).images
    assert not missing.exists


def test_deployments_and_the_pf_that_one_guards(tree: Tree) -> None:
    state = {"spec_sha256": "ab", "condition": "deployed"}
    steps = [{"kind": "set-link"}, {"kind": "program-receive-all", "pf": PF}]
    folder = "/var/lib/hpcapvf/deployments"
    tree.write(f"{folder}/one/state.json", json.dumps({**state, "plan": {"steps": steps}}))
    tree.write(f"{folder}/two/state.json", "{not json")
    tree.folder(f"{folder}/three")
    copy = {"kind": "mirror-by-files", "pf": PF, "pool": 3, "watched": [{"domain": "web1", "vf": PF, "pool": 1}]}
    tree.write(f"{folder}/agent/state.json", json.dumps({**state, "plan": {"steps": [copy]}}))
    tree.write(f"{folder}/bad/state.json", json.dumps({**state, "plan": {"steps": [copy | {"watched": [{}]}]}}))
    host = probe(tree)
    assert host.deployments == (
        Deployed("agent", "ab", "deployed", copies=Copies(PciAddress.parse(PF), (1,), 3, by_files=True)),
        Deployed("bad", "", "incomplete"),
        Deployed("one", "ab", "deployed", PciAddress.parse(PF)),
        Deployed("two", "", "incomplete"),
    )
    assert any("two/state.json" in line for line in host.unreadable)


class _NoLibvirt:
    def domains(self) -> tuple[DomainInfo, ...]:
        raise NotCapable("libvirt could not list domains: Failed to connect socket")


def test_a_libvirt_that_does_not_answer_is_unknown_not_empty(tree: Tree) -> None:
    host = probe_host(LocalFiles(str(tree.root)), hypervisor=_NoLibvirt())  # type: ignore[arg-type]
    assert host.domains is None
    assert any(line.startswith("libvirt: ") for line in host.unreadable)


def test_parsers_refuse_what_they_do_not_know() -> None:
    assert parse_meminfo("Node 0 MemTotal: 10 kB\nnonsense\n") == {"MemTotal": 10}
    assert parse_swaps("Filename Type\n/dev/sda2 partition 1 0 -2\n") == ("/dev/sda2",)
    assert parse_mountinfo("1 0 8:1 / /a\\040b rw - ext4 /dev/sda1 rw")[0].point == "/a b"
    assert parse_serial_page(b"\x00\x80\x00\x04AB  ") == "AB"
    assert parse_ipv6_defaults(f"{'0' * 32} 00 {'0' * 32} 00 {'0' * 32} 0 0 0 00000003 eth0") == {"eth0"}
    assert parse_ipv6_defaults(f"{'0' * 32} 00 {'0' * 32} 00 {'0' * 32} ffffffff 1 0 00200200 lo") == frozenset()
    assert parse_checksum("\\" + "AB" * 32 + "  odd\\nname") == "ab" * 32
    for parse, text in (
        (parse_distances, "10 0"), (parse_distances, "ten"), (parse_swaps, "x"), (parse_mountinfo, "x y"),
        (parse_ipv4_defaults, "eth0 0 0"), (parse_ipv6_defaults, "x"), (parse_checksum, "abc"),
    ):  # fmt: skip
        with pytest.raises(ValueError):
            parse(text)
    with pytest.raises(ValueError, match="no device"):
        parse_config_ids(b"\xff" * 64)
    with pytest.raises(ValueError, match="0x80"):
        parse_serial_page(b"xx")


def test_damage_never_gives_a_traceback(tmp_path: Path) -> None:
    fake = fake_machine(tmp_path)
    fake.machine.files.write_text(f"/sys/bus/pci/devices/{PF}/sriov_numvfs", "2")
    assert damage_and_probe(tmp_path, rounds=60, files_at_a_time=10, seed="small") > 10


def test_what_keeps_cpus_busy(tree: Tree) -> None:
    cpus = "/sys/devices/system/cpu"
    host = probe_host(LocalFiles(str(tree.root)))
    assert host.irqbalance is None
    tree.at("/sys/bus/pci/drivers_probe").unlink()
    assert probe_host(LocalFiles(str(tree.root))).governors is None
    tree.write("/sys/bus/pci/drivers_probe", "")
    assert probe_host(LocalFiles(str(tree.root))).governors == ()
    tree.write(f"{cpus}/isolated", "\n")
    tree.write(f"{cpus}/cpu1/cpufreq/scaling_governor", "schedutil\n")
    tree.write("/run/other", "")
    host = probe_host(LocalFiles(str(tree.root)))
    assert (host.isolated, host.governors, host.irqbalance) == (CpuSet(), ((1, "schedutil"),), False)
    tree.write(f"{cpus}/isolated", "1-2\n")
    tree.write("/run/irqbalance/irqbalance123.sock", "")
    host = probe_host(LocalFiles(str(tree.root)))
    assert (host.isolated, host.irqbalance) == (CpuSet.parse("1-2"), True)
