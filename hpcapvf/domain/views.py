"""What the templates are given: plain values, decided here, so that a template decides nothing."""

from __future__ import annotations

from dataclasses import dataclass

from hpcapvf.model import paths
from hpcapvf.model.address import CpuSet, Mac, PciAddress
from hpcapvf.model.plan import Plan
from hpcapvf.model.request import NOT_STORED

# The step that makes the key pair puts the public key in the place of this word.
PUBLIC_KEY_WORD = "@PUBLIC_KEY@"
_OWN_DISKS = 2  # its system and the seed


@dataclass(frozen=True)
class PassedDevice:
    """A PCI function that the guest gets; the address parts are written as libvirt wants them."""

    what: str
    text: str
    domain: str
    bus: str
    slot: str
    function: str

    @classmethod
    def of(cls, what: str, address: PciAddress) -> PassedDevice:
        """The view of one function."""
        parts = (f"{address.domain:#06x}", f"{address.bus:#04x}", f"{address.device:#04x}", f"{address.function:#x}")
        return cls(what, str(address), *parts)


@dataclass(frozen=True)
class BlockDisk:
    """A disk of the host that the guest gets as a virtio block device. target: its name for libvirt."""

    path: str
    target: str
    serial: str


@dataclass(frozen=True)
class DomainView:
    """Everything in the domain XML that differs between deployments."""

    domain_type: str
    name: str
    uuid: str
    title: str
    memory_mib: int
    hugepage_kib: int
    vcpu_pins: tuple[CpuSet, ...]
    emulator_pins: CpuSet
    node: int
    cpu_mode: str
    disk: str
    seed: str
    network: str
    management_mac: Mac
    passed: tuple[PassedDevice, ...]
    block_disks: tuple[BlockDisk, ...]
    io_thread_pins: tuple[CpuSet, ...]
    console_log: str


@dataclass(frozen=True)
class SeedView:
    """Everything in the cloud-init texts that differs between deployments."""

    hostname: str
    instance_id: str
    user: str
    public_key: str
    management_mac: str


@dataclass(frozen=True)
class DriverView:
    """The driver's module parameters."""

    polling_cpu: int
    idle: str
    idle_max_us: int
    ring_mib: int
    caplen: int


@dataclass(frozen=True)
class CaptureView:
    """The capture service. mount: what must be mounted first; / if nothing is stored."""

    directory: str
    mount: str
    file_mib: int
    reader_cpu: int


def domain_view(plan: Plan) -> DomainView:
    """The domain of a plan."""
    passed = [PassedDevice.of("virtual function", plan.vf)]
    if plan.controller is not None:
        passed.append(PassedDevice.of("storage controller", plan.controller))
    name, place = plan.request.name, plan.placement
    return DomainView(
        domain_type=plan.domain_type,
        name=name,
        uuid=plan.domain_uuid,
        title=f"hpcapvf {'agent' if plan.request.watch else 'probe'} {name} on {plan.pf_interface}",
        memory_mib=plan.request.guest.memory_mib,
        hugepage_kib=place.hugepage_kib,
        vcpu_pins=place.vcpu_pins,
        emulator_pins=place.emulator_pins,
        node=place.node,
        cpu_mode="host-passthrough" if plan.domain_type == "kvm" else "maximum",
        disk=paths.disk_path(name),
        seed=paths.seed_path(name),
        network=plan.request.guest.network,
        management_mac=plan.management_mac,
        passed=tuple(passed),
        block_disks=tuple(
            BlockDisk(disk.path, _target(_OWN_DISKS + number), disk.serial)
            for number, disk in enumerate(plan.block_devices)
        ),
        # one IO thread for all of them, where QEMU's other threads run
        io_thread_pins=(place.emulator_pins,) if plan.block_devices else (),
        console_log=paths.console_path(name),
    )


def _target(number: int) -> str:
    """vda, vdb … vdz, vdaa …: libvirt's names for the disks of a guest."""
    letters = ""
    while number >= 0:
        letters = chr(ord("a") + number % 26) + letters
        number = number // 26 - 1
    return f"vd{letters}"


def seed_view(plan: Plan) -> SeedView:
    """The cloud-init seed of a plan."""
    return SeedView(
        plan.request.name, plan.domain_uuid, plan.request.guest.user, PUBLIC_KEY_WORD, str(plan.management_mac)
    )


def driver_view(plan: Plan) -> DriverView:
    """The driver's parameters of a plan."""
    engine = plan.request.engine
    return DriverView(plan.placement.polling_vcpu, engine.idle, engine.idle_max_us, engine.ring_mib, engine.caplen)


def capture_view(plan: Plan) -> CaptureView:
    """The capture service of a plan."""
    directory = plan.request.storage.capture_directory
    mount = "/" if directory == NOT_STORED else directory
    return CaptureView(directory, mount, plan.request.engine.file_mib, plan.placement.reader_vcpu)
