"""Which host CPUs the guest's CPUs run on.

Levels of sharing, best first; the first one that the node can afford is taken:

1. ``own cores``: each vCPU has a physical core of its own, and the node's first core stays with the host and QEMU;
2. ``first core too``: each vCPU has a physical core of its own, the node's first one included;
3. ``threads``: each vCPU has a hardware thread of its own, but some share a physical core;
4. ``shared CPUs``: the polling thread's vCPU keeps a CPU for itself, the others share what is left;
5. ``one CPU``: everything on one.

On levels 3 and 4 the reader is not beside the polling thread on one physical core where the guest has another core,
and the plan says so where it has not: each would slow the other.

Policy ``strict`` takes level 1 only. CPUs that another domain is pinned to are used last of all.

A guest with virtio disks has an IO thread besides. On level 1 it has a core of its own if the node has one more;
elsewhere it runs with QEMU's emulator threads, and the plan says so.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from hpcapvf.model.address import CpuSet
from hpcapvf.model.errors import ExitCode
from hpcapvf.model.host import Host
from hpcapvf.model.plan import Advice
from hpcapvf.plan.advice import INDEPENDENT_CORES
from hpcapvf.plan.choice import Choice, objection


@dataclass(frozen=True)
class CoreUse:
    """vcpu_pins[i] is the host CPU of guest CPU i. The last vCPU polls the card, the one before it reads the ring.

    io_pins: of the IO thread; empty without one.
    """

    vcpu_pins: tuple[int, ...]
    emulator_pins: CpuSet
    polling_vcpu: int
    reader_vcpu: int
    io_pins: CpuSet = field(default_factory=CpuSet)


def choose_cores(host: Host, node: int, vcpus: int, policy: str, *, io_thread: bool = False) -> Choice[CoreUse]:
    """Host CPUs of a node for a guest, with a warning for each level below the best."""
    cores = _choose_cores(host, node, vcpus, policy, io_thread=io_thread)
    use = cores.value
    if use is None or not io_thread or use.io_pins:
        return cores
    shared = dataclasses.replace(use, io_pins=use.emulator_pins)
    return dataclasses.replace(cores, value=shared, advice=(*cores.advice, _io_thread_shares(node, use.emulator_pins)))


def _choose_cores(host: Host, node: int, vcpus: int, policy: str, *, io_thread: bool) -> Choice[CoreUse]:
    """As ``choose_cores``; the IO thread has CPUs only if a core is left for it."""
    online = CpuSet.of(c.index for c in host.cpus if c.node == node)
    if not online:
        why = "has no online CPU"
        return Choice(None, (objection(ExitCode.REFUSED, f"node {node}", why, "set placement.node"),))
    taken = _pinned_by_domains(host) & online
    free = online - taken
    cores = _cores(host, free)
    whole = [core for core in cores if not core.siblings & taken]
    names = _Names(node, len(online), vcpus)
    wished = vcpus + 1 + io_thread
    if len(whole) >= wished or (len(whole) > vcpus and policy != "strict"):
        pins = [core.first for core in whole[1 : vcpus + 1]]
        io_pins = whole[vcpus + 1].threads if io_thread and len(whole) >= wished else CpuSet()
        return Choice(dataclasses.replace(_use(pins, whole[0].threads), io_pins=io_pins))
    if policy == "strict":
        for_io = ", one for the IO thread" if io_thread else ""
        why = f"needs {wished} free physical cores (one per vCPU, one for the host{for_io}), has {len(whole)}"
        hint = "lower guest.vcpus, or set placement.policy: share"
        return Choice(None, (objection(ExitCode.REFUSED, f"node {node}", why, hint),))
    if len(whole) >= vcpus:
        pins = [core.first for core in whole[:vcpus]]
        return Choice(_use(pins, online - CpuSet.of(pins[-1:])), (), (names.first_core(pins[0]),))
    if len(free) >= vcpus:
        pins = _apart(_threads(cores, vcpus), host)
        notes = (names.threads(), *names.beside(pins, host))
        return Choice(_use(pins, online - CpuSet.of(pins[-1:])), (), notes)
    usable = sorted(free) if len(free) >= 2 else sorted(online)
    beside = _core_of(host, usable[-1])
    others = sorted(usable[:-1], key=lambda cpu: (cpu in beside, cpu)) or usable
    pins = _apart([others[i % len(others)] for i in range(vcpus - 1)] + [usable[-1]], host)
    notes = (names.shared(usable, taken), *names.beside(pins, host))
    return Choice(_use(pins, CpuSet.of(others)), (), notes)


@dataclass(frozen=True)
class _Core:
    """A physical core: its free threads and all its siblings."""

    threads: CpuSet
    siblings: CpuSet

    @property
    def first(self) -> int:
        return min(self.threads.cpus)


@dataclass(frozen=True)
class _Names:
    node: int
    online: int
    vcpus: int

    def first_core(self, cpu: int) -> Advice:
        text = f"node {self.node} has no core to spare: guest CPU 0 shares CPU {cpu} with the host and QEMU"
        return Advice(text, INDEPENDENT_CORES)

    def threads(self) -> Advice:
        text = (
            f"node {self.node} has too few physical cores for {self.vcpus} vCPUs: some are hardware threads of one "
            "core or share it with another guest, and the polling thread may be slowed by its neighbour"
        )
        return Advice(text, INDEPENDENT_CORES)

    def shared(self, usable: list[int], taken: CpuSet) -> Advice:
        pinned = f" ({len(taken)} of them taken by other domains)" if taken else ""
        held = "the polling thread keeps one" if len(usable) > 1 else "the polling thread too"
        text = (
            f"node {self.node} has {self.online} CPUs{pinned} for {self.vcpus} vCPUs: they share CPUs "
            f"{CpuSet.of(usable)}, {held}; expect loss at high rates"
        )
        return Advice(text, INDEPENDENT_CORES)

    def beside(self, pins: list[int], host: Host) -> tuple[Advice, ...]:
        """A warning if the last two, reader and polling thread, are on one core."""
        if pins[-2] not in _core_of(host, pins[-1]):
            return ()
        text = (
            f"reader and polling thread share a physical core (CPUs {CpuSet.of(pins[-2:])}): node {self.node} has no "
            "other core for the guest, and each slows the other"
        )
        return (Advice(text, INDEPENDENT_CORES),)


def _core_of(host: Host, cpu: int) -> CpuSet:
    """All threads of a CPU's core, itself included."""
    return next((c.siblings for c in host.cpus if c.index == cpu), CpuSet()) | CpuSet.of([cpu])


def _apart(pins: list[int], host: Host) -> list[int]:
    """The same CPUs, the reader's (last but one) off the polling thread's core if any of them is."""
    beside = _core_of(host, pins[-1])
    place = max((i for i, cpu in enumerate(pins[:-1]) if cpu not in beside), default=len(pins) - 2)
    rest = [cpu for i, cpu in enumerate(pins[:-1]) if i != place]
    return [*rest, pins[place], pins[-1]]


def _io_thread_shares(node: int, pins: CpuSet) -> Advice:
    text = f"node {node} has no core to spare for the IO thread of the virtio disks: it shares CPUs {pins} with QEMU"
    return Advice(text, INDEPENDENT_CORES)


def _use(pins: list[int], emulator: CpuSet) -> CoreUse:
    return CoreUse(tuple(pins), emulator or CpuSet.of(pins[:1]), len(pins) - 1, max(len(pins) - 2, 0))


def has_free_cpus(host: Host, node: int, vcpus: int) -> bool:
    """Whether a node has as many CPUs as a guest that no other domain is pinned to."""
    online = CpuSet.of(c.index for c in host.cpus if c.node == node)
    return len(online - _pinned_by_domains(host)) >= vcpus


def _pinned_by_domains(host: Host) -> CpuSet:
    pinned = CpuSet()
    for domain in host.domains or ():
        pinned = pinned | domain.pinned
    return pinned


def _cores(host: Host, free: CpuSet) -> list[_Core]:
    """Physical cores with at least one free thread, by their lowest free CPU."""
    cores: dict[int, _Core] = {}
    for cpu in sorted((c for c in host.cpus if c.index in free), key=lambda c: c.index):
        siblings = cpu.siblings | CpuSet.of([cpu.index])
        threads = siblings & free
        cores.setdefault(min(threads.cpus), _Core(threads, siblings))
    return [cores[first] for first in sorted(cores)]


def _threads(cores: list[_Core], count: int) -> list[int]:
    """Free threads spread over the cores: first threads of all cores, then second threads; highest polls."""
    rounds = max(len(core.threads) for core in cores)
    spread = [sorted(core.threads)[r] for r in range(rounds) for core in cores if len(core.threads) > r]
    return sorted(spread[:count])
