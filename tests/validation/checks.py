"""What must hold of a deployed host and guest: text as the machine prints it in, problems out; no problems is good.

Written against kernel documents and datasheets, not against the engine, which is not imported here: where both err,
they must not err alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from xml.etree import ElementTree

HUGETLB = "huge"
# chrony's reference of a machine that follows nobody (``local``), and how far the guest may be from its host: what a
# look over ssh cannot tell apart on a busy machine.
OWN_REFERENCE = "7F7F0101"
CLOCK_ROOM_S = 0.5
_BRIDGES = "0x06"
_KERNEL_THREADS = ("kvm-nx-lpage-re",)  # a kernel worker inside the process of a VM; nobody pins it
_VCPU = re.compile(r"CPU (\d+)/")
_IO_THREAD = re.compile(r"IO iothread\d+$")

# Intel 82576EB datasheet, registers RAH, VT_CTL and VMOLR. The
# I350 has the same registers at the same places, and 32 receive addresses instead of 24.
RAH_OFFSETS = {"82576": (*range(0x5404, 0x5484, 8), *range(0x54E4, 0x5524, 8))}
RAH_OFFSETS["i350"] = (*range(0x5404, 0x5484, 8), *range(0x54E4, 0x5564, 8))
RAH_VALID = 1 << 31
RAH_FIRST_POOL = 18
VT_CTL = 0x581C
VT_CTL_REPLICATION = 1 << 30
VMOLR = 0x5AD0
VMOLR_ACCEPT = {"ROMPE": 1 << 25, "BAM": 1 << 27, "MPME": 1 << 28}


def cpus(text: str) -> set[int]:
    """A kernel's list such as ``0-2,5`` (also of NUMA nodes)."""
    found: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def vf_problems(listing: str, vf_index: int, vf: str) -> list[str]:
    """The PF's VFs, a line each: ``virtfnN ADDRESS DRIVER``."""
    for line in listing.splitlines():
        name, address, driver = (*line.split(), "", "")[:3]
        if name == f"virtfn{vf_index}":
            wrong = [f"{name} is {address}, not {vf}"] if address != vf else []
            return wrong + ([f"{address} is bound to {driver or 'nothing'}"] if driver != "vfio-pci" else [])
    return [f"the PF has no virtfn{vf_index}: {listing.split()}"]


def driver_problems(listing: str, address: str) -> list[str]:
    """PCI functions and their drivers, a line each: ``ADDRESS DRIVER``."""
    drivers = {words[0]: words[1] for line in listing.splitlines() if len(words := line.split()) == 2}
    driver = drivers.get(address, "nothing")
    return [] if driver == "vfio-pci" else [f"{address} is bound to {driver}"]


def iommu_problems(listing: str, passed: Iterable[str]) -> list[str]:
    """Members of all IOMMU groups, a line each: ``GROUP ADDRESS CLASS``. Bridges may share the group of a function."""
    rows = [line.split() for line in listing.splitlines() if len(line.split()) == 3]
    group_of = {address: group for group, address, _ in rows}
    problems = []
    for wanted in passed:
        group = group_of.get(wanted)
        others = [a for g, a, kind in rows if g == group and a != wanted and not kind.startswith(_BRIDGES)]
        if group is None:
            problems.append(f"{wanted} is in no IOMMU group")
        elif others:
            problems.append(f"{wanted} shares group {group} with {', '.join(others)}")
    return problems


def interrupt_problems(interrupts: str, passed: Iterable[str], controller: str | None) -> list[str]:
    """No function of the guest shares an interrupt line (INTx), and its controller signals by message.

    interrupts: the host's /proc/interrupts, where vfio-pci names each after its kind and function
    (drivers/vfio/pci/vfio_pci_intrs.c: vfio-intx, vfio-msi, vfio-msix). controller: None if none was passed. A VF that
    is polled has no interrupt at all.
    """
    found = set(re.findall(r"\bvfio-(intx|msix?)(?:\[\d+\])?\(([0-9a-f:.]+)\)", interrupts))
    problems = [f"{address} uses INTx" for address in passed if ("intx", address) in found]
    if controller and not {("msi", controller), ("msix", controller)} & found:
        problems.append(f"{controller} has no MSI or MSI-X interrupt")
    return problems


def hugetlb_lines(numa_maps: str, size_kib: int) -> list[str]:
    """The mappings of a process in hugepages of one size (proc_pid_numa_maps(5))."""
    return [line for line in numa_maps.splitlines() if f"kernelpagesize_kB={size_kib}" in line.split()]


def hugepage_problems(numa_maps: str, size_kib: int, pages: int, node: int) -> list[str]:
    """A VM's memory is in hugepages, all of them on the node. Pages per node stand as ``N0=512``."""
    by_node: dict[int, int] = {}
    for line in hugetlb_lines(numa_maps, size_kib):
        for number, count in re.findall(r" N(\d+)=(\d+)", line):
            by_node[int(number)] = by_node.get(int(number), 0) + int(count)
    problems = [f"{count} pages on node {other}" for other, count in by_node.items() if other != node and count]
    found = by_node.get(node, 0)
    return problems + ([f"{found} pages of {size_kib} KiB on node {node}, not {pages}"] if found < pages else [])


def node_pages_problems(listing: str, pages: int, node: int) -> list[str]:
    """Hugepages by node, a line each: ``NODE ALL FREE``; at least those of the VM must be in use on its node."""
    for line in listing.splitlines():
        name, total, free = line.split()
        if name == f"node{node}":
            used = int(total) - int(free)
            return [] if used >= pages else [f"{used} pages in use on {name}, not {pages}"]
    return [f"no node{node} in: {listing!r}"]


def policy_problems(numa_maps: str, mems_allowed: str, size_kib: int, node: int) -> list[str]:
    """The kernel gives the VM memory of its node only: by policy of each mapping, or by its cpuset.

    mems_allowed: the process' ``Mems_allowed_list``. libvirt chooses which of the two it uses.
    """
    policies = {line.split()[1] for line in hugetlb_lines(numa_maps, size_kib)}
    if not policies:
        return [f"no memory in pages of {size_kib} KiB"]
    bound = all(re.fullmatch(rf"bind(=\w+)?:{node}", policy) for policy in policies)
    if bound or cpus(mems_allowed) == {node}:
        return []
    return [f"policy {', '.join(sorted(policies))} and nodes {mems_allowed.strip()} allowed, not node {node} alone"]


def threads(listing: str) -> list[tuple[str, set[int]]]:
    """Threads of a process, a line each: ``CPUS<tab>NAME``; without the kernel's own."""
    rows = [line.partition("\t") for line in listing.splitlines() if line.strip()]
    return [(name, cpus(allowed)) for allowed, _, name in rows if name and not name.startswith(_KERNEL_THREADS)]


def vcpu_problems(listing: str, pins: Iterable[str]) -> list[str]:
    """Each vCPU's thread (``CPU N/KVM``) may run on its CPUs and no other."""
    allowed = {int(match[1]): on for name, on in threads(listing) if (match := _VCPU.match(name))}
    wanted = {number: cpus(text) for number, text in enumerate(pins)}
    return [
        f"vCPU {number} may run on {sorted(allowed.get(number, ()))}, not {sorted(wanted.get(number, ()))}"
        for number in sorted(allowed.keys() | wanted.keys())
        if allowed.get(number) != wanted.get(number)
    ]


def emulator_problems(listing: str, pins: str) -> list[str]:
    """All other threads of the VM's process keep to the emulator's CPUs."""
    others = [(name, on) for name, on in threads(listing) if not _VCPU.match(name) and not _IO_THREAD.match(name)]
    problems = [f"{name} may run on {sorted(on)}" for name, on in others if not on <= cpus(pins)]
    return problems if others else ["the process has no thread besides vCPUs"]


def io_thread_problems(listing: str, pins: str) -> list[str]:
    """The IO threads of virtio disks keep to their CPUs. pins: empty if there are no such disks."""
    found = [(name, on) for name, on in threads(listing) if _IO_THREAD.match(name)]
    if bool(found) != bool(pins):
        return [f"the process has {len(found)} IO threads, for CPUs {pins or 'none'}"]
    return [f"{name} may run on {sorted(on)}, not {pins}" for name, on in found if on != cpus(pins)]


def module_problems(modules: str, bound: str) -> list[str]:
    """modules: the guest's /proc/modules. bound: PCI functions bound to hpcapvf, one a line."""
    rows = {words[0]: words for line in modules.splitlines() if len(words := line.split()) > 4}
    module = rows.get("hpcapvf")
    problems = ["the module hpcapvf is not loaded"] if module is None else []
    if module is not None and module[4] != "Live":
        problems.append(f"the module hpcapvf is {module[4]}")
    functions = bound.split()
    return problems + ([] if len(functions) == 1 else [f"{len(functions)} functions are bound to hpcapvf"])


def polling_problems(listing: str, cpu: int) -> list[str]:
    """The driver's kernel thread may run on its CPU of the guest and no other; form as of ``threads``."""
    found = [(name, on) for name, on in threads(listing) if name.startswith("hpcap_")]
    problems = [f"{name} may run on {sorted(on)}, not {cpu}" for name, on in found if on != {cpu}]
    return problems if found else ["the driver has no polling thread"]


def node_problems(listing: str) -> list[str]:
    """Device nodes, a line each: ``TYPE<tab>PATH<tab>MODE<tab>GROUP`` as ``stat -c '%F\\t%n\\t%a\\t%G'`` says.

    A capture holds what others said: root and the group hpcap read it, nobody else.
    """
    nodes = [line.split("\t") for line in listing.splitlines() if line.strip()]
    if len(nodes) != 1:
        return [f"{len(nodes)} device nodes instead of one: {listing.split()}"]
    kind, path, mode, group = (*nodes[0], "", "", "")[:4]
    problems = [] if kind == "character special file" else [f"{path} is a {kind}"]
    problems += [] if mode == "640" else [f"{path} has mode {mode}, not 640"]
    return problems + ([] if group == "hpcap" else [f"{path} belongs to the group {group}, not hpcap"])


def mounted(mounts: str, place: str) -> tuple[str, str] | None:
    """Source and type of what is mounted at a place last, from /proc/mounts."""
    rows = [line.split() for line in mounts.splitlines()]
    found = [(row[0], row[2]) for row in rows if len(row) > 3 and row[1] == place]
    return found[-1] if found else None


def filesystem_problems(mounts: str, place: str, filesystem: str) -> list[str]:
    """The captures' file system is of the kind that was asked for, and on an array."""
    found = mounted(mounts, place)
    if found is None:
        return [f"nothing is mounted on {place}"]
    source, kind = found
    problems = [f"{place} is {kind}, not {filesystem}"] if kind != filesystem else []
    return problems + ([f"{place} is {source}, no array"] if not source.startswith("/dev/md") else [])


def mount_option_problems(mounts: str, mdstat: str, place: str, chunk_kib: int) -> list[str]:
    """No access times; and XFS knows the array: its stripe unit is a chunk, its width a chunk of every disk.

    XFS tells both in sectors of 512 bytes (xfs(5), sunit and swidth).
    """
    rows = [line.split() for line in mounts.splitlines()]
    found = [row for row in rows if len(row) > 3 and row[1] == place]
    if not found:
        return [f"nothing is mounted on {place}"]
    options = found[-1][3].split(",")
    problems = [] if "noatime" in options else [f"{place} is mounted without noatime"]
    if found[-1][2] != "xfs":
        return problems
    members = re.search(r"^md\S+ : active \S+ (.*)$", mdstat, re.MULTILINE)
    unit = chunk_kib * 2
    wanted = (f"sunit={unit}", f"swidth={unit * len(members[1].split() if members else ())}")
    return problems + [f"{place} has no {option}" for option in wanted if option not in options]


def domain_problems(xml: str, placement: Mapping[str, Any], passed: Iterable[str]) -> list[str]:
    """The running domain as libvirt tells it (formatdomain): memory, pins, and the functions that were passed."""
    domain = ElementTree.fromstring(xml)  # noqa: S314 - libvirt's own words
    found = {
        "hugepages in KiB": [page.get("size") for page in domain.iterfind("memoryBacking/hugepages/page")],
        "node of memory": [
            node.get("nodeset") for node in domain.iterfind("numatune/memory") if node.get("mode") == "strict"
        ],
        "vCPUs' CPUs": [cpus(pin.get("cpuset", "")) for pin in domain.iterfind("cputune/vcpupin")],
        "emulator's CPUs": [cpus(pin.get("cpuset", "")) for pin in domain.iterfind("cputune/emulatorpin")],
        "balloon": [balloon.get("model") for balloon in domain.iterfind("devices/memballoon")],
        "functions": sorted(map(_address, domain.iterfind("devices/hostdev[@type='pci']/source/address"))),
    }
    wanted = {
        "hugepages in KiB": [str(placement["hugepage_kib"])],
        "node of memory": [str(placement["node"])],
        "vCPUs' CPUs": list(map(cpus, placement["vcpu_pins"])),
        "emulator's CPUs": [cpus(placement["emulator_pins"])],
        "balloon": ["none"],
        "functions": sorted(passed),
    }
    return [f"{name}: {found[name]}, not {value}" for name, value in wanted.items() if found[name] != value]


def _address(element: ElementTree.Element) -> str:
    domain, bus, slot, function = (int(element.get(name, "0"), 16) for name in ("domain", "bus", "slot", "function"))
    return f"{domain:04x}:{bus:02x}:{slot:02x}.{function:x}"


def raid_problems(mdstat: str, chunk_kib: int) -> list[str]:
    """One RAID-0 with the chunk that was asked for, from /proc/mdstat."""
    arrays = re.findall(r"^(md\S+) : active (\S+) (.*)\n(.*)$", mdstat, re.MULTILINE)
    if len(arrays) != 1:
        return [f"{len(arrays)} active arrays instead of one"]
    name, level, _, sizes = arrays[0]
    problems = [f"{name} is {level}, not raid0"] if level != "raid0" else []
    chunk = re.search(r"(\d+)k chunk", sizes)
    found = int(chunk[1]) if chunk else None
    return problems + ([] if found == chunk_kib else [f"the chunk of {name} is {found} KiB, not {chunk_kib}"])


def counters(text: str) -> dict[str, int]:
    """Counters of the driver, a line each: ``NAME VALUE``."""
    rows = [line.split() for line in text.splitlines()]
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdecimal()}


def counter_problems(before: str, after: str) -> list[str]:
    """Frames came in and were handed on; none was dropped, and the card was not reset."""
    old, new = counters(before), counters(after)
    moved = {name: new[name] - old.get(name, 0) for name in new}
    problems = [f"{name} stood still" for name in ("received", "published") if moved.get(name, 0) <= 0]
    lost = ("ring_full_drops", "no_listener_drops", "errors", "resets")
    return problems + [f"{name} went up by {moved[name]}" for name in lost if moved.get(name, 0)]


def clock(text: str) -> dict[str, str]:
    """``KEY VALUE`` lines of a clock's script."""
    return dict(line.split(" ", 1) for line in text.splitlines() if " " in line)


def clock_problems(text: str) -> list[str]:
    """The kernel says that somebody keeps its clock, or the machine is its own reference, as its chrony says."""
    found = clock(text)
    good = found.get("synchronised") == "yes" or found.get("reference") == OWN_REFERENCE
    return [] if good else [f"nobody keeps the clock: {found.get('synchronised', 'nothing known')}"]


def offset_problems(before: str, guest: str, after: str) -> list[str]:
    """The guest's clock lies between two looks at the host's, with some room at both ends."""
    early, there, late = (float(clock(text).get("now", "nan")) for text in (before, guest, after))
    if early - CLOCK_ROOM_S <= there <= late + CLOCK_ROOM_S:
        return []
    return [f"the guest's clock says {there:.3f}, the host's said {early:.3f} before and {late:.3f} after"]


def registers(text: str) -> dict[int, int]:
    """What the reader printed: ``OFFSET VALUE`` in hexadecimal, a line each."""
    return {int(offset, 16): int(value, 16) for offset, value in (line.split() for line in text.splitlines())}


def mac_filters(found: Mapping[int, int], family: str) -> dict[int, int]:
    """RAH offset to the pools (a bit each) of every filter that is in use."""
    used = {offset: found.get(offset, 0) for offset in RAH_OFFSETS[family] if found.get(offset, 0) & RAH_VALID}
    return {offset: value >> RAH_FIRST_POOL & 0xFF for offset, value in used.items()}


def wanted_registers(family: str, pool: int) -> tuple[int, ...]:
    """Offsets of what ``replication_problems`` looks at."""
    return (*RAH_OFFSETS[family], VT_CTL, VMOLR + 4 * pool)


def replication_problems(text: str, family: str, pool: int) -> list[str]:
    """Frames of every MAC that somebody owns are replicated to the pool, and all others reach it too."""
    found = registers(text)
    filters = mac_filters(found, family)
    problems = [
        f"the MAC filter at {at:#x} has pools {pools:#x}" for at, pools in filters.items() if not pools >> pool & 1
    ]
    if not filters:
        problems.append("no MAC filter is in use: was the card read at all?")
    control, offload = found.get(VT_CTL, 0), found.get(VMOLR + 4 * pool, 0)
    if control >> 7 & 0x7 != pool:
        problems.append(f"the default pool is {control >> 7 & 0x7}, not {pool}")
    if not control & VT_CTL_REPLICATION:
        problems.append("replication is off")
    return problems + [f"pool {pool} has no {name}" for name, bit in VMOLR_ACCEPT.items() if not offload & bit]
