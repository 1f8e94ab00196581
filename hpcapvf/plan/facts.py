"""What a plan takes for granted of its host, as facts that can be asked again just before the first change."""

from __future__ import annotations

from collections.abc import Iterable

from hpcapvf.model.address import PciAddress
from hpcapvf.model.facts import Fact
from hpcapvf.model.host import Host
from hpcapvf.model.plan import Plan
from hpcapvf.model.steps import CopyStep, ReserveHugepages
from hpcapvf.model.storage_steps import HostDisk
from hpcapvf.plan.devices import holder

_NOT_THERE = "not there"
_UNKNOWN = "unknown"


def facts_of(plan: Plan, host: Host) -> tuple[Fact, ...]:
    """Facts of this host for this plan: its card, VF, controller, pages, CPUs, image, and VMs that it watches.

    What may change without harm is not among them: a free page more, or another VM that needs nothing of the plan's.
    """
    facts = [
        Fact(f"the driver of {plan.pf}", _driver(host, plan.pf)),
        Fact(f"the number of VFs of {plan.pf}", _vfs(host, plan.pf)),
        *_interface(plan, host),
        Fact(plan.function_name, _taker(host, plan.function)),
        *_controller(plan, host),
        *(_lent_disk(disk, host) for disk in plan.block_devices),
        *(_pages(step, host) for step in plan.steps if isinstance(step, ReserveHugepages)),
        *_cpus(plan, host),
        Fact(f"domain {plan.request.name}", _domain(host, plan.request.name)),
        *(Fact(f"domain {name}", _domain(host, name)) for name in plan.request.watch if "|" not in name),
        *(
            Fact(f"VF {watched.vf}", _taker(host, watched.vf))
            for step in plan.steps
            if isinstance(step, CopyStep)
            for watched in step.watched
        ),
        *_image(plan, host),
    ]
    return tuple(facts)


def _driver(host: Host, address: PciAddress) -> str:
    device = host.device(address)
    return _NOT_THERE if device is None else device.driver or "none"


def _vfs(host: Host, pf: PciAddress) -> str:
    device = host.device(pf)
    return str(device.sriov.num_vfs) if device is not None and device.sriov is not None else _UNKNOWN


def _interface(plan: Plan, host: Host) -> Iterable[Fact]:
    found = next((i for i in host.interfaces if i.name == plan.pf_interface), None)
    if found is None:
        return (Fact(f"interface {plan.pf_interface}", _NOT_THERE),)
    route = {True: "carries the default route", False: "carries no default route", None: "default route unknown"}
    master = f"part of {found.master}" if found.master else "part of nothing"
    return (Fact(f"interface {plan.pf_interface}", f"of {found.pci}, {master}, {route[found.default_route]}"),)


def _taker(host: Host, address: PciAddress) -> str:
    """Who has a PCI function in its definition; whether the function exists by now is told by its PF's number."""
    domain = holder(host, address)
    return "free" if domain is None else f"of domain {domain.name}"


def _controller(plan: Plan, host: Host) -> Iterable[Fact]:
    if plan.controller is None:
        return ()
    subject = f"controller {plan.controller}"
    disks = sorted((d for d in host.disks if d.controller == plan.controller), key=lambda d: d.name)
    used = [f"{d.name} {', '.join(d.in_use) if d.in_use is not None else _UNKNOWN}" for d in disks if d.in_use != ()]
    return (
        Fact(f"the driver of {subject}", _driver(host, plan.controller)),
        Fact(subject, _taker(host, plan.controller)),
        Fact(f"what uses the disks of {subject}", "; ".join(used) or "nothing"),
    )


def _lent_disk(lent: HostDisk, host: Host) -> Fact:
    subject = f"what uses {lent.path}"
    found = next((disk for disk in host.disks if disk.path == lent.path), None)
    if found is None:
        return Fact(subject, _NOT_THERE)
    return Fact(subject, _UNKNOWN if found.in_use is None else ", ".join(found.in_use) or "nothing")


def _pages(step: ReserveHugepages, host: Host) -> Fact:
    """How many pages there are in all: others who add or take some were not in the plan."""
    subject = f"hugepages of {step.size_kib} KiB on node {step.node}"
    pools = [p for n in host.nodes if n.index == step.node for p in n.hugepages if p.size_kib == step.size_kib]
    if not pools:
        return Fact(subject, _NOT_THERE)
    free = pools[0].free
    enough = _UNKNOWN if free is None else "enough" if free >= step.free_pages else f"{free}"
    return Fact(subject, f"{pools[0].total} in all, {enough} free")


def _cpus(plan: Plan, host: Host) -> Iterable[Fact]:
    """Of each CPU that a guest CPU, or the IO thread alone, is pinned to: that it is online, and who else has it."""
    # An IO thread that shares the emulator's CPUs shares them with the host as well: nobody's business then.
    own_io = plan.placement.io_pins - plan.placement.emulator_pins
    wanted = sorted({cpu for pins in (*plan.placement.vcpu_pins, own_io) for cpu in pins})
    online = {cpu.index for cpu in host.cpus}
    for cpu in wanted:
        others = sorted(d.name for d in host.domains or () if cpu in d.pinned)
        state = f"pinned by {', '.join(others)}" if others else "pinned by nobody"
        yield Fact(f"CPU {cpu}", state if cpu in online else "offline")


def _domain(host: Host, name: str) -> str:
    if host.domains is None:
        return _UNKNOWN
    found = next((d for d in host.domains if d.name == name), None)
    return _NOT_THERE if found is None else "running" if found.running else "off"


def _image(plan: Plan, host: Host) -> Iterable[Fact]:
    path = plan.request.guest.image
    found = next((i for i in host.images if i.path == path), None)
    if found is None or not found.exists:
        return (Fact(f"image {path}", _NOT_THERE),)
    return (Fact(f"image {path}", f"{found.size_bytes} bytes"),)  # its checksum is verified when the disk is made
