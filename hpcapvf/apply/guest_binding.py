"""Giving a PCI function of a guest to another driver, as programs for one round trip."""

from __future__ import annotations

from hpcapvf.apply.at_once import needed
from hpcapvf.apply.in_guest import PCI_DEVICES
from hpcapvf.host.protocols import Job
from hpcapvf.model.address import PciAddress

DRIVERS_PROBE = "/sys/bus/pci/drivers_probe"
_UNBIND = '[ ! -e "$1" ] || printf %s "$2" > "$1"'  # from whatever driver has it, if one has


def free_for(function: PciAddress, driver: str) -> tuple[Job, ...]:
    """Have the function wait for this driver: the stock driver claims the same IDs, and may have it."""
    folder = f"{PCI_DEVICES}/{function}"
    return (
        needed("tee", f"{folder}/driver_override", stdin=driver),
        needed("sh", "-c", _UNBIND, driver, f"{folder}/driver/unbind", str(function)),
    )


def driver_link(function: PciAddress) -> tuple[str, ...]:
    """The question that ``in_guest.bound_driver`` asks."""
    return ("readlink", f"{PCI_DEVICES}/{function}/driver")
