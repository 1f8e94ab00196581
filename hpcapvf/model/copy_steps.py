"""Steps that have frames copied by other means than the card's registers: the PF's driver, or its switch through tc."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hpcapvf.model.address import PciAddress
from hpcapvf.model.request import BOTH


@dataclass(frozen=True)
class WatchedVf:
    """A VF whose traffic is copied, and the domain that holds it, or ``PF|vfN`` if it is watched whoever holds it.

    pool: its receive pool on the card.
    """

    domain: str
    vf: PciAddress
    pool: int


@dataclass(frozen=True)
class PrepareEnd:
    """Have a service on the host that takes an agent away, and a timer that starts it when its time is over.

    It stands before anything is copied, so that no crash leaves somebody watched without an end. The register guard
    starts the service when the agent's guest has died. ttl_s: seconds from now, None: no timer.
    """

    kind: ClassVar[str] = "prepare-end"
    reversible: ClassVar[bool] = True
    deployment: str
    ttl_s: int | None

    def describe(self) -> str:
        """One line for people."""
        when = "when its guest dies" if self.ttl_s is None else f"after {self.ttl_s} s, or when its guest dies"
        return f"prepare the end of {self.deployment}: {when}"


@dataclass(frozen=True)
class TrustVf:
    """Have the PF's driver trust a VF, which may then ask for promiscuous mode (``ip link set PF vf N trust on``)."""

    kind: ClassVar[str] = "trust-vf"
    reversible: ClassVar[bool] = True
    interface: str
    vf_index: int

    def describe(self) -> str:
        """One line for people."""
        return f"trust VF {self.vf_index} of {self.interface}"


@dataclass(frozen=True)
class SetPrivateFlag:
    """Switch a private flag of a network driver on (``ethtool --set-priv-flags``); it is the whole device's."""

    kind: ClassVar[str] = "set-private-flag"
    reversible: ClassVar[bool] = True
    interface: str
    flag: str

    def describe(self) -> str:
        """One line for people."""
        return f"switch on {self.flag} of {self.interface}"


@dataclass(frozen=True)
class SetTestpmdModes:
    """Have the testpmd that holds the PF give a VF what nobody else on the card owns: its receive modes and the unicast
    hash table.

    Unproven on hardware (ixgbe only), and testpmd reads nothing back: only frames tell whether it holds. Comes after
    the guest driver's handshake, at which DPDK sets the modes anew.
    """

    kind: ClassVar[str] = "set-testpmd-modes"
    reversible: ClassVar[bool] = True
    deployment: str
    vf_index: int

    def describe(self) -> str:
        """One line for people."""
        return f"have testpmd give VF {self.vf_index} all multicast, and all unicast that nobody owns"


@dataclass(frozen=True)
class MirrorByFiles:
    """Have out-of-tree i40e copy what the watched VFs send and receive to VF ``pool``, by its sysfs files.

    directions: ``to`` the watched VFs, ``from`` them, or both. Unproven on hardware. Each source has one destination a
    direction, so a source that has another is refused.
    """

    kind: ClassVar[str] = "mirror-by-files"
    reversible: ClassVar[bool] = True
    pf: PciAddress
    pool: int
    watched: tuple[WatchedVf, ...]
    directions: tuple[str, ...] = BOTH

    def describe(self) -> str:
        """One line for people."""
        frames = " and ".join(self.directions)
        return f"mirror frames {frames} {sources_of(self.watched)} on {self.pf} to VF {self.pool} by the driver's files"


@dataclass(frozen=True)
class MirrorByTc:
    """Have tc filters on the watched VFs' representors copy what they send and receive to the agent's representor.

    representors: of the watched VFs, in their order; to_interface: of VF ``pool``; directions as in
    ``MirrorByFiles``. Proven with software tc on veth
    pairs; unproven on hardware, where the driver must take the filters over.
    """

    kind: ClassVar[str] = "mirror-by-tc"
    reversible: ClassVar[bool] = True
    pf: PciAddress
    pool: int
    to_interface: str
    representors: tuple[str, ...]
    watched: tuple[WatchedVf, ...]
    directions: tuple[str, ...] = BOTH

    def describe(self) -> str:
        """One line for people."""
        what = f"frames {' and '.join(self.directions)} {sources_of(self.watched)}"
        return f"mirror {what} on {self.pf} to VF {self.pool} by tc on {', '.join(self.representors)}"


def sources_of(watched: tuple[WatchedVf, ...]) -> str:
    """The watched VMs, for people."""
    return ", ".join(f"{w.domain} (VF {w.pool})" for w in watched)


@dataclass(frozen=True)
class StartGuard:
    """Start the service that re-reads the registers and re-applies what the PF driver wiped.

    An agent's looks at its guest too, and has the agent ended when that has died.
    """

    kind: ClassVar[str] = "start-guard"
    reversible: ClassVar[bool] = True
    deployment: str
    interval_ms: int = 500

    def describe(self) -> str:
        """One line for people."""
        return f"start guard of {self.deployment}, every {self.interval_ms} ms"
