"""Steps for the disks of captures, other than passing a whole controller and making an md array on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hpcapvf.model.address import PciAddress


@dataclass(frozen=True)
class HostDisk:
    """A disk of the host that a guest is given. path: a lasting name below /dev/disk. serial: as the guest is told."""

    path: str
    serial: str
    size_bytes: int


@dataclass(frozen=True)
class LendDisks:
    """Have disks of the host that nothing there uses; given back, none is left in an array and each can be read."""

    kind: ClassVar[str] = "lend-disks"
    reversible: ClassVar[bool] = True
    controller: PciAddress
    disks: tuple[HostDisk, ...]

    def describe(self) -> str:
        """One line for people."""
        return f"lend {', '.join(disk.path for disk in self.disks)} behind {self.controller}"


@dataclass(frozen=True)
class FreeNvmeQueues:
    """Have flexible queues and interrupts of an NVMe controller that its VFs can be given (NVMe 1.3, 8.5).

    What the controller itself holds too much of is taken from it, which works by a reset of it.
    """

    kind: ClassVar[str] = "free-nvme-queues"
    reversible: ClassVar[bool] = True
    pf: PciAddress
    queues: int
    interrupts: int

    def describe(self) -> str:
        """One line for people."""
        return f"have {self.queues} queues and {self.interrupts} interrupt(s) of NVMe {self.pf} free for a VF"


@dataclass(frozen=True)
class StartNvmeVf:
    """Give a VF of an NVMe controller its queues, interrupts and namespaces, and bring it online (NVMe 1.3, 5.22).

    queues, interrupts: at most so many; 2 and 1 are the least that work.
    """

    kind: ClassVar[str] = "start-nvme-vf"
    reversible: ClassVar[bool] = True
    pf: PciAddress
    vf_index: int
    queues: int
    interrupts: int

    def describe(self) -> str:
        """One line for people."""
        return f"bring VF {self.vf_index} of NVMe {self.pf} online with up to {self.queues} queues"


@dataclass(frozen=True)
class MakeVolume:
    """Have a file system, mounted in the guest, straight on the one volume that a RAID controller shows.

    A volume that carries this file system with this label is kept. Otherwise it is formatted: if it is blank, or named
    in ``wipe``. Formatting cannot be undone.
    """

    kind: ClassVar[str] = "make-volume"
    reversible: ClassVar[bool] = False
    domain: str
    label: str
    filesystem: str
    mount: str
    wipe: tuple[str, ...]

    def describe(self) -> str:
        """One line for people."""
        wiped = f", wiping {', '.join(self.wipe)}" if self.wipe else ""
        return f"make {self.filesystem} {self.label} on the volume, on {self.mount} in {self.domain}{wiped}"


@dataclass(frozen=True)
class MountExisting:
    """Have the file system that is on the disks already mounted in the guest; nothing is ever formatted."""

    kind: ClassVar[str] = "mount-existing"
    reversible: ClassVar[bool] = True
    domain: str
    filesystem: str
    mount: str

    def describe(self) -> str:
        """One line for people."""
        return f"mount the existing {self.filesystem} on {self.mount} in {self.domain}"
