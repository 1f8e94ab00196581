"""Handler for binding a PCI function to a driver (kernel: Documentation/ABI/testing/sysfs-bus-pci, driver_override)."""

from __future__ import annotations

from hpcapvf.apply.checked import read_word, run_checked, wait_until
from hpcapvf.apply.handler import Context, Handler, Json, Trace
from hpcapvf.apply.handlers import storage
from hpcapvf.host.protocols import Files
from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import Conflict, StepFailed
from hpcapvf.model.steps import BindDriver

PCI_DEVICES = "/sys/bus/pci/devices"
_BIND_TIMEOUT_S = 60.0
_NO_OVERRIDE = "(null)"
_HARMLESS_IN_GROUP = ("vfio-pci", "pcieport")


class BindDriverHandler(Handler[BindDriver]):
    """Unbind, ``driver_override``, ``drivers_probe``, and back. A disk controller gets its disks looked after."""

    phase = "passthrough"
    survives_reboot = False

    def satisfied(self, step: BindDriver, context: Context) -> str | None:
        """It is bound so."""
        found = _driver(step.device, context.machine.files)
        return f"{step.device} is bound to {found}" if found == step.driver else None

    def observe(self, step: BindDriver, context: Context) -> Json:
        """Driver, override, and the disks behind it."""
        files = context.machine.files
        return {
            "driver": _driver(step.device, files),
            "override": read_word(files, _file(step.device, "driver_override")),
            "disks": len(storage.disks_of(step.device, files)),
        }

    def do(self, step: BindDriver, before: Json, context: Context) -> Json:
        """Check that nothing else is hurt, then bind and read back."""
        files = context.machine.files
        if "iommu-group" not in context.plan.forced:
            _refuse_shared_group(step.device, files)
        storage.refuse_disks_in_use(step.device, files, spare_held="disk-held" in context.plan.forced)
        run_checked(
            context.machine,
            ["modprobe", step.driver],
            hint=f"the kernel has no module {step.driver}: install the kernel's full module package",
        )
        _unbind(step.device, context)
        _write_override(step.device, step.driver, files)
        _probe(step.device, context)
        found = _driver(step.device, files)
        if found != step.driver:
            raise StepFailed(
                f"{step.device} did not bind to {step.driver}; its driver is {found or 'none'}",
                hint="see the kernel log; for vfio-pci the IOMMU must be on (intel_iommu=on or amd_iommu=on)",
            )
        return {}

    def undo(self, step: BindDriver, trace: Trace, context: Context) -> tuple[str, ...]:
        """Give it back to its former driver. Where that one drives disks, they must answer again."""
        files = context.machine.files
        if not files.exists(f"{PCI_DEVICES}/{step.device}"):
            if step.device in _virtual(context):
                return ("the VF is gone already",)
            raise StepFailed(f"{step.device} is gone from the PCI bus", hint="echo 1 > /sys/bus/pci/rescan")
        before = trace.before
        if _driver(step.device, files) != before["driver"]:
            _refuse_held(step.device, context)
            if before["disks"]:
                storage.reset_controller(step.device, context)
            _unbind(step.device, context)
        _write_override(step.device, before["override"], files)
        if before["driver"] is not None and _driver(step.device, files) is None:
            _probe(step.device, context)
        found = _driver(step.device, files)
        if found != before["driver"]:
            raise StepFailed(
                f"{step.device} should be bound to {before['driver'] or 'no driver'}, but is to {found or 'none'}",
                hint=f"echo {step.device} > /sys/bus/pci/drivers/{before['driver']}/bind",
            )
        if before["disks"]:
            return storage.wait_for_disks(step.device, before["disks"], context)
        return ()


def _virtual(context: Context) -> tuple[PciAddress | None, ...]:
    """The functions that are VFs, and go with their PF's restart."""
    plan = context.plan
    network = plan.function if plan.vf_index is not None else None
    return network, plan.controller if plan.request.storage.mode == "nvme-vf" else None


def _file(device: PciAddress, name: str) -> str:
    return f"{PCI_DEVICES}/{device}/{name}"


def _driver(device: PciAddress, files: Files) -> str | None:
    return files.link_name(_file(device, "driver"))


def _unbind(device: PciAddress, context: Context) -> None:
    files = context.machine.files
    if _driver(device, files) is None:
        return
    files.write_text(_file(device, "driver/unbind"), str(device))
    wait_until(
        context.machine.clock,
        f"{device} to leave its driver",
        _BIND_TIMEOUT_S,
        lambda: True if _driver(device, files) is None else None,
    )


def _write_override(device: PciAddress, override: str, files: Files) -> None:
    path = _file(device, "driver_override")
    if read_word(files, path) == override:
        return
    files.write_text(path, "\n" if override == _NO_OVERRIDE else override)
    found = read_word(files, path)
    if found != override:
        raise StepFailed(f"wrote {override} to {path} but it reads {found}")


def _probe(device: PciAddress, context: Context) -> None:
    context.machine.files.write_text("/sys/bus/pci/drivers_probe", str(device))


def _refuse_held(device: PciAddress, context: Context) -> None:
    """Unbinding a function that a VM holds would wait in the kernel, without an end, until that VM is gone."""
    for domain in context.machine.hypervisor.domains():
        if domain.running and device in domain.hostdevs:
            raise StepFailed(
                f"{device} is held by the running domain {domain.name}",
                hint=f"stop it (virsh shutdown {domain.name}), then run this again",
            )


def _refuse_shared_group(device: PciAddress, files: Files) -> None:
    """VFIO gives away whole IOMMU groups: nothing else in the group may be in use by the host."""
    group = files.real_path(_file(device, "iommu_group"))
    if group is None:
        raise StepFailed(
            f"{device} is in no IOMMU group",
            hint="switch the IOMMU on (firmware, and kernel argument intel_iommu=on or amd_iommu=on)",
        )
    for name in files.list(f"{group}/devices") or ():
        driver = _driver(PciAddress.parse(name), files)
        if name != str(device) and driver is not None and driver not in _HARMLESS_IN_GROUP:
            raise Conflict(
                f"{device} shares IOMMU group {group.rsplit('/', 1)[-1]} with {name}, which {driver} drives",
                hint="use another slot, or give both to the guest",
            )
