"""Handlers for making virtual functions."""

from __future__ import annotations

from hpcapvf.apply.checked import read_int, wait_until, write_and_read_back
from hpcapvf.apply.handler import Context, Handler, Json, Trace
from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import StepFailed
from hpcapvf.model.steps import SetAutoprobe, SetNumVfs


class SetAutoprobeHandler(Handler[SetAutoprobe]):
    """``sriov_drivers_autoprobe``."""

    phase = "network card"
    survives_reboot = False
    common = True

    def satisfied(self, step: SetAutoprobe, context: Context) -> str | None:
        """It has the value, or this kernel has no such file."""
        found = context.machine.files.read_text(_autoprobe(step.pf))
        if found is None:
            return "this kernel has no sriov_drivers_autoprobe; drivers are unbound later"
        return f"it is {found.strip()}" if found.strip() == str(int(step.enabled)) else None

    def observe(self, step: SetAutoprobe, context: Context) -> Json:
        """The value."""
        return {"enabled": read_int(context.machine.files, _autoprobe(step.pf))}

    def do(self, step: SetAutoprobe, before: Json, context: Context) -> Json:
        """Write and read back."""
        write_and_read_back(context.machine.files, _autoprobe(step.pf), str(int(step.enabled)))
        return {}

    def undo(self, step: SetAutoprobe, trace: Trace, context: Context) -> tuple[str, ...]:
        """Write what it was."""
        write_and_read_back(context.machine.files, _autoprobe(step.pf), str(trace.before["enabled"]))
        return ()


class SetNumVfsHandler(Handler[SetNumVfs]):
    """``sriov_numvfs``, from 0 only: taking away somebody's VFs is nobody's wish."""

    phase = "network card"
    survives_reboot = False
    common = True

    def satisfied(self, step: SetNumVfs, context: Context) -> str | None:
        """There are as many."""
        return f"there are {step.count}" if _num_vfs(step.pf, context) == step.count else None

    def observe(self, step: SetNumVfs, context: Context) -> Json:
        """How many there are."""
        return {"count": _num_vfs(step.pf, context)}

    def do(self, step: SetNumVfs, before: Json, context: Context) -> Json:
        """Make them and wait until each has its folder and its IOMMU group."""
        if before["count"] != 0:
            raise StepFailed(
                f"{step.pf} has {before['count']} VFs, not {step.count}, and the kernel changes that only through 0",
                hint=f"ask for {before['count']} VFs, or free them and write 0 to sriov_numvfs",
            )
        write_and_read_back(context.machine.files, _numvfs(step.pf), str(step.count))
        context.machine.udev.wait_for_vfs(step.pf, step.count, timeout_s=step.timeout_s)
        wait_until(
            context.machine.clock,
            f"the IOMMU groups of {step.count} VFs of {step.pf}",
            step.timeout_s,
            lambda: True if _all_grouped(step.pf, step.count, context) else None,
        )
        return {}

    def undo(self, step: SetNumVfs, trace: Trace, context: Context) -> tuple[str, ...]:
        """Take them away if there were none."""
        if trace.before["count"] == 0 and _num_vfs(step.pf, context) != 0:
            write_and_read_back(context.machine.files, _numvfs(step.pf), "0")
        return ()


def _pf(pf: PciAddress) -> str:
    return f"/sys/bus/pci/devices/{pf}"


def _autoprobe(pf: PciAddress) -> str:
    return f"{_pf(pf)}/sriov_drivers_autoprobe"


def _numvfs(pf: PciAddress) -> str:
    return f"{_pf(pf)}/sriov_numvfs"


def _num_vfs(pf: PciAddress, context: Context) -> int:
    return read_int(context.machine.files, _numvfs(pf))


def _all_grouped(pf: PciAddress, count: int, context: Context) -> bool:
    files = context.machine.files
    groups = [files.link_name(f"{_pf(pf)}/virtfn{i}/iommu_group") for i in range(count)]
    return all(groups)
