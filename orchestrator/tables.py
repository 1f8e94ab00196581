"""What people are shown of hosts, plans and deployments: model values to tables. Nothing is printed here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from hpcapvf.model.backends import Backend
from hpcapvf.model.host import BlockDevice, Deployed, Host, NumaNode, PciDevice
from hpcapvf.model.plan import Finding, Plan
from hpcapvf.model.steps import CopyStep, WatchLink
from orchestrator.answer import Part, Table

_UNKNOWN = "unknown"
_STORAGE_CLASS = 0x01


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table of texts; None is shown as "unknown"."""
    return Table(title, tuple(columns), tuple(tuple(_said(value) for value in row) for row in rows))


def pairs(title: str, rows: Iterable[tuple[str, object]]) -> Table:
    """A table of names and values without a header."""
    return replace(table(title, ("", ""), rows), header=False)


def show_host(host: Host) -> tuple[Part, ...]:
    """The inventory that ``hpcapvf probe`` prints. Where the host does not say, it says "unknown"."""
    parts: list[Part] = [_host_facts(host), _nodes(host.nodes)]
    parts.append(_cards(host))
    carriers = {disk.controller for disk in host.disks}
    controllers = [d for d in host.pci if d.class_code >> 16 == _STORAGE_CLASS or d.address in carriers]
    if controllers:
        parts.append(_controllers(host, controllers))
    if host.disks:
        parts.append(_disks(host.disks))
    if host.domains is None:
        parts.append(pairs("libvirt domains", [("", None)]))
    elif host.domains:
        rows = [(d.name, "running" if d.running else "off", ", ".join(map(str, d.hostdevs))) for d in host.domains]
        parts.append(table("libvirt domains", ("name", "state", "PCI functions"), rows))
    if host.deployments:
        parts.append(show_deployments(host.deployments))
    if host.unreadable:
        parts.append(pairs("could not be read", [("", line) for line in host.unreadable]))
    return tuple(parts)


def show_deployments(deployments: Sequence[Deployed]) -> Table:
    """One line per deployment."""
    rows = [(d.name, d.condition, d.spec_sha256[:12]) for d in deployments]
    return table("deployments", ("name", "condition", "spec"), rows)


def show_plan(plan: Plan) -> tuple[Part, ...]:
    """Where everything will be, and the steps in order. Steps that cannot be undone say so."""
    steps = [
        (number, step.describe(), "" if step.reversible else "cannot be undone")
        for number, step in enumerate(plan.steps, 1)
    ]
    return (show_placement(plan), *show_backends(plan), table("steps", ("", "step", ""), steps))


def show_backends(plan: Plan) -> tuple[Table, ...]:
    """The ways to copy traffic and to the card's registers, in the order of preference, with the reason of each."""
    titles = {"copy": "ways to copy traffic", "registers": "ways to the card's registers"}
    return tuple(
        table(
            title,
            ("", "way", "what it can do", "found", "reason", "standing"),
            [
                (c.verdict, c.backend.name, _can_do(c.backend), c.found, c.why, c.backend.standing)
                for c in plan.backends
                if c.backend.layer == layer
            ],
        )
        for layer, title in titles.items()
        if any(c.backend.layer == layer for c in plan.backends)
    )


def _can_do(backend: Backend) -> str:
    if backend.layer == "registers":
        return backend.does
    words = [f"{' and '.join(backend.directions)} a VM"] if backend.directions else []
    words += ["the whole link"] if backend.whole_link else []
    words += ["VLANs" if backend.vlan else "no VLANs", *([backend.rules] if backend.rules else [])]
    return ", ".join(words)


def show_placement(plan: Plan) -> Table:
    """Where each CPU, page and device of the deployment is."""
    pins = plan.placement
    rows: list[tuple[str, object]] = [("NUMA node", f"{pins.node}: {pins.why}" if pins.why else pins.node)]
    for vcpu, cpus in enumerate(pins.vcpu_pins):
        parts = [name for name, at in (("polling", pins.polling_vcpu), ("reader", pins.reader_vcpu)) if at == vcpu]
        rows.append((f"vCPU {vcpu}" + (f" ({', '.join(parts)})" if parts else ""), f"CPU {cpus}"))
    rows.append(("emulator threads", f"CPU {pins.emulator_pins}"))
    if pins.io_pins:
        rows.append(("IO thread of the disks", f"CPU {pins.io_pins}"))
    rows.append(("memory", f"{pins.hugepages} hugepages of {pins.hugepage_kib} KiB on node {pins.node}"))
    of = f"{plan.pf_interface or 'a card without an interface'}, {plan.pf}"
    rows.append(("network", f"{plan.function_name} at {plan.function} (MAC {plan.function_mac}) of {of}"))
    if plan.controller is not None:
        rows.append(("storage controller", plan.controller))
    rows += [
        ("watches", f"{w.domain}: VF {w.pool} at {w.vf}")
        for step in plan.steps
        if isinstance(step, CopyStep)
        for w in step.watched
    ]
    rows += [("watches", step.name) for step in plan.steps if isinstance(step, WatchLink)]
    rows += [("never seen by a VF", text) for text in plan.never_seen]
    return pairs(f"placement of {plan.request.name}", rows)


def show_findings(findings: Sequence[Finding]) -> Table:
    """The checks of the machine against the plan."""
    rows = [("ok" if f.ok else "FAILED", f.check, f.expected, "" if f.ok else f.found, f.hint) for f in findings]
    return table("checks of the machine against the plan", ("", "check", "expected", "found", "hint"), rows)


def _host_facts(host: Host) -> Table:
    return pairs(
        "host",
        [
            ("name", host.hostname),
            ("kernel", host.kernel_release),
            ("kernel arguments", None if host.kernel_arguments is None else " ".join(host.kernel_arguments)),
            ("IOMMU", _yes_no(host.iommu_active, "on", "off")),
            ("device memory", _yes_no(host.iomem_strict, "strict (needs iomem=relaxed)", "relaxed")),
            ("lockdown", host.lockdown),
            ("VFIO", _yes_no(host.vfio_available, "available", "not available")),
            ("KVM", _yes_no(host.kvm_available, "available", "not available")),
        ],
    )


def _nodes(nodes: Sequence[NumaNode]) -> Table:
    rows = []
    for node in nodes:
        distances = " ".join(map(str, node.distances)) or None
        rows.append((node.index, str(node.cpus), node.memory_mib, node.memory_free_mib, _hugepages(node), distances))
    return table("NUMA nodes", ("node", "CPUs", "memory MiB", "free MiB", "hugepages", "distances"), rows)


def _hugepages(node: NumaNode) -> str | None:
    if not node.hugepages:
        return None
    pools = [f"{pool.size_kib} KiB: {pool.total}, {_said(pool.free)} free" for pool in node.hugepages if pool.total]
    return "; ".join(pools) or "none"


def _cards(host: Host) -> Table:
    rows = []
    for interface in host.interfaces:
        device = None if interface.pci is None else host.device(interface.pci)
        sriov = "" if device is None else "none offered"
        if device is not None and device.sriov is not None:
            sriov = f"{device.sriov.num_vfs} of {device.sriov.total_vfs}"
        notes = [f"in {interface.master}"] if interface.master else []
        notes += ["default route"] if interface.default_route else []
        rows.append(
            (
                interface.name,
                "virtual" if interface.pci is None else interface.pci,
                "" if device is None else _ids(device),
                "" if device is None else device.driver or "none",
                "" if device is None else _node(device),
                _yes_no(interface.up, "up", "down"),
                sriov,
                ", ".join(notes),
            )
        )
    columns = ("interface", "PCI address", "device", "driver", "node", "link", "VFs", "")
    return table("network interfaces", columns, rows)


def _controllers(host: Host, controllers: Sequence[PciDevice]) -> Table:
    rows = []
    for device in controllers:
        disks = [disk.name for disk in host.disks if disk.controller == device.address]
        group = device.iommu_group if device.iommu_group is not None or host.iommu_active is not False else "none"
        rows.append((device.address, _ids(device), device.driver or "none", _node(device), group, " ".join(disks)))
    return table("storage controllers", ("PCI address", "device", "driver", "node", "IOMMU group", "disks"), rows)


def _disks(disks: Sequence[BlockDevice]) -> Table:
    rows = [
        (
            disk.name,
            None if disk.size_bytes is None else f"{disk.size_bytes / 1e9:.1f} GB",
            disk.controller,
            disk.model,
            disk.serial,
            None if disk.in_use is None else ", ".join(disk.in_use) or "not in use",
        )
        for disk in disks
    ]
    return table("disks", ("disk", "size", "controller", "model", "serial", "use"), rows)


def _node(device: PciDevice) -> str:
    if device.numa_node is None:
        return _UNKNOWN
    return f"{device.numa_node}" + ("" if device.numa_from == "numa_node" else f" (from {device.numa_from})")


def _ids(device: PciDevice) -> str:
    return f"{device.vendor:04x}:{device.device:04x}"


def _yes_no(value: bool | None, yes: str, no: str) -> str | None:
    return None if value is None else yes if value else no


def _said(value: object) -> str:
    return _UNKNOWN if value is None else str(value)
