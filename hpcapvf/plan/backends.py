"""Which way a card is made to copy traffic: every way that is known, what the probe found, and why it is taken or not.

The answer is data in the order of preference. What only the card itself can say (mirror rules that do not read back)
is left to the step that tries, which takes the next.
"""

from __future__ import annotations

from dataclasses import dataclass

from hpcapvf.model.backends import NEXT, REFUSED, SPARE, TAKEN, Backend, Candidate
from hpcapvf.model.errors import ExitCode
from hpcapvf.model.host import CardWays, Host, PciDevice
from hpcapvf.model.plan import Advice
from hpcapvf.model.request import Request
from hpcapvf.model.steps import StartGuard
from hpcapvf.nic import backends
from hpcapvf.nic.devices import CardFamily
from hpcapvf.nic.switches import switch_of
from hpcapvf.nic.tables import TABLES
from hpcapvf.plan import advice
from hpcapvf.plan.budget import Budget
from hpcapvf.plan.choice import Choice, Objection, objection
from hpcapvf.plan.register_access import access_objections, register_access, registers_usable

# Drivers with the private flag vf-true-promisc-support, and those with representors to which tc filters are offloaded.
_TRUE_PROMISCUOUS_DRIVERS = ("i40e", "ice")
_SWITCHDEV_DRIVERS = ("ice", "mlx5_core")
_SLOW_GUARD_MS = 60_000
_BY_REGISTERS = (backends.RECEIVE_PROGRAMME, backends.MIRROR_RULES, backends.REPLICATION)


@dataclass(frozen=True)
class Ways:
    """The way that is taken, and all that were looked at."""

    taken: Backend
    candidates: tuple[Candidate, ...]

    @property
    def by_registers(self) -> bool:
        """Whether the PF's registers are written, so that a guard must hold them."""
        return self.taken in _BY_REGISTERS

    @property
    def guard_interval_ms(self) -> int:
        """How often a guard may look: each register that it reads by ixgbe's debugfs is a line in the kernel's log."""
        by_log = any(c.backend == backends.IXGBE_DEBUGFS and c.verdict == TAKEN for c in self.candidates)
        return _SLOW_GUARD_MS if by_log else StartGuard.interval_ms


def choose_ways(
    request: Request, host: Host, pf: PciDevice, family: CardFamily | None, budget: Budget | None = None
) -> Choice[Ways]:
    """The first way that this card and its driver have, or every reason why none will do.

    family: None if no table knows the card, which is said elsewhere; what would be wrong with registers is said here.
    budget: of an agent; None if what it would watch is not known, which is said elsewhere.
    """
    facts = next((w for w in host.ways if w.pf == pf.address), CardWays(pf.address))
    access = register_access(request, host, pf, facts)
    if family is None:
        return Choice(None, () if registers_usable(access) else access_objections(request, access))
    looked_at = [*_by_registers(request, pf, family, access), *_by_driver(request, pf, family, facts, host)]
    ways = _ranked([_within(budget, _towards(request, way), pf, family) for way in looked_at])
    taken = next((c.backend for c in ways if c.verdict == TAKEN), None)
    if taken is None:
        return Choice(None, _against(request, pf, family, ways, access))
    if taken in _BY_REGISTERS:
        return Choice(Ways(taken, (*ways, *access)), (), (*_unseen(taken, family), *_unsure(host, pf, access)))
    return Choice(Ways(taken, ways), (), (_unproven(taken),) if not taken.seen_on else ())


def _by_registers(
    request: Request, pf: PciDevice, family: CardFamily, access: tuple[Candidate, ...]
) -> list[Candidate]:
    known = ", ".join(t.family for t in TABLES)
    in_table = family.name in known.split(", ")
    kinds = _BY_REGISTERS[1:] if request.watch and not request.watches_wide else _BY_REGISTERS[:1]
    found = f"family {family.name}, {'in' if in_table else 'in no'} register table"
    if not in_table:
        why = f"the registers of this family are not guessed at (tables: {known})"
        return [Candidate(kind, REFUSED, found, why) for kind in kinds]
    if not registers_usable(access):
        return [Candidate(kind, REFUSED, found, "the registers cannot be reached") for kind in kinds]
    return [Candidate(kind, TAKEN, found, "the card's own switch does it") for kind in kinds]


def _towards(request: Request, way: Candidate) -> Candidate:
    """The same, or refused if it does not copy a direction that is asked for."""
    missing = [direction for direction in request.network.asked_directions if direction not in way.backend.directions]
    if not (way.usable and missing):
        return way
    only = " and ".join(way.backend.directions)
    why = f"copies only frames {only} a VM, and network.directions asks for {request.network.directions}"
    return Candidate(way.backend, REFUSED, way.found, why)


def _within(budget: Budget | None, way: Candidate, pf: PciDevice, family: CardFamily) -> Candidate:
    """The same, or refused for what the card does for other agents already."""
    if budget is None or not way.usable:
        return way
    against = ""
    if way.backend == backends.MIRROR_RULES:
        against = budget.no_rule(family.name, len(pf.sriov.vfs) if pf.sriov else 0)
    elif way.backend == backends.MIRROR_FILES:
        against = budget.no_file
    return Candidate(way.backend, REFUSED, way.found, against) if against else way


def _by_driver(request: Request, pf: PciDevice, family: CardFamily, facts: CardWays, host: Host) -> list[Candidate]:
    if request.watches_wide:
        return [_true_promiscuous(request, pf)]
    if request.watch:
        return [_mirror_files(pf, facts), _representors(request, pf, facts), _testpmd_rules(pf, host)]
    return [_true_promiscuous(request, pf), _testpmd_modes(request, family, host)]


def _mirror_files(pf: PciDevice, facts: CardWays) -> Candidate:
    way = backends.MIRROR_FILES
    kind = {True: "out-of-tree", False: "in-tree", None: "of unknown origin"}[facts.out_of_tree]
    version = f" {facts.driver_version}" if facts.driver_version else ""
    found = f"driver {pf.driver or 'none'}{version} ({kind})"
    if pf.driver != "i40e":
        return Candidate(way, REFUSED, found, "driver: only Intel's out-of-tree i40e has these files")
    if facts.mirror_files:
        return Candidate(way, TAKEN, f"{found} with sriov/0/ingress_mirror", "the driver mirrors by itself")
    if facts.mirror_files is None:
        return Candidate(way, REFUSED, found, "the card has no VFs, so there are no such files to look at")
    why = "version: this driver has no sriov/N/ingress_mirror; Intel's out-of-tree i40e has (2.7 and later were read)"
    return Candidate(way, REFUSED, found, why)


def _representors(request: Request, pf: PciDevice, facts: CardWays) -> Candidate:
    way = backends.REPRESENTORS
    if pf.driver not in _SWITCHDEV_DRIVERS:
        found = f"driver {pf.driver or 'none'}"
        return Candidate(way, REFUSED, found, "driver: only ice and mlx5 have representors that take tc filters")
    found = f"driver {pf.driver}, {len(facts.representors) or 'no'} representor(s)"
    if not facts.representors:
        why = f"the card's switch is not in mode switchdev: devlink dev eswitch set pci/{pf.address} mode switchdev"
        return Candidate(way, REFUSED, found, f"{why} (VFs must be unbound for that, so it is not done here)")
    return Candidate(way, TAKEN, found, "the card's switch mirrors what tc tells it to")


def _testpmd_rules(pf: PciDevice, host: Host) -> Candidate:
    way, found = backends.TESTPMD_RULES, _dpdk_release(host)
    if pf.driver != "vfio-pci":
        return Candidate(way, REFUSED, f"driver {pf.driver or 'none'}; {found}", "driver: no DPDK process holds the PF")
    if host.dpdk_abi is not None and host.dpdk_abi > backends.LAST_ABI_WITH_MIRROR_RULES:
        why = "version: DPDK took its mirror rules out in 21.11; since then only the process that has the PF can mirror"
        return Candidate(way, REFUSED, found, why)
    why = "the PF is held by a testpmd that this deployment did not start: agents beside DPDK are not built"
    return Candidate(way, REFUSED, found, why)


def _true_promiscuous(request: Request, pf: PciDevice) -> Candidate:
    way, found = backends.TRUE_PROMISCUOUS, f"driver {pf.driver or 'none'}"
    if request.network.generator == "dpdk":
        return Candidate(way, REFUSED, found, "driver: DPDK takes the PF from its kernel driver")
    if pf.driver not in _TRUE_PROMISCUOUS_DRIVERS:
        return Candidate(way, REFUSED, found, "driver: only i40e and ice have vf-true-promisc-support")
    if request.watch:
        return Candidate(way, REFUSED, found, "only a probe is given the link in this way: deploy-vnp, receive: all")
    return Candidate(way, TAKEN, found, "the driver gives a trusted VF everything on the wire")


def _testpmd_modes(request: Request, family: CardFamily, host: Host) -> Candidate:
    way, found = backends.TESTPMD_MODES, f"generator {request.network.generator}; {_dpdk_release(host)}"
    if request.network.generator != "dpdk":
        return Candidate(way, REFUSED, found, "no DPDK process holds the PF (network.generator: kernel)")
    if family.name not in backends.IXGBE_FAMILIES:
        return Candidate(way, REFUSED, found, f"driver: DPDK's driver for {family.name} has no rxmode and no uta")
    return Candidate(way, TAKEN, found, "the testpmd that holds the PF sets the modes; it reads nothing back")


def _dpdk_release(host: Host) -> str:
    if host.dpdk_abi is None:
        return "DPDK of unknown version" if host.dpdk_available is not False else "no DPDK"
    return f"DPDK {backends.dpdk_releases(host.dpdk_abi)}"


def _ranked(ways: list[Candidate]) -> tuple[Candidate, ...]:
    """Only the first usable one is taken; other ways by registers come next, and what is left is not needed."""
    ranked: list[Candidate] = []
    taken: Candidate | None = None
    for way in ways:
        if not way.usable or taken is None:
            ranked.append(way)
            taken = taken or (way if way.usable else None)
            continue
        both = way.backend in _BY_REGISTERS and taken.backend in _BY_REGISTERS
        why = f"if {taken.backend.name} do not read back" if both else f"{taken.backend.name} come(s) first"
        ranked.append(Candidate(way.backend, NEXT if both else SPARE, way.found, why))
    return tuple(ranked)


def _against(
    request: Request, pf: PciDevice, family: CardFamily, ways: tuple[Candidate, ...], access: tuple[Candidate, ...]
) -> tuple[Objection, ...]:
    """Of a card that is programmed by its registers, what is wrong with them; of another, every way and its reason."""
    if family.name in (table.family for table in TABLES) and not registers_usable(access):
        return access_objections(request, access)
    hint = "or set network.receive: own"
    if request.watch:
        hint = "directions: auto takes what the card can copy" if request.network.asked_directions else ""
    return tuple(
        objection(ExitCode.NOT_CAPABLE, f"{pf.address}: {way.backend.name}", f"{way.why} (found: {way.found})", hint)
        for way in ways
    )


def _unseen(taken: Backend, family: CardFamily) -> tuple[Advice, ...]:
    """What was seen on one family says little of another's hardware."""
    if family.name == backends.SEEN_FAMILY:
        return ()
    source = f"hpcapvf/nic/registers_{'10g' if family.speed_mbps > 1_000 else '1g'}.py"
    tried = "were only tried against a model of its switch" if switch_of(family.name) else "were never tried"
    return (Advice(f"{taken.name}: unproven on an {family.name}, whose registers {tried}", source),)


def _unsure(host: Host, pf: PciDevice, access: tuple[Candidate, ...]) -> tuple[Advice, ...]:
    first = next(c for c in access if c.usable)
    if first.backend == backends.REGISTER_WINDOW and host.iomem_strict is None:
        return (advice.unknown("whether the card's registers can be mapped (iomem=relaxed) is not known"),)
    return () if first.backend.seen_on else (_unproven(first.backend),)


def _unproven(way: Backend) -> Advice:
    return Advice(f"{way.name}: unproven on hardware, it was only tried against a model of it", way.source)
