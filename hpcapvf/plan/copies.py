"""The steps of the way that was chosen to copy traffic, on the host and once the guest runs."""

from __future__ import annotations

from hpcapvf.model.address import Mac
from hpcapvf.model.copy_steps import (
    MirrorByFiles,
    MirrorByTc,
    PrepareEnd,
    SetPrivateFlag,
    SetTestpmdModes,
    StartGuard,
    TrustVf,
)
from hpcapvf.model.errors import ExitCode
from hpcapvf.model.host import Host
from hpcapvf.model.request import BOTH, Request
from hpcapvf.model.steps import CopyStep, ProgramReceiveAll, ReplicateTraffic, Step, WatchLink
from hpcapvf.nic import backends
from hpcapvf.plan.backends import Ways
from hpcapvf.plan.choice import Objection, objection
from hpcapvf.plan.link import Link
from hpcapvf.plan.watch import Watched

TRUE_PROMISCUOUS_FLAG = "vf-true-promisc-support"


def before_guest(ways: Ways | None, link: Link) -> tuple[Step, ...]:
    """What the PF's driver must allow before the VF asks for it."""
    if ways is None or link.vf_index is None or ways.taken != backends.TRUE_PROMISCUOUS:
        return ()
    return SetPrivateFlag(link.interface, TRUE_PROMISCUOUS_FLAG), TrustVf(link.interface, link.vf_index)


def for_probe(name: str, ways: Ways | None, link: Link) -> tuple[Step, ...]:
    """How a probe's VF comes to receive everything, after its driver's handshake."""
    if ways is None or link.vf_index is None:
        return ()
    if ways.taken == backends.TESTPMD_MODES:
        return (SetTestpmdModes(name, link.vf_index),)
    if not ways.by_registers:
        return ()
    programme = ProgramReceiveAll(link.pf.address, link.family, link.vf_index, default_pool=link.has_default_pool)
    return programme, StartGuard(name, ways.guard_interval_ms)


def for_agent(
    request: Request, ways: Ways, link: Link, *, vf_mac: Mac, watched: Watched, host: Host
) -> tuple[Step, ...]:
    """How an agent's VF comes to be given what the watched VMs receive; how that ends is prepared before it begins."""
    end, guard = PrepareEnd(request.name, request.ttl_s), StartGuard(request.name, ways.guard_interval_ms)
    return end, _copies(request, ways, link, vf_mac=vf_mac, watched=watched, host=host), guard


def _copies(request: Request, ways: Ways, link: Link, *, vf_mac: Mac, watched: Watched, host: Host) -> CopyStep:
    if link.vf_index is None:
        raise AssertionError("an agent has a VF: the spec's check says so")
    pf, pool = link.pf.address, link.vf_index
    if ways.taken == backends.RECEIVE_PROGRAMME:
        owned = request.watches_wide == "link"
        return WatchLink(pf, link.family, pool, link.has_default_pool, owned, request.watch[0])
    directions = request.network.asked_directions or BOTH
    if ways.taken == backends.MIRROR_FILES:
        return MirrorByFiles(pf, pool, watched, directions)
    if ways.taken == backends.REPRESENTORS:
        interfaces = representors_of(link, host)
        sources = tuple(interfaces[w.pool] for w in watched)
        return MirrorByTc(pf, pool, interfaces[pool], sources, watched, directions)
    return ReplicateTraffic(pf, link.family, pool, vf_mac, watched)


def representors_of(link: Link, host: Host) -> dict[int, str]:
    """VF number to the interface that stands for it."""
    return {r.vf_index: r.interface for w in host.ways if w.pf == link.pf.address for r in w.representors}


def representor_objections(ways: Ways | None, link: Link | None, watched: Watched, host: Host) -> tuple[Objection, ...]:
    """VFs that must have a representor and have none."""
    if ways is None or link is None or link.vf_index is None or ways.taken != backends.REPRESENTORS:
        return ()
    known = representors_of(link, host)
    needed = dict.fromkeys((*(w.pool for w in watched), link.vf_index))
    return tuple(
        objection(
            ExitCode.NOT_CAPABLE, f"VF {index} of {link.pf.address}", "has no representor on the host",
            "see phys_port_name of the host's interfaces",
        )
        for index in needed
        if index not in known
    )  # fmt: skip
