"""The emulated server as QEMU arguments: a pure function of a frozen configuration (QEMU 10 manual, "Invocation")."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DISK_GIB = 4
WIRE_PORT_NAME = "org.hpcapvf.wire"
NIC_MAC = "02:48:50:56:46:00"
SECOND_NIC_MAC = "02:48:50:56:46:10"
MANAGEMENT_MAC = "02:48:50:56:46:f0"
NVME_VFS = 2
# A disk of the server stood still for good: QEMU had seen fewer requests than the queue held, so a kick was lost, and
# with EVENT_IDX the kernel gives none for the next request either. Kicks are taken where they are given, and each
# request gives one.
NO_LOST_KICK = "ioeventfd=off,event_idx=off"


@dataclass(frozen=True)
class LabConfig:
    """What a lab is asked to be.

    cpus: vCPUs over both nodes (even). memory_mib: over both nodes (even). accel: auto, tcg or kvm.
    iommu False: neither the device nor its kernel argument. bare: the devices, but none of the kernel arguments that a
    probe needs (Debian's kernel then uses the IOMMU all the same, in its default mode, and keeps registers to their
    drivers). hugepages_1g: 1 GiB pages set aside at boot.
    """

    name: str = "default"
    cpus: int = 4
    memory_mib: int = 8192
    accel: str = "auto"
    iommu: bool = True
    iomem_relaxed: bool = True
    bare: bool = False
    hugepages_1g: int = 0
    second_nic: bool = False
    nvme: bool = False


@dataclass(frozen=True)
class LabFiles:
    """Where a lab's files are. Sockets are names in folder, QEMU's working directory: a path has a short limit."""

    folder: Path
    disk: Path
    media: Path
    raid_disks: tuple[Path, ...]
    nvme_disk: Path
    console_log: Path
    qmp_socket: str = "qmp.sock"
    wire_socket: str = "wire.sock"
    nic_socket: str = "nic.sock"
    second_wire_socket: str = "wire2.sock"
    second_nic_socket: str = "nic2.sock"
    wire_port_socket: str = "wire-port.sock"


def lab_files(folder: Path, media: Path) -> LabFiles:
    """The files of the lab whose state folder is given."""
    raid = tuple(folder / f"raid{number}.raw" for number in range(4))
    return LabFiles(folder, folder / "disk.qcow2", media, raid, folder / "nvme.raw", folder / "console.log")


def quoted(path: Path) -> str:
    """A path as a value in a QEMU option list: a comma is written twice."""
    return str(path).replace(",", ",,")


def qemu_arguments(
    config: LabConfig, files: LabFiles, *, accel: str, ssh_port: int, credentials: dict[str, str]
) -> list[str]:
    """Everything after the program's name.

    accel: tcg or kvm, as chosen. ssh_port: free port on 127.0.0.1 of this machine. credentials: systemd credential
    name → base64 text (systemd.system-credentials(7)).
    """
    arguments = ["-name", f"hpcapvf-lab-{config.name}", "-nodefaults", "-no-user-config", "-display", "none"]
    arguments += [
        "-machine",
        "q35,kernel-irqchip=split",
        "-accel",
        "tcg,thread=multi,tb-size=1024" if accel == "tcg" else "kvm",
    ]
    # An emulated MWAIT never sleeps: without that feature an idle CPU halts and costs nothing.
    arguments += ["-cpu", "max,-monitor" if accel == "tcg" else "host"]
    arguments += processor_and_memory(config)
    arguments += ["-device", "virtio-rng-pci"]
    arguments += storage(files)
    arguments += management(files, ssh_port)
    if config.iommu:
        # Extended interrupt mode: the kernel's x2APIC, which needs no access to memory for an interrupt (see stall.py).
        arguments += ["-device", "intel-iommu,intremap=on,caching-mode=on,eim=on"]
    arguments += card("0", files.nic_socket, files.wire_socket, NIC_MAC, slot=0)
    arguments += raid_controller(files)
    if config.second_nic:
        arguments += card("1", files.second_nic_socket, files.second_wire_socket, SECOND_NIC_MAC, slot=2)
    if config.nvme:
        arguments += nvme(files)
    for name, value in credentials.items():
        arguments += ["-smbios", f"type=11,value=io.systemd.credential.binary:{name}={value}"]
    return arguments


def processor_and_memory(config: LabConfig) -> list[str]:
    """Two sockets, each a NUMA node with half of the CPUs and half of the memory; distances 10 and 21."""
    half_cpus, half_mib = config.cpus // 2, config.memory_mib // 2
    arguments = ["-smp", f"{config.cpus},sockets=2,cores={half_cpus},threads=1", "-m", f"{config.memory_mib}M"]
    for node in (0, 1):
        arguments += ["-object", f"memory-backend-ram,id=ram{node},size={half_mib}M"]
        first = node * half_cpus
        arguments += ["-numa", f"node,nodeid={node},cpus={first}-{first + half_cpus - 1},memdev=ram{node}"]
    return [*arguments, "-numa", "dist,src=0,dst=1,val=21"]


def storage(files: LabFiles) -> list[str]:
    """The system's disk (copy on write, kept between starts) and the read-only disk with the guest's image."""
    return [
        *("-drive", f"if=none,id=system,format=qcow2,cache=unsafe,discard=unmap,file={quoted(files.disk)}"),
        *("-device", f"virtio-blk-pci,drive=system,bootindex=0,serial=hpcapvf-system,num-queues=1,{NO_LOST_KICK}"),
        *("-drive", f"if=none,id=media,format=raw,readonly=on,file={quoted(files.media)}"),
        *("-device", f"virtio-blk-pci,drive=media,serial=hpcapvf-media,num-queues=1,{NO_LOST_KICK}"),
    ]


def management(files: LabFiles, ssh_port: int) -> list[str]:
    """Management port (cut off from every network but this machine's ssh), console, QMP and the port to the wire."""
    return [
        *("-netdev", f"user,id=management,restrict=on,hostfwd=tcp:127.0.0.1:{ssh_port}-:22"),
        *("-device", f"virtio-net-pci,netdev=management,mac={MANAGEMENT_MAC},romfile=,{NO_LOST_KICK}"),
        *("-chardev", f"file,id=console,path={quoted(files.console_log)},append=on"),
        *("-serial", "chardev:console"),
        *("-chardev", f"socket,id=qmp,path={files.qmp_socket},server=on,wait=off"),
        *("-mon", "chardev=qmp,mode=control"),
        *("-chardev", f"socket,id=wireport,path={files.wire_port_socket},reconnect-ms=1000"),
        *("-device", "virtio-serial-pci,max_ports=2"),
        *("-device", f"virtserialport,chardev=wireport,name={WIRE_PORT_NAME}"),
    ]


def behind_node(bus_id: str, bus_number: int, node: int, chassis: int) -> list[str]:
    """A PCIe root port (named port + bus_id) on a host bridge of its own that belongs to a NUMA node."""
    return [
        *("-device", f"pxb-pcie,id=bridge{bus_id},bus=pcie.0,bus_nr={bus_number},numa_node={node}"),
        *("-device", f"pcie-root-port,id=port{bus_id},bus=bridge{bus_id},chassis={chassis},slot={chassis}"),
    ]


def card(number: str, own_socket: str, far_socket: str, mac: str, *, slot: int) -> list[str]:
    """An 82576 (igb) on node 0 whose port is a pair of datagram sockets: one datagram is one frame."""
    return [
        *(
            "-netdev",
            f"dgram,id=wire{number},local.type=unix,local.path={own_socket},remote.type=unix,remote.path={far_socket}",
        ),
        *behind_node(f"nic{number}", 0x20 + 0x10 * slot, 0, 1 + slot),
        *("-device", f"igb,netdev=wire{number},bus=portnic{number},mac={mac},romfile="),
    ]


def raid_controller(files: LabFiles) -> list[str]:
    """A MegaRAID SAS 2108 on node 0 with four disks of known serial numbers."""
    arguments = [*behind_node("raid", 0x30, 0, 2), "-device", "megasas-gen2,id=raid,bus=portraid,romfile="]
    for number, path in enumerate(files.raid_disks):
        arguments += ["-drive", f"if=none,id=disk{number},format=raw,cache=unsafe,discard=unmap,file={quoted(path)}"]
        # With dpofua Linux sets FUA in a write, which the emulated controller takes for a LUN that is not there (QEMU
        # 11.1, traced: "LUN not present"). Newer versions have it on unless told.
        place = f"bus=raid.0,scsi-id={number},dpofua=off"
        arguments += ["-device", f"scsi-hd,drive=disk{number},{place},serial=HPCAPVF-RAID-{number}"]
    return arguments


def nvme(files: LabFiles) -> list[str]:
    """An NVMe controller on node 1 that can have VFs (QEMU manual, "NVMe Emulation", SR-IOV)."""
    queues = f"sriov_max_vfs={NVME_VFS},sriov_vq_flexible={2 * NVME_VFS},sriov_vi_flexible={NVME_VFS}"
    limits = f"sriov_max_vq_per_vf=2,sriov_max_vi_per_vf=1,max_ioqpairs={2 * NVME_VFS + 2},msix_qsize={NVME_VFS + 4}"
    return [
        *behind_node("nvme", 0x60, 1, 6),
        *("-device", "nvme-subsys,id=subsystem,nqn=hpcapvf"),
        *("-drive", f"if=none,id=nvme,format=raw,cache=unsafe,discard=unmap,file={quoted(files.nvme_disk)}"),
        *("-device", f"nvme,id=nvme0,serial=HPCAPVF-NVME-0,subsys=subsystem,bus=portnvme,{queues},{limits}"),
        *("-device", "nvme-ns,drive=nvme,bus=nvme0,nsid=1"),
    ]
