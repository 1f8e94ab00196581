"""The local libvirt. The library is imported when it is first needed: probing a recorded tree works without it."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable, Iterator
from typing import Any, Concatenate, ParamSpec, TypeVar
from xml.etree import ElementTree

from hpcapvf.host.bindings import binding
from hpcapvf.host.protocols import Clock
from hpcapvf.host.spinning import counts_of
from hpcapvf.model.address import CpuSet, Mac, PciAddress
from hpcapvf.model.errors import HpcapvfError, NotCapable, NotFound, StepFailed
from hpcapvf.model.host import DomainInfo

P = ParamSpec("P")
T = TypeVar("T")

_URI = "qemu:///system"
_POLL_S = 1.0
_BACK_AGAIN_S = 60.0

_HINTS = (
    (r"Failed to connect socket|Connection refused", "start libvirt: systemctl start libvirtd"),
    (r"authentication (unavailable|failed)|access denied", "run as root, or as a member of the group libvirt"),
    (r"network '[^']*' is not active", "start it: virsh net-start NAME"),
    (r"vfio.*group .* (is )?not viable", "bind every function of the IOMMU group to vfio-pci"),
    (r"not supported by the host|KVM is not available|could not find capabilities", "is /dev/kvm there? load kvm_intel "
     "or kvm_amd, and allow virtualisation in the firmware"),
    (r"[Cc]annot allocate memory|unable to map backing store for guest RAM", "too few free hugepages on the node"),
    (r"[Pp]ermission denied", "libvirt's QEMU user must be able to read it: keep files in /var/lib/libvirt/images"),
    (r"vfio.*(Device or resource busy|in use)|is in use by driver", "another VM holds this PCI device"),
    (r"already exists|already defined", "another definition has this name or UUID: virsh list --all"),
)  # fmt: skip

# QEMU names the option that it fails with, values and all: --device {"driver":"vfio-pci",...,"vf-token":"..."}.
_TOKEN = re.compile(r"(vf[-_]token\W{1,8})[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class _ConnectionLost(StepFailed):
    """libvirt hung up in the middle of something."""

    def __init__(self, doing: str, message: str) -> None:
        super().__init__(f"libvirt hung up when asked to {doing}: {message}", hint="is libvirtd running?")
        self.doing = doing


def _again_if_lost(
    method: Callable[Concatenate[LibvirtHypervisor, P], T],
) -> Callable[Concatenate[LibvirtHypervisor, P], T]:
    """Ask the same once more of a libvirt that was started anew."""

    @functools.wraps(method)
    def asked(self: LibvirtHypervisor, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(self, *args, **kwargs)
        except _ConnectionLost as lost:
            self._reconnect(lost)
            return method(self, *args, **kwargs)

    return asked


class LibvirtHypervisor:
    """Domains and networks of ``qemu:///system``.

    One connection, made at the first use. If it is lost in mid-way (libvirt restarts; guests go on), the same is asked
    again once libvirt is back, for which it has a minute. Everything asked may be asked twice.
    """

    def __init__(self, clock: Clock, uri: str = _URI) -> None:
        self._clock = clock
        self._uri = uri
        self._connection: Any = None

    @_again_if_lost
    def domains(self) -> tuple[DomainInfo, ...]:
        """All domains, running or not, by name."""
        with self._talking("list domains") as connection:
            found = [_domain_info(domain) for domain in connection.listAllDomains()]
        return tuple(sorted(found, key=lambda info: info.name))

    @_again_if_lost
    def define(self, xml: str) -> None:
        """Define a persistent domain; the XML is validated against libvirt's schema."""
        with self._talking("define the domain") as connection:
            connection.defineXMLFlags(xml, _libvirt().VIR_DOMAIN_DEFINE_VALIDATE)

    @_again_if_lost
    def xml(self, name: str) -> str | None:
        """The persistent definition, or None if there is no such domain."""
        libvirt = _libvirt()
        with self._talking(f"read the definition of domain {name}") as connection:
            domain = _domain(connection, name)
            if domain is None:
                return None
            flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
            return str(domain.XMLDesc(flags))

    @_again_if_lost
    def undefine(self, name: str) -> None:
        """Remove a definition with its NVRAM and managed save; nothing happens if there is none."""
        libvirt = _libvirt()
        with self._talking(f"undefine domain {name}") as connection:
            domain = _domain(connection, name)
            if domain is None:
                return
            if domain.isActive():
                raise StepFailed(f"domain {name} still runs", hint="stop it first")
            flags = libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
            if "<nvram" in str(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)):
                flags |= libvirt.VIR_DOMAIN_UNDEFINE_NVRAM  # not every driver knows this flag
            domain.undefineFlags(flags)

    @_again_if_lost
    def start(self, name: str) -> None:
        """Start a defined domain; nothing happens if it runs."""
        with self._talking(f"start domain {name}") as connection:
            domain = _wanted(_domain(connection, name), "domain", name)
            if not domain.isActive():
                domain.create()

    @_again_if_lost
    def stop(self, name: str, timeout_s: float) -> bool:
        """Press the power button, wait, switch off after the deadline. True if it went by itself or was off."""
        deadline = self._clock.monotonic() + timeout_s
        with self._talking(f"stop domain {name}") as connection:
            domain = _domain(connection, name)
            if domain is None or not domain.isActive():
                return True
            if timeout_s > 0:
                self._press_power_button(domain)
            while self._clock.monotonic() < deadline:
                if not domain.isActive():
                    return True
                self._clock.sleep(_POLL_S)
            if not domain.isActive():
                return True
            domain.destroy()
            return False

    @_again_if_lost
    def network_active(self, name: str) -> bool | None:
        """Whether a network is active; None if there is none of that name."""
        with self._talking(f"look at network {name}") as connection:
            network = _network(connection, name)
            return None if network is None else bool(network.isActive())

    @_again_if_lost
    def set_network_active(self, name: str, active: bool) -> None:
        """Start or stop a network; nothing happens if it is so already."""
        with self._talking(f"{'start' if active else 'stop'} network {name}") as connection:
            network = _wanted(_network(connection, name), "network", name)
            if bool(network.isActive()) == active:
                return
            if active:
                network.create()
            else:
                network.destroy()

    @_again_if_lost
    def guest_address(self, name: str, mac: Mac) -> str | None:
        """The IPv4 (else IPv6) address leased to the guest's interface with this MAC, or None for now."""
        libvirt = _libvirt()
        with self._talking(f"read the leases of domain {name}") as connection:
            domain = _domain(connection, name)
            if domain is None or not domain.isActive():
                return None
            leases = domain.interfaceAddresses(libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE, 0)
        return address_of(leases, mac)

    @_again_if_lost
    def cpu_counts(self, name: str) -> dict[int, dict[str, int]]:
        """Virtual CPU → what KVM counted of it; empty if the domain is off or its QEMU tells nothing (before 7.1)."""
        with self._talking(f"read the counters of domain {name}") as connection:
            domain = _domain(connection, name)
            if domain is None or not domain.isActive():
                return {}
            ((_, stats),) = connection.domainListGetStats([domain], _libvirt().VIR_DOMAIN_STATS_VCPU)
        return counts_of(stats)

    @staticmethod
    def _press_power_button(domain: Any) -> None:
        libvirt = _libvirt()
        with contextlib.suppress(libvirt.libvirtError):  # no ACPI yet (still booting) is no reason to give up
            domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)

    @contextlib.contextmanager
    def _talking(self, doing: str) -> Iterator[Any]:
        libvirt = _libvirt()
        try:
            if self._connection is None:
                self._connection = libvirt.open(self._uri)
            yield self._connection
        except libvirt.libvirtError as error:
            if self._connection is not None and not self._is_alive():
                raise _ConnectionLost(doing, _without_token(str(error))) from error
            raise _explained(doing, _without_token(str(error))) from error

    def _is_alive(self) -> bool:
        try:
            return bool(self._connection.isAlive())
        except _libvirt().libvirtError:
            return False

    def _reconnect(self, lost: _ConnectionLost) -> None:
        """Wait for libvirt to be back; after a minute no other call waits for it again."""
        libvirt = _libvirt()
        self._connection = None
        deadline = self._clock.monotonic() + _BACK_AGAIN_S
        while True:
            try:
                self._connection = libvirt.open(self._uri)
                return
            except libvirt.libvirtError as error:
                if self._clock.monotonic() >= deadline:
                    raise NotCapable(
                        f"libvirt went away while it was asked to {lost.doing}, and was not back after "
                        f"{_BACK_AGAIN_S:g} s: {error}",
                        hint="start it (systemctl start libvirtd), then run `hpcapvf recover`: it goes on from the "
                        "journal",
                    ) from error
            self._clock.sleep(_POLL_S)


def address_of(leases: dict[str, Any] | None, mac: Mac) -> str | None:
    """Pick a MAC's address out of what libvirt answers: {interface: {hwaddr, addrs: [{addr, type}]}}."""
    found: list[tuple[int, str]] = []
    for interface in (leases or {}).values():
        try:
            same = Mac.parse(interface.get("hwaddr") or "") == mac
        except ValueError:
            continue
        if same:
            found += [(int(a.get("type", 0)), str(a["addr"])) for a in interface.get("addrs") or []]
    return min(found)[1] if found else None  # type 0 is IPv4, 1 is IPv6


def hostdevs_of(xml: str) -> tuple[PciAddress, ...]:
    """The PCI functions that a domain's definition takes, sorted. ValueError if the XML cannot be read."""
    tree = _parsed(xml)
    places = tree.findall("./devices/hostdev[@type='pci']/source/address")
    places += tree.findall("./devices/interface[@type='hostdev']/source/address")
    return tuple(sorted(_pci_address(place) for place in places))


def pinned_cpus_of(xml: str) -> CpuSet:
    """The host CPUs that a domain's vCPUs are pinned to, and its IO threads where QEMU's other threads do not run.

    ValueError if the XML cannot be read.
    """
    tune = _parsed(xml)

    def cpus(of: str) -> CpuSet:
        pins = tune.findall(f"./cputune/{of}")
        return CpuSet.of(cpu for pin in pins for cpu in CpuSet.parse(pin.get("cpuset") or ""))

    return cpus("vcpupin") | (cpus("iothreadpin") - cpus("emulatorpin"))


def block_devices_of(xml: str) -> tuple[str, ...]:
    """The host's block devices that a domain's definition takes, sorted. ValueError if the XML cannot be read."""
    sources = _parsed(xml).findall("./devices/disk[@type='block']/source")
    return tuple(sorted(path for source in sources if (path := source.get("dev"))))


def _parsed(xml: str) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(xml)  # noqa: S314 - libvirt's own output: it has no entities
    except ElementTree.ParseError as error:
        raise ValueError(f"not XML: {error}") from None


def _pci_address(place: ElementTree.Element) -> PciAddress:
    numbers = [int(place.get(key) or "0", 0) for key in ("domain", "bus", "slot", "function")]
    return PciAddress(*numbers)


def _domain_info(domain: Any) -> DomainInfo:
    xml = str(domain.XMLDesc(0))
    return DomainInfo(
        name=str(domain.name()),
        uuid=str(domain.UUIDString()),
        running=bool(domain.isActive()),
        hostdevs=hostdevs_of(xml),
        pinned=pinned_cpus_of(xml),
        block_devices=block_devices_of(xml),
    )


def _domain(connection: Any, name: str) -> Any:
    return next((d for d in connection.listAllDomains() if d.name() == name), None)


def _network(connection: Any, name: str) -> Any:
    return next((n for n in connection.listAllNetworks() if n.name() == name), None)


def _wanted(thing: Any, what: str, name: str) -> Any:
    if thing is None:
        raise NotFound(
            f"libvirt has no {what} named {name}", hint=f"virsh {'net-' if what == 'network' else ''}list --all"
        )
    return thing


def _without_token(message: str) -> str:
    """What libvirt passes on of QEMU's words, without the token of a VF that DPDK made."""
    return _TOKEN.sub(r"\1(hidden)", message)


def _explained(doing: str, message: str) -> HpcapvfError:
    hint = next((text for pattern, text in _HINTS if re.search(pattern, message)), "see /var/log/libvirt/qemu/")
    kind = NotCapable if "Failed to connect" in message else StepFailed
    return kind(f"libvirt could not {doing}: {message}", hint=hint)


@functools.cache
def _libvirt() -> Any:
    """The library, told not to print its errors by itself."""
    libvirt = binding("libvirt")
    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    return libvirt
