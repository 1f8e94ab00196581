"""Which virtual functions the watched VMs have, or why a VM cannot be watched."""

from __future__ import annotations

from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import ExitCode
from hpcapvf.model.host import LOST, DomainInfo, Host, PciDevice
from hpcapvf.model.plan import Advice
from hpcapvf.model.request import Request
from hpcapvf.model.steps import WatchedVf
from hpcapvf.plan import advice
from hpcapvf.plan.choice import Choice, Objection, objection
from hpcapvf.plan.link import find_card, receiver_of_all, watched_vf
from hpcapvf.plan.mirror_share import share_advice

Watched = tuple[WatchedVf, ...]


def choose_watched(request: Request, host: Host, pf: PciDevice | None) -> Choice[Watched]:
    """The watched VMs' VFs on a card, or every reason why one of the VMs cannot be watched from there.

    pf: None if the spec's card was not found (said elsewhere); the VMs are looked at all the same. Of an agent that
    watches the link or the rest of it, none.
    """
    if request.watches_wide:
        return _watch_wide(request, host, pf)
    if host.domains is None:
        why = "could not be asked which VMs run and which VFs they hold"
        return Choice(None, (objection(ExitCode.NOT_CAPABLE, "libvirt", why, "start it: systemctl start libvirtd"),))
    found: list[WatchedVf] = []
    against: list[Objection] = []
    for name in request.watch:
        domain = next((d for d in host.domains if d.name == name), None)
        selected = watched_vf(name, host)
        vfs, refused = _watch_vf(name, *selected, host, pf) if selected else _watch_one(name, domain, host, pf)
        found += vfs
        against += refused
    against += _twice(found)
    if against or pf is None:
        return Choice(None, tuple(against))
    return Choice(tuple(found), (), _advice(request, host))


def _watch_wide(request: Request, host: Host, pf: PciDevice | None) -> Choice[Watched]:
    """All of the link, or what nobody else on the card gets."""
    name = request.watch[0]
    card = find_card(name.partition("|")[0], host)
    if card.value is None or pf is None:
        return Choice(None, card.objections)
    against: list[Objection] = []
    if card.value.address != pf.address:
        against.append(_on_another_card(name, card.value.address, host, pf))
    if pf.sriov is not None and pf.sriov.num_vfs == 0:
        why = "has no VFs: an agent shares a card whose VFs are there, and changes nothing of it as a whole"
        against.append(objection(ExitCode.REFUSED, pf.address, why, "deploy-vnp makes VFs and receives the link"))
    probe = receiver_of_all(host, pf)
    if request.watches_wide == "rest" and probe is not None:
        why = f"is empty: {probe} receives everything on this card"
        against.append(objection(ExitCode.REFUSED, name, why, f"watch {name.partition('|')[0]}|link"))
    if against:
        return Choice(None, tuple(against))
    return Choice((), (), (advice.watched_wide(request.watches_wide, request.engine.kind),))


def _on_another_card(name: str, card: PciAddress, host: Host, pf: PciDevice) -> Objection:
    why = f"is on another card, and a card copies only its own frames; this one is {pf.address}"
    return objection(ExitCode.REFUSED, name, why, f"set network.pf: {_card(host, card)}")


def _twice(found: list[WatchedVf]) -> list[Objection]:
    """VFs that are named in two ways."""
    by_vf: dict[PciAddress, list[str]] = {}
    for watched in found:
        by_vf.setdefault(watched.vf, []).append(watched.domain)
    return [
        objection(ExitCode.REFUSED, vf, f"is watched twice: as {' and as '.join(names)}", "name it once")
        for vf, names in by_vf.items()
        if len(names) > 1
    ]


def _watch_vf(
    name: str, card: Choice[PciDevice], index: int, host: Host, pf: PciDevice | None
) -> tuple[list[WatchedVf], list[Objection]]:
    """A VF by its number, whoever has it."""
    if card.value is None:
        return [], list(card.objections)
    if pf is None:
        return [], []
    if card.value.address != pf.address:
        return [], [_on_another_card(name, card.value.address, host, pf)]
    vfs = pf.sriov.vfs if pf.sriov is not None else ()
    if index >= len(vfs):
        why = f"is not there: {pf.address} has {len(vfs)} VFs, counted from 0"
        return [], [objection(ExitCode.NOT_FOUND, name, why, "`hpcapvf topology` shows them")]
    return [WatchedVf(name, vfs[index], index)], []


def _watch_one(
    name: str, domain: DomainInfo | None, host: Host, pf: PciDevice | None
) -> tuple[list[WatchedVf], list[Objection]]:
    if domain is None:
        running = ", ".join(sorted(d.name for d in host.domains or () if d.running)) or "none"
        return [], [objection(ExitCode.NOT_FOUND, name, "no such VM to watch", f"VMs that run here: {running}")]
    if not domain.running:
        why = "is off: a VM is watched while it runs"
        return [], [objection(ExitCode.REFUSED, name, why, f"virsh start {name}")]
    return _vfs_of(name, domain, host, pf)


def _vfs_of(name: str, domain: DomainInfo, host: Host, pf: PciDevice | None) -> tuple[list[WatchedVf], list[Objection]]:
    """The VFs of a running domain that belong to the card."""
    held = [d for d in (host.device(address) for address in domain.hostdevs) if d is not None and d.physfn is not None]
    if not held:
        others = ", ".join(map(str, domain.hostdevs)) or "none"
        why = f"has no virtual function (PCI functions it holds: {others}), so the card gives it no frames to copy"
        return [], [objection(ExitCode.REFUSED, name, why, "give it a VF of the card as a hostdev")]
    if pf is None:
        return [], []
    here = [d.address for d in held if d.physfn == pf.address]
    if not here:
        return [], [_elsewhere(name, held, host, pf)]
    vfs = pf.sriov.vfs if pf.sriov is not None else ()
    unknown = [address for address in here if address not in vfs]
    if unknown:
        why = f"holds VF {unknown[0]}, but {pf.address} does not say which number it has"
        return [], [objection(ExitCode.NOT_CAPABLE, name, why, "probe the running host (virtfn links of the PF)")]
    return [WatchedVf(name, address, vfs.index(address)) for address in here], []


def _elsewhere(name: str, held: list[PciDevice], host: Host, pf: PciDevice) -> Objection:
    places = ", ".join(f"{d.address} of {_card(host, d.physfn)}" for d in held)
    why = f"is on another card: it holds VF {places}, and a card copies only its own frames; this one is {pf.address}"
    return objection(ExitCode.REFUSED, name, why, f"set network.pf: {_card(host, held[0].physfn)}")


def _card(host: Host, pf: PciAddress | None) -> str:
    """A PF as a spec would name it."""
    names = sorted(i.name for i in host.interfaces if i.pci == pf)
    return names[0] if names else str(pf)


def _advice(request: Request, host: Host) -> tuple[Advice, ...]:
    probes = [d.name for d in host.deployments if d.receive_all_pf is not None and d.condition != LOST]
    notes = [advice.watched_receives_all(name) for name in request.watch if name in probes]
    watched = advice.watched_vms(request.watch, request.engine.kind)
    return (watched, share_advice(len(request.watch)), *notes)
