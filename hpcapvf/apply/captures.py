"""What becomes of the captures when their deployment is taken away: they stay, unless the operator says otherwise.

On the disks of a controller they stay where they are. A guest's own disk goes with the guest, so it is given a second
name in ``KEPT_DISKS`` first, by which it outlives the guest; it remains an overlay of its image.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from hpcapvf.apply import state
from hpcapvf.apply.checked import run_any, run_checked
from hpcapvf.apply.journal import read_events, to_undo
from hpcapvf.host.protocols import Guest, Machine, guest_access
from hpcapvf.model.errors import Conflict, HpcapvfError
from hpcapvf.model.host import UNDOING
from hpcapvf.model.paths import CAPTURE_UNIT, KEPT_DISKS
from hpcapvf.model.plan import Plan
from hpcapvf.model.steps import MakeDisk, MakeRaid, MakeVolume, MountExisting, StartCapture

_GUEST_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 180.0
_FOLDER_MODE = 0o700
# Just the files that each engine makes, and hpcapdd's folders of half hours: what else lies there is not ours.
_PCAP_FILES = ("-mindepth", "1", "-maxdepth", "1", "-type", "f", "-name", "capture-*.pcap*")
_OURS = {
    "hpcapvf": ("-mindepth", "2", "-maxdepth", "2", "-type", "f", "-name", "*_hpcap*.raw"),
    "tcpdump": _PCAP_FILES,
    "dpdk": _PCAP_FILES,
}
_HALF_HOURS = ("-mindepth", "1", "-maxdepth", "1", "-type", "d", "-regex", ".*/[0-9]+", "-empty")


@dataclass(frozen=True)
class Amount:
    """Captures that a guest holds."""

    files: int
    size_bytes: int


def count_captures(plan: Plan, machine: Machine) -> Amount | None:
    """How much a deployment has captured; None if its guest does not tell (it is off, does not answer)."""
    try:
        guest, directory = _guest(plan, machine), _directory(plan)
        return None if guest is None or directory is None else _count(guest, directory, plan)
    except HpcapvfError:
        return None


def keep_captures(deployment: state.Deployment, machine: Machine) -> str:
    """See to it that captures outlive the guest; one line for people on where they are then."""
    plan = deployment.plan
    place = _outliving_place(plan)
    if place:
        return f"they stay on {place}"
    if plan.request.storage.mode == "none":
        return "there are none: nothing is stored"
    disk = next((step for step in plan.steps if isinstance(step, MakeDisk)), None)
    if deployment.condition == UNDOING:
        return "they were seen to when it began to be taken away"
    if disk is None or not machine.files.exists(disk.path) or not _has_captured(plan, machine):
        return "there are none: the deployment was not complete"
    amount = count_captures(plan, machine)
    if amount is not None and amount.files == 0:
        return "there are none: nothing was captured"
    kept = _kept_before(disk, machine)
    if not kept:
        kept = f"{KEPT_DISKS}/{plan.request.name}-{_stamp(machine)}.qcow2"
        machine.files.make_folder(KEPT_DISKS, mode=_FOLDER_MODE)
        hint = f"{KEPT_DISKS} and {disk.path} must be on one file system; --purge deletes the captures instead"
        run_checked(machine, ["ln", "--", disk.path, kept], hint=hint)
    much = "unknown how many" if amount is None else f"{amount.files} files, {amount.size_bytes} bytes"
    return (
        f"they stay in {_directory(plan)} of the guest's disk ({much}), kept as {kept} over {disk.image}: "
        f"virt-copy-out -a {kept} {_directory(plan)} ."
    )


def purge_captures(plan: Plan, machine: Machine) -> str:
    """Delete a deployment's captures for good; one line for people. The file system and the array stay.

    Conflict if they lie on a controller's disks and the guest that could delete them is off.
    """
    if plan.request.storage.mode == "none":
        return "there are none: nothing is stored"
    if not _outliving_place(plan):
        return "deleted with the guest's disk"
    guest, directory = _guest(plan, machine), _directory(plan)
    if guest is None or directory is None:
        name = plan.request.name
        raise Conflict(
            f"{name}'s guest is off, and the captures on its disks can be deleted only by it",
            hint=f"start it (virsh start {name}), or leave --purge out: they stay on the disks then",
        )
    run_checked(guest, ["systemctl", "stop", CAPTURE_UNIT], timeout_s=_STOP_TIMEOUT_S)
    amount = _count(guest, directory, plan)
    run_checked(guest, ["find", directory, *_OURS[plan.request.engine.kind], "-delete"], timeout_s=_STOP_TIMEOUT_S)
    run_checked(guest, ["find", directory, *_HALF_HOURS, "-delete"], timeout_s=_STOP_TIMEOUT_S)
    left = _count(guest, directory, plan)
    if left is None or left.files:
        raise Conflict(f"captures are left in {directory} of the guest", hint="does something else capture there?")
    return f"deleted: {'' if amount is None else f'{amount.files} files, {amount.size_bytes} bytes '}in {directory}"


def _outliving_place(plan: Plan) -> str:
    """Disks that are not the guest's own, and so stay as they are when it goes; empty if there are none."""
    where = ", ".join(disk.path for disk in plan.block_devices) or f"the disks behind {plan.controller}"
    for step in plan.steps:
        if isinstance(step, MakeRaid):
            return f"array {step.array}, on {where}"
        if isinstance(step, MakeVolume | MountExisting):
            return f"the file system on {where}"
    return ""


def _kept_before(disk: MakeDisk, machine: Machine) -> str:
    """Where a run that was cut short kept this disk; empty if none did."""
    if not machine.files.exists(KEPT_DISKS):
        return ""
    found = run_checked(machine, ["find", KEPT_DISKS, "-samefile", disk.path, "-print", "-quit"])
    return found.strip()


def _has_captured(plan: Plan, machine: Machine) -> bool:
    path = state.journal_path(plan.request.name)
    begun = to_undo(read_events(machine.files, path), path)
    return any(isinstance(each.step, StartCapture) and each.is_done for each in begun)


def _guest(plan: Plan, machine: Machine) -> Guest | None:
    name = plan.request.name
    if not any(domain.name == name and domain.running for domain in machine.hypervisor.domains()):
        return None
    return machine.guests.connect(guest_access(plan), timeout_s=_GUEST_TIMEOUT_S)


def _directory(plan: Plan) -> str | None:
    return next((step.directory for step in plan.steps if isinstance(step, StartCapture)), None)


def _count(guest: Guest, directory: str, plan: Plan) -> Amount | None:
    result = run_any(guest, ["find", directory, *_OURS[plan.request.engine.kind], "-printf", r"%s\n"])
    if result.returncode != 0:
        return None
    sizes = [int(line) for line in result.stdout.splitlines() if line.isdecimal()]
    return Amount(len(sizes), sum(sizes))


def _stamp(machine: Machine) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(machine.clock.wall()))
