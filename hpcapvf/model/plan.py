"""What will be done (Plan) or why it will not (Refusal), and what a check found (Finding)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from hpcapvf.model.address import CpuSet, Mac, PciAddress
from hpcapvf.model.backends import Candidate
from hpcapvf.model.errors import ExitCode
from hpcapvf.model.facts import Fact
from hpcapvf.model.host import DEPLOYED, Deployed
from hpcapvf.model.request import Request
from hpcapvf.model.steps import Step
from hpcapvf.model.storage_steps import HostDisk


@dataclass(frozen=True)
class Placement:
    """Who sits where. vcpu_pins[i] are the host CPUs of guest CPU i; polling_vcpu and reader_vcpu are guest CPUs.

    why: why this node, where there was a choice. io_pins: of the IO thread of virtio disks; empty without such disks.
    """

    node: int
    vcpu_pins: tuple[CpuSet, ...]
    emulator_pins: CpuSet
    polling_vcpu: int
    reader_vcpu: int
    hugepage_kib: int
    hugepages: int
    why: str = ""
    io_pins: CpuSet = field(default_factory=CpuSet)


@dataclass(frozen=True)
class Advice:
    """A warning with its source: a thesis section or table, a kernel document, or a measurement."""

    text: str
    source: str


@dataclass(frozen=True)
class Plan:
    """A whole deployment as data. On the card families known a VF's pool number equals its index.

    function: the PCI function that the guest gets: a VF, or with mode ``passthrough`` the PF itself, which has no
    vf_index. function_mac: its MAC in the guest. pf_interface: empty if the PF has none.
    controller: the storage function that the guest gets as it is (with mode nvme-vf the VF); block_devices: disks that
    it gets as virtio block devices.

    never_seen: what no VF of this family is ever given (pause frames, bad-CRC frames), for the report. domain_type:
    ``kvm``, or ``qemu`` (software emulation) where the host has no KVM. forced: guards that ``--force`` lifted.
    facts: what was taken for granted of the host. backends: the ways to copy traffic and to the card's registers that
    were looked at, with the reason why each was or was not taken; empty if nothing is copied.
    """

    request: Request
    spec_sha256: str
    pf: PciAddress
    pf_interface: str
    family: str
    function: PciAddress
    vf_index: int | None
    function_mac: Mac
    management_mac: Mac
    controller: PciAddress | None
    placement: Placement
    domain_uuid: str
    steps: tuple[Step, ...]
    warnings: tuple[Advice, ...] = ()
    never_seen: tuple[str, ...] = ()
    domain_type: str = "kvm"
    forced: tuple[str, ...] = ()
    block_devices: tuple[HostDisk, ...] = ()
    facts: tuple[Fact, ...] = ()
    backends: tuple[Candidate, ...] = ()

    @property
    def function_name(self) -> str:
        """What the guest gets of the card, for people."""
        return "whole card" if self.vf_index is None else f"VF {self.vf_index}"


@dataclass(frozen=True)
class Reason:
    """One candidate and why it was refused; hint says what would help. guard: which guard refused it, if one did."""

    subject: str
    why: str
    hint: str = ""
    guard: str = ""


@dataclass(frozen=True)
class Refusal:
    """No plan. code: CONFLICT, NOT_FOUND, NOT_CAPABLE, REGISTER_REFUSED or REFUSED, the first of them that any reason
    has; reasons name every candidate tried.
    """

    code: ExitCode
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class Unchanged:
    """The same spec is deployed already: nothing to do."""

    name: str
    condition: str


def unchanged_by(name: str, spec_sha256: str, deployments: Iterable[Deployed]) -> Unchanged | None:
    """Unchanged if one of these deployments is that very spec and stands; None otherwise."""
    wanted = (name, spec_sha256, DEPLOYED)
    same = any((d.name, d.spec_sha256, d.condition) == wanted for d in deployments)
    return Unchanged(name, DEPLOYED) if same else None


@dataclass(frozen=True)
class Finding:
    """One check of a machine against a plan. expected and found are short texts; ok says whether they agree."""

    check: str
    ok: bool
    expected: str
    found: str
    hint: str = ""
