"""The disks that a plan gives its guest, as the guest shows them."""

from __future__ import annotations

from hpcapvf.apply.at_once import ask
from hpcapvf.apply.checked import read_int
from hpcapvf.apply.guest_disks import FIND_DISKS, GuestDisk, disks_behind, disks_with_serials
from hpcapvf.apply.handler import Context, Json
from hpcapvf.apply.in_guest import READ_IDS, find_function
from hpcapvf.host.protocols import Guest
from hpcapvf.model.errors import StepFailed


def given_disks(guest: Guest, context: Context) -> tuple[GuestDisk, ...]:
    """Those behind the function that was passed to it, or the virtio block devices with the serials of the plan.

    They are looked at once for a step: what a step makes of them it sees for itself.
    """
    return context.once("given disks", lambda: _look(guest, context))


def _look(guest: Guest, context: Context) -> tuple[GuestDisk, ...]:
    plan = context.plan
    if plan.block_devices:
        return disks_with_serials(guest, tuple(disk.serial for disk in plan.block_devices))
    if plan.controller is None:
        raise StepFailed("the plan uses disks without giving the guest any", hint="plan again with this version")
    folder = f"/sys/bus/pci/devices/{plan.controller}"
    files = context.machine.files
    known = ask(guest, READ_IDS, FIND_DISKS)
    function = find_function(known, read_int(files, f"{folder}/vendor"), read_int(files, f"{folder}/device"))
    disks = disks_behind(known, function)
    if not disks:
        raise StepFailed(
            f"the guest sees no disk behind controller {plan.controller} ({function} in the guest)",
            hint="look for the controller in the guest's kernel log; is its driver in the image?",
        )
    return disks


def for_record(disks: tuple[GuestDisk, ...]) -> Json:
    """The disks and what they carry, for the journal."""
    return {"disks": [{"serial": d.serial, "size_bytes": d.size_bytes, "carries": d.carries} for d in disks]}
