"""Host and Request to the Plan of a probe or monitoring agent, to a Refusal, or to "nothing to do"."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from hpcapvf.model import paths
from hpcapvf.model.address import Mac
from hpcapvf.model.host import Host, PciDevice
from hpcapvf.model.plan import Advice, Placement, Plan, Refusal, Unchanged
from hpcapvf.model.request import Request
from hpcapvf.model.steps import (
    BindDriver,
    DefineDomain,
    InstallDriver,
    KeepClock,
    MakeDisk,
    MakeRaid,
    MakeSeed,
    ProgramReceiveAll,
    ReplicateTraffic,
    ReserveHugepages,
    SetAutoprobe,
    SetLink,
    SetNumVfs,
    SetOffloads,
    SetPause,
    SetVfMac,
    StartCapture,
    StartDomain,
    StartGuard,
    StartNetwork,
    Step,
    WaitGuest,
)
from hpcapvf.plan.advice import NEVER_SEEN
from hpcapvf.plan.choice import Choice, Objection, refusal
from hpcapvf.plan.link import Link, choose_link, find_card
from hpcapvf.plan.placement import choose_placement, choose_shared_placement, controller_advice
from hpcapvf.plan.platform import check_name, check_platform, choose_image
from hpcapvf.plan.storage import choose_controller
from hpcapvf.plan.watch import Watched, choose_watched

# As `ethtool -k` names them; the four that thesis appendix A.2.1 switches off.
ALTERING_OFFLOADS = (
    "tcp-segmentation-offload",
    "generic-segmentation-offload",
    "generic-receive-offload",
    "large-receive-offload",
)
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "hpcapvf:domain")


@dataclass(frozen=True)
class _Parts:
    """Everything chosen, nothing in doubt."""

    link: Link
    watched: Watched
    controller: PciDevice | None
    placement: Placement
    image_sha256: str
    domain_type: str
    warnings: tuple[Advice, ...]


def plan_deployment(request: Request, host: Host, spec_sha256: str) -> Plan | Refusal | Unchanged:
    """A plan for the request on this host: of a probe or, with ``request.watch``, of a monitoring agent.

    Pure: the same inputs, in any order, give the same answer. All reasons against a plan are collected, but a name
    that is taken stands alone. The Plan's rendered texts (domain XML, cloud-init, units) are empty until
    ``hpcapvf.domain.complete_plan`` fills them.
    """
    name = check_name(request, host, spec_sha256)
    if isinstance(name, Unchanged):
        return name
    if name:  # what else stands in the way is likely that deployment's own: its VF, its disks, its memory
        return refusal(name)
    platform = check_platform(request, host)
    image = choose_image(request, host)
    card = find_card(request.network.pf, host)
    link: Choice[Link] = choose_link(request, host, card.value) if card.value else Choice(None)
    watched: Choice[Watched] = choose_watched(request, host, card.value) if request.watch else Choice(())
    passthrough = request.storage.mode == "passthrough"
    controller: Choice[PciDevice] = choose_controller(request, host) if passthrough else Choice(None)
    choose = choose_shared_placement if request.watch else choose_placement
    placement = choose(request, host, card.value)
    objections: tuple[Objection, ...] = (
        *card.objections,
        *link.objections,
        *watched.objections,
        *controller.objections,
        *platform.objections,
        *image.objections,
        *placement.objections,
    )
    if objections:
        return refusal(objections)
    without_value = watched.value is None or (passthrough and controller.value is None)
    if without_value or not (link.value and placement.value and image.value and platform.value):
        raise AssertionError("a choice without a value must carry an objection")
    warnings = (
        *platform.advice,
        *link.advice,
        *watched.advice,
        *placement.advice,
        *controller_advice(controller.value, placement.value),
    )
    parts = _Parts(
        link=link.value,
        watched=watched.value or (),
        controller=controller.value,
        placement=placement.value,
        image_sha256=image.value,
        domain_type=platform.value,
        warnings=warnings,
    )
    return _assemble(request, host, spec_sha256, parts)


def _assemble(request: Request, host: Host, spec_sha256: str, parts: _Parts) -> Plan:
    names = (host.hostname or "", request.name)
    vf_mac, management_mac = Mac.derived("vf", *names), Mac.derived("management", *names)
    link, placement = parts.link, parts.placement
    controller = parts.controller.address if parts.controller else None
    domain_uuid = str(uuid.uuid5(_NAMESPACE, "\0".join(names)))
    steps = (
        *_link_steps(link, vf_mac, shared=bool(parts.watched)),
        ReserveHugepages(placement.node, placement.hugepage_kib, placement.hugepages),
        BindDriver(link.vf, "vfio-pci"),
        *([BindDriver(controller, "vfio-pci")] if controller else []),
        *_guest_steps(request, parts.image_sha256, domain_uuid, management_mac),
        *(_monitor_steps(request, parts, vf_mac) if parts.watched else _capture_steps(request, link, placement)),
    )
    return Plan(
        request=request,
        spec_sha256=spec_sha256,
        pf=link.pf.address,
        pf_interface=link.interface,
        family=link.family.name,
        vf=link.vf,
        vf_index=link.vf_index,
        vf_mac=vf_mac,
        management_mac=management_mac,
        controller=controller,
        placement=placement,
        domain_uuid=domain_uuid,
        steps=steps,
        warnings=parts.warnings,
        never_seen=NEVER_SEEN,
        domain_type=parts.domain_type,
    )


def _link_steps(link: Link, vf_mac: Mac, *, shared: bool) -> tuple[Step, ...]:
    """The PF is up before its VFs are made: a PF that is down never answers their mailbox.

    shared: others use the card, so nothing of it as a whole is changed (a change of pause frames resets the card).
    """
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


def _guest_steps(request: Request, image_sha256: str, domain_uuid: str, management_mac: Mac) -> tuple[Step, ...]:
    name, guest = request.name, request.guest
    key = paths.key_path(name)
    return (
        StartNetwork(guest.network),
        MakeDisk(paths.disk_path(name), guest.image, image_sha256, guest.disk_gib),
        MakeSeed(paths.seed_path(name), key, user_data="", meta_data="", network_config=""),
        DefineDomain(name, domain_uuid, xml=""),
        StartDomain(name),
        WaitGuest(name, management_mac, guest.user, key, guest.boot_timeout_s),
        KeepClock(name),
    )


def _capture_steps(request: Request, link: Link, placement: Placement) -> tuple[Step, ...]:
    """Registers come after the guest driver's handshake, what cannot be undone as late as possible."""
    steps: list[Step] = [_install_driver(request, link, placement)]
    if request.network.receive == "all":
        steps += [ProgramReceiveAll(link.pf.address, link.family.name, link.vf_index), StartGuard(request.name)]
    return (*steps, *_storage_steps(request), _start_capture(request, placement))


def _monitor_steps(request: Request, parts: _Parts, vf_mac: Mac) -> tuple[Step, ...]:
    """Traffic is copied only when it is stored, and is no longer copied before anything else is taken away."""
    link = parts.link
    return (
        _install_driver(request, link, parts.placement),
        *_storage_steps(request),
        _start_capture(request, parts.placement),
        ReplicateTraffic(link.pf.address, link.family.name, link.vf_index, vf_mac, parts.watched),
        StartGuard(request.name),
    )


def _install_driver(request: Request, link: Link, placement: Placement) -> InstallDriver:
    family = link.family
    return InstallDriver(request.name, family.vendor, family.vf_devices[0], placement.polling_vcpu, modprobe_conf="")


def _storage_steps(request: Request) -> tuple[Step, ...]:
    if request.storage.mode != "passthrough":
        return ()
    name, raid = request.name, request.storage.raid
    return (MakeRaid(name, name, raid.chunk_kib, raid.filesystem, raid.mount, request.wipe),)


def _start_capture(request: Request, placement: Placement) -> StartCapture:
    return StartCapture(request.name, request.storage.capture_directory, placement.reader_vcpu, unit="")
