"""What keeps CPUs from doing one thing only: scheduler, frequency governor, interrupts.

Files: Documentation/admin-guide/cputopology.rst (``isolated``), Documentation/admin-guide/pm/cpufreq.rst; irqbalance's
unit has a runtime folder, older versions a pid file.
"""

from __future__ import annotations

from hpcapvf.model.address import CpuSet
from hpcapvf.probe.reading import Reader

_CPUS = "/sys/devices/system/cpu"
_IRQBALANCE = ("/run/irqbalance", "/run/irqbalance.pid")


def probe_isolated(reader: Reader) -> CpuSet | None:
    """CPUs that were taken out of the scheduler's balancing (``isolcpus=``); an empty file says none."""
    text = reader.text(f"{_CPUS}/isolated")
    return CpuSet() if text == "" else reader.cpus(f"{_CPUS}/isolated")


def probe_governors(reader: Reader, online: CpuSet) -> tuple[tuple[int, str], ...] | None:
    """Each CPU's frequency governor; a CPU without one, as in most virtual machines, is not in it.

    None for a recorded tree: recordings leave such files out.
    """
    if not reader.exists("/sys/bus/pci/drivers_probe"):
        return None
    read = ((cpu, reader.text(f"{_CPUS}/cpu{cpu}/cpufreq/scaling_governor")) for cpu in online)
    return tuple((cpu, governor) for cpu, governor in read if governor)


def probe_irqbalance(reader: Reader) -> bool | None:
    """Whether irqbalance runs; None for a recorded tree, which has no /run."""
    if not reader.exists("/run"):
        return None
    return any(reader.exists(path) for path in _IRQBALANCE)
