"""NUMA nodes and CPUs (Documentation/ABI/stable/sysfs-devices-node, Documentation/admin-guide/cputopology.rst)."""

from __future__ import annotations

from hpcapvf.model.address import CpuSet
from hpcapvf.model.host import Cpu, HugepagePool, NumaNode
from hpcapvf.probe.reading import Reader, numbered

_NODES = "/sys/devices/system/node"
_CPUS = "/sys/devices/system/cpu"
_POOL_PREFIX = "hugepages-"


def probe_nodes(reader: Reader, online_cpus: CpuSet) -> tuple[NumaNode, ...]:
    """All online nodes, also those without CPUs or without memory. Their CPUs are the online ones only."""
    names = reader.names(_NODES)
    present = CpuSet.of(numbered(names, "node"))
    online = reader.cpus(f"{_NODES}/online")
    indices = list(present if online is None else online)
    order = _distance_order(reader, indices)
    return tuple(_probe_node(reader, index, online_cpus, order) for index in indices)


def probe_cpus(reader: Reader, online: CpuSet, nodes: tuple[NumaNode, ...]) -> tuple[Cpu, ...]:
    """All online CPUs. A CPU whose node is offline keeps that node's number."""
    node_of = {cpu: node.index for node in nodes for cpu in node.cpus}
    cores = _cores(reader, online)
    return tuple(Cpu(cpu, node_of.get(cpu, _linked_node(reader, cpu)), cores[cpu]) for cpu in online)


def probe_online_cpus(reader: Reader) -> CpuSet:
    """Which CPUs are online; CPU folders that do not say ``online = 0`` if the kernel's list is missing."""
    listed = reader.cpus(f"{_CPUS}/online")
    if listed is not None:
        return listed
    present = numbered(reader.names(_CPUS), "cpu")
    return CpuSet.of(cpu for cpu in present if reader.number(f"{_CPUS}/cpu{cpu}/online", highest=1) != 0)


def parse_meminfo(text: str) -> dict[str, int]:
    """``Node 0 MemTotal:  123 kB`` (or without the node) to {"MemTotal": 123}; KiB, or pages for HugePages lines."""
    found: dict[str, int] = {}
    for line in text.splitlines():
        label, colon, rest = line.partition(":")
        words = rest.split()
        if not colon or not words:
            continue
        found[label.split()[-1]] = int(words[0])
    return found


def parse_distances(text: str) -> tuple[int, ...]:
    """``10 21`` to (10, 21). ValueError if a distance is not above 0."""
    distances = tuple(int(word) for word in text.split())
    if any(distance <= 0 for distance in distances):
        raise ValueError(text)
    return distances


def _probe_node(reader: Reader, index: int, online_cpus: CpuSet, order: list[int]) -> NumaNode:
    folder = f"{_NODES}/node{index}"
    names = reader.names(folder)
    cpus = reader.cpus(f"{folder}/cpulist")
    if cpus is None:
        cpus = reader.cpu_mask(f"{folder}/cpumap")
    if cpus is None:
        cpus = CpuSet.of(numbered(names, "cpu"))
    memory = reader.parsed(f"{folder}/meminfo", parse_meminfo) or {}
    total, free = memory.get("MemTotal"), memory.get("MemFree")
    return NumaNode(
        index=index,
        cpus=cpus & online_cpus,
        memory_mib=None if total is None else total // 1024,
        memory_free_mib=None if free is None else free // 1024,
        hugepages=_probe_pools(reader, f"{folder}/hugepages"),
        distances=_distances(reader, folder, order),
    )


def _probe_pools(reader: Reader, folder: str) -> tuple[HugepagePool, ...]:
    pools: list[HugepagePool] = []
    for name in reader.names(folder) or ():
        size = name.removeprefix(_POOL_PREFIX).removesuffix("kB")
        if not name.startswith(_POOL_PREFIX) or not (size.isascii() and size.isdigit()):
            continue
        total = reader.number(f"{folder}/{name}/nr_hugepages")
        if total is not None:
            pools.append(HugepagePool(int(size), total, reader.number(f"{folder}/{name}/free_hugepages")))
    return tuple(sorted(pools, key=lambda pool: pool.size_kib))


def _distance_order(reader: Reader, online: list[int]) -> list[int]:
    """For each column of a ``distance`` file that belongs to an online node: which column. [] if it cannot be told."""
    lengths = {len(reader.parsed(f"{_NODES}/node{i}/distance", parse_distances) or ()) for i in online} - {0}
    if len(lengths) != 1:
        return []
    length = lengths.pop()
    if length == len(online):  # the kernel prints online nodes only
        return list(range(length))
    possible = list(reader.cpus(f"{_NODES}/possible") or ())
    if length == len(possible) and set(online) <= set(possible):
        return [possible.index(node) for node in online]
    return []


def _distances(reader: Reader, folder: str, order: list[int]) -> tuple[int, ...]:
    row = reader.parsed(f"{folder}/distance", parse_distances) or ()
    return tuple(row[column] for column in order) if order and len(row) > max(order) else ()


def _linked_node(reader: Reader, cpu: int) -> int | None:
    nodes = numbered(reader.names(f"{_CPUS}/cpu{cpu}"), "node")
    return nodes[0] if len(nodes) == 1 else None


def _cores(reader: Reader, online: CpuSet) -> dict[int, CpuSet]:
    """The threads of each CPU's core: from the sibling files, else by equal package and core number, else alone."""
    by_number: dict[tuple[int, int], set[int]] = {}
    siblings: dict[int, CpuSet] = {}
    for cpu in online:
        folder = f"{_CPUS}/cpu{cpu}/topology"
        shared = reader.cpus(f"{folder}/thread_siblings_list")
        if shared is None:
            shared = reader.cpu_mask(f"{folder}/thread_siblings")
        if shared is not None:
            siblings[cpu] = (shared & online) | CpuSet.of([cpu])
            continue
        package, core = reader.number(f"{folder}/physical_package_id"), reader.number(f"{folder}/core_id")
        key = (cpu, -1) if package is None or core is None else (package, core)
        by_number.setdefault(key, set()).add(cpu)
    for group in by_number.values():
        siblings |= dict.fromkeys(group, CpuSet.of(group))
    return siblings
