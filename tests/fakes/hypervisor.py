"""A libvirt that keeps definitions and knows in which order they may be used."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hpcapvf.host.hypervisor import block_devices_of, hostdevs_of, pinned_cpus_of
from hpcapvf.model.address import Mac
from hpcapvf.model.errors import NotFound, StepFailed
from hpcapvf.model.host import DomainInfo
from tests.fakes.faults import Faults
from tests.fakes.kernel import FakeKernel

_UUID = re.compile(r"<uuid>([^<]+)</uuid>")
_NAME = re.compile(r"<name>([^<]+)</name>")


@dataclass
class _Domain:
    xml: str
    uuid: str
    running: bool = False


class FakeHypervisor:
    """networks: name to active. shuts_down: whether guests heed the power button. address: what guests lease."""

    def __init__(self, kernel: FakeKernel, faults: Faults) -> None:
        self.networks: dict[str, bool] = {"default": False}
        self.shuts_down = True
        self.address: str | None = "192.168.122.10"
        self._kernel = kernel
        self._faults = faults
        self._domains: dict[str, _Domain] = {}

    def domains(self) -> tuple[DomainInfo, ...]:
        """All of them."""
        return tuple(
            DomainInfo(
                name,
                domain.uuid,
                domain.running,
                hostdevs_of(domain.xml),
                pinned_cpus_of(domain.xml),
                block_devices_of(domain.xml),
            )
            for name, domain in sorted(self._domains.items())
        )

    def define(self, xml: str) -> None:
        """A redefinition must have the same UUID."""
        name, uuid = _NAME.search(xml), _UUID.search(xml)
        if name is None or uuid is None:
            raise StepFailed("libvirt could not define the domain: XML without name or uuid")
        with self._faults.effect("hypervisor", f"define {name[1]}"):
            hostdevs_of(xml)
            old = self._domains.get(name[1])
            if old and old.uuid != uuid[1]:
                raise StepFailed(f"libvirt could not define the domain: {name[1]} already exists with another uuid")
            self._domains[name[1]] = _Domain(xml, uuid[1], running=bool(old and old.running))

    def xml(self, name: str) -> str | None:
        """The definition."""
        domain = self._domains.get(name)
        return domain.xml if domain else None

    def undefine(self, name: str) -> None:
        """Refused while it runs."""
        with self._faults.effect("hypervisor", f"undefine {name}"):
            domain = self._domains.get(name)
            if domain and domain.running:
                raise StepFailed(f"domain {name} still runs")
            self._domains.pop(name, None)

    def start(self, name: str) -> None:
        """Needs its functions on vfio-pci, and takes them; each VF gets a function-level reset."""
        with self._faults.effect("hypervisor", f"start {name}"):
            domain = self._wanted(name)
            if domain.running:
                return
            hostdevs = [str(address) for address in hostdevs_of(domain.xml)]
            for address in hostdevs:
                if self._kernel.driver(address) != "vfio-pci":
                    raise StepFailed(f"libvirt could not start domain {name}: {address} is not bound to vfio-pci")
                if address in self._kernel.held:
                    raise StepFailed(f"libvirt could not start domain {name}: {address} is in use")
            self._check_network(domain, name)
            self._kernel.held |= set(hostdevs)
            domain.running = True
            for address in hostdevs:
                self._kernel.reset(address)

    def stop(self, name: str, timeout_s: float) -> bool:
        """By itself if the guest heeds the power button and is given time."""
        with self._faults.effect("hypervisor", f"stop {name}"):
            domain = self._domains.get(name)
            if domain is None or not domain.running:
                return True
            domain.running = False
            self._kernel.held -= {str(address) for address in hostdevs_of(domain.xml)}
            return self.shuts_down and timeout_s > 0

    def reboot(self) -> None:
        """Definitions stay; nothing runs, no network starts by itself."""
        for domain in self._domains.values():
            domain.running = False
        self.networks = dict.fromkeys(self.networks, False)

    def network_active(self, name: str) -> bool | None:
        """None if there is none."""
        return self.networks.get(name)

    def set_network_active(self, name: str, active: bool) -> None:
        """Start or stop."""
        with self._faults.effect("hypervisor", f"network {name} {'on' if active else 'off'}"):
            if name not in self.networks:
                raise NotFound(f"libvirt has no network named {name}")
            self.networks[name] = active

    def guest_address(self, name: str, mac: Mac) -> str | None:
        """Only of a running domain that has this MAC in its definition."""
        domain = self._domains.get(name)
        return self.address if domain and domain.running and str(mac) in domain.xml else None

    def cpu_counts(self, name: str) -> dict[int, dict[str, int]]:
        """Nobody counts here."""
        return {}

    def _wanted(self, name: str) -> _Domain:
        if name not in self._domains:
            raise NotFound(f"libvirt has no domain named {name}")
        return self._domains[name]

    def _check_network(self, domain: _Domain, name: str) -> None:
        for network in re.findall(r"<source network=['\"]([^'\"]+)['\"]", domain.xml):
            if not self.networks.get(network):
                raise StepFailed(f"libvirt could not start domain {name}: network '{network}' is not active")
