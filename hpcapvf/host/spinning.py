"""Whether a guest that does not answer still computes: what KVM counted of its virtual CPUs, as libvirt tells it.

Counter names as in the kernel's ``Documentation/virt/kvm/api.rst`` (binary statistics) and
``arch/x86/include/asm/kvm_host.h``; libvirt's keys as in ``virConnectGetAllDomainStats`` (VIR_DOMAIN_STATS_VCPU).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

CpuCounts = Mapping[int, Mapping[str, int]]
# A guest that touches new memory takes page faults too, but each is served once; one that is caught in an instruction
# takes the same one again and again, and hardly anything else.
_LEAST_EXITS_PER_S = 500.0
_LEAST_FAULTS_OF_EXITS = 0.5
_MOST_SERVED_OF_FAULTS = 0.1
_KEY = re.compile(r"vcpu\.(\d+)\.(\w+)\.sum")


def counts_of(stats: Mapping[str, object]) -> dict[int, dict[str, int]]:
    """libvirt's flat keys (``vcpu.0.exits.sum``) as {virtual CPU: {counter: count}}; other keys are left out."""
    counts: dict[int, dict[str, int]] = {}
    for key, value in stats.items():
        if (found := _KEY.fullmatch(key)) and isinstance(value, int):
            counts.setdefault(int(found[1]), {})[found[2]] = value
    return counts


def spinning(before: CpuCounts, after: CpuCounts, seconds: float) -> str:
    """What is to be told of virtual CPUs that spin; empty if none does or nothing is known of them."""
    told = []
    for cpu in sorted(before.keys() & after.keys()):
        grown = {name: after[cpu][name] - count for name, count in before[cpu].items() if name in after[cpu]}
        exits, faults, served = (grown.get(name, 0) / seconds for name in ("exits", "pf_taken", "pf_fixed"))
        caught = faults >= _LEAST_FAULTS_OF_EXITS * exits and served <= _MOST_SERVED_OF_FAULTS * faults
        if exits >= _LEAST_EXITS_PER_S and caught:
            told.append(
                f"virtual CPU {cpu} spins: {exits:.0f} exits/s, {faults:.0f} page faults/s, {served:.0f}/s served"
            )
    return "; ".join(told)
