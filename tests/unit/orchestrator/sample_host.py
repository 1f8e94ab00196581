"""A two-node host like the lab's server, and a plan for it, for tests of what is shown."""

from __future__ import annotations

from hpcapvf.model.address import CpuSet, Mac, PciAddress
from hpcapvf.model.host import BlockDevice, Cpu, Host, HugepagePool, NetInterface, NumaNode, PciDevice, Sriov
from hpcapvf.model.plan import Advice, Placement, Plan
from hpcapvf.model.request import GuestRequest, NetworkRequest, Request, StorageRequest
from hpcapvf.model.steps import SetLink, SetNumVfs

PF = PciAddress.parse("0000:05:00.0")
VF = PciAddress.parse("0000:05:10.0")
CONTROLLER = PciAddress.parse("0000:06:00.0")
MANAGEMENT = PciAddress.parse("0000:00:02.0")


def sample_host(cpus_per_node: int = 6, nodes: int = 2, nic_node: int = 0, controller_node: int = 0) -> Host:
    """A host with one SR-IOV card, one RAID controller with four disks and a management port."""
    cpus = tuple(
        Cpu(n * cpus_per_node + i, n, CpuSet.of([n * cpus_per_node + i]))
        for n in range(nodes)
        for i in range(cpus_per_node)
    )
    return Host(
        hostname="server",
        kernel_release="6.12.0-amd64",
        kernel_arguments=("intel_iommu=on",),
        iommu_active=True,
        iomem_strict=False,
        lockdown="none",
        nodes=tuple(
            NumaNode(
                n,
                CpuSet.of(range(n * cpus_per_node, (n + 1) * cpus_per_node)),
                4096,
                2890,
                (HugepagePool(2048, 640 if n == 0 else 0, 640),),
                tuple(10 if m == n else 21 for m in range(nodes)),
            )
            for n in range(nodes)
        ),
        cpus=cpus,
        pci=(
            PciDevice(MANAGEMENT, 0x1AF4, 0x1041, 0x020000, "virtio-pci", 0, "local_cpus"),
            PciDevice(PF, 0x8086, 0x10C9, 0x020000, "igb", nic_node, "numa_node", 10, Sriov(7, 0, 128, 2, True)),
            PciDevice(CONTROLLER, 0x1000, 0x0079, 0x010400, "megaraid_sas", controller_node, "numa_node", 11),
        ),
        interfaces=(
            NetInterface("ens2", MANAGEMENT, Mac.parse("52:54:00:00:00:01"), True, True),
            NetInterface("enp5s0", PF, Mac.parse("52:54:00:00:00:02"), True, False),
        ),
        disks=tuple(
            BlockDevice(f"sd{letter}", 4 * 10**9, CONTROLLER, f"disk-{letter}", "QEMU HARDDISK", ())
            for letter in "abcd"
        ),
        domains=(),
        vfio_available=True,
        kvm_available=True,
    )


def sample_plan(vfs: int = 2, vf_index: int = 0) -> Plan:
    """A probe with two vCPUs on node 0."""
    request = Request(
        version=1,
        guest=GuestRequest("probe1", "/var/lib/hpcapvf/images/guest.qcow2", vcpus=2, memory_mib=1024),
        network=NetworkRequest("enp5s0", vfs=vfs),
        storage=StorageRequest("passthrough", str(CONTROLLER)),
    )
    return Plan(
        request=request,
        spec_sha256="0" * 64,
        pf=PF,
        pf_interface="enp5s0",
        family="82576",
        vf=VF,
        vf_index=vf_index,
        vf_mac=Mac.derived("probe1", "vf"),
        management_mac=Mac.derived("probe1", "management"),
        controller=CONTROLLER,
        placement=Placement(0, (CpuSet.of([1]), CpuSet.of([2])), CpuSet.of([3]), 1, 0, 2048, 512),
        domain_uuid="00000000-0000-0000-0000-000000000001",
        steps=(SetLink("enp5s0"), SetNumVfs(PF, vfs)),
        warnings=(Advice("the reader shares its core", "thesis section 6.2"),),
        never_seen=("pause frames", "frames with a bad CRC"),
    )
