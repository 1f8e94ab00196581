"""A whole host from a few numbers: two NUMA nodes, one SR-IOV card, one RAID controller, like the emulated server."""

from __future__ import annotations

import dataclasses
from typing import Any

from hpcapvf.model.address import CpuSet, Mac, PciAddress
from hpcapvf.model.host import (
    BlockDevice,
    Cpu,
    DomainInfo,
    Host,
    HugepagePool,
    Image,
    NetInterface,
    NumaNode,
    PciDevice,
    Sriov,
)
from hpcapvf.model.request import GuestRequest, NetworkRequest, PlacementRequest, Request, StorageRequest

PF = PciAddress.parse("0000:21:00.0")
RAID = PciAddress.parse("0000:22:00.0")
BOOT_DISK = PciAddress.parse("0000:00:02.0")
MANAGEMENT = PciAddress.parse("0000:00:03.0")
IMAGE = "/var/lib/libvirt/images/guest.qcow2"
IMAGE_SHA256 = "5e" * 32


def vf_at(index: int) -> PciAddress:
    """Where VF ``index`` of the factory's card appears (offset 0x80, stride 2, as on an 82576)."""
    return PciAddress(PF.domain, PF.bus, 0x10 + index * 2 // 8, index * 2 % 8)


# A running VM with VF 0 of the factory's card, and what an agent that watches it asks for.
WEB1 = DomainInfo("web1", "87654321-1234-5678-1234-567812345678", running=True, hostdevs=(vf_at(0),))
GUEST_DISK = StorageRequest(mode="guest-disk")


def make_host(
    *,
    cores_per_node: int = 6,
    threads_per_core: int = 1,
    nodes: int = 2,
    memory_free_mib: int = 3000,
    free_pages: int = 0,
    vfs: int = 0,
    raid_node: int = 0,
    **changes: Any,
) -> Host:
    """A host that is ready for a probe. CPU numbers go node by node; second threads come after all first ones."""
    cores = nodes * cores_per_node
    cpus = tuple(
        Cpu(cpu, cpu % cores // cores_per_node, CpuSet.of(cpu % cores + cores * t for t in range(threads_per_core)))
        for cpu in range(cores * threads_per_core)
    )
    numa = tuple(
        NumaNode(
            n,
            CpuSet.of(c.index for c in cpus if c.node == n),
            memory_mib=4096,
            memory_free_mib=memory_free_mib,
            hugepages=(HugepagePool(2048, free_pages, free_pages), HugepagePool(1048576, 0, 0)),
            distances=tuple(10 if n == m else 21 for m in range(nodes)),
        )
        for n in range(nodes)
    )
    host = Host(
        hostname="lab",
        kernel_release="6.12.0-test",
        kernel_arguments=("intel_iommu=on", "iommu=pt", "iomem=relaxed"),
        iommu_active=True,
        iomem_strict=False,
        lockdown="none",
        nodes=numa,
        cpus=cpus,
        pci=_pci(vfs, raid_node),
        interfaces=(
            NetInterface("ens4", MANAGEMENT, Mac(0x525400000001), up=True, default_route=True),
            NetInterface("ens5", PF, Mac(0x525400000002), up=False, default_route=False),
        ),
        disks=(
            BlockDevice("vda", 8 << 30, BOOT_DISK, in_use=("mounted on /",)),
            *(
                BlockDevice(f"sd{c}", 4 << 30, RAID, serial=f"disk{c}", in_use=(), path=f"/dev/disk/by-id/scsi-disk{c}")
                for c in "abcd"
            ),
        ),
        domains=(),
        images=(Image(IMAGE, True, 400 << 20, IMAGE_SHA256),),
        vfio_available=True,
        kvm_available=True,
    )
    return dataclasses.replace(host, **changes)


def _pci(vfs: int, raid_node: int) -> tuple[PciDevice, ...]:
    sriov = Sriov(7, vfs, offset=0x80, stride=2, autoprobe=True, vfs=tuple(vf_at(i) for i in range(vfs)))
    return (
        PciDevice(BOOT_DISK, 0x1AF4, 0x1042, 0x010000, "virtio-pci", 0, "numa_node", 1),
        PciDevice(MANAGEMENT, 0x1AF4, 0x1041, 0x020000, "virtio-pci", 0, "numa_node", 2),
        PciDevice(PciAddress.parse("0000:20:00.0"), 0x1B36, 0x000C, 0x060400, "pcieport", 0, "numa_node", 3),
        PciDevice(PF, 0x8086, 0x10C9, 0x020000, "igb", 0, "numa_node", 10, sriov),
        *(PciDevice(vf_at(i), 0x8086, 0x10CA, 0x020000, None, 0, "numa_node", 30 + i, physfn=PF) for i in range(vfs)),
        PciDevice(RAID, 0x1000, 0x0079, 0x010400, "megaraid_sas", raid_node, "numa_node", 11),
    )


def make_request(**changes: Any) -> Request:
    """A request that fits the factory's host. Keys: whole sections, or ``vcpus``, ``memory_mib``, ``pf`` and so on."""
    sections = {
        "guest": GuestRequest("probe1", IMAGE),
        "network": NetworkRequest("ens5"),
        "storage": StorageRequest(controller=str(RAID)),
        "placement": PlacementRequest(),
    }
    whole: dict[str, Any] = {}
    for name, value in changes.items():
        if name in sections or name in ("wipe", "engine", "version", "watch"):
            whole[name] = value
            continue
        owner = next(s for s, section in sections.items() if hasattr(section, name))
        sections[owner] = dataclasses.replace(sections[owner], **{name: value})  # type: ignore[type-var]
    return Request(version=1, **(sections | whole))  # type: ignore[arg-type]


def replace_device(host: Host, address: PciAddress, **changes: Any) -> Host:
    """The same host with one PCI function changed."""
    return dataclasses.replace(
        host, pci=tuple(dataclasses.replace(d, **changes) if d.address == address else d for d in host.pci)
    )


def replace_interface(host: Host, name: str, **changes: Any) -> Host:
    """The same host with one network interface changed."""
    return dataclasses.replace(
        host, interfaces=tuple(dataclasses.replace(i, **changes) if i.name == name else i for i in host.interfaces)
    )


def replace_disk(host: Host, name: str, **changes: Any) -> Host:
    """The same host with one disk changed."""
    return dataclasses.replace(
        host, disks=tuple(dataclasses.replace(d, **changes) if d.name == name else d for d in host.disks)
    )
