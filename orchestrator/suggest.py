"""A spec for a host, from its inventory alone. The demo and the tests use it; so can a user who begins."""

from __future__ import annotations

from hpcapvf.model.errors import NotCapable
from hpcapvf.model.host import BlockDevice, Host, NetInterface, PciDevice

_GUEST = """\
version: 1
guest:
  name: {name}
  image: {image}
  vcpus: 2
  memory_mib: 1024
  boot_timeout_s: 900  # an emulated guest takes minutes
"""
_SPEC = (
    _GUEST
    + """\
network:
  pf: {pf}          # {pf_address}, {pf_vfs} VFs possible
  vfs: {vfs}
  receive: all
storage:
  mode: passthrough
  controller: {controller}  # {disks}
engine:
  idle_max_us: 20000  # naps of 1 ms keep an emulated CPU busy; on a real one leave the default
"""
)
_MONITOR_SPEC = (
    _GUEST
    + """\
network:
  pf: {pf}  # the card that the watched VM has its VF on
watch: [{watch}]
storage:
  mode: guest-disk
engine:
  file_mib: 256
  idle_max_us: 20000  # naps of 1 ms keep an emulated CPU busy; on a real one leave the default
"""
)
MONITOR_SPEC_EXAMPLE = _MONITOR_SPEC.format(
    name="agent1", image="/var/lib/libvirt/images/guest.qcow2", pf="enp5s0", watch="web1"
)


def suggest_monitor_spec(host: Host, *, name: str, image: str, watch: str = "") -> str:
    """YAML that deploys a monitoring agent for a running VM with a VF; watch: its name, "" for the first that fits.

    NotCapable if no VM fits.
    """
    for domain in host.domains or ():
        vfs = [d for d in (host.device(address) for address in domain.hostdevs) if d is not None and d.physfn]
        if vfs and domain.running and watch in ("", domain.name):
            pf = vfs[0].physfn
            card = next((i.name for i in host.interfaces if i.pci == pf), str(pf))
            return _MONITOR_SPEC.format(name=name, image=image, pf=card, watch=domain.name)
    raise NotCapable(
        f"no VM to watch: {watch or 'none'} runs with a virtual function", hint="`hpcapvf probe` lists the domains"
    )


def suggest_spec(host: Host, *, name: str, image: str, vfs: int = 1) -> str:
    """YAML that deploys a probe with the first fitting card and controller; vfs: more than one leave room for agents.

    NotCapable names what is missing.
    """
    interface, pf = _fitting_card(host)
    controller, disks = _fitting_controller(host)
    sriov = pf.sriov
    return _SPEC.format(
        name=name,
        image=image,
        pf=interface.name,
        pf_address=pf.address,
        vfs=vfs,
        pf_vfs=sriov.total_vfs if sriov is not None else 0,
        controller=controller.address,
        disks=f"{len(disks)} disks: {' '.join(disk.name for disk in disks)}",
    )


def _fitting_card(host: Host) -> tuple[NetInterface, PciDevice]:
    for interface in host.interfaces:
        device = host.device(interface.pci) if interface.pci is not None else None
        free = interface.default_route is False and interface.master is None
        if device is not None and device.sriov is not None and device.sriov.total_vfs > 0 and free:
            return interface, device
    raise NotCapable(
        "no network card for a probe: none has SR-IOV without carrying the default route",
        hint="`hpcapvf probe` lists the cards",
    )


def _fitting_controller(host: Host) -> tuple[PciDevice, tuple[BlockDevice, ...]]:
    for device in host.pci:
        disks = tuple(disk for disk in host.disks if disk.controller == device.address)
        if len(disks) > 1 and all(disk.in_use == () for disk in disks):
            return device, disks
    raise NotCapable(
        "no storage controller for a probe: none has two or more disks of which none is in use",
        hint="`hpcapvf probe` lists controllers and what holds their disks",
    )
