"""Which ways lead to a PF's registers on this host, and why the others do not: lockdown, strict device memory while a
driver is bound, the driver, its version."""

from __future__ import annotations

from hpcapvf.model import paths
from hpcapvf.model.backends import REFUSED, SPARE, TAKEN, Backend, Candidate
from hpcapvf.model.errors import ExitCode
from hpcapvf.model.host import CardWays, Host, PciDevice
from hpcapvf.model.request import Request
from hpcapvf.nic import backends
from hpcapvf.plan.choice import Objection, objection

_NO_LOCKDOWN = (None, "", "none")


def register_access(request: Request, host: Host, pf: PciDevice, facts: CardWays) -> tuple[Candidate, ...]:
    """Every way, the one to try first first. One at most is taken; the host opens them in the same order."""
    ranked: list[Candidate] = []
    for way in (_device(facts), _window(host, pf), _debugfs(request, host, pf, facts), _testpmd(request, host)):
        first = next((c.backend.name for c in ranked if c.verdict == TAKEN), None)
        spare = way.usable and first is not None
        why = f"the {first} comes first"
        ranked.append(Candidate(way.backend, SPARE, way.found, why) if spare else way)
    return tuple(ranked)


def registers_usable(access: tuple[Candidate, ...]) -> bool:
    """Whether any way leads to them, as far as can be told."""
    return any(way.usable for way in access)


def access_objections(request: Request, access: tuple[Candidate, ...]) -> tuple[Objection, ...]:
    """Why the registers are out of reach: of the window, which every host has, with what helps."""
    window = next(way for way in access if way.backend == backends.REGISTER_WINDOW)
    hint = "boot with iomem=relaxed"
    if not request.watch:
        hint += ", or set network.receive: own (the VF then gets its own MAC, broadcast and joined multicast only)"
    hint += "; the host module hpcapvf_regs needs neither (driver/host/README.md)"
    if window.why.startswith("lockdown"):
        hint = f"switch off secure boot or lockdown=; then {hint}"
    subject = window.backend.does.rpartition(" ")[2]
    return (objection(ExitCode.REGISTER_REFUSED, subject, window.why, hint),)


def _device(facts: CardWays) -> Candidate:
    way, place = backends.REGISTER_DEVICE, paths.register_device(facts.pf)
    if facts.register_device:
        return Candidate(way, TAKEN, place, "its allow-list is in the kernel, and the kernel may be locked down")
    if facts.register_device is None:
        return Candidate(way, REFUSED, "/dev cannot be looked at", "whether the host module is loaded cannot be told")
    return Candidate(way, REFUSED, f"no {place}", "the host module hpcapvf_regs is not loaded, or not for this card")


def _window(host: Host, pf: PciDevice) -> Candidate:
    way = backends.REGISTER_WINDOW
    strict = {True: "strict device memory", False: "relaxed device memory", None: "device memory of unknown strictness"}
    found = f"lockdown {host.lockdown or 'unknown'}, {strict[host.iomem_strict]}, driver {pf.driver or 'none'}"
    if host.lockdown not in _NO_LOCKDOWN:
        return _refused(way, found, f"lockdown: kernel lockdown ({host.lockdown}) forbids to map BAR 0")
    if host.iomem_strict and pf.driver is not None:
        why = f"IO_STRICT_DEVMEM: the kernel refuses to map registers of a card that a driver ({pf.driver}) holds"
        return _refused(way, found, why)
    if host.iomem_strict is None:
        return Candidate(way, TAKEN, found, "whether it can be mapped shows when it is tried")
    return Candidate(way, TAKEN, found, "BAR 0 can be mapped")


def _debugfs(request: Request, host: Host, pf: PciDevice, facts: CardWays) -> Candidate:
    way = backends.IXGBE_DEBUGFS
    there = {True: "with", False: "without", None: "it is not known whether with"}[facts.debugfs_registers]
    found = f"driver {pf.driver or 'none'}, {there} reg_ops"
    if pf.driver != "ixgbe":
        return _refused(way, found, "driver: of this project's families only ixgbe has such a file")
    if request.network.generator == "dpdk":
        return _refused(way, found, "driver: DPDK takes the PF from ixgbe")
    if host.lockdown not in _NO_LOCKDOWN:
        return _refused(way, found, f"lockdown: kernel lockdown ({host.lockdown}) forbids debugfs")
    if facts.debugfs_registers is None:
        return _refused(way, found, "debugfs is not mounted or cannot be read: mount -t debugfs none /sys/kernel/debug")
    if not facts.debugfs_registers:
        return _refused(way, found, "version: this ixgbe was built without its debugfs files (CONFIG_DEBUG_FS)")
    return Candidate(way, TAKEN, found, "the PF's own driver reads and writes registers")


def _testpmd(request: Request, host: Host) -> Candidate:
    way, abi = backends.TESTPMD_REGISTERS, host.dpdk_abi
    release = "DPDK of unknown version" if abi is None else f"DPDK {backends.dpdk_releases(abi)}"
    found = f"generator {request.network.generator}; {release}"
    if request.network.generator != "dpdk":
        return _refused(way, found, "no DPDK process holds the PF (network.generator: kernel)")
    if abi is None:
        return _refused(way, found, "version: which DPDK is installed cannot be told (no librte_eal.so)")
    if abi > backends.LAST_ABI_WITH_REGISTER_ACCESS:
        return _refused(way, found, "version: DPDK 22.11 took testpmd's read reg and write reg out")
    return _refused(way, found, "testpmd would do it; this program does not, as no such DPDK was at hand to try it")


def _refused(way: Backend, found: str, why: str) -> Candidate:
    return Candidate(way, REFUSED, found, why)
