"""The disks behind a controller that is lent to a guest: not in use before, answering again after."""

from __future__ import annotations

import contextlib
import functools

from hpcapvf.apply.checked import run_any, wait_until
from hpcapvf.apply.handler import Context
from hpcapvf.host.protocols import Files
from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import Conflict, FileFailed, WaitTimedOut

_DISKS_TIMEOUT_S = 60.0
_READ_TIMEOUT_S = 30.0


def disks_of(controller: PciAddress, files: Files) -> tuple[str, ...]:
    """Names of the block devices behind a PCI function."""
    names = files.list("/sys/block") or ()
    return tuple(n for n in names if f"/{controller}/" in f"{files.real_path(f'/sys/block/{n}') or ''}/")


def refuse_disks_in_use(controller: PciAddress, files: Files, *, spare_held: bool = False) -> None:
    """Conflict if a disk behind the controller is mounted, swapped to, or (unless spare_held) part of something."""
    for disk in disks_of(controller, files):
        parts = [n for n in files.list(f"/sys/block/{disk}") or () if n.startswith(disk)]
        named = {disk, *parts}
        for folder in (f"/sys/block/{disk}", *(f"/sys/block/{disk}/{part}" for part in parts)):
            holders = files.list(f"{folder}/holders")
            if holders and not spare_held:
                raise _in_use(controller, disk, f"part of {', '.join(holders)}")
            named |= set(holders or ())
        for table in ("/proc/mounts", "/proc/swaps"):
            for line in (files.read_text(table) or "").splitlines():
                if line.split(" ", 1)[0] in {f"/dev/{name}" for name in named}:
                    raise _in_use(controller, disk, f"listed in {table}: {line}")


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
    return f"a sector of each of {', '.join(disks)} was read"


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
