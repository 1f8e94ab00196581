"""Whether the host leaves the guest's CPUs alone, and what an operator can do about it: nothing is done unasked."""

from __future__ import annotations

from hpcapvf.model.address import CpuSet
from hpcapvf.model.host import Host
from hpcapvf.model.plan import Advice, Placement

ISOLATION = "thesis appendix A.1 (isolcpus)"
GOVERNOR = "thesis appendix A.2.6 (scaling governor)"
INTERRUPTS = "irqbalance(1): IRQBALANCE_BANNED_CPULIST; without it, isolated CPUs are left out"
BEST_GOVERNOR = "performance"


def quiet_advice(placement: Placement, host: Host) -> tuple[Advice, ...]:
    """What else may run on, slow down or interrupt the CPUs that guest and IO thread do not share with QEMU.

    What the host does not say is not advised upon.
    """
    pinned = CpuSet.of(cpu for pins in placement.vcpu_pins for cpu in pins)
    own = (pinned | placement.io_pins) - placement.emulator_pins
    exposed = CpuSet() if host.isolated is None else own - host.isolated
    notes: list[Advice] = []
    if exposed:
        text = (
            f"CPUs {exposed} are the guest's, but the host's scheduler may give them to others as well: boot with "
            f"isolcpus={exposed} to keep them apart"
        )
        notes.append(Advice(text, ISOLATION))
    if exposed and host.irqbalance:
        text = (
            f"irqbalance runs and may send devices' interrupts to CPUs {exposed}: put "
            f'IRQBALANCE_BANNED_CPULIST="{exposed}" into /etc/default/irqbalance and restart it'
        )
        notes.append(Advice(text, INTERRUPTS))
    governors = dict(host.governors or ())
    slow = CpuSet.of(cpu for cpu, governor in governors.items() if cpu in own and governor != BEST_GOVERNOR)
    if slow:
        found = ", ".join(sorted({governors[cpu] for cpu in slow}))
        text = f"CPUs {slow} have the frequency governor {found}: cpupower -c {slow} frequency-set -g {BEST_GOVERNOR}"
        notes.append(Advice(text, GOVERNOR))
    return tuple(notes)
