"""The libvirt binding against libvirt's own test driver (no machine is touched), and its pure parts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hpcapvf.host.hypervisor import LibvirtHypervisor, _explained, address_of, hostdevs_of, pinned_cpus_of
from hpcapvf.model.address import CpuSet, Mac, PciAddress
from hpcapvf.model.errors import HpcapvfError, NotCapable, NotFound, StepFailed
from tests.fakes.machine import FakeClock

DOMAIN = """<domain type='test'><name>probe</name><uuid>0b7c5f0e-3a52-5d0c-9a57-6c1c3e1f8a11</uuid>
<memory unit='MiB'>64</memory><vcpu>2</vcpu><os><type>hvm</type></os>
<cputune><vcpupin vcpu='0' cpuset='2-3'/><vcpupin vcpu='1' cpuset='5'/></cputune></domain>"""
HOSTDEVS = """<domain><devices>
<hostdev mode='subsystem' type='pci' managed='no'><source>
<address domain='0x0000' bus='0x05' slot='0x10' function='0x2'/></source>
<address type='pci' domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></hostdev>
<hostdev mode='subsystem' type='usb'><source><address bus='1' device='2'/></source></hostdev>
<interface type='hostdev'><source><address type='pci' domain='0x0000' bus='0x03' slot='0x00' function='0x0'/></source>
</interface></devices></domain>"""


@pytest.fixture
def hypervisor() -> Iterator[LibvirtHypervisor]:
    pytest.importorskip("libvirt", reason="libvirt-python is not installed")
    yield LibvirtHypervisor(FakeClock(), uri="test:///default")


def test_a_domains_life(hypervisor: LibvirtHypervisor) -> None:
    assert hypervisor.xml("probe") is None
    hypervisor.define(DOMAIN)
    assert "<name>probe</name>" in (hypervisor.xml("probe") or "")
    info = next(d for d in hypervisor.domains() if d.name == "probe")
    assert (info.running, info.hostdevs, info.pinned) == (False, (), CpuSet.parse("2-3,5"))
    hypervisor.start("probe")
    hypervisor.start("probe")
    with pytest.raises(StepFailed, match="still runs"):
        hypervisor.undefine("probe")
    hypervisor.stop("probe", 5)
    assert not next(d for d in hypervisor.domains() if d.name == "probe").running
    assert hypervisor.stop("probe", 5)
    hypervisor.undefine("probe")
    hypervisor.undefine("probe")
    assert hypervisor.xml("probe") is None


def test_networks(hypervisor: LibvirtHypervisor) -> None:
    assert hypervisor.network_active("default") is True
    hypervisor.set_network_active("default", False)
    assert hypervisor.network_active("default") is False
    hypervisor.set_network_active("default", True)
    assert hypervisor.network_active("nonesuch") is None
    with pytest.raises(NotFound, match="no network named nonesuch"):
        hypervisor.set_network_active("nonesuch", True)


def test_what_is_not_there_is_named(hypervisor: LibvirtHypervisor) -> None:
    with pytest.raises(NotFound, match="nonesuch"):
        hypervisor.start("nonesuch")
    with pytest.raises(HpcapvfError, match="could not define"):
        hypervisor.define("<domain type='test'><nonsense/></domain>")


def test_hostdevs_are_the_source_addresses_of_pci_devices_only() -> None:
    assert hostdevs_of(HOSTDEVS) == (PciAddress(0, 3, 0, 0), PciAddress(0, 5, 16, 2))
    assert pinned_cpus_of(HOSTDEVS) == CpuSet()
    with pytest.raises(ValueError, match="not XML"):
        hostdevs_of("<domain>")


def test_an_address_is_found_by_mac_ipv4_first() -> None:
    leases = {
        "vnet0": {"hwaddr": "52:54:00:00:00:01",
                  "addrs": [{"addr": "fd00::1", "type": 1}, {"addr": "10.0.0.9", "type": 0}]},
        "vnet1": {"hwaddr": "52:54:00:00:00:02", "addrs": None},
        "vnet2": {"hwaddr": None, "addrs": [{"addr": "10.0.0.8", "type": 0}]},
    }  # fmt: skip
    assert address_of(leases, Mac.parse("52:54:00:00:00:01")) == "10.0.0.9"
    assert address_of(leases, Mac.parse("52:54:00:00:00:02")) is None
    assert address_of(None, Mac.parse("52:54:00:00:00:02")) is None


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        ("Failed to connect socket to '/var/run/libvirt/libvirt-sock': No such file", "systemctl start"),
        ("qemu unexpectedly closed: unable to map backing store for guest RAM: Cannot allocate memory", "hugepages"),
        ("vfio 0000:05:10.0: group 12 is not viable", "IOMMU group"),
        ("Cannot access storage file '/root/x': Permission denied", "/var/lib/libvirt/images"),
        ("something new", "/var/log/libvirt"),
    ],
)
def test_common_failures_are_explained(message: str, hint: str) -> None:
    assert hint in _explained("start domain x", message).hint


VF_UUID = "9f0c2f6e-5a1b-4a53-9d0e-0c1d2e3f4a5b"


class _LibvirtError(Exception):
    """What the library raises."""


class _Library:
    """A libvirt that hangs up at one of its answers. away: how often it then cannot be reached."""

    libvirtError = _LibvirtError

    def __init__(self, away: int) -> None:
        self.away = away
        self.opened = 0
        self.hangs_up = True

    def open(self, _uri: str) -> _Library:
        if self.opened and self.away > 0:
            self.away -= 1
            raise _LibvirtError("Failed to connect socket to '/run/libvirt/libvirt-sock': Connection refused")
        self.opened += 1
        return self

    def isAlive(self) -> bool:
        return not self.hangs_up

    def listAllDomains(self) -> list[object]:
        if self.opened == 1:
            raise _LibvirtError("Cannot recv data: Connection reset by peer")
        self.hangs_up = False
        return []


def test_libvirt_that_restarts_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    library = _Library(away=5)
    monkeypatch.setattr("hpcapvf.host.hypervisor._libvirt", lambda: library)
    assert LibvirtHypervisor(FakeClock()).domains() == ()
    assert library.opened == 2


@pytest.mark.parametrize(
    "option",
    [
        '{"driver":"vfio-pci","host":"0000:05:10.0","vf-token":"' + VF_UUID + '"}',
        "vfio-pci,host=0000:05:10.0,vf-token=" + VF_UUID,
    ],
)
@pytest.mark.parametrize("alive", [True, False])
def test_the_token_that_qemu_names_with_its_option_is_not_told(
    monkeypatch: pytest.MonkeyPatch, option: str, *, alive: bool
) -> None:
    words = f"qemu unexpectedly closed the monitor: -device {option}: vfio 0000:05:10.0: error getting device"

    class Failing(_Library):
        def listAllDomains(self) -> list[object]:
            self.hangs_up = not alive
            raise _LibvirtError(words)

    monkeypatch.setattr("hpcapvf.host.hypervisor._libvirt", lambda: Failing(away=0))
    with pytest.raises(StepFailed, match="error getting device") as caught:
        LibvirtHypervisor(FakeClock()).domains()
    assert "vf-token" in caught.value.message
    assert VF_UUID not in caught.value.message


def test_libvirt_that_stays_away_is_told_within_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    library, clock = _Library(away=10_000), FakeClock()
    monkeypatch.setattr("hpcapvf.host.hypervisor._libvirt", lambda: library)
    begin = clock.monotonic()
    hypervisor = LibvirtHypervisor(clock)
    with pytest.raises(NotCapable, match="went away while it was asked to list domains") as caught:
        hypervisor.domains()
    assert "hpcapvf recover" in caught.value.hint
    assert 60 <= clock.monotonic() - begin < 65
    with pytest.raises(HpcapvfError, match="Connection refused"):
        hypervisor.domains()
    assert clock.monotonic() - begin < 65


@pytest.mark.parametrize(("emulator", "io", "pinned"), [("0", "4", "2-4"), ("0,4", "4", "2-3"), ("0", "3", "2-3")])
def test_an_io_thread_with_a_cpu_of_its_own_takes_it(emulator: str, io: str, pinned: str) -> None:
    tune = "<vcpupin vcpu='0' cpuset='2-3'/>"
    tune += f"<emulatorpin cpuset='{emulator}'/><iothreadpin iothread='1' cpuset='{io}'/>"
    assert str(pinned_cpus_of(f"<domain><cputune>{tune}</cputune></domain>")) == pinned
