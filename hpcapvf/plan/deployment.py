"""Host and Request to the Plan of a probe or monitoring agent, to a Refusal, or to "nothing to do"."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import Any

from hpcapvf.model import paths
from hpcapvf.model.address import Mac, PciAddress
from hpcapvf.model.host import Host, PciDevice
from hpcapvf.model.plan import Advice, Placement, Plan, Refusal, Unchanged
from hpcapvf.model.request import Request
from hpcapvf.model.steps import (
    BindDriver,
    DefineDomain,
    HoldFunction,
    HoldPort,
    InstallDriver,
    KeepClock,
    MakeDisk,
    MakeSeed,
    ReserveHugepages,
    SetAutoprobe,
    SetLink,
    SetModuleParameter,
    SetNumVfs,
    SetOffloads,
    SetPause,
    SetVfMac,
    StartCapture,
    StartDomain,
    StartNetwork,
    Step,
    UseInterface,
    WaitGuest,
)
from hpcapvf.nic.devices import family_named, pf_family
from hpcapvf.plan.advice import NEVER_SEEN
from hpcapvf.plan.backends import Ways, choose_ways
from hpcapvf.plan.budget import Budget, budget_of, rounds
from hpcapvf.plan.choice import Choice, Objection
from hpcapvf.plan.copies import before_guest, for_agent, for_probe, representor_objections
from hpcapvf.plan.devices import companions
from hpcapvf.plan.facts import facts_of
from hpcapvf.plan.guards import NO_FORCE, Force, forced_advice, lifted, refusal, standing, unneeded_advice
from hpcapvf.plan.link import Link, choose_link, find_card, needs_copies
from hpcapvf.plan.placement import choose_placement, choose_shared_placement, controller_advice
from hpcapvf.plan.platform import check_name, check_platform, choose_image
from hpcapvf.plan.storage import Storage, choose_storage
from hpcapvf.plan.watch import Watched, choose_watched
from hpcapvf.plan.whole_card import choose_whole_card

# As `ethtool -k` names them; the four that thesis appendix A.2.1 switches off.
ALTERING_OFFLOADS = (
    "tcp-segmentation-offload",
    "generic-segmentation-offload",
    "generic-receive-offload",
    "large-receive-offload",
)
# Beside testpmd's buffers: its rings, what it writes about itself, and dumpcap's own buffers.
_DPDK_OVERHEAD_MIB = 64
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "hpcapvf:domain")


@dataclass(frozen=True)
class _Parts:
    """Everything chosen, nothing in doubt."""

    link: Link
    watched: Watched
    ways: Ways | None
    storage: Storage
    placement: Placement
    image_sha256: str
    domain_type: str
    warnings: tuple[Advice, ...]
    forced: tuple[str, ...]
    along: tuple[PciAddress, ...]


def plan_deployment(
    request: Request, host: Host, spec_sha256: str, force: Force = NO_FORCE
) -> Plan | Refusal | Unchanged:
    """A plan for the request on this host: of a probe or, with ``request.watch``, of a monitoring agent.

    force: names of guards that are lifted (``guards.FORCEABLE``). Pure: the same inputs, in any order, give the same
    answer. All reasons against a plan are collected, but a name that is taken stands alone. The Plan's rendered texts
    (domain XML, cloud-init, units) are empty until ``hpcapvf.domain.complete_plan`` fills them.
    """
    name = check_name(request, host, spec_sha256)
    if isinstance(name, Unchanged):
        return name
    if name:  # what else stands in the way is likely that deployment's own: its VF, its disks, its memory
        return refusal(name)
    platform = check_platform(host)
    image = choose_image(request, host)
    card = find_card(request.network.card, host)
    link = _choose_link(request, host, card.value, force)
    watched: Choice[Watched] = choose_watched(request, host, card.value) if request.watch else Choice(())
    budget = _budget(host, card.value, link.value, watched.value)
    ways = _choose_ways(request, host, card.value, budget)
    storage = choose_storage(request, host, force)
    choose = choose_shared_placement if request.watch else choose_placement
    placement = choose(request, host, card.value)
    objections: tuple[Objection, ...] = (
        *card.objections,
        *link.objections,
        *watched.objections,
        *storage.objections,
        *platform.objections,
        *ways.objections,
        *representor_objections(ways.value, link.value, watched.value or (), host),
        *image.objections,
        *placement.objections,
    )
    if against := standing(objections, force):
        return refusal(against)
    without_value = watched.value is None or storage.value is None
    if without_value or not (storage.value and link.value and placement.value and image.value and platform.value):
        raise AssertionError("a choice without a value must carry an objection")
    forced = lifted(objections, force)
    guards = tuple(sorted({o.reason.guard for o in forced}))
    chosen: tuple[Choice[Any], ...] = (platform, ways, link, watched, storage, placement)
    advice = (
        *(note for choice in chosen for note in choice.advice),
        *controller_advice(storage.value.controller, placement.value),
    )
    parts = _Parts(
        link=link.value,
        watched=watched.value or (),
        ways=ways.value,
        storage=storage.value,
        placement=placement.value,
        image_sha256=image.value,
        domain_type=platform.value,
        warnings=(*forced_advice(forced), *unneeded_advice(force, guards), *advice),
        forced=guards,
        along=_along(host, link.value, storage.value.controller),
    )
    return _assemble(request, host, spec_sha256, parts)


def _choose_link(request: Request, host: Host, card: PciDevice | None, force: Force) -> Choice[Link]:
    if card is None:
        return Choice(None)
    if request.network.mode == "passthrough":
        return choose_whole_card(host, card, force)
    return choose_link(request, host, card, force)


def _budget(host: Host, card: PciDevice | None, link: Link | None, watched: Watched | None) -> Budget | None:
    """Of an agent whose VF and whose watched VFs are known."""
    if card is None or link is None or link.vf_index is None or not watched:
        return None
    return budget_of(host, card, tuple(w.pool for w in watched), link.vf_index)


def _choose_ways(request: Request, host: Host, card: PciDevice | None, budget: Budget | None) -> Choice[Ways]:
    if card is None or not needs_copies(request):
        return Choice(None)
    ways = choose_ways(request, host, card, pf_family(card.vendor, card.device), budget)
    return replace(ways, objections=(*ways.objections, *(rounds(budget) if budget else ())))


def _assemble(request: Request, host: Host, spec_sha256: str, parts: _Parts) -> Plan:
    dpdk = request.network.generator == "dpdk"
    names = (host.hostname or "", request.name)
    link, placement = parts.link, parts.placement
    management_mac = Mac.derived("management", *names)
    own_mac = next((i.mac for i in host.interfaces if i.pci == link.function), None) if link.vf_index is None else None
    mac = own_mac or Mac.derived("vf", *names)
    domain_uuid = str(uuid.uuid5(_NAMESPACE, "\0".join(names)))
    steps = (
        *(_dpdk_steps(request, link, placement) if dpdk else _link_steps(link, mac, shared=bool(request.watch))),
        *before_guest(parts.ways, link),
        ReserveHugepages(placement.node, placement.hugepage_kib, placement.hugepages),
        BindDriver(link.function, "vfio-pci"),
        *parts.storage.host_steps,
        *(BindDriver(address, "vfio-pci") for address in parts.along),
        *_guest_steps(request, parts.image_sha256, domain_uuid, management_mac),
        *(_monitor_steps(request, parts, mac, host) if request.watch else _capture_steps(request, parts)),
    )
    plan = Plan(
        request=request,
        spec_sha256=spec_sha256,
        pf=link.pf.address,
        pf_interface=link.interface,
        family=link.family,
        function=link.function,
        vf_index=link.vf_index,
        function_mac=mac,
        management_mac=management_mac,
        controller=parts.storage.passed,
        placement=placement,
        domain_uuid=domain_uuid,
        steps=steps,
        warnings=parts.warnings,
        never_seen=NEVER_SEEN,
        domain_type=parts.domain_type,
        forced=parts.forced,
        block_devices=parts.storage.block_devices,
        backends=parts.ways.candidates if parts.ways else (),
    )
    return replace(plan, facts=facts_of(plan, host))


def _along(host: Host, link: Link, controller: PciDevice | None) -> tuple[PciAddress, ...]:
    """What must leave its driver because it is in the IOMMU group of what the guest gets; empty unless forced."""
    passed = [device for device in (host.device(link.function), controller) if device is not None]
    along = {address for device in passed for address in companions(host, device)}
    return tuple(sorted(along - {device.address for device in passed}))


def _link_steps(link: Link, vf_mac: Mac, *, shared: bool) -> tuple[Step, ...]:
    """The PF is up before its VFs are made: a PF that is down never answers their mailbox.

    generator dpdk: ``_dpdk_steps`` instead.
    shared: others use the card, so nothing of it as a whole is changed (a change of pause frames resets the card).
    A PF that goes to the guest is put down first, so that undoing brings its link up again once the driver is back.
    """
    if link.vf_index is None:
        return (SetLink(link.interface, up=False),) if link.interface else ()
    if shared:
        return SetLink(link.interface, up=True), SetVfMac(link.interface, link.vf_index, vf_mac)
    steps: list[Step] = [
        SetLink(link.interface, up=True),
        SetPause(link.interface, rx=False, tx=False),
        SetOffloads(link.interface, ALTERING_OFFLOADS),
    ]
    if link.make_vfs:
        steps += [SetAutoprobe(link.pf.address, enabled=False), SetNumVfs(link.pf.address, link.make_vfs)]
    return (*steps, SetVfMac(link.interface, link.vf_index, vf_mac))


def _dpdk_steps(request: Request, link: Link, placement: Placement) -> tuple[Step, ...]:
    """The PF leaves its kernel driver, and testpmd answers its VFs, which vfio-pci keeps for itself when it makes them.

    testpmd forwards nothing, so the guest's emulator may share its CPUs with it.
    """
    token, pf = paths.token_path(request.name), link.pf.address
    return (
        SetLink(link.interface, up=False),
        SetModuleParameter("vfio_pci", "enable_sriov", "Y"),
        BindDriver(pf, "vfio-pci"),
        SetNumVfs(pf, link.make_vfs),
        HoldPort(pf, request.name, token, placement.emulator_pins),
    )


def _guest_steps(request: Request, image_sha256: str, domain_uuid: str, management_mac: Mac) -> tuple[Step, ...]:
    name, guest = request.name, request.guest
    key = paths.key_path(name)
    token = paths.token_path(name) if request.network.generator == "dpdk" else ""
    return (
        StartNetwork(guest.network),
        MakeDisk(paths.disk_path(name), guest.image, image_sha256, guest.disk_gib),
        MakeSeed(paths.seed_path(name), key, user_data="", meta_data="", network_config=""),
        DefineDomain(name, domain_uuid, xml="", token_path=token),
        StartDomain(name),
        WaitGuest(name, management_mac, guest.user, key, guest.boot_timeout_s),
        KeepClock(name),
    )


def _capture_steps(request: Request, parts: _Parts) -> tuple[Step, ...]:
    """Registers come after the guest driver's handshake, what cannot be undone as late as possible.

    A stock driver shakes hands when its interface goes up, which the capture service does.
    """
    link, placement = parts.link, parts.placement
    registers = for_probe(request.name, parts.ways, link)
    attach, capture = _attach(request, link, placement), _start_capture(request, placement)
    if isinstance(attach, UseInterface):
        return (attach, *parts.storage.guest_steps, capture, *registers)
    return (attach, *registers, *parts.storage.guest_steps, capture)


def _monitor_steps(request: Request, parts: _Parts, vf_mac: Mac, host: Host) -> tuple[Step, ...]:
    """Traffic is copied only when it is stored, and is no longer copied before anything else is taken away."""
    if parts.ways is None:
        raise AssertionError("an agent is given copies in some way, or there is an objection")
    return (
        _attach(request, parts.link, parts.placement),
        *parts.storage.guest_steps,
        _start_capture(request, parts.placement),
        *for_agent(request, parts.ways, parts.link, vf_mac=vf_mac, watched=parts.watched, host=host),
    )


def _attach(request: Request, link: Link, placement: Placement) -> InstallDriver | UseInterface | HoldFunction:
    """Our driver takes a VF by itself, and of a whole card what its driver receives; tcpdump takes that too, and DPDK
    the function as it is."""
    if request.engine.kind == "tcpdump":
        return UseInterface(request.name, link.vendor, link.device)
    if request.engine.kind == "dpdk":
        memory_mib = request.engine.ring_mib + _DPDK_OVERHEAD_MIB
        return HoldFunction(request.name, link.vendor, link.device, memory_mib, placement.polling_vcpu, unit="")
    family = family_named(link.family)
    by_interface, cpu = link.vf_index is None or not (family and family.own_driver), placement.polling_vcpu
    return InstallDriver(request.name, link.vendor, link.device, cpu, modprobe_conf="", by_interface=by_interface)


def _start_capture(request: Request, placement: Placement) -> StartCapture:
    directory = request.storage.capture_directory
    return StartCapture(request.name, directory, placement.reader_vcpu, unit="", engine=request.engine.kind)
