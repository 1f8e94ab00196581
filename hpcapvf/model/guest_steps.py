"""The steps of a plan that work inside the guest: data only, as in ``hpcapvf.model.steps``, where they are listed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hpcapvf.model.address import Mac

# What the capture programs of other engines say once they do their work: tcpdump has its filter in place, dumpcap its
# copy of what testpmd receives.
LISTENS = {"tcpdump": "listening on", "dpdk": "Capturing on"}


@dataclass(frozen=True)
class WaitGuest:
    """Wait until the guest answers over ssh and cloud-init has ended."""

    kind: ClassVar[str] = "wait-guest"
    reversible: ClassVar[bool] = True
    domain: str
    management_mac: Mac
    user: str
    key_path: str
    timeout_s: int

    def describe(self) -> str:
        """One line for people."""
        return f"wait until guest {self.domain} answers (at most {self.timeout_s} s)"


@dataclass(frozen=True)
class KeepClock:
    """Have chrony in the guest follow the host's clock, where the guest's kernel can read that (``ptp_kvm``).

    Elsewhere whoever keeps the guest's clock is left alone.
    """

    kind: ClassVar[str] = "keep-clock"
    reversible: ClassVar[bool] = True
    domain: str

    def describe(self) -> str:
        """One line for people."""
        return f"keep the clock of {self.domain} by the host's, if it can be read there"


@dataclass(frozen=True)
class InstallDriver:
    """Install HPCAPvf in the guest, built for the guest's kernel, and give it the function with these IDs.

    by_interface: the function keeps its own driver, and HPCAPvf captures what its network interface receives.
    modprobe_conf: rendered ``/etc/modprobe.d/hpcapvf.conf``.
    """

    kind: ClassVar[str] = "install-driver"
    reversible: ClassVar[bool] = True
    domain: str
    vendor: int
    device: int
    polling_cpu: int
    modprobe_conf: str
    by_interface: bool = False

    def describe(self) -> str:
        """One line for people."""
        return f"install hpcapvf in {self.domain}, polling thread on guest CPU {self.polling_cpu}"


@dataclass(frozen=True)
class UseInterface:
    """Have the function with these IDs at work under its own driver in the guest, and tell the capture service which
    network interface it is."""

    kind: ClassVar[str] = "use-interface"
    reversible: ClassVar[bool] = True
    domain: str
    vendor: int
    device: int

    def describe(self) -> str:
        """One line for people."""
        return f"use {self.vendor:04x}:{self.device:04x} in {self.domain} with its own driver"


@dataclass(frozen=True)
class HoldFunction:
    """Have DPDK's testpmd hold the function with these IDs in the guest, so that its dumpcap can store what comes.

    memory_mib: hugepages that the guest sets aside for it. unit: rendered ``hpcapvf-port.service``.
    """

    kind: ClassVar[str] = "hold-function"
    reversible: ClassVar[bool] = True
    domain: str
    vendor: int
    device: int
    memory_mib: int
    polling_cpu: int
    unit: str

    def describe(self) -> str:
        """One line for people."""
        what = f"{self.vendor:04x}:{self.device:04x} in {self.domain}"
        return f"have DPDK hold {what}, polling on guest CPU {self.polling_cpu}, with {self.memory_mib} MiB"


@dataclass(frozen=True)
class MakeRaid:
    """Have an md RAID-0 with a file system mounted in the guest.

    An array of this deployment's name is assembled and kept. Otherwise the controller's disks are formatted:
    blank ones always, others only if named in ``wipe``. Formatting cannot be undone.
    """

    kind: ClassVar[str] = "make-raid"
    reversible: ClassVar[bool] = False
    domain: str
    array: str
    chunk_kib: int
    filesystem: str
    mount: str
    wipe: tuple[str, ...]

    def describe(self) -> str:
        """One line for people."""
        wiped = f", wiping {', '.join(self.wipe)}" if self.wipe else ""
        form = f"{self.chunk_kib} KiB chunk, {self.filesystem}"
        return f"make RAID-0 {self.array} ({form}) on {self.mount} in {self.domain}{wiped}"


@dataclass(frozen=True)
class StartCapture:
    """Start the capture service in the guest. engine: ``hpcapvf`` (hpcapdd reads our driver), ``tcpdump`` or
    ``dpdk``.

    unit: rendered ``hpcapvf-capture.service``.
    """

    kind: ClassVar[str] = "start-capture"
    reversible: ClassVar[bool] = True
    domain: str
    directory: str
    reader_cpu: int
    unit: str
    engine: str = "hpcapvf"

    def describe(self) -> str:
        """One line for people."""
        where = f"into {self.directory}, reader on guest CPU {self.reader_cpu}"
        return f"start capture with {self.engine} in {self.domain} {where}"
