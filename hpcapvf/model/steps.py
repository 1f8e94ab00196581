"""The steps a plan is made of: data only. What runs them stands in ``hpcapvf/apply``.

Each step names the state that it wants. Running it where that state already holds changes nothing. ``describe``
is one line for people. ``reversible`` is False for the few that destroy something.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hpcapvf.model.address import CpuSet, Mac, PciAddress
from hpcapvf.model.copy_steps import (
    MirrorByFiles,
    MirrorByTc,
    PrepareEnd,
    SetPrivateFlag,
    SetTestpmdModes,
    StartGuard,
    TrustVf,
    WatchedVf,
)
from hpcapvf.model.guest_steps import (
    HoldFunction,
    InstallDriver,
    KeepClock,
    MakeRaid,
    StartCapture,
    UseInterface,
    WaitGuest,
)
from hpcapvf.model.register_steps import ProgramReceiveAll, ReplicateTraffic, WatchLink
from hpcapvf.model.storage_steps import FreeNvmeQueues, LendDisks, MakeVolume, MountExisting, StartNvmeVf

__all__ = (
    "BindDriver",
    "CopyStep",
    "DefineDomain",
    "FreeNvmeQueues",
    "HoldFunction",
    "HoldPort",
    "InstallDriver",
    "KeepClock",
    "LendDisks",
    "MakeDisk",
    "MakeRaid",
    "MakeSeed",
    "MakeVolume",
    "MirrorByFiles",
    "MirrorByTc",
    "MountExisting",
    "PrepareEnd",
    "ProgramReceiveAll",
    "RegisterStep",
    "ReplicateTraffic",
    "ReserveHugepages",
    "SetAutoprobe",
    "SetLink",
    "SetModuleParameter",
    "SetNumVfs",
    "SetOffloads",
    "SetPause",
    "SetPrivateFlag",
    "SetTestpmdModes",
    "SetVfMac",
    "StartCapture",
    "StartDomain",
    "StartGuard",
    "StartNetwork",
    "StartNvmeVf",
    "Step",
    "TrustVf",
    "UseInterface",
    "WaitGuest",
    "WatchLink",
    "WatchedVf",
)


@dataclass(frozen=True)
class SetLink:
    """Bring a network interface up; a PF that is down never answers its VFs' mailbox."""

    kind: ClassVar[str] = "set-link"
    reversible: ClassVar[bool] = True
    interface: str
    up: bool = True

    def describe(self) -> str:
        """One line for people."""
        return f"set link {self.interface} {'up' if self.up else 'down'}"


@dataclass(frozen=True)
class SetPause:
    """Switch Ethernet pause frames of an interface (thesis appendix A.2.1)."""

    kind: ClassVar[str] = "set-pause"
    reversible: ClassVar[bool] = True
    interface: str
    rx: bool
    tx: bool

    def describe(self) -> str:
        """One line for people."""
        return f"set pause frames of {self.interface}: rx {_on(self.rx)}, tx {_on(self.tx)}"


@dataclass(frozen=True)
class SetOffloads:
    """Switch offloads that merge or alter frames (names as ``ethtool -k`` prints them; appendix A.2.1)."""

    kind: ClassVar[str] = "set-offloads"
    reversible: ClassVar[bool] = True
    interface: str
    features_off: tuple[str, ...]

    def describe(self) -> str:
        """One line for people."""
        return f"switch off on {self.interface}: {', '.join(self.features_off)}"


@dataclass(frozen=True)
class SetAutoprobe:
    """Whether new VFs are bound to their stock driver by the kernel (``sriov_drivers_autoprobe``)."""

    kind: ClassVar[str] = "set-autoprobe"
    reversible: ClassVar[bool] = True
    pf: PciAddress
    enabled: bool

    def describe(self) -> str:
        """One line for people."""
        return f"set sriov_drivers_autoprobe of {self.pf} to {int(self.enabled)}"


@dataclass(frozen=True)
class SetNumVfs:
    """Make virtual functions (``sriov_numvfs``); the kernel allows a change only from or to 0."""

    kind: ClassVar[str] = "set-numvfs"
    reversible: ClassVar[bool] = True
    pf: PciAddress
    count: int
    timeout_s: int = 300

    def describe(self) -> str:
        """One line for people."""
        return f"make {self.count} VF(s) on {self.pf}"


@dataclass(frozen=True)
class SetModuleParameter:
    """A parameter of a kernel module that may be changed while it is loaded (``/sys/module/*/parameters``)."""

    kind: ClassVar[str] = "set-module-parameter"
    reversible: ClassVar[bool] = True
    module: str
    parameter: str
    value: str

    def describe(self) -> str:
        """One line for people."""
        return f"set {self.parameter} of module {self.module} to {self.value}"


@dataclass(frozen=True)
class HoldPort:
    """Have a service that drives the PF from DPDK, so that its VFs' mailbox is answered (thesis section 6.2.4).

    token_path: where the token is made that a VF's user must show (kernel: vfio-pci, ``vf_token``); nowhere else.
    """

    kind: ClassVar[str] = "hold-port"
    reversible: ClassVar[bool] = True
    pf: PciAddress
    deployment: str
    token_path: str
    cpus: CpuSet

    def describe(self) -> str:
        """One line for people."""
        return f"hold {self.pf} with DPDK's testpmd on CPU {self.cpus}"


@dataclass(frozen=True)
class SetVfMac:
    """Give a VF its administrative MAC through the PF's interface."""

    kind: ClassVar[str] = "set-vf-mac"
    reversible: ClassVar[bool] = True
    interface: str
    vf_index: int
    mac: Mac

    def describe(self) -> str:
        """One line for people."""
        return f"set MAC of VF {self.vf_index} on {self.interface} to {self.mac}"


@dataclass(frozen=True)
class BindDriver:
    """Bind a PCI function to a driver by ``driver_override``."""

    kind: ClassVar[str] = "bind-driver"
    reversible: ClassVar[bool] = True
    device: PciAddress
    driver: str

    def describe(self) -> str:
        """One line for people."""
        return f"bind {self.device} to {self.driver}"


@dataclass(frozen=True)
class ReserveHugepages:
    """Have at least ``free_pages`` free hugepages of one size on a node."""

    kind: ClassVar[str] = "reserve-hugepages"
    reversible: ClassVar[bool] = True
    node: int
    size_kib: int
    free_pages: int

    def describe(self) -> str:
        """One line for people."""
        return f"have {self.free_pages} free hugepages of {self.size_kib} KiB on node {self.node}"


@dataclass(frozen=True)
class StartNetwork:
    """Have a libvirt network active."""

    kind: ClassVar[str] = "start-network"
    reversible: ClassVar[bool] = True
    network: str

    def describe(self) -> str:
        """One line for people."""
        return f"start libvirt network {self.network}"


@dataclass(frozen=True)
class MakeDisk:
    """Make the guest's disk: a qcow2 overlay over the image, whose checksum is verified first."""

    kind: ClassVar[str] = "make-disk"
    reversible: ClassVar[bool] = True
    path: str
    image: str
    sha256: str
    size_gib: int

    def describe(self) -> str:
        """One line for people."""
        return f"make disk {self.path} over {self.image}"


@dataclass(frozen=True)
class MakeSeed:
    """Make the ssh key pair that only this host keeps, and the cloud-init seed.

    user_data, meta_data, network_config: rendered texts; the word ``@PUBLIC_KEY@`` stands for the public key.
    """

    kind: ClassVar[str] = "make-seed"
    reversible: ClassVar[bool] = True
    path: str
    key_path: str
    user_data: str
    meta_data: str
    network_config: str

    def describe(self) -> str:
        """One line for people."""
        return f"make cloud-init seed {self.path}"


@dataclass(frozen=True)
class DefineDomain:
    """Define a libvirt domain from XML. token_path: the file whose text replaces the word ``@VF_TOKEN@`` in it, or
    empty."""

    kind: ClassVar[str] = "define-domain"
    reversible: ClassVar[bool] = True
    domain: str
    uuid: str
    xml: str
    token_path: str = ""

    def describe(self) -> str:
        """One line for people."""
        return f"define domain {self.domain}"


@dataclass(frozen=True)
class StartDomain:
    """Start a defined domain."""

    kind: ClassVar[str] = "start-domain"
    reversible: ClassVar[bool] = True
    domain: str
    stop_timeout_s: int = 120

    def describe(self) -> str:
        """One line for people."""
        return f"start domain {self.domain}"


Step = (
    SetLink
    | SetPause
    | SetOffloads
    | SetAutoprobe
    | SetNumVfs
    | SetModuleParameter
    | HoldPort
    | SetVfMac
    | TrustVf
    | SetPrivateFlag
    | BindDriver
    | LendDisks
    | FreeNvmeQueues
    | StartNvmeVf
    | ReserveHugepages
    | StartNetwork
    | MakeDisk
    | MakeSeed
    | DefineDomain
    | StartDomain
    | WaitGuest
    | KeepClock
    | InstallDriver
    | UseInterface
    | HoldFunction
    | ProgramReceiveAll
    | WatchLink
    | ReplicateTraffic
    | SetTestpmdModes
    | MirrorByFiles
    | MirrorByTc
    | PrepareEnd
    | StartGuard
    | MakeRaid
    | MakeVolume
    | MountExisting
    | StartCapture
)

# The steps that write registers of the card, which a guard then holds.
RegisterStep = ProgramReceiveAll | ReplicateTraffic
# The steps that give an agent what others send or receive.
CopyStep = ReplicateTraffic | WatchLink | MirrorByFiles | MirrorByTc


def names_of(step: CopyStep) -> tuple[str, ...]:
    """Who or what an agent watches, as the spec names it."""
    return (step.name,) if isinstance(step, WatchLink) else tuple(dict.fromkeys(w.domain for w in step.watched))


def _on(value: bool) -> str:
    return "on" if value else "off"
