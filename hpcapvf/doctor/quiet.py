"""Whether CPUs can be left to a probe alone: isolation, frequency, interrupts. Which CPUs, a plan says."""

from __future__ import annotations

from hpcapvf.doctor.diagnosis import Check, boot_with
from hpcapvf.model.host import Host
from hpcapvf.model.vitals import Diagnosis, Vitals

_BEST_GOVERNOR = "performance"


def check_isolation(host: Host, _vitals: Vitals) -> Diagnosis:
    """CPUs that the scheduler leaves alone."""
    check = Check("isolated CPUs", "thesis appendix A.1; Documentation/admin-guide/kernel-parameters.txt: isolcpus")
    if host.isolated is None:
        return check.unknown("/sys/devices/system/cpu/isolated is not there", "grep -o 'isolcpus=[^ ]*' /proc/cmdline")
    if host.isolated:
        return check.ok(str(host.isolated))
    cause = "the host's scheduler may give a probe's CPUs to others; `hpcapvf plan` names the CPUs of a probe"
    return check.warning("none", cause, boot_with("isolcpus=CPUS"))


def check_governors(host: Host, _vitals: Vitals) -> Diagnosis:
    """Frequency governors: a CPU that must speed up first loses frames meanwhile."""
    check = Check("frequency governor", "thesis appendix A.2.6; Documentation/admin-guide/pm/cpufreq.rst")
    if host.governors is None:
        return check.unknown("/sys does not tell", "cat /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor")
    if not host.governors:
        return check.ok("none: the kernel does not govern the CPUs' frequency")
    others = sorted({governor for _, governor in host.governors if governor != _BEST_GOVERNOR})
    if not others:
        return check.ok(f"{_BEST_GOVERNOR} on all {len(host.governors)} CPUs")
    count = sum(governor != _BEST_GOVERNOR for _, governor in host.governors)
    cause = "a CPU that must speed up first may lose frames meanwhile"
    return check.warning(f"{', '.join(others)} on {count} CPUs", cause, f"cpupower frequency-set -g {_BEST_GOVERNOR}")


def check_irqbalance(host: Host, _vitals: Vitals) -> Diagnosis:
    """irqbalance moves interrupts to CPUs that are not isolated."""
    check = Check("irqbalance", "irqbalance(1): IRQBALANCE_BANNED_CPULIST")
    if host.irqbalance is None:
        return check.unknown("/run is not there", "systemctl is-active irqbalance")
    if not host.irqbalance:
        return check.ok("does not run")
    if host.isolated:
        return check.ok(f"runs, and leaves out the isolated CPUs {host.isolated}")
    cause = "it may send devices' interrupts to a probe's CPUs; isolated ones it leaves out"
    remedy = "echo 'IRQBALANCE_BANNED_CPULIST=CPUS' >> /etc/default/irqbalance && systemctl restart irqbalance"
    return check.warning("runs", cause, remedy)


QUIET_CHECKS = (check_isolation, check_governors, check_irqbalance)
