"""The capture side: which physical function, and which of its virtual functions."""

from __future__ import annotations

from dataclasses import dataclass

from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import ExitCode
from hpcapvf.model.host import LOST, Host, NetInterface, PciDevice, Sriov
from hpcapvf.model.plan import Advice
from hpcapvf.model.request import Request
from hpcapvf.nic.devices import CardFamily, pf_family
from hpcapvf.nic.tables import TABLES
from hpcapvf.plan import advice
from hpcapvf.plan.choice import Choice, Objection, objection
from hpcapvf.plan.devices import (
    PASSTHROUGH_DRIVERS,
    group_objections,
    holder,
    holder_objection,
    interface_objections,
)
from hpcapvf.plan.guards import NO_FORCE, Force, lifted, standing

_FIXED_NUMBER = "the kernel can change the number of VFs only when all of them are removed"


@dataclass(frozen=True)
class Link:
    """The chosen functions. function: what the guest gets, vendor and device its IDs there; a VF, or the PF itself
    without a vf_index. make_vfs: how many VFs must be made first; 0 if they exist. family: "" if no table knows it.
    has_default_pool: whether it is the one that receives everything for want of another owner.
    """

    pf: PciDevice
    interface: str
    family: str
    function: PciAddress
    vendor: int
    device: int
    vf_index: int | None
    make_vfs: int
    has_default_pool: bool = True


@dataclass(frozen=True)
class _Pick:
    """A VF, its number, and how many VFs must be made for it to exist."""

    vf: PciAddress
    index: int
    make: int = 0


def choose_link(request: Request, host: Host, pf: PciDevice, force: Force) -> Choice[Link]:
    """A free VF of a PF, or every reason why the PF and each of its VFs are refused. What force lifted is among the
    objections of a choice with a value."""
    family = pf_family(pf.vendor, pf.device)
    interfaces = interfaces_of(host, pf)
    objections = _card_objections(pf, family)
    objections += _generator_objections(request, host, pf, family)
    objections += [] if interfaces else [_no_interface(pf)]
    # An agent changes its own pool only, unless it takes the default pool, from which a bridge or bond lives.
    spared = [o for interface in interfaces for o in interface_objections(interface)]
    objections += [o for o in spared if not request.watch or (request.watches_wide and o.reason.guard == "bridge")]
    if pf.sriov is None or pf.sriov.total_vfs == 0:
        return Choice(None, tuple(objections))
    picked, against = _pick_vf(request, host, pf, pf.sriov, force)
    objections += against
    if standing(objections, force) or picked is None or family is None:
        return Choice(None, tuple(objections))
    name, device = interfaces[0].name, family.vf_devices[0]
    alone = receiver_of_all(host, pf) is None
    link = Link(pf, name, family.name, picked.vf, family.vendor, device, picked.index, picked.make, alone)
    return Choice(link, lifted(objections, force), _link_advice(request, host, link, family))


def interfaces_of(host: Host, pf: PciDevice) -> list[NetInterface]:
    """The network interfaces of a function, by name; those that stand for its VFs are not its own."""
    others = {r.interface for ways in host.ways for r in ways.representors}
    return sorted((i for i in host.interfaces if i.pci == pf.address and i.name not in others), key=lambda i: i.name)


def find_card(name: str, host: Host) -> Choice[PciDevice]:
    """The PCI function that a spec or a command names, by interface name or by address."""
    cards = sorted((d for d in host.pci if d.sriov and d.sriov.total_vfs and d.class_code >> 16 == 2), key=_by_address)
    names = {i.pci: i.name for i in sorted(host.interfaces, key=lambda i: i.name, reverse=True)}
    known = ", ".join(f"{names.get(d.address, 'no interface')} ({d.address})" for d in cards) or "none"
    hint = f"SR-IOV network cards of this host: {known}"
    if PciAddress.looks_like(name):
        address = PciAddress.parse(name)
    else:
        interface = next((i for i in host.interfaces if i.name == name), None)
        if interface is None:
            return Choice(None, (objection(ExitCode.NOT_FOUND, name, "no such network interface", hint),))
        if interface.pci is None:
            why = "is no PCI function, so it has no VFs"
            return Choice(None, (objection(ExitCode.NOT_CAPABLE, name, why, hint),))
        address = interface.pci
    device = host.device(address)
    if device is None:
        return Choice(None, (objection(ExitCode.NOT_FOUND, name, "no such PCI function", hint),))
    return Choice(device)


def _by_address(device: PciDevice) -> PciAddress:
    return device.address


def _card_objections(pf: PciDevice, family: CardFamily | None) -> list[Objection]:
    found: list[Objection] = []
    if pf.physfn is not None:
        hint = f"name the physical function: {pf.physfn}"
        return [objection(ExitCode.NOT_CAPABLE, pf.address, "is itself a virtual function", hint)]
    if pf.sriov is None or pf.sriov.total_vfs == 0:
        why = "shows no SR-IOV capability (sriov_totalvfs)" if pf.sriov is None else "offers no virtual functions"
        found.append(objection(ExitCode.NOT_CAPABLE, pf.address, why, "use an SR-IOV card, or enable it in firmware"))
    if family is None:
        why = f"card {pf.vendor:04x}:{pf.device:04x} is of no family in the tables"
        found.append(objection(ExitCode.NOT_CAPABLE, pf.address, why, "supported cards: see the hardware guide"))
        return found
    return found


def receiver_of_all(host: Host, pf: PciDevice) -> str | None:
    """The deployment that receives everything from this card already, the first by name, if there is one."""
    names = (d.name for d in host.deployments if d.receive_all_pf == pf.address and d.condition != LOST)
    return min(names, default=None)


def _maker_of_vfs(host: Host, pf: PciDevice) -> str:
    """The deployment that made a card's VFs; empty if none of this host's did."""
    names = (d.name for d in host.deployments if d.makes_vfs_pf == pf.address and d.condition != LOST)
    return min(names, default="")


def _generator_objections(request: Request, host: Host, pf: PciDevice, family: CardFamily | None) -> list[Objection]:
    """What speaks against VFs that DPDK makes: it takes the PF from its kernel driver, and so from everybody else."""
    if request.network.generator != "dpdk":
        return []
    found: list[Objection] = []
    if host.dpdk_available is False:
        hint = "apt-get install dpdk-dev librte-meta-net librte-meta-mempool, or network.generator: kernel"
        found.append(objection(ExitCode.NOT_CAPABLE, "DPDK", "dpdk-testpmd is not installed", hint))
    if pf.sriov is not None and pf.sriov.num_vfs:
        why = f"has {pf.sriov.num_vfs} VF(s), which would vanish when DPDK takes it"
        hint = f"free them and write 0 to /sys/bus/pci/devices/{pf.address}/sriov_numvfs, or network.generator: kernel"
        found.append(objection(ExitCode.REFUSED, pf.address, why, hint))
    if request.engine.kind == "tcpdump" and family is not None and family.name in ("82576", "i350"):
        why = "its stock VF driver (igbvf) gets no link from a PF that DPDK holds"
        hint = "engine.kind: hpcapvf, or network.generator: kernel"
        found.append(objection(ExitCode.NOT_CAPABLE, pf.address, why, hint))
    return found


def needs_copies(request: Request) -> bool:
    """Whether the card must give the VF more than its own. A guest that has the whole card asks its own driver."""
    return request.network.mode == "vf" and (request.network.receive == "all" or bool(request.watch))


def _no_interface(pf: PciDevice) -> Objection:
    why = f"has no network interface (driver: {pf.driver or 'none'}), so the kernel cannot make its VFs"
    return objection(ExitCode.NOT_CAPABLE, pf.address, why, "bind the card to its kernel driver")


def _pick_vf(
    request: Request, host: Host, pf: PciDevice, sriov: Sriov, force: Force
) -> tuple[_Pick | None, list[Objection]]:
    """The VF that is named, else the first free one, else the first that force gives; or why each was refused."""
    if sriov.num_vfs == 0:
        return _future_vf(request, pf, sriov)
    named = request.network.vf_index
    if named is not None and named >= len(sriov.vfs):
        why = f"has no VF {named}: it has {len(sriov.vfs)}, counted from 0"
        hint = f"name one of them, or none; {_FIXED_NUMBER}"
        return None, [objection(ExitCode.NOT_FOUND, pf.address, why, hint)]
    watched = _watched(request, host, pf)
    if named in watched:
        why = f"its VF {named} is watched: an agent has another of its own"
        return None, [objection(ExitCode.REFUSED, pf.address, why, "name another VF in network.pf, or none")]
    candidates = [
        (_Pick(vf, index), _vf_objections(host, vf, force))
        for index, vf in enumerate(sriov.vfs)
        if named in (None, index) and index not in watched
    ]
    for strength in (NO_FORCE, force):
        for pick, against in candidates:
            if not standing(against, strength):
                return pick, list(against)
    why = f"none of its {sriov.num_vfs} VFs is free" if named is None else f"its VF {named} is not free"
    refused = [o for _, against in candidates for o in against]
    return None, [objection(ExitCode.REFUSED, pf.address, why, f"free one; {_FIXED_NUMBER}"), *refused]


def _watched(request: Request, host: Host, pf: PciDevice) -> set[int]:
    """VFs that the agent watches by their number: none of them is its own."""
    found = (watched_vf(name, host) for name in request.watch)
    return {index for card, index in (pair for pair in found if pair) if card.value == pf}


def watched_vf(name: str, host: Host) -> tuple[Choice[PciDevice], int] | None:
    """The card and the number of a VF that ``watch`` names as ``PF|vfN``; None if it names a domain."""
    card, bar, vf = name.partition("|vf")
    return (find_card(card, host), int(vf)) if bar else None


def _future_vf(request: Request, pf: PciDevice, sriov: Sriov) -> tuple[_Pick | None, list[Objection]]:
    wanted, index = request.network.vfs, request.network.vf_index or 0
    if index >= wanted:
        why = f"has no VFs yet and network.vfs makes {wanted}, so there will be no VF {index}"
        return None, [objection(ExitCode.REFUSED, pf.address, why, f"set network.vfs: {index + 1} or more")]
    if wanted > sriov.total_vfs:
        why = f"can make {sriov.total_vfs} VFs, network.vfs asks for {wanted}"
        return None, [objection(ExitCode.REFUSED, pf.address, why, "lower network.vfs")]
    if sriov.offset is None:
        why = "the host does not say where its VFs will appear (sriov_offset)"
        return None, [objection(ExitCode.NOT_CAPABLE, pf.address, why, "probe the running host, kernel 4.12 or later")]
    return _Pick(vf_address(pf.address, sriov.offset, sriov.stride or 0, index), index, wanted), []


def vf_address(pf: PciAddress, offset: int, stride: int, index: int) -> PciAddress:
    """Where VF ``index`` of a PF appears: routing IDs count on over devices and buses (PCIe SR-IOV 3.3.9, 3.3.10)."""
    routing_id = (pf.bus << 8 | pf.device << 3 | pf.function) + offset + stride * index
    return PciAddress(pf.domain, routing_id >> 8 & 0xFF, routing_id >> 3 & 0x1F, routing_id & 7)


def _vf_objections(host: Host, vf: PciAddress, force: Force) -> tuple[Objection, ...]:
    device = host.device(vf)
    if device is None:
        return (objection(ExitCode.REFUSED, vf, "the host does not say what this VF is", "probe the running host"),)
    domain = holder(host, vf)
    if domain is not None:
        return (holder_objection(domain, vf, "vf-in-use"), *group_objections(host, device, force))
    if host.domains is None and device.driver in PASSTHROUGH_DRIVERS:
        why = f"is bound to {device.driver} and libvirt could not be asked who uses it"
        return (objection(ExitCode.REFUSED, vf, why, "start libvirt"),)
    for interface in sorted((i for i in host.interfaces if i.pci == vf), key=lambda i: i.name):
        use = _interface_use(interface)
        if use:
            why = f"its interface {interface.name} {use}"
            hint = f"take it out of use: ip link set {interface.name} down"
            guard = "default-route" if interface.default_route else "bridge" if interface.master else "vf-in-use"
            in_use = objection(ExitCode.REFUSED, vf, why, hint, guard=guard)
            return (in_use, *group_objections(host, device, force))
    return group_objections(host, device, force)


def _interface_use(interface: NetInterface) -> str:
    if interface.default_route:
        return "carries the default route"
    if interface.master:
        return f"is part of {interface.master}"
    if interface.up is not False:
        return "is up" if interface.up else "may be up (the host does not say)"
    return ""


def _link_advice(request: Request, host: Host, link: Link, family: CardFamily) -> tuple[Advice, ...]:
    notes: list[Advice] = []
    if family.own_driver and family.speed_mbps >= 10_000 and request.network.generator == "kernel":
        notes.append(advice.kernel_made_vfs())
    made = link.pf.sriov.num_vfs if link.pf.sriov else 0
    if not link.make_vfs:
        maker = _maker_of_vfs(host, link.pf)
        notes.append(advice.vfs_of_others(link.interface, made, maker, request.name))
    others = (link.make_vfs or made) - 1
    if request.network.receive == "all":
        if family.name in (table.family for table in TABLES):
            notes.append(advice.whole_card_changes(link.pf.address))
        sharer = receiver_of_all(host, link.pf)
        if sharer is not None:
            notes.append(advice.second_probe(sharer, request.engine.kind))
        elif others > 0:
            notes.append(advice.other_vfs(link.pf.address, others, request.engine.kind))
    return tuple(notes)
