"""The capture side of mode ``passthrough``: the whole physical function goes to the guest (thesis section 6.2.2)."""

from __future__ import annotations

from hpcapvf.model.errors import ExitCode
from hpcapvf.model.host import Host, PciDevice
from hpcapvf.nic.devices import pf_family
from hpcapvf.plan.choice import Choice, Objection, objection
from hpcapvf.plan.devices import group_objections, holder, holder_objection, interface_objections
from hpcapvf.plan.guards import Force, lifted, standing
from hpcapvf.plan.link import Link, interfaces_of

_NETWORK_CLASS = 0x02


def choose_whole_card(host: Host, pf: PciDevice, force: Force) -> Choice[Link]:
    """The PF itself, or every reason why it cannot be taken from the host. Any network card will do."""
    objections = _card_objections(host, pf, force)
    interfaces = interfaces_of(host, pf)
    objections += [o for interface in interfaces for o in interface_objections(interface)]
    if standing(objections, force):
        return Choice(None, tuple(objections))
    name = interfaces[0].name if interfaces else ""
    family = pf_family(pf.vendor, pf.device)
    known = family.name if family else ""
    link = Link(pf, name, known, pf.address, pf.vendor, pf.device, vf_index=None, make_vfs=0)
    return Choice(link, lifted(objections, force))


def _card_objections(host: Host, pf: PciDevice, force: Force) -> list[Objection]:
    if pf.class_code >> 16 != _NETWORK_CLASS:
        why = f"is no network card (class {pf.class_code:06x})"
        return [objection(ExitCode.NOT_CAPABLE, pf.address, why, "set network.pf to one")]
    if pf.physfn is not None:
        hint = f"name the physical function {pf.physfn}, with network.mode: vf for one of its VFs"
        return [objection(ExitCode.NOT_CAPABLE, pf.address, "is itself a virtual function", hint)]
    found: list[Objection] = []
    if pf.sriov is not None and pf.sriov.num_vfs:
        why = f"has {pf.sriov.num_vfs} VF(s), which would vanish with it"
        hint = f"free them and write 0 to /sys/bus/pci/devices/{pf.address}/sriov_numvfs, or set network.mode: vf"
        found.append(objection(ExitCode.REFUSED, pf.address, why, hint))
    domain = holder(host, pf.address)
    if domain is not None:
        found.append(holder_objection(domain, pf.address, "vf-in-use"))
    return [*found, *group_objections(host, pf, force)]
