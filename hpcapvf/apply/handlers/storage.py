"""The disks behind a controller that is lent to a guest: not in use before, answering again after."""

from __future__ import annotations

import contextlib
import functools

from hpcapvf.apply.checked import run_any, run_checked, wait_until
from hpcapvf.apply.handler import Context
from hpcapvf.host.protocols import Files
from hpcapvf.model.address import PciAddress
from hpcapvf.model.block import openable_name
from hpcapvf.model.errors import Conflict, FileFailed, StepFailed, WaitTimedOut

_DISKS_TIMEOUT_S = 60.0
_READ_TIMEOUT_S = 30.0


def disks_of(controller: PciAddress, files: Files) -> tuple[str, ...]:
    """Names of the block devices behind a PCI function."""
    names = files.list("/sys/block") or ()
    behind = (n for n in names if f"/{controller}/" in f"{files.real_path(f'/sys/block/{n}') or ''}/")
    return tuple(sorted({openable_name(n) for n in behind}))


def refuse_disks_in_use(controller: PciAddress, files: Files, *, spare_held: bool = False) -> None:
    """Conflict if a disk behind the controller is mounted, swapped to, or (unless spare_held) part of something."""
    for disk in disks_of(controller, files):
        parts = _partitions(disk, files)
        holders = holders_of(disk, files)
        if holders and not spare_held:
            raise _in_use(controller, disk, f"part of {', '.join(holders)}")
        named = {disk, *parts, *holders}
        for table in ("/proc/mounts", "/proc/swaps"):
            for line in (files.read_text(table) or "").splitlines():
                if line.split(" ", 1)[0] in {f"/dev/{name}" for name in named}:
                    raise _in_use(controller, disk, f"listed in {table}: {line}")


def holders_of(disk: str, files: Files) -> tuple[str, ...]:
    """What is stacked on a disk or on one of its partitions (``md127``, ``dm-0``)."""
    folders = (f"/sys/block/{disk}", *(f"/sys/block/{disk}/{part}" for part in _partitions(disk, files)))
    return tuple(sorted({name for folder in folders for name in files.list(f"{folder}/holders") or ()}))


def _partitions(disk: str, files: Files) -> tuple[str, ...]:
    return tuple(n for n in files.list(f"/sys/block/{disk}") or () if n.startswith(disk))


def release_disks(disks: tuple[str, ...], context: Context) -> tuple[str, ...]:
    """Stop the md arrays that the host made of a guest's disks as soon as it saw them; what was done, for people.

    Only disks that nothing used before are lent, so what holds them now came by itself.
    """
    machine = context.machine
    run_any(machine, ["udevadm", "settle"])
    arrays = sorted({name for disk in disks for name in holders_of(disk, machine.files) if name.startswith("md")})
    for array in arrays:
        run_checked(
            machine,
            ["mdadm", "--stop", f"/dev/{array}"],
            hint="the host assembled it by itself: unmount it, or put `AUTO -all` into mdadm.conf",
        )
    left = {disk: holders for disk in disks if (holders := holders_of(disk, machine.files))}
    if left:
        told = "; ".join(f"/dev/{disk}: {', '.join(holders)}" for disk, holders in left.items())
        raise StepFailed(f"the host uses disks of the guest: {told}", hint="take them out of use, then run this again")
    return tuple(f"the host had assembled {array} by itself: stopped" for array in arrays)


def reset_controller(controller: PciAddress, context: Context) -> None:
    """Reset a controller that a guest had, while no disk driver holds it: its firmware may be in the guest's state.

    The kernel may offer no reset for it; then giving it back decides (vfio-pci has reset it as well, if it can).
    """
    path = f"/sys/bus/pci/devices/{controller}/reset"
    if context.machine.files.exists(path):
        with contextlib.suppress(FileFailed):
            context.machine.files.write_text(path, "1")


def wait_for_disks(controller: PciAddress, count: int, context: Context) -> tuple[str, ...]:
    """Wait until as many disks are there as before and a sector of each can be read; what was done, for people.

    Only reading tells: drivers log hardware errors while they attach that mean nothing. A controller whose disks do
    not answer is taken off the bus and found again, once.
    """
    try:
        return (_read_disks(controller, count, context),)
    except WaitTimedOut as error:
        files = context.machine.files
        files.write_text(f"/sys/bus/pci/devices/{controller}/remove", "1")
        files.write_text("/sys/bus/pci/rescan", "1")
        return (
            f"{error.message}, so it was removed from the bus and found again",
            _read_disks(controller, count, context),
        )


def _read_disks(controller: PciAddress, count: int, context: Context) -> str:
    machine = context.machine

    def all_there() -> tuple[str, ...] | None:
        found = disks_of(controller, machine.files)
        return found if len(found) >= count else None

    disks = wait_until(machine.clock, f"{count} disk(s) behind {controller}", _DISKS_TIMEOUT_S, all_there, poll_s=0.5)
    for disk in disks:
        answers = functools.partial(_reads, disk, context)
        what = f"a sector of /dev/{disk} (behind {controller})"
        wait_until(machine.clock, what, _READ_TIMEOUT_S, answers, poll_s=1.0)
    notes = release_disks(disks, context)
    return "; ".join((f"a sector of each of {', '.join(disks)} was read", *notes))


def _reads(disk: str, context: Context) -> bool | None:
    argv = ["dd", f"if=/dev/{disk}", "of=/dev/null", "bs=4096", "count=1", "iflag=direct"]
    try:
        return run_any(context.machine, argv, timeout_s=_READ_TIMEOUT_S).returncode == 0 or None
    except WaitTimedOut:
        return None


def _in_use(controller: PciAddress, disk: str, why: str) -> Conflict:
    return Conflict(
        f"the host uses /dev/{disk} behind {controller}: {why}",
        hint="unmount it, or stop the array (mdadm --stop), before the controller is given to a guest",
    )
