"""Whether a set of mirror rules fits a card, as data: what is against it, and what would fit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hpcapvf.model.address import PciAddress
from hpcapvf.nic.devices import family_named

RULES_OF_A_CARD = 4
"""Mirror rules of one port: MRCTL on the 82599, X540 and X550, VMRCTL on the 82576 and I350."""


@dataclass(frozen=True)
class WantedRule:
    """Copy what ``sources`` receive to pool ``to_pool``, all of them on the port ``pf``."""

    pf: PciAddress
    sources: frozenset[int]
    to_pool: int


@dataclass(frozen=True)
class Misfit:
    """Why the rules do not fit, and what would."""

    why: str
    would_fit: str


def misfits(
    family: str,
    pf: PciAddress,
    rules: Sequence[WantedRule],
    enabled: Iterable[int],
    *,
    replication: bool,
    held: int = 0,
) -> tuple[Misfit, ...]:
    """Every reason against the rules; empty if they fit.

    enabled: pools that receive (VFRE). replication: whether the port copies frames to several pools, or will be told
    to. held: rules of the card that somebody else has. A family that no table knows fits nothing.
    """
    card = family_named(family)
    if card is None:
        return (Misfit(f"card family {family or 'unknown'} is in no table", "a card of a known family"),)
    found = list(_number(len(rules), held))
    if rules and not replication:
        found.append(Misfit("the port gives a frame to one pool only", "VT_CTL.REPLICATION on"))
    receiving = set(enabled)
    for number, rule in enumerate(rules):
        if rule.pf != pf:
            found.append(Misfit(f"rule {number} looks at {rule.pf}, its target is on {pf}", f"sources of {pf} only"))
        outside = sorted(p for p in (*rule.sources, rule.to_pool) if not 0 <= p < card.pools)
        if outside or not rule.sources:
            found.append(
                Misfit(f"rule {number} has no such pools: {outside or 'none given'}", f"0 to {card.pools - 1}")
            )
        if rule.to_pool not in receiving:
            fit = ", ".join(map(str, sorted(receiving - rule.sources))) or "none: enable one"
            found.append(
                Misfit(f"rule {number} copies to pool {rule.to_pool}, which is off", f"pools that are on: {fit}")
            )
    return (*found, *cycles(rules))


def _number(wanted: int, held: int) -> tuple[Misfit, ...]:
    free = RULES_OF_A_CARD - held
    if wanted <= free:
        return ()
    why = f"rules wanted: {wanted}; free of the card's {RULES_OF_A_CARD}: {max(free, 0)}"
    return (Misfit(why, "one rule for each target: a rule looks at any number of pools"),)


def cycles(rules: Sequence[WantedRule]) -> list[Misfit]:
    """Pools that would be given, over one rule or several, a copy of what they themselves were given."""
    copies: dict[int, set[int]] = {}
    for rule in rules:
        for source in rule.sources:
            copies.setdefault(source, set()).add(rule.to_pool)
    rounds = sorted(pool for pool in copies if pool in _reached(copies, pool))
    return [Misfit(f"pool {pool} would watch itself", "a target that none of its sources watches") for pool in rounds]


def _reached(copies: dict[int, set[int]], start: int) -> set[int]:
    reached: set[int] = set()
    ahead = set(copies.get(start, ()))
    while ahead:
        pool = ahead.pop()
        reached.add(pool)
        ahead |= copies.get(pool, set()) - reached
    return reached
