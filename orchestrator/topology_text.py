"""A host, and what deployments have on it, as lines of text; and how a plan changes them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from hpcapvf.model.address import PciAddress
from hpcapvf.model.host import DomainInfo, Host, NumaNode, PciDevice
from hpcapvf.model.plan import Plan

_BRIDGE_CLASS = 0x06


def topology_lines(host: Host, plans: Sequence[Plan] = ()) -> tuple[str, ...]:
    """NUMA nodes with their CPUs (who is pinned where), memory and PCI functions, then VMs and who is watched."""
    iommu = {True: "on", False: "off", None: "unknown"}[host.iommu_active]
    lines = [f"{host.hostname or 'unknown host'}: Linux {host.kernel_release or 'unknown'}, IOMMU {iommu}"]
    for node in host.nodes:
        lines += [_node(node), *_cpus(node, plans), *_pages(node, plans), *_devices(host, plans, node.index)]
    if homeless := _devices(host, plans, None):
        lines += ["node unknown", *homeless]
    lines += [_deployment(plan) for plan in plans]
    ours = {plan.request.name for plan in plans}
    return (*lines, *(_guest(host, domain) for domain in host.domains or () if domain.name not in ours))


def change_lines(before: Sequence[str], after: Sequence[str]) -> tuple[str, ...]:
    """All lines, those that go marked with ``-``, those that come with ``+``."""
    compared = difflib.ndiff(before, after)
    return tuple(line.rstrip() for line in compared if not line.startswith("?"))


def vf_names(host: Host, addresses: Iterable[PciAddress]) -> list[str]:
    """PCI functions as people name them: ``VF 0 of ens5``, or the address of another one."""
    return [_name_of(host, address) for address in addresses]


def _name_of(host: Host, address: PciAddress) -> str:
    for device in host.pci:
        if device.sriov is not None and address in device.sriov.vfs:
            return f"VF {device.sriov.vfs.index(address)} of {_interface(host, device.address) or device.address}"
    return str(address)


def _node(node: NumaNode) -> str:
    memory = "unknown" if node.memory_mib is None else f"{node.memory_mib} MiB"
    free = "unknown" if node.memory_free_mib is None else f"{node.memory_free_mib} MiB"
    away = f", distances {' '.join(map(str, node.distances))}" if node.distances else ""
    return f"NUMA node {node.index}: CPUs {node.cpus or 'none'}, memory {memory} ({free} free){away}"


def _cpus(node: NumaNode, plans: Sequence[Plan]) -> list[str]:
    found = []
    for cpu in sorted(node.cpus):
        parts = [f"{', '.join(names)} of {plan.request.name}" for plan in plans if (names := cpu_parts(plan, cpu))]
        found += [f"  CPU {cpu}: {'; '.join(parts)}"] if parts else []
    return found


def cpu_parts(plan: Plan, cpu: int) -> list[str]:
    """What of a deployment runs on a CPU of the host."""
    pins = plan.placement
    roles = {pins.polling_vcpu: " (polling)", pins.reader_vcpu: " (reader)"}
    names = [f"vCPU {i}{roles.get(i, '')}" for i, where in enumerate(pins.vcpu_pins) if cpu in where]
    names += ["emulator"] if cpu in pins.emulator_pins else []
    return names + (["IO thread"] if cpu in pins.io_pins else [])


def _pages(node: NumaNode, plans: Sequence[Plan]) -> list[str]:
    taken: dict[int, list[str]] = {pool.size_kib: [] for pool in node.hugepages if pool.total}
    for plan in plans:
        if plan.placement.node == node.index:
            owned = f"{plan.placement.hugepages} for {plan.request.name}"
            taken.setdefault(plan.placement.hugepage_kib, []).append(owned)
    totals = {pool.size_kib: pool.total for pool in node.hugepages}
    return [
        f"  hugepages of {size} KiB: {', '.join([f'{totals.get(size, 0)} on the host', *owners])}"
        for size, owners in sorted(taken.items())
    ]


def _devices(host: Host, plans: Sequence[Plan], node: int | None) -> list[str]:
    """Physical functions other than bridges, their VFs and disks below them."""
    lines: list[str] = []
    for device in sorted((d for d in host.pci if d.numa_node == node), key=lambda d: d.address):
        if device.physfn is None and device.class_code >> 16 != _BRIDGE_CLASS:
            lines += _device(host, plans, device)
    return lines


def _device(host: Host, plans: Sequence[Plan], device: PciDevice) -> list[str]:
    given = {address: plan.request.name for plan in plans for address in (plan.function, plan.controller) if address}
    name = _interface(host, device.address)
    vfs = f", {device.sriov.num_vfs} of {device.sriov.total_vfs} VFs" if device.sriov is not None else ""
    title = f"  {device.address} {device.vendor:04x}:{device.device:04x}" + (f" {name}" if name else "")
    lines = [f"{title} {_holder(device.address, device.driver, given)}{vfs}"]
    for disk in (disk for disk in host.disks if disk.controller == device.address):
        size = "size unknown" if disk.size_bytes is None else f"{disk.size_bytes / 1e9:.3g} GB"
        lines.append(f"    disk {disk.name}, {size}")
    made = device.sriov.vfs if device.sriov is not None else ()
    for index, address in enumerate(made):
        vf = host.device(address)
        lines.append(f"    VF {index} {address} {_holder(address, vf.driver if vf else None, given)}")
    planned = [p for p in plans if p.pf == device.address and p.vf_index is not None and p.function not in made]
    lines += [f"    VF {p.vf_index} {p.function} {_holder(p.function, None, given)}" for p in planned]
    return lines


def _holder(address: PciAddress, driver: str | None, given: dict[PciAddress, str]) -> str:
    return f"vfio-pci, given to {given[address]}" if address in given else driver or "no driver"


def _deployment(plan: Plan) -> str:
    kind = "monitoring agent" if plan.request.watch else "virtual network probe"
    watched = f", watches {', '.join(plan.request.watch)}" if plan.request.watch else ""
    has = ", ".join(str(address) for address in (plan.function, plan.controller) if address)
    return f"VM {plan.request.name} on node {plan.placement.node}: {kind}, has {has}{watched}"


def _guest(host: Host, domain: DomainInfo) -> str:
    pinned = f", on CPUs {domain.pinned}" if domain.pinned else ""
    has = ", ".join(vf_names(host, domain.hostdevs)) or "no PCI functions"
    return f"VM {domain.name}: {'runs' if domain.running else 'is off'}{pinned}, has {has}"


def _interface(host: Host, address: PciAddress) -> str | None:
    return next((i.name for i in host.interfaces if i.pci == address), None)
