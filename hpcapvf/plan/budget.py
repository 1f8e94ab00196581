"""Whether an agent's copies fit the card beside those that other agents have it make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hpcapvf.model.errors import ExitCode
from hpcapvf.model.host import LOST, Copies, Host, PciDevice
from hpcapvf.nic.mirror_budget import WantedRule, cycles, misfits
from hpcapvf.plan.choice import Objection, objection


@dataclass(frozen=True)
class Budget:
    """What is wanted, and what the card does for others already, by the names of their deployments."""

    wanted: Copies
    held: Mapping[str, Copies]

    def no_rule(self, family: str, vfs: int) -> str:
        """Why a card with so many VFs has no mirror rule for it, and what would fit; empty if it has one."""
        others = [name for name, copies in self.held.items() if not copies.by_files]
        found = misfits(family, self.wanted.pf, [_rule(self.wanted)], range(vfs), replication=True, held=len(others))
        held_by = f" (held by {', '.join(others)})" if others else ""
        return "; ".join(f"{f.why}{held_by}; would fit: {f.would_fit}" for f in found)

    @property
    def no_file(self) -> str:
        """Which watched VFs the PF's driver mirrors elsewhere already; empty if none: a source has one destination."""
        taken = [
            f"VF {source} is mirrored to VF {copies.pool} by {name}"
            for name, copies in self.held.items()
            for source in self.wanted.sources
            if copies.by_files and source in copies.sources
        ]
        rest = f"; would fit: other VMs, or end {', '.join(self.held)}" if taken else ""
        return "; ".join(taken) + (", and a source has one destination" if taken else "") + rest


def budget_of(host: Host, pf: PciDevice, sources: tuple[int, ...], pool: int) -> Budget:
    """With what this card does for the deployments of the host; a deployment lost by a reboot has nothing any more."""
    held = {
        d.name: d.copies
        for d in host.deployments
        if d.copies is not None and d.copies.pf == pf.address and d.condition != LOST
    }
    return Budget(Copies(pf.address, sources, pool), held)


def rounds(budget: Budget) -> tuple[Objection, ...]:
    """Agents that would watch each other, over one or several: each would be given what it was given."""
    found = cycles([_rule(c) for c in (*budget.held.values(), budget.wanted)])
    hint = f"watch VMs that are no agents, or end one of {', '.join(budget.held)}"
    return tuple(objection(ExitCode.REFUSED, budget.wanted.pf, misfit.why, hint) for misfit in found[:1])


def _rule(copies: Copies) -> WantedRule:
    return WantedRule(copies.pf, frozenset(copies.sources), copies.pool)
