"""What a hypervisor host is. ``None`` always means "the host does not say", never "no"."""

from __future__ import annotations

from dataclasses import dataclass, field

from hpcapvf.model.address import CpuSet, Mac, PciAddress


@dataclass(frozen=True)
class HugepagePool:
    """Pages of one size on one node (``/sys/devices/system/node/nodeN/hugepages``). Counts are pages."""

    size_kib: int
    total: int
    free: int | None


@dataclass(frozen=True)
class NumaNode:
    """One NUMA node: its online CPUs, memory, and distances to nodes in the order of ``Host.nodes``."""

    index: int
    cpus: CpuSet
    memory_mib: int | None
    memory_free_mib: int | None
    hugepages: tuple[HugepagePool, ...] = ()
    distances: tuple[int, ...] = ()


@dataclass(frozen=True)
class Cpu:
    """One online logical CPU with the hardware threads that share its core (itself included)."""

    index: int
    node: int | None
    siblings: CpuSet


@dataclass(frozen=True)
class Sriov:
    """A physical function's SR-IOV capability; vfs[i] is the address of VF i.

    offset, stride: routing-ID distance of VF 0 from the PF and between VFs (PCIe SR-IOV 3.3.9 and 3.3.10), from
    which a VF's address is known before it exists.
    """

    total_vfs: int
    num_vfs: int
    offset: int | None
    stride: int | None
    autoprobe: bool | None
    vfs: tuple[PciAddress, ...] = ()


@dataclass(frozen=True)
class PciDevice:
    """One PCI function.

    vendor, device: 16-bit IDs. class_code: 24 bits. numa_node: resolved node, numa_from: ``numa_node``,
    ``local_cpus`` (the device's own file said -1) or ``unknown``. iommu_group: None = not in one, or unknown
    (see ``Host.iommu_active``). reset_methods: words of the sysfs file.
    """

    address: PciAddress
    vendor: int
    device: int
    class_code: int
    driver: str | None = None
    numa_node: int | None = None
    numa_from: str = "unknown"
    iommu_group: int | None = None
    sriov: Sriov | None = None
    physfn: PciAddress | None = None


@dataclass(frozen=True)
class NetInterface:
    """One network interface; master is the bridge or bond that holds it; vf_macs[i] is VF i's MAC if known."""

    name: str
    pci: PciAddress | None
    mac: Mac | None
    up: bool | None
    default_route: bool | None
    master: str | None = None


@dataclass(frozen=True)
class BlockDevice:
    """One whole disk; controller is the PCI function it hangs on.

    in_use: what holds it (``mounted on /``, ``part of md0``, ``swap``), empty if nothing does, None if unknown. path: a
    name below /dev/disk that stays when kernel names move, None if the host has none.
    """

    name: str
    size_bytes: int | None
    controller: PciAddress | None
    serial: str | None = None
    model: str | None = None
    in_use: tuple[str, ...] | None = None
    path: str | None = None


@dataclass(frozen=True)
class DomainInfo:
    """One libvirt domain and what its definition takes: PCI functions, host CPUs that vCPUs are pinned to, and block
    devices of the host (paths as it names them)."""

    name: str
    uuid: str
    running: bool
    hostdevs: tuple[PciAddress, ...] = ()
    pinned: CpuSet = field(default_factory=CpuSet)
    block_devices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Image:
    """A guest disk image named by the spec, as found on the host."""

    path: str
    exists: bool
    size_bytes: int | None = None
    sha256: str | None = None


INCOMPLETE = "incomplete"
UNDOING = "undoing"
DEPLOYED = "deployed"
LOST = "lost by reboot"
UNREADABLE = "unreadable"


def condition_now(stored: str, boot_then: str, boot_now: str) -> str:
    """What a state file's condition means today: what was deployed before a reboot is lost by it.

    boot_then, boot_now: /proc/sys/kernel/random/boot_id; an empty one is unknown, and then nothing is said to be lost.
    """
    rebooted = bool(boot_then and boot_now) and boot_then != boot_now
    return LOST if stored == DEPLOYED and rebooted else stored


@dataclass(frozen=True)
class Copies:
    """What a deployment has a card copy: the traffic of the VFs ``sources`` (their numbers) to VF ``pool``.

    by_files: by files of the PF's driver, not by the card's registers or by tc.
    """

    pf: PciAddress
    sources: tuple[int, ...]
    pool: int
    by_files: bool = False


@dataclass(frozen=True)
class Deployed:
    """A deployment that this host's state folder knows: name, fingerprint of its spec, and where it stands.

    condition: ``deployed``; ``incomplete`` (a run that makes it was cut short, or is under way); ``undoing`` (the same
    of taking it away); ``lost by reboot`` (VFs, registers, pages and services went with the last boot, its files and
    domain are there); ``unreadable`` (its state cannot be used). receive_all_pf: the PF whose receive
    registers this deployment's guard holds, if it does. makes_vfs_pf: the PF whose VFs it makes, if it does. copies:
    what it has copied, if it is an agent's.
    """

    name: str
    spec_sha256: str
    condition: str
    receive_all_pf: PciAddress | None = None
    makes_vfs_pf: PciAddress | None = None
    copies: Copies | None = None


@dataclass(frozen=True)
class Representor:
    """The host's interface that stands for a VF while the card's switch is in mode switchdev."""

    vf_index: int
    interface: str


@dataclass(frozen=True)
class CardWays:
    """What a PF and its driver offer for copying traffic. Of a driver's files, None is "cannot be told".

    driver_version: what an out-of-tree driver calls itself; in-tree ones have none. register_device: whether the host
    module hpcapvf_regs serves the PF. debugfs_registers: ixgbe's reg_ops. mirror_files: ingress_mirror and
    egress_mirror of the VFs (out-of-tree i40e).
    """

    pf: PciAddress
    driver_version: str | None = None
    out_of_tree: bool | None = None
    register_device: bool | None = None
    debugfs_registers: bool | None = None
    mirror_files: bool | None = None
    representors: tuple[Representor, ...] = ()


@dataclass(frozen=True)
class Host:
    """Everything the planner may know about a host. Tuples are sorted by their natural key.

    isolated: CPUs that the scheduler leaves alone. governors: of CPUs whose frequency is governed. irqbalance: whether
    it runs.
    dpdk_abi: major number of DPDK's libraries, from which its release follows (23 is 22.11 to 23.07). ways: of PFs.
    """

    hostname: str | None
    kernel_release: str | None
    kernel_arguments: tuple[str, ...] | None
    iommu_active: bool | None
    iomem_strict: bool | None
    lockdown: str | None
    nodes: tuple[NumaNode, ...]
    cpus: tuple[Cpu, ...]
    pci: tuple[PciDevice, ...]
    interfaces: tuple[NetInterface, ...] = ()
    disks: tuple[BlockDevice, ...] = ()
    domains: tuple[DomainInfo, ...] | None = None
    images: tuple[Image, ...] = ()
    deployments: tuple[Deployed, ...] = ()
    vfio_available: bool | None = None
    kvm_available: bool | None = None
    dpdk_available: bool | None = None
    isolated: CpuSet | None = None
    governors: tuple[tuple[int, str], ...] | None = None
    irqbalance: bool | None = None
    dpdk_abi: int | None = None
    ways: tuple[CardWays, ...] = ()
    unreadable: tuple[str, ...] = ()

    def device(self, address: PciAddress) -> PciDevice | None:
        """The function at this address, or None."""
        return next((d for d in self.pci if d.address == address), None)

    def group_members(self, group: int) -> tuple[PciDevice, ...]:
        """All functions in one IOMMU group."""
        return tuple(d for d in self.pci if d.iommu_group == group)
