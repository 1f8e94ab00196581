"""Handler for a function that DPDK holds in the guest.

The guest's disk goes away with the deployment, so nothing is undone inside the guest.
"""

from __future__ import annotations

from hpcapvf.apply.at_once import answered, ask, do_all, install_unit, needed
from hpcapvf.apply.checked import run_any, wait_until
from hpcapvf.apply.guest_binding import DRIVERS_PROBE, driver_link, free_for
from hpcapvf.apply.handler import Context, Handler, Json, Trace
from hpcapvf.apply.in_guest import (
    PCI_DEVICES,
    READ_IDS,
    bound_driver,
    find_function,
    last_lines,
    lines_since_start,
    read_attribute,
    unit_is_active,
)
from hpcapvf.host.protocols import Guest, Job, NewFile
from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import NotCapable, StepFailed, WaitTimedOut
from hpcapvf.model.paths import FUNCTION_FILE, PORT_UNIT, SYSTEMD_UNITS
from hpcapvf.model.steps import HoldFunction

_UNIT_PATH = f"{SYSTEMD_UNITS}/{PORT_UNIT}"
_VFIO = "vfio-pci"
_HUGEPAGES = "/proc/sys/vm/nr_hugepages"
_HUGEPAGE_MIB = 2
_UNSAFE_INTERRUPTS = "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts"
_RECEIVES = "packet forwarding - ports=1"  # what testpmd says as it begins
_READY_TIMEOUT_S = 120.0
_HAS_DPDK = ("sh", "-c", "command -v dpdk-testpmd dpdk-dumpcap")


class HoldFunctionHandler(Handler[HoldFunction]):
    """Hugepages, vfio-pci by ``driver_override``, and a service with testpmd."""

    phase = "driver"
    survives_reboot = True

    def satisfied(self, step: HoldFunction, context: Context) -> str | None:
        """The same unit runs."""
        guest = ask(context.guest(), ("cat", _UNIT_PATH), ("systemctl", "is-active", "--quiet", PORT_UNIT))
        same = read_attribute(guest, _UNIT_PATH) == step.unit.strip()
        return f"{PORT_UNIT} runs" if same and unit_is_active(guest, PORT_UNIT) else None

    def observe(self, step: HoldFunction, context: Context) -> Json:
        """Nothing."""
        return {}

    def do(self, step: HoldFunction, before: Json, context: Context) -> Json:
        """Set memory aside, bind, start, and wait until testpmd receives."""
        guest = context.guest()
        known = ask(guest, _HAS_DPDK, READ_IDS)
        if run_any(known, _HAS_DPDK).returncode != 0:
            raise NotCapable(
                "the guest's image has no dpdk-testpmd or no dpdk-dumpcap",
                hint="install dpdk-dev and its cards' drivers (librte-meta-net) in the image, or use another engine",
            )
        function = find_function(known, step.vendor, step.device)
        _have_hugepages(guest, step.memory_mib)
        _bind(guest, function)
        files = (NewFile(FUNCTION_FILE, f"FUNCTION={function}\n".encode()), NewFile(_UNIT_PATH, step.unit.encode()))
        reset = Job(("systemctl", "reset-failed", PORT_UNIT))  # it began at boot, before there was anything to hold
        install_unit(guest, PORT_UNIT, files, timeout_s=_READY_TIMEOUT_S, before=[reset])
        try:
            wait_until(
                context.machine.clock, "testpmd to receive", _READY_TIMEOUT_S, lambda: _receives(guest), poll_s=1
            )
        except WaitTimedOut as error:
            hint = f"see `journalctl -u {PORT_UNIT}` in the guest"
            raise WaitTimedOut(error.message, hint=hint, details=last_lines(guest, PORT_UNIT)) from error
        return {"function": str(function)}

    def undo(self, step: HoldFunction, trace: Trace, context: Context) -> tuple[str, ...]:
        """Nothing: the guest's disk goes."""
        return ()


def _have_hugepages(guest: Guest, memory_mib: int) -> None:
    pages = -(-memory_mib // _HUGEPAGE_MIB)
    read_back = Job(("cat", _HUGEPAGES))
    known = answered(guest, do_all(guest, [needed("tee", _HUGEPAGES, stdin=str(pages)), read_back]))
    found = read_attribute(known, _HUGEPAGES)
    if found is None or not found.isdecimal() or int(found) < pages:
        raise StepFailed(
            f"the guest has {found} hugepages of {_HUGEPAGE_MIB} MiB instead of {pages}",
            hint="give the guest more memory (guest.memory_mib), or DPDK less (engine.ring_mib)",
        )


def _bind(guest: Guest, function: PciAddress) -> None:
    """To vfio-pci; a guest's IOMMU does not remap interrupts, which vfio wants to be told is known."""
    folder = f"{PCI_DEVICES}/{function}"
    load, group = needed("modprobe", _VFIO), Job(("ls", f"{folder}/iommu_group/devices"))
    if do_all(guest, [load, group], hint="does the guest's kernel have vfio-pci?")[-1].returncode != 0:
        raise StepFailed(
            f"{function} in the guest is behind no IOMMU",
            hint="start its kernel with intel_iommu=on",
        )
    unsafe = needed("tee", _UNSAFE_INTERRUPTS, stdin="Y")
    probe = needed("tee", DRIVERS_PROBE, stdin=str(function))
    jobs = (unsafe, *free_for(function, _VFIO), probe, Job(driver_link(function)))
    found = bound_driver(answered(guest, do_all(guest, jobs)), function)
    if found != _VFIO:
        raise StepFailed(
            f"{function} in the guest is bound to {found or 'no driver'}, not to {_VFIO}", hint="see dmesg in the guest"
        )


def _receives(guest: Guest) -> bool | None:
    if any(_RECEIVES in line for line in lines_since_start(guest, PORT_UNIT)):
        return True
    if not unit_is_active(guest, PORT_UNIT):
        raise StepFailed("testpmd ended at once in the guest", details=last_lines(guest, PORT_UNIT))
    return None
