"""Steps that write registers of the card so that its switch gives a VF more than its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hpcapvf.model.address import Mac, PciAddress
from hpcapvf.model.copy_steps import WatchedVf


@dataclass(frozen=True)
class ProgramReceiveAll:
    """Set the card's registers so that a pool receives everything, and keep them so.

    Comes after the guest driver's handshake, because a VF reset makes the PF driver rewrite what was set. The
    registers wanted depend on what the card holds (its MAC filters), so the step names the intent; the programme
    is ``hpcapvf.nic.receive``. default_pool: False beside another deployment that has it. owned: False leaves out
    unicast that belongs to another pool.
    """

    kind: ClassVar[str] = "program-receive-all"
    reversible: ClassVar[bool] = True
    pf: PciAddress
    family: str
    pool: int
    default_pool: bool = True
    owned: bool = True

    def describe(self) -> str:
        """One line for people."""
        return f"programme {self.pf} ({self.family}): pool {self.pool} receives every frame"


@dataclass(frozen=True)
class WatchLink(ProgramReceiveAll):
    """Give an agent all of the link, or (``owned`` False) the rest: what no other VF and not the PF gets.

    name: as the spec's ``watch`` says it, ``PF|link`` or ``PF|rest``. Multicast and broadcast are everybody's, so the
    rest has them too.
    """

    kind: ClassVar[str] = "watch-link"
    name: str = ""

    @property
    def watched(self) -> tuple[WatchedVf, ...]:
        """No VF by itself."""
        return ()

    def describe(self) -> str:
        """One line for people."""
        what = "every frame" if self.owned else "what nobody else gets"
        return f"programme {self.pf} ({self.family}): the agent's pool {self.pool} receives {what}"


@dataclass(frozen=True)
class ReplicateTraffic:
    """Have the card give the watched VFs' frames to the monitor's pool as well, and keep it so.

    Comes after the guest driver's handshake. How (mirror rules, or filters with a second pool) is tried on the card
    and journalled as ``backend``; see ``hpcapvf.nic.mirror``. own_mac: the monitor's, whose filter is left alone.
    """

    kind: ClassVar[str] = "replicate-traffic"
    reversible: ClassVar[bool] = True
    pf: PciAddress
    family: str
    pool: int
    own_mac: Mac
    watched: tuple[WatchedVf, ...]

    def describe(self) -> str:
        """One line for people."""
        sources = ", ".join(f"{w.domain} (pool {w.pool})" for w in self.watched)
        return f"replicate on {self.pf} ({self.family}) what {sources} receives to pool {self.pool}"
