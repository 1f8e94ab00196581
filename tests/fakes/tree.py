"""Builds the /sys and /proc of a small two-node server on disk, like the emulated one of the lab."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

RELEASE = "6.12.0-fake-amd64"
PF = "0000:02:00.0"
CONTROLLER = "0000:03:00.0"
BOOT_DISK = "0000:00:04.0"
MANAGEMENT_NIC = "0000:00:05.0"
PF_INTERFACE = "enp2s0"
IMAGE = "/var/lib/libvirt/images/guest.qcow2"
GUEST_RELEASE = "6.12.0-guest-amd64"

_IDS = {  # what: vendor, device, class, driver, node
    PF: (0x8086, 0x10C9, 0x020000, "igb", 0),
    CONTROLLER: (0x1000, 0x0079, 0x010400, "megaraid_sas", 0),
    BOOT_DISK: (0x1AF4, 0x1042, 0x010000, "virtio-pci", 0),
    MANAGEMENT_NIC: (0x1AF4, 0x1041, 0x020000, "virtio-pci", 0),
}
DRIVERS = ("igb", "igbvf", "megaraid_sas", "virtio-pci")


@dataclass
class Shape:
    """What may differ from test to test. node_memory_mib: total of each node; disks: names on the RAID controller.
    boot: which start of the kernel. hugepages: those of 2 MiB that node 0 has at boot."""

    cpus_per_node: int = 4
    nodes: int = 2
    node_memory_mib: int = 4096
    total_vfs: int = 7
    disks: tuple[str, ...] = ("sda", "sdb", "sdc", "sdd")
    arguments: str = "root=/dev/vda1 intel_iommu=on iommu=pt iomem=relaxed"
    iommu: bool = True
    vfio_loaded: bool = False
    interface_up: bool = False
    boot: int = 1
    hugepages: int = 0
    extra_files: dict[str, str] = field(default_factory=dict)


VFIO_SRIOV = "/sys/module/vfio_pci/parameters/enable_sriov"


class Tree:
    """Writes files and links below a folder by the path that they have on the machine."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def at(self, path: str) -> Path:
        """The place of a path."""
        return self.root / path.lstrip("/")

    def write(self, path: str, text: str) -> None:
        """A file with the newline that sysfs ends every value with."""
        place = self.at(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text if text.endswith("\n") or not text else f"{text}\n")

    def read(self, path: str) -> str:
        """A file's text without the newline."""
        return self.at(path).read_text().rstrip("\n")

    def link(self, path: str, target: str) -> None:
        """A relative link, as sysfs makes them, to another path of the machine."""
        place = self.at(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.symlink_to(os.path.relpath(self.at(target), place.parent))

    def folder(self, path: str) -> None:
        """A folder."""
        self.at(path).mkdir(parents=True, exist_ok=True)


def build(root: Path, shape: Shape) -> Tree:
    """The whole server."""
    tree = Tree(root)
    _nodes_and_cpus(tree, shape)
    _kernel_facts(tree, shape)
    for driver in DRIVERS + (("vfio-pci",) if shape.vfio_loaded else ()):
        add_driver(tree, driver)
    if shape.vfio_loaded:
        tree.write(VFIO_SRIOV, "N")
    for name in ("drivers_probe", "rescan"):
        tree.write(f"/sys/bus/pci/{name}", "")
    for address, (vendor, device, class_code, driver, node) in _IDS.items():
        add_function(tree, shape, address, vendor, device, class_code, node)
        tree.link(f"{device_folder(address)}/driver", f"/sys/bus/pci/drivers/{driver}")
        tree.link(f"/sys/bus/pci/drivers/{driver}/{address}", device_folder(address))
    _sriov(tree, shape)
    add_interface(tree, PF, PF_INTERFACE, "52:54:00:00:02:00", up=shape.interface_up)
    add_interface(tree, MANAGEMENT_NIC, "eth0", "52:54:00:00:00:05", up=True)
    add_disks(tree, CONTROLLER, shape.disks)
    add_disks(tree, BOOT_DISK, ("vda",))
    _images(tree)
    for path, text in shape.extra_files.items():
        tree.write(path, text)
    return tree


def device_folder(address: str) -> str:
    """Where a function's folder is."""
    return f"/sys/devices/pci0000:00/{address}"


def add_driver(tree: Tree, driver: str) -> None:
    """A loaded PCI driver."""
    for name in ("bind", "unbind", "new_id"):
        tree.write(f"/sys/bus/pci/drivers/{driver}/{name}", "")


def add_function(tree: Tree, shape: Shape, address: str, vendor: int, device: int, class_code: int, node: int) -> None:
    """One PCI function without a driver, in an IOMMU group of its own."""
    folder = device_folder(address)
    first = node * shape.cpus_per_node
    files = {
        "vendor": f"{vendor:#06x}", "device": f"{device:#06x}", "class": f"{class_code:#08x}", "numa_node": str(node),
        "local_cpulist": f"{first}-{first + shape.cpus_per_node - 1}", "driver_override": "(null)", "reset": "",
        "reset_method": "flr bus" if address != CONTROLLER else "bus", "remove": "", "enable": "1",
    }  # fmt: skip
    for name, text in files.items():
        tree.write(f"{folder}/{name}", text)
    tree.link(f"/sys/bus/pci/devices/{address}", folder)
    if shape.iommu:
        groups = tree.at("/sys/kernel/iommu_groups")
        groups.mkdir(parents=True, exist_ok=True)
        number = next(n for n in range(1000) if not (groups / str(n)).exists())
        tree.link(f"/sys/kernel/iommu_groups/{number}/devices/{address}", folder)
        tree.link(f"{folder}/iommu_group", f"/sys/kernel/iommu_groups/{number}")


def add_interface(tree: Tree, address: str, name: str, mac: str, *, up: bool) -> None:
    """A network interface of a function."""
    folder = f"{device_folder(address)}/net/{name}"
    tree.write(f"{folder}/address", mac)
    tree.write(f"{folder}/flags", "0x1003" if up else "0x1002")
    tree.write(f"{folder}/operstate", "up" if up else "down")
    tree.link(f"{folder}/device", device_folder(address))
    tree.link(f"/sys/class/net/{name}", folder)


def add_disks(tree: Tree, address: str, names: tuple[str, ...]) -> None:
    """Whole disks of a controller, all of the same size."""
    for number, name in enumerate(names):
        folder = f"{device_folder(address)}/host{number}/block/{name}"
        tree.write(f"{folder}/size", str(8 << 21))
        tree.write(f"{folder}/dev", f"8:{16 * number}" if name.startswith("sd") else "254:0")
        tree.folder(f"{folder}/holders")
        tree.write(f"{folder}/device/model", "FAKE DISK")
        tree.write(f"{folder}/serial", f"serial-{name}")
        if name == "vda":
            tree.write(f"{folder}/vda1/partition", "1")
            tree.write(f"{folder}/vda1/dev", "254:1")
        tree.link(f"/sys/block/{name}", folder)
        tree.link(f"/sys/class/block/{name}", folder)


def _nodes_and_cpus(tree: Tree, shape: Shape) -> None:
    base = "/sys/devices/system"
    count = shape.nodes * shape.cpus_per_node
    tree.write(f"{base}/cpu/online", f"0-{count - 1}")
    tree.write(f"{base}/node/online", f"0-{shape.nodes - 1}" if shape.nodes > 1 else "0")
    for node in range(shape.nodes):
        first = node * shape.cpus_per_node
        folder = f"{base}/node/node{node}"
        tree.write(f"{folder}/cpulist", f"{first}-{first + shape.cpus_per_node - 1}")
        distances = " ".join("10" if other == node else "21" for other in range(shape.nodes))
        tree.write(f"{folder}/distance", distances)
        total = shape.node_memory_mib * 1024
        memory = f"Node {node} MemTotal: {total:10} kB\nNode {node} MemFree: {total // 2:10} kB\n"
        tree.write(f"{folder}/meminfo", memory)
        for size in (2048, 1048576):
            for name in ("nr_hugepages", "free_hugepages", "surplus_hugepages"):
                pages = shape.hugepages if (node, size) == (0, 2048) and not name.startswith("surplus") else 0
                tree.write(f"{folder}/hugepages/hugepages-{size}kB/{name}", str(pages))
        for cpu in range(first, first + shape.cpus_per_node):
            tree.write(f"{base}/cpu/cpu{cpu}/topology/thread_siblings_list", str(cpu))
            tree.write(f"{base}/cpu/cpu{cpu}/topology/core_id", str(cpu - first))
            tree.write(f"{base}/cpu/cpu{cpu}/topology/physical_package_id", str(node))
            tree.link(f"{base}/cpu/cpu{cpu}/node{node}", folder)
            tree.link(f"{folder}/cpu{cpu}", f"{base}/cpu/cpu{cpu}")


def _kernel_facts(tree: Tree, shape: Shape) -> None:
    facts = {
        "/proc/cmdline": shape.arguments,
        "/proc/sys/kernel/osrelease": RELEASE,
        "/proc/sys/kernel/hostname": "fake-server",
        "/proc/sys/kernel/random/boot_id": f"00000000-0000-4000-8000-{shape.boot:012d}",
        "/proc/net/route": "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
        "eth0\t00000000\t0202000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n",
        "/proc/net/ipv6_route": "",
        "/proc/swaps": "Filename\tType\tSize\tUsed\tPriority\n",
        "/proc/self/mountinfo": "22 1 254:1 / / rw,relatime - ext4 /dev/vda1 rw\n",
        "/proc/mounts": "/dev/vda1 / ext4 rw,relatime 0 0\n",
        "/sys/kernel/security/lockdown": "[none] integrity confidentiality",
        f"/boot/config-{RELEASE}": "CONFIG_STRICT_DEVMEM=y\nCONFIG_IO_STRICT_DEVMEM=y\n",
        "/sys/class/misc/kvm/dev": "10:232",
    }
    for path, text in facts.items():
        tree.write(path, text)
    tree.folder("/sys/class/iommu")
    tree.folder("/sys/kernel/iommu_groups")
    if shape.iommu:
        tree.folder("/sys/class/iommu/dmar0")
    tree.write(f"/lib/modules/{RELEASE}/modules.dep", "kernel/drivers/vfio/pci/vfio-pci.ko.xz:\n")


def _sriov(tree: Tree, shape: Shape) -> None:
    values = {"totalvfs": shape.total_vfs, "numvfs": 0, "offset": 128, "stride": 2, "drivers_autoprobe": 1}
    for name, value in values.items():
        tree.write(f"{device_folder(PF)}/sriov_{name}", str(value))
    tree.at(f"{device_folder(PF)}/resource0").write_bytes(bytes(128 << 10))


def _images(tree: Tree) -> None:
    tree.write(IMAGE, "not really an image")
    digest = "b8a3e3b8f1a5e4f4a0c9c4df3a6a6b8b0d8b0a4a3d4b9a6b3e6c1b0f7e5d4c3b"
    tree.write(f"{IMAGE}.sha256", f"{digest}  {Path(IMAGE).name}")
    tree.write(f"/var/lib/hpcapvf/driver/{GUEST_RELEASE}/hpcapvf.ko", "module")
    for tool in ("hpcapdd", "raw2pcap", "pcap2raw", "checkraw", "hpcapdump", "hpcapstat"):
        tree.write(f"/var/lib/hpcapvf/driver/bin/{tool}", f"#!{tool}")
    for file in ("udev/rules.d/60-hpcapvf.rules", "sysusers.d/hpcapvf.conf"):
        tree.write(f"/var/lib/hpcapvf/driver/etc/{file}", f"# {file}")
