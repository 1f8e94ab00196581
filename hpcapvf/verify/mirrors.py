"""Whether a card copies the traffic of watched VMs now, as its registers say."""

from __future__ import annotations

from dataclasses import dataclass

from hpcapvf.host.protocols import Machine
from hpcapvf.model.host import Host
from hpcapvf.model.steps import ReplicateTraffic, WatchedVf, WatchLink
from hpcapvf.nic import backends
from hpcapvf.nic.mirror import mirrors_for
from hpcapvf.nic.receive import RegisterWant, drift, programme_of
from hpcapvf.verify.readings import open_registers


@dataclass(frozen=True)
class MirrorState:
    """backend: the way in which the card copies now, None if in none. drifted: what is missing of the nearest way;
    empty with a backend None means that the watched pools have no MAC filter that could be copied."""

    backend: str | None
    drifted: tuple[RegisterWant, ...] = ()


def read_mirror(step: ReplicateTraffic, machine: Machine) -> MirrorState:
    """What the card does for a step; RegisterRefused if its registers are out of reach."""
    with open_registers(step.pf, step.family, machine) as read:
        mirrors = mirrors_for(step.family, [watched.pool for watched in step.watched], step.pool, step.own_mac)
        for mirror in mirrors:
            if mirror.holds(read):
                return MirrorState(mirror.name)
        return MirrorState(None, drift(mirrors[-1].wants(read), read))


def read_watch(step: WatchLink, machine: Machine) -> MirrorState:
    """The same for an agent that watches the link or the rest of it."""
    with open_registers(step.pf, step.family, machine) as read:
        drifted = drift(programme_of(step, read), read)
    return MirrorState(None if drifted else backends.RECEIVE_PROGRAMME.name, drifted)


def moved_away(watched: WatchedVf, host: Host) -> str:
    """Empty if the watched VM still runs and holds its VF, else what became of it."""
    if "|" in watched.domain:  # a VF by its number, whoever has it
        return "" if host.device(watched.vf) is not None else f"VF {watched.vf} is gone"
    if host.domains is None:
        return "libvirt could not be asked"
    domain = next((d for d in host.domains if d.name == watched.domain), None)
    if domain is None:
        return f"{watched.domain} is gone"
    holders = [d.name for d in host.domains if watched.vf in d.hostdevs and d.name != watched.domain and d.running]
    if holders:
        return f"VF {watched.vf} belongs to {', '.join(holders)} now"
    if watched.vf not in domain.hostdevs:
        return f"{watched.domain} no longer holds VF {watched.vf}"
    return "" if domain.running else f"{watched.domain} is off"
