"""What the templates are given: plain values, decided here, so that a template decides nothing."""

from __future__ import annotations

from dataclasses import dataclass

from hpcapvf.model import paths
from hpcapvf.model.address import CpuSet, Mac, PciAddress
from hpcapvf.model.plan import Plan
from hpcapvf.model.request import NOT_STORED

# The step that makes the key pair puts the public key in the place of this word.
PUBLIC_KEY_WORD = "@PUBLIC_KEY@"
# Likewise the step that defines the domain, in the place of the VF's token.
TOKEN_WORD = "@VF_TOKEN@"  # noqa: S105 - a place for it
_FUNCTION = "ua-function"
# What testpmd's buffer for one frame takes of its memory: 2176 bytes, what DPDK notes, the rest of a line.
_BUFFER_BYTES = 2560
_WHOLE_BUFFER = 2176  # dumpcap's own default
# With -G tcpdump puts its start's time into a file's name; only -C shall begin new files.
_NEVER_S = 2147483647
_OWN_DISKS = 2  # its system and the seed


@dataclass(frozen=True)
class PassedDevice:
    """A PCI function that the guest gets; the address parts are written as libvirt wants them."""

    what: str
    text: str
    alias: str
    domain: str
    bus: str
    slot: str
    function: str

    @classmethod
    def of(cls, what: str, alias: str, address: PciAddress) -> PassedDevice:
        """The view of one function. alias: libvirt's name for it; a user's own begins with ``ua-``."""
        parts = (f"{address.domain:#06x}", f"{address.bus:#04x}", f"{address.device:#04x}", f"{address.function:#x}")
        return cls(what, str(address), alias, *parts)


@dataclass(frozen=True)
class VfToken:
    """What QEMU must show to be given a VF whose PF DPDK holds. alias: of the passed device."""

    alias: str
    token: str


@dataclass(frozen=True)
class BlockDisk:
    """A disk of the host that the guest gets as a virtio block device. target: its name for libvirt."""

    path: str
    target: str
    serial: str


@dataclass(frozen=True)
class DomainView:
    """Everything in the domain XML that differs between deployments. iommus: of the guest itself, at most one."""

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
    tokens: tuple[VfToken, ...]
    iommus: tuple[str, ...]
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
    """The driver's module parameters. receive: more of them, or empty."""

    polling_cpu: int
    idle: str
    idle_max_us: int
    ring_mib: int
    caplen: int
    receive: str


@dataclass(frozen=True)
class CaptureView:
    """The capture service of HPCAPvf. mount: what must be mounted first; / if nothing is stored."""

    directory: str
    mount: str
    file_mib: int
    reader_cpu: int


@dataclass(frozen=True)
class TcpdumpView:
    """The capture service of tcpdump. mount: what must be mounted first. output: its options for that. caplen 0: all.
    options: more of them, each with a blank before it, or empty. interrupt_cpu: where the kernel receives."""

    directory: str
    mount: str
    output: str
    reader_cpu: int
    interrupt_cpu: int
    caplen: int
    options: str


@dataclass(frozen=True)
class PortView:
    """The service with which DPDK holds the function. buffers: one for each frame on its way."""

    main_cpu: int
    polling_cpu: int
    buffers: int


@dataclass(frozen=True)
class DumpcapView:
    """The capture service of DPDK. mount: what must be mounted first. output: its options for that."""

    directory: str
    mount: str
    output: str
    reader_cpu: int
    snaplen: int


def domain_view(plan: Plan) -> DomainView:
    """The domain of a plan."""
    whole = plan.vf_index is None
    passed = [PassedDevice.of("network card" if whole else "virtual function", _FUNCTION, plan.function)]
    if plan.controller is not None:
        passed.append(PassedDevice.of("storage controller", "ua-storage", plan.controller))
    name, place = plan.request.name, plan.placement
    return DomainView(
        domain_type=plan.domain_type,
        name=name,
        uuid=plan.domain_uuid,
        title=f"hpcapvf {'agent' if plan.request.watch else 'probe'} {name} on {plan.pf_interface or plan.pf}",
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
        tokens=(VfToken(_FUNCTION, TOKEN_WORD),) if plan.request.network.generator == "dpdk" else (),
        # DPDK in a guest takes its function by vfio, and Debian's kernels have vfio only behind an IOMMU
        iommus=("intel",) if plan.request.engine.kind == "dpdk" else (),
        block_disks=tuple(
            BlockDisk(disk.path, _target(_OWN_DISKS + number), disk.serial)
            for number, disk in enumerate(plan.block_devices)
        ),
        # one IO thread for all of them; a plan of an earlier version has no CPUs for it
        io_thread_pins=(place.io_pins or place.emulator_pins,) if plan.block_devices else (),
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
    addressed = plan.vf_index is None and plan.request.network.receive == "own"
    receive = " receive=addressed" if addressed else ""
    cpu = plan.placement.polling_vcpu
    return DriverView(cpu, engine.idle, engine.idle_max_us, engine.ring_mib, engine.caplen, receive)


def capture_view(plan: Plan) -> CaptureView:
    """The capture service of a plan with HPCAPvf."""
    directory, mount = _place(plan)
    return CaptureView(directory, mount, plan.request.engine.file_mib, plan.placement.reader_vcpu)


def tcpdump_view(plan: Plan) -> TcpdumpView:
    """The capture service of a plan with tcpdump."""
    request = plan.request
    file_mb = max(request.engine.file_mib * (1 << 20) // 1_000_000, 1)  # as it counts
    options = "" if request.network.receive == "all" else " --no-promiscuous-mode"
    place = plan.placement
    directory, mount = _place(plan)
    stored = f"-C {file_mb} -G {_NEVER_S} -w {directory}/capture-%%s.pcap"
    output = "-w /dev/null" if directory == NOT_STORED else stored
    return TcpdumpView(directory, mount, output, place.reader_vcpu, place.polling_vcpu, request.engine.caplen, options)


def port_view(plan: Plan) -> PortView:
    """How DPDK holds the function of a plan: its own thread beside the reader, its polling thread alone."""
    buffers = plan.request.engine.ring_mib * (1 << 20) // _BUFFER_BYTES
    return PortView(plan.placement.reader_vcpu, plan.placement.polling_vcpu, buffers)


def dumpcap_view(plan: Plan) -> DumpcapView:
    """The capture service of a plan with DPDK."""
    directory, mount = _place(plan)
    engine = plan.request.engine
    file_kb = max(engine.file_mib * (1 << 20) // 1000, 1)  # as it counts
    stored = f"-a filesize:{file_kb} -w {directory}/capture-$$(date +%%s).pcap"
    output = "-w /dev/null" if directory == NOT_STORED else stored
    return DumpcapView(directory, mount, output, plan.placement.reader_vcpu, engine.caplen or _WHOLE_BUFFER)


def _place(plan: Plan) -> tuple[str, str]:
    """Where captures go, and what must be mounted first; / if nothing is stored."""
    directory = plan.request.storage.capture_directory
    return directory, "/" if directory == NOT_STORED else directory
