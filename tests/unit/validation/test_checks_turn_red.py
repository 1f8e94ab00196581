"""Each check of tests/validation is green for a good machine's text and red for each way in which it is broken."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.validation import checks

VFS = "virtfn0 0000:21:10.0 vfio-pci\nvirtfn1 0000:21:10.2 igbvf\n"
DRIVERS = "0000:00:02.0 virtio-pci\n0000:21:10.0 vfio-pci\n0000:31:00.0 vfio-pci\n"
GROUPS = "5 0000:20:00.0 0x060400\n17 0000:21:10.0 0x020000\n18 0000:21:10.2 0x020000\n9 0000:31:00.0 0x010400\n"
INTERRUPTS = """\
            CPU0       CPU1
  16:          0         12   IO-APIC  16-fasteoi   uhci_hcd:usb1
  41:       9120          0  IR-PCI-MSIX-0000:31:00.0    0-edge      vfio-msix[0](0000:31:00.0)
  42:          0         77  IR-PCI-MSIX-0000:21:00.0    0-edge      ens5
"""
NUMA_MAPS = """\
5581c4a00000 bind:0 file=/usr/bin/qemu-system-x86_64 mapped=802 N0=802 kernelpagesize_kB=4
7f1c2be00000 bind:0 file=/dev/hugepages/libvirt/qemu/1-probe1/qemu_back_mem.pc.ram huge dirty=512 N0=512 \
kernelpagesize_kB=2048
7ffd5c3c9000 default stack anon=12 dirty=12 N1=12 kernelpagesize_kB=4
"""
NODE_PAGES = "node0 512 0\nnode1 16 16\n"
THREADS = """\
0\tqemu-system-x86
0\tIO mon_iothread
1\tCPU 0/KVM
2-3\tCPU 1/KVM
0-3\tkvm-nx-lpage-recovery-1801
"""
MODULES = (
    "hpcapvf 69632 1 - Live 0xffffffffc0a1e000 (OE)\nxfs 2215936 1 - Live 0xffffffffc07a4000\n"
    "raid0 28672 1 - Live 0xffffffffc0780000\n"
)
NODES = "character special file\t/dev/hpcap_0000_00_02_0_0\t640\thpcap\n"
POLLING = "1\thpcap_0000_00_0\n0-1\thpcapdd\n"
PLACED = {"hugepage_kib": 2048, "node": 0, "vcpu_pins": ["1", "2-3"], "emulator_pins": "0"}
DOMAIN = """\
<domain type="kvm" id="1">
  <memoryBacking><hugepages><page size="2048" unit="KiB"/></hugepages></memoryBacking>
  <cputune><vcpupin vcpu="0" cpuset="1"/><vcpupin vcpu="1" cpuset="2-3"/><emulatorpin cpuset="0"/></cputune>
  <numatune><memory mode="strict" nodeset="0"/></numatune>
  <devices>
    <hostdev mode="subsystem" type="pci" managed="no"><driver name="vfio"/>
      <source><address domain="0x0000" bus="0x31" slot="0x00" function="0x0"/></source></hostdev>
    <hostdev mode="subsystem" type="pci" managed="no">
      <source><address domain="0x0000" bus="0x21" slot="0x10" function="0x0"/></source>
      <address type="pci" domain="0x0000" bus="0x05" slot="0x00" function="0x0"/></hostdev>
    <memballoon model="none"/>
  </devices>
</domain>
"""
MOUNTS = (
    "/dev/vda1 / ext4 rw,noatime 0 0\n"
    "/dev/md127 /srv/capture xfs rw,noatime,attr2,inode64,logbufs=8,sunit=2048,swidth=8192,noquota 0 0\n"
)
MDSTAT = """\
Personalities : [raid0]
md127 : active raid0 sdd[3] sdc[2] sdb[1] sda[0]
      16760832 blocks super 1.2 1024k chunks

unused devices: <none>
"""
BEFORE = "received 5000\npublished 5000\nring_full_drops 0\nno_listener_drops 3\nerrors 0\nresets 1\nmac 02:00\n"
AFTER = BEFORE.replace("5000", "6000")
# Two MAC filters (pool 0 alone, pools 0 and 1; bit 18 is pool 0); default pool 0 with replication; pool 0 accepts all.
REGISTERS = "5404 80040000\n540c 800c0000\n5414 0\n54e4 0\n581c 40000001\n5ad0 1f002800\n"

CLOCK = "synchronised yes\nreference 4B564D00\nnow 100.25\n"

Check = Callable[[str], list[str]]
PASSED = ("0000:21:10.0", "0000:31:00.0")
# Check -> how it is called, good text, and the same text broken: (what is replaced, by what).
CASES: dict[str, tuple[Check, str, tuple[tuple[str, str], ...]]] = {
    "vf_problems": (
        lambda text: checks.vf_problems(text, 0, "0000:21:10.0"),
        VFS,
        (
            ("virtfn0 0000:21:10.0", "virtfn0 0000:21:10.4"),
            ("vfio-pci", "igbvf"),
            (" vfio-pci", ""),
            ("virtfn0", "virtfn2"),
        ),
    ),
    "driver_problems": (
        lambda text: checks.driver_problems(text, "0000:31:00.0"),
        DRIVERS,
        (("0000:31:00.0 vfio-pci", "0000:31:00.0 megaraid_sas"), ("0000:31:00.0 vfio-pci\n", "")),
    ),
    "iommu_problems": (
        lambda text: checks.iommu_problems(text, PASSED),
        GROUPS,
        (("18 0000:21:10.2", "17 0000:21:10.2"), ("9 0000:31:00.0 0x010400\n", "")),
    ),
    "interrupt_problems": (
        lambda text: checks.interrupt_problems(text, PASSED, PASSED[1]),
        INTERRUPTS,
        (
            ("vfio-msix[0](0000:31:00.0)", "vfio-intx(0000:31:00.0)"),
            ("uhci_hcd:usb1", "uhci_hcd:usb1, vfio-intx(0000:21:10.0)"),
            ("vfio-msix[0](0000:31:00.0)", "megasas"),
            ("(0000:31:00.0)", "(0000:32:00.0)"),
        ),
    ),
    "hugepage_problems": (
        lambda text: checks.hugepage_problems(text, 2048, 512, 0),
        NUMA_MAPS,
        (("N0=512", "N0=511"), ("N0=512", "N0=500 N1=12"), ("N0=512", "N1=512"), ("=2048", "=4")),
    ),
    "node_pages_problems": (
        lambda text: checks.node_pages_problems(text, 512, 0),
        NODE_PAGES,
        (("node0 512 0", "node0 512 1"), ("node0 512 0", "node0 0 0"), ("node0", "node2")),
    ),
    "policy_problems": (
        lambda text: checks.policy_problems(text, "0-1\n", 2048, 0),
        NUMA_MAPS,
        (
            ("7f1c2be00000 bind:0", "7f1c2be00000 default"),
            ("7f1c2be00000 bind:0", "7f1c2be00000 bind:0-1"),
            ("7f1c2be00000 bind:0", "7f1c2be00000 prefer:0"),
            ("=2048", "=4"),
        ),
    ),
    "vcpu_problems": (
        lambda text: checks.vcpu_problems(text, ("1", "2-3")),
        THREADS,
        (("1\tCPU 0", "0-3\tCPU 0"), ("2-3\tCPU 1", "2\tCPU 1"), ("2-3\tCPU 1/KVM\n", ""), ("CPU 1", "CPU 2")),
    ),
    "emulator_problems": (
        lambda text: checks.emulator_problems(text, "0"),
        THREADS,
        (("0\tIO mon", "0-3\tIO mon"), ("0\tqemu-system-x86\n0\tIO mon_iothread\n", "")),
    ),
    "io_thread_problems": (
        lambda text: checks.io_thread_problems(text, "3"),
        f"{THREADS}3\tIO iothread1\n",
        (("3\tIO io", "0\tIO io"), ("3\tIO io", "0-3\tIO io"), ("3\tIO iothread1\n", "")),
    ),
    "module_problems": (
        lambda text: checks.module_problems(*text.split("|")),
        f"{MODULES}|0000:00:02.0\n",
        (("hpcapvf ", "igbvf "), ("- Live 0xffffffffc0a", "- Unloading 0xffffffffc0a"), ("|0000:00:02.0", "|")),
    ),
    "node_problems": (
        checks.node_problems,
        NODES,
        (
            ("character special file", "regular empty file"),
            ("640", "660"),
            ("\thpcap\n", "\troot\n"),
            (NODES, ""),
            (NODES, NODES + NODES.replace("_2_", "_3_")),
        ),
    ),
    "filesystem_problems": (
        lambda text: checks.filesystem_problems(text, "/srv/capture", "xfs"),
        MOUNTS,
        (
            ("xfs", "ext4"),
            ("/dev/md127", "/dev/vda2"),
            ("/srv/capture", "/srv/other"),
            (MOUNTS, MOUNTS + "tmpfs /srv/capture tmpfs rw 0 0\n"),
        ),
    ),
    "polling_problems": (
        lambda text: checks.polling_problems(text, 1),
        POLLING,
        (("1\thpcap_", "0-1\thpcap_"), ("1\thpcap_", "0\thpcap_"), ("1\thpcap_0000_00_0\n", "")),
    ),
    "mount_option_problems": (
        lambda text: checks.mount_option_problems(text, MDSTAT, "/srv/capture", 1024),
        MOUNTS,
        (
            ("xfs rw,noatime,", "xfs rw,relatime,"),
            ("sunit=2048", "sunit=1024"),
            ("swidth=8192", "swidth=2048"),
            (",sunit=2048,swidth=8192", ""),
            ("/srv/capture", "/srv/other"),
        ),
    ),
    "domain_problems": (
        lambda text: checks.domain_problems(text, PLACED, PASSED),
        DOMAIN,
        (
            ('page size="2048"', 'page size="4"'),
            ('"strict"', '"preferred"'),
            ('nodeset="0"', 'nodeset="0-1"'),
            ('cpuset="2-3"', 'cpuset="0-3"'),
            ('emulatorpin cpuset="0"', 'emulatorpin cpuset="0-3"'),
            ('memballoon model="none"', 'memballoon model="virtio"'),
            ('bus="0x31"', 'bus="0x32"'),
            ('type="pci" managed', 'type="usb" managed'),
        ),
    ),
    "raid_problems": (
        lambda text: checks.raid_problems(text, 1024),
        MDSTAT,
        (("1024k", "512k"), ("active raid0", "active raid1"), ("md127 : active", "md127 : inactive")),
    ),
    "counter_problems": (
        lambda text: checks.counter_problems(BEFORE, text),
        AFTER,
        (
            ("received 6000", "received 5000"),
            ("published 6000", "published 5000"),
            ("ring_full_drops 0", "ring_full_drops 7"),
            ("no_listener_drops 3", "no_listener_drops 4"),
            ("errors 0", "errors 1"),
            ("resets 1", "resets 2"),
        ),
    ),
    "clock_problems": (
        checks.clock_problems,
        CLOCK,
        (("synchronised yes", "synchronised no"), ("synchronised yes", "synchronised "), ("synchronised yes\n", "")),
    ),
    "offset_problems": (
        lambda text: checks.offset_problems(CLOCK.replace("100.25", "100.0"), text, CLOCK.replace("100.25", "101.0")),
        CLOCK,
        (("100.25", "95.0"), ("100.25", "101.75"), ("now 100.25", "later 100.25")),
    ),
    "replication_problems": (
        lambda text: checks.replication_problems(text, "82576", 0),
        REGISTERS,
        (
            ("5404 80040000", "5404 80000000"),
            ("540c 800c0000", "540c 80080000"),
            ("80", "00"),
            ("581c 40000001", "581c 00000001"),
            ("581c 40000001", "581c 40000081"),
            ("5ad0 1f002800", "5ad0 19002800"),
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_good_machine_is_green(name: str) -> None:
    check, good, _ = CASES[name]
    assert check(good) == []


@pytest.mark.parametrize(("name", "number"), [(name, i) for name, case in CASES.items() for i in range(len(case[2]))])
def test_each_breakage_is_red(name: str, number: int) -> None:
    check, good, breakages = CASES[name]
    old, new = breakages[number]
    assert old in good
    assert check(good.replace(old, new)) != []


def test_a_machine_that_is_its_own_reference_keeps_its_clock() -> None:
    alone = CLOCK.replace("yes", "no")
    assert checks.clock_problems(alone) != []
    assert checks.clock_problems(alone.replace("4B564D00", "7F7F0101")) == []


def test_a_guest_without_a_controller_of_its_own_needs_no_interrupt() -> None:
    assert checks.interrupt_problems("", PASSED[:1], None) == []


def test_a_bridge_may_share_the_group() -> None:
    assert checks.iommu_problems(GROUPS.replace("5 0000:20", "9 0000:20"), PASSED) == []


def test_memory_may_be_bound_by_the_cpuset_instead() -> None:
    text = NUMA_MAPS.replace("bind:0", "default")
    assert checks.policy_problems(text, "0\n", 2048, 0) == []
    assert checks.policy_problems(text, "0-1\n", 2048, 0) != []


def test_every_check_is_seen_red() -> None:
    assert {name for name in vars(checks) if name.endswith("_problems")} == set(CASES)


def test_every_check_is_used_and_the_engine_is_not() -> None:
    folder = Path(checks.__file__).parent
    texts = {path: path.read_text() for path in folder.glob("*.py")}
    used = "".join(text for path, text in texts.items() if path.name.startswith("test_"))
    assert [name for name in CASES if f"checks.{name}(" not in used] == []
    for path, text in texts.items():
        for node in ast.walk(ast.parse(text)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.partition(".")[0] in ("hpcapvf", "orchestrator")], path
