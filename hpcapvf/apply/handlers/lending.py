"""Handler for disks that stay the host's while a guest writes to them: as virtio devices, or as namespaces of a VF."""

from __future__ import annotations

from hpcapvf.apply.checked import read_int
from hpcapvf.apply.handler import Context, Handler, Json, Trace
from hpcapvf.apply.handlers import storage
from hpcapvf.host.protocols import Files
from hpcapvf.model.errors import Conflict, NotFound
from hpcapvf.model.storage_steps import HostDisk, LendDisks

_SECTOR_BYTES = 512  # the kernel's unit for "size"


class LendDisksHandler(Handler[LendDisks]):
    """Nothing is changed on the way there. On the way back arrays are stopped that the host assembled by itself."""

    phase = "passthrough"
    survives_reboot = True

    def satisfied(self, step: LendDisks, context: Context) -> str | None:
        """Never: looking is the step."""
        return None

    def kept(self, step: LendDisks, context: Context) -> str | None:
        """A guest that runs has them: to look again now could only begin what cannot be put back under it."""
        name = context.plan.request.name
        return f"{name} runs and has them" if context.guest_runs(name) else None

    def observe(self, step: LendDisks, context: Context) -> Json:
        """The disks' kernel names, for people."""
        files = context.machine.files
        return {"disks": {disk.path: _name(disk, step, files) for disk in step.disks}}

    def do(self, step: LendDisks, before: Json, context: Context) -> Json:
        """Look once more that these are the disks of the plan and that nobody uses them."""
        files = context.machine.files
        for disk in step.disks:
            name = _name(disk, step, files)
            size = read_int(files, f"/sys/block/{name}/size") * _SECTOR_BYTES
            if size != disk.size_bytes:
                raise Conflict(
                    f"{disk.path} is another disk than planned: {size} bytes, not {disk.size_bytes}",
                    hint="plan again: run the same command once more",
                )
        storage.refuse_disks_in_use(step.controller, files)
        _refuse_taken(step, context)
        return {}

    def undo(self, step: LendDisks, trace: Trace, context: Context) -> tuple[str, ...]:
        """Let go of what the host made of them by itself, and read a sector of each."""
        context.refuse_while_running(f"disks behind {step.controller}")
        return storage.wait_for_disks(step.controller, len(step.disks), context)


def _name(disk: HostDisk, step: LendDisks, files: Files) -> str:
    """Kernel name of a disk, which must lie behind the step's controller."""
    name = (files.real_path(disk.path) or "").rpartition("/")[2]
    if name not in storage.disks_of(step.controller, files):
        raise NotFound(
            f"{disk.path} leads to no disk behind {step.controller}",
            hint="was it pulled? see `ls -l /dev/disk/by-id`, then plan again",
        )
    return name


def _refuse_taken(step: LendDisks, context: Context) -> None:
    """Two guests that write to one disk would destroy what is on it."""
    files = context.machine.files
    wanted = {files.real_path(disk.path) for disk in step.disks}
    for domain in context.machine.hypervisor.domains():
        taken = [path for path in domain.block_devices if files.real_path(path) in wanted]
        if taken and domain.name != context.plan.request.name:
            raise Conflict(f"domain {domain.name} has {', '.join(taken)}", hint="detach it there, or use other disks")
