"""All checks of a host, in the order in which they are worth mending."""

from __future__ import annotations

from collections.abc import Iterator

from hpcapvf.doctor.devices import check_devices
from hpcapvf.doctor.diagnosis import Check, boot_with
from hpcapvf.doctor.platform import PLATFORM_CHECKS
from hpcapvf.doctor.quiet import QUIET_CHECKS
from hpcapvf.model.host import Host, HugepagePool, NumaNode
from hpcapvf.model.paths import DRIVER_STORE
from hpcapvf.model.vitals import Diagnosis, Vitals

_HUGETLB = "Documentation/admin-guide/mm/hugetlbpage.rst"
_GIB_KIB, _SMALL_KIB = 1 << 20, 2048
_SMALLEST_GUEST_MIB = 1024
_NODE_FORMAT_SINCE = (5, 16)
_PROGRAMS = ("hpcapdd", "raw2pcap", "checkraw", "hpcapdump", "hpcapstat", "pcap2raw")


def examine(host: Host, vitals: Vitals) -> tuple[Diagnosis, ...]:
    """Every finding, good ones too. What the host does not say is ``unknown``, never a fault and never ok."""
    return (
        *(check(host, vitals) for check in (*PLATFORM_CHECKS, *QUIET_CHECKS)),
        *check_devices(host, vitals),
        *(check_small_pages(node) for node in host.nodes),
        *check_gigantic_pages(host, vitals),
        check_module(vitals),
    )


def check_small_pages(node: NumaNode) -> Diagnosis:
    """2 MiB pages, which a deployment reserves itself if the node has memory."""
    check = Check(
        f"2 MiB pages of node {node.index}", f"{_HUGETLB}; Documentation/ABI/testing/sysfs-kernel-mm-hugepages"
    )
    pool = _pool(node, _SMALL_KIB)
    if pool is None or pool.free is None:
        return check.unknown("its hugepages folder is not there or says nothing", "ls /sys/devices/system/node/node*/")
    free_mib = pool.free * _SMALL_KIB // 1024
    found = f"{pool.free} of {pool.total} free"
    if node.memory_free_mib is None:
        return check.unknown(f"{found}; free memory is not said", "cat /sys/devices/system/node/node*/meminfo")
    if free_mib + node.memory_free_mib < _SMALLEST_GUEST_MIB:
        cause = f"with {node.memory_free_mib} MiB free memory there is no room for a guest of {_SMALLEST_GUEST_MIB} MiB"
        return check.warning(found, cause, "free memory on that node: numastat -m; or set placement.node in the spec")
    return check.ok(f"{found}, {node.memory_free_mib} MiB memory to make more of")


def check_gigantic_pages(host: Host, vitals: Vitals) -> Iterator[Diagnosis]:
    """1 GiB pages, which are to be had for sure only at boot."""
    source = f"{_HUGETLB}: hugepagesz, hugepages"
    if vitals.cpu_flags is not None and "pdpe1gb" not in vitals.cpu_flags:
        check = Check("1 GiB pages", source)
        yield check.warning("not supported", "the CPU has no such pages (pdpe1gb)", "placement.hugepage_kib: 2048")
        return
    for node in host.nodes:
        check = Check(f"1 GiB pages of node {node.index}", source)
        pool = _pool(node, _GIB_KIB)
        if pool is None:
            yield check.unknown("its folder hugepages-1048576kB is not there", "grep -c pdpe1gb /proc/cpuinfo")
        elif pool.total:
            yield check.ok(f"{'unknown' if pool.free is None else pool.free} of {pool.total} free")
        else:
            cause = (
                "none were reserved at boot, and a running kernel seldom finds 1 GiB in one piece; 2 MiB pages do too"
            )
            yield check.warning("none", cause, _reserve_at_boot(host, node))


def _reserve_at_boot(host: Host, node: NumaNode) -> str:
    """Pages of one node can be named since Linux 5.16."""
    words = (host.kernel_release or "").split(".")
    known = len(words) > 1 and words[0].isdecimal() and words[1].isdecimal()
    if known and (int(words[0]), int(words[1])) < _NODE_FORMAT_SINCE:
        return boot_with(f"hugepagesz=1G hugepages={len(host.nodes)}") + "  # shared out evenly over all nodes"
    return boot_with(f"hugepagesz=1G hugepages={node.index}:1")


def _pool(node: NumaNode, size_kib: int) -> HugepagePool | None:
    return next((pool for pool in node.hugepages if pool.size_kib == size_kib), None)


def check_module(vitals: Vitals) -> Diagnosis:
    """The driver's store: a module for each kernel that a guest may run, and the programs."""
    check = Check("driver for the guest", f"docs/reference.md (the driver's store); {DRIVER_STORE}")
    build = "make -C driver module KDIR=/lib/modules/RELEASE/build, on a machine with the guest's kernel headers; then "
    copy = f"install -D driver/build/hpcapvf.ko {DRIVER_STORE}/RELEASE/hpcapvf.ko"
    if vitals.modules is None:
        return check.unknown("/var/lib is not there", "run it on the host itself")
    if not vitals.modules:
        return check.fault("no module", "no kernel's hpcapvf.ko is in the store, so no guest can load it", build + copy)
    wrong = [m for m in vitals.modules if m.vermagic is not None and m.vermagic != m.release]
    if wrong:
        told = "; ".join(f"{m.release} holds one built for {m.vermagic}" for m in wrong)
        return check.fault(f"wrong module: {told}", "a guest with that kernel refuses it (vermagic)", build + copy)
    lacking = [name for name in _PROGRAMS if name not in (vitals.programs or ())]
    if lacking:
        remedy = f"make -C driver user && cp driver/build/bin/* {DRIVER_STORE}/bin/"
        return check.fault(f"without {', '.join(lacking)}", "the guest is given these programs", remedy)
    doubtful = [m.release for m in vitals.modules if m.vermagic is None]
    if doubtful:
        return check.unknown(f"no vermagic in the module for {', '.join(doubtful)}", "modinfo -F vermagic FILE")
    kernels = ", ".join(m.release for m in vitals.modules)
    return check.ok(f"for kernels {kernels}; which one an image boots is seen when it has started")
