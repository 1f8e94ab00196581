"""A whole host, from its /sys and /proc: this machine's, or a recorded tree's."""

from __future__ import annotations

from dataclasses import replace

from hpcapvf.host.protocols import Commands, Files, Hypervisor
from hpcapvf.model.host import Host
from hpcapvf.model.progress import Progress, Silent
from hpcapvf.probe.disks import probe_disks
from hpcapvf.probe.interfaces import probe_interfaces
from hpcapvf.probe.kernel import (
    probe_arguments,
    probe_dpdk,
    probe_iomem_strict,
    probe_iommu,
    probe_kvm,
    probe_lockdown,
    probe_vfio,
)
from hpcapvf.probe.numa import probe_cpus, probe_nodes, probe_online_cpus
from hpcapvf.probe.pci import probe_pci
from hpcapvf.probe.quiet import probe_governors, probe_irqbalance, probe_isolated
from hpcapvf.probe.reading import Reader
from hpcapvf.probe.state import probe_deployments, probe_domains, probe_image
from hpcapvf.probe.ways import probe_dpdk_abi, probe_ways


def probe_host(
    files: Files,
    *,
    commands: Commands | None = None,
    hypervisor: Hypervisor | None = None,
    images: tuple[str, ...] = (),
    progress: Progress | None = None,
) -> Host:
    """Everything that planning needs to know.

    files: the machine's, or a recorded tree's (then nothing else is given: what it would tell is unknown).
    images: paths of guest images to look at. Never raises for odd or missing files: see ``Host.unreadable``.
    """
    reader = Reader(files)
    online = probe_online_cpus(reader)
    nodes = probe_nodes(reader, online)
    release = reader.text("/proc/sys/kernel/osrelease")
    arguments = probe_arguments(reader)
    pci, interfaces = probe_pci(reader, nodes), probe_interfaces(reader, commands)
    facts = Host(
        hostname=reader.text("/proc/sys/kernel/hostname") or reader.text("/etc/hostname") or None,
        kernel_release=release,
        kernel_arguments=arguments,
        iommu_active=probe_iommu(reader),
        iomem_strict=probe_iomem_strict(reader, release, arguments),
        lockdown=probe_lockdown(reader),
        nodes=nodes,
        cpus=probe_cpus(reader, online, nodes),
        pci=pci,
        interfaces=interfaces,
        disks=probe_disks(reader),
        domains=probe_domains(reader, hypervisor),
        images=tuple(probe_image(reader, path, commands, progress or Silent()) for path in sorted(set(images))),
        deployments=probe_deployments(reader),
        vfio_available=probe_vfio(reader, release),
        kvm_available=probe_kvm(reader),
        dpdk_available=probe_dpdk(reader),
        isolated=probe_isolated(reader),
        governors=probe_governors(reader, online),
        irqbalance=probe_irqbalance(reader),
        dpdk_abi=probe_dpdk_abi(reader),
        ways=probe_ways(reader, pci, interfaces),
    )
    return replace(facts, unreadable=reader.unreadable)
