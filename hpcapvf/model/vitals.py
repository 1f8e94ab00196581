"""What the doctor looks at beside a Host, and what it says. ``None`` means "the host does not say", never "no"."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from hpcapvf.model.address import PciAddress


class Verdict(StrEnum):
    """How a diagnosis judges what was found; worst last but for ``unknown``, which is neither good nor bad."""

    OK = "ok"
    UNKNOWN = "unknown"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True)
class Diagnosis:
    """One finding of the doctor. cause: why it is so, or what it leads to; remedy: what to do, where it can be a line
    that can be pasted into a root shell; both empty if all is well. source: where the rule is from."""

    check: str
    verdict: Verdict
    found: str
    source: str
    cause: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class ReservedRegion:
    """Addresses that an IOMMU group cannot use freely. kind: ``direct`` (an RMRR), ``direct-relaxable``, ``msi`` …"""

    start: int
    end: int
    kind: str


@dataclass(frozen=True)
class Bar:
    """One line of a function's ``resource`` file."""

    start: int
    end: int
    flags: int


@dataclass(frozen=True)
class PcieLink:
    """A PCI Express link as negotiated and as the function could. Speeds in GT/s, widths in lanes."""

    speed_gts: float
    width: int
    most_speed_gts: float
    most_width: int


@dataclass(frozen=True)
class FunctionVitals:
    """One network or storage function.

    vf_bars: the six BARs of its VFs. last_bus: highest bus number behind the bridge above it. msix_vectors: 0 if it
    has no MSI-X. msi_allowed: whether the kernel lets it use MSI. reserved: regions of its IOMMU group.
    """

    address: PciAddress
    vf_bars: tuple[Bar, ...] | None = None
    last_bus: int | None = None
    msix_vectors: int | None = None
    msi_allowed: bool | None = None
    reserved: tuple[ReservedRegion, ...] | None = None
    link: PcieLink | None = None
    firmware: str | None = None


@dataclass(frozen=True)
class StoredModule:
    """A driver module in the store. release: its folder; vermagic: the kernel that it says it was built for."""

    release: str
    vermagic: str | None


@dataclass(frozen=True)
class Vitals:
    """Facts that only the doctor needs.

    interrupts_remapped: whether interrupts go through the IOMMU. unsafe_interrupts: the type 1 IOMMU driver does
    without that. iommu_tables: ACPI tables that announce an IOMMU. cpu_flags: of the first CPU. secure_boot: None also
    where the firmware has variables and they cannot be read. signatures_enforced: the kernel loads signed modules only.
    sriov_told: whether the tree is one in which a function's SR-IOV files would be seen. modules, programs: the
    driver's store; None if it cannot be told.
    """

    interrupts_remapped: bool | None = None
    unsafe_interrupts: bool | None = None
    iommu_tables: tuple[str, ...] | None = None
    cpu_flags: frozenset[str] | None = None
    nested: bool | None = None
    secure_boot: bool | None = None
    signatures_enforced: bool | None = None
    sriov_told: bool = False
    functions: tuple[FunctionVitals, ...] = ()
    modules: tuple[StoredModule, ...] | None = None
    programs: tuple[str, ...] | None = None
    unreadable: tuple[str, ...] = field(default=())

    def function(self, address: PciAddress) -> FunctionVitals:
        """What is known about a function; nothing if it was not looked at."""
        return next((f for f in self.functions if f.address == address), FunctionVitals(address))
