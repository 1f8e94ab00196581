"""What the planner refuses for the host's own good: guards, each with the name by which ``--force`` lifts it alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

from hpcapvf.model.errors import ExitCode
from hpcapvf.model.plan import Advice, Reason, Refusal
from hpcapvf.plan.choice import Objection

Force = frozenset[str]
NO_FORCE: Force = frozenset()


@dataclass(frozen=True)
class Guard:
    """protects: what it refuses. never: why no force lifts it; empty if one does. lifted: what a force means then."""

    name: str
    protects: str
    lifted: str = ""
    never: str = ""


GUARDS: tuple[Guard, ...] = (
    Guard(
        "default-route",
        "a card that carries the host's default route, or may do",
        lifted="pause frames, offloads and filters change under the host's own network",
    ),
    Guard(
        "bridge",
        "a card that is part of a bridge, a bond or the like",
        lifted="the card stays in it; its driver may rewrite receive registers more often",
    ),
    Guard(
        "vf-in-use",
        "a VF whose interface the host uses, or that a VM which is off is defined with",
        lifted="the VF is taken if no other is free; that interface goes, and that VM cannot start meanwhile",
    ),
    Guard(
        "controller-in-use",
        "a storage controller that a VM which is off is defined with",
        lifted="that VM cannot start meanwhile",
    ),
    Guard(
        "iommu-group",
        "a device whose IOMMU group holds others that the host uses",
        lifted="the others are taken from their drivers as well until the deployment is destroyed",
    ),
    Guard(
        "disk-held",
        "a controller with a disk that is part of an array or volume of which nothing is mounted",
        lifted="the array or volume loses that disk until the deployment is destroyed",
    ),
    Guard(
        "disk-mounted",
        "a controller with a disk that is mounted or swapped to, or may be",
        never="the host would lose a file system that it works with, perhaps its root: unmount it, then there is "
        "nothing to force",
    ),
    Guard(
        "running-vm",
        "a VF or controller that a running VM holds",
        never="the kernel waits without an end for that VM to let go: stop the VM, then there is nothing to force",
    ),
    Guard(
        "foreign-domain",
        "a guest's name that a libvirt domain has which is not this program's",
        never="libvirt keeps one definition for a name, and that VM's would be lost: choose another guest.name",
    ),
)
# What must be settled first comes first: a taken name, then things that are not there, then the host, then the fit.
PRECEDENCE = (
    ExitCode.CONFLICT,
    ExitCode.NOT_FOUND,
    ExitCode.NOT_CAPABLE,
    ExitCode.REGISTER_REFUSED,
    ExitCode.REFUSED,
)
_BY_NAME = {guard.name: guard for guard in GUARDS}
FORCEABLE = tuple(guard.name for guard in GUARDS if not guard.never)


def guard_named(name: str) -> Guard | None:
    """The guard of this name, or None."""
    return _BY_NAME.get(name)


def standing(objections: Iterable[Objection], force: Force) -> tuple[Objection, ...]:
    """What stands in the way in spite of force. A guard that cannot be forced stands whatever is said."""
    return tuple(o for o in objections if not _is_lifted(o, force))


def lifted(objections: Iterable[Objection], force: Force) -> tuple[Objection, ...]:
    """What would stand in the way without force."""
    return tuple(o for o in objections if _is_lifted(o, force))


def forced_advice(objections: Iterable[Objection]) -> tuple[Advice, ...]:
    """A warning for each objection that force lifted, with what that means."""
    unique = dict.fromkeys(o.reason for o in objections)
    return tuple(
        Advice(f"forced: {r.subject} {r.why}; {_BY_NAME[r.guard].lifted}", f"--force {r.guard}") for r in unique
    )


def unneeded_advice(force: Force, used: Iterable[str]) -> tuple[Advice, ...]:
    """A note for each name that lifted nothing on this host."""
    return tuple(Advice(f"guard {name} did not object, so nothing was forced", f"--force {name}")
                 for name in sorted(force - set(used)))  # fmt: skip


def _with_force_word(reason: Reason) -> Reason:
    """The same reason, its hint ending with the word that lifts the guard, or with why none does."""
    guard = _BY_NAME.get(reason.guard)
    if guard is None:
        return reason
    word = f"guard {guard.name} cannot be forced" if guard.never else f"--force {guard.name} if that is meant"
    return dataclasses.replace(reason, hint=f"{reason.hint}; {word}" if reason.hint else word)


def refusal(objections: Iterable[Objection]) -> Refusal:
    """All reasons in the order found, without repetition, under the code that comes first in PRECEDENCE."""
    unique = tuple(dict.fromkeys(objections))
    code = min((o.code for o in unique), key=PRECEDENCE.index)
    return Refusal(code, tuple(dict.fromkeys(_with_force_word(o.reason) for o in unique)))


def _is_lifted(objection: Objection, force: Force) -> bool:
    guard = objection.reason.guard
    return guard in force and guard in FORCEABLE
