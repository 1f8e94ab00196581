"""Handlers for a VF of an NVMe controller: its share of queues and interrupts, its namespaces, online and offline."""

from __future__ import annotations

from hpcapvf.apply import nvme_admin
from hpcapvf.apply.checked import read_int, wait_until
from hpcapvf.apply.handler import Context, Handler, Json, Trace
from hpcapvf.apply.nvme_admin import LEAST_INTERRUPTS, LEAST_QUEUES, Divisible
from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import NotCapable, StepFailed
from hpcapvf.model.storage_steps import FreeNvmeQueues, StartNvmeVf

_RESET_TIMEOUT_S = 60.0


class FreeNvmeQueuesHandler(Handler[FreeNvmeQueues]):
    """What is free is enough as a rule. Else the controller gives up what it keeps, down to what the VF needs."""

    phase = "passthrough"
    survives_reboot = True

    def satisfied(self, step: FreeNvmeQueues, context: Context) -> str | None:
        """As many are free as a VF may have, or as are wished."""
        node = nvme_admin.device_node(step.pf, context.machine)
        queues, interrupts = nvme_admin.divisible(node, context.machine)
        if _enough(queues, step.queues) and _enough(interrupts, step.interrupts):
            return f"{queues.free} queues and {interrupts.free} interrupt(s) are free"
        return None

    def kept(self, step: FreeNvmeQueues, context: Context) -> str | None:
        """What VFs have by now is free no more, and was freed for them: nothing more is taken from the controller."""
        found = nvme_admin.divisible(nvme_admin.device_node(step.pf, context.machine), context.machine)
        if all(_given_up(part, wish) for part, wish in zip(found, (step.queues, step.interrupts), strict=True)):
            return f"the controller keeps {found[0].kept} queues and {found[1].kept} interrupt(s)"
        return None

    def observe(self, step: FreeNvmeQueues, context: Context) -> Json:
        """What the controller itself keeps of both."""
        node = nvme_admin.device_node(step.pf, context.machine)
        queues, interrupts = nvme_admin.divisible(node, context.machine)
        return {"queues": queues.kept, "interrupts": interrupts.kept}

    def do(self, step: FreeNvmeQueues, before: Json, context: Context) -> Json:
        """Take from the controller what is missing, reset it, and look."""
        machine = context.machine
        node = nvme_admin.device_node(step.pf, machine)
        queues, interrupts = nvme_admin.divisible(node, machine)
        _keep(step.pf, _left(queues, step.queues), _left(interrupts, step.interrupts), context)
        queues, interrupts = nvme_admin.divisible(node, machine)
        if queues.free < LEAST_QUEUES or interrupts.free < LEAST_INTERRUPTS:
            raise NotCapable(
                f"{node} has {queues.free} queues and {interrupts.free} interrupts for VFs, "
                f"{LEAST_QUEUES} and {LEAST_INTERRUPTS} are needed",
                hint="other VFs may have them: see `nvme list-secondary`",
            )
        return {"queues": queues.kept, "interrupts": interrupts.kept}

    def undo(self, step: FreeNvmeQueues, trace: Trace, context: Context) -> tuple[str, ...]:
        """Give the controller back what it kept."""
        node = nvme_admin.device_node(step.pf, context.machine)
        queues, interrupts = nvme_admin.divisible(node, context.machine)
        before = trace.before
        if (queues.kept, interrupts.kept) != (before["queues"], before["interrupts"]):
            _keep(step.pf, before["queues"], before["interrupts"], context)
        return ()


class StartNvmeVfHandler(Handler[StartNvmeVf]):
    """Assign, bring online, attach the namespaces; and back: detach, offline, nothing assigned."""

    phase = "passthrough"
    survives_reboot = True

    def satisfied(self, step: StartNvmeVf, context: Context) -> str | None:
        """It is online and has every namespace."""
        machine = context.machine
        node = nvme_admin.device_node(step.pf, machine)
        found = nvme_admin.secondary(node, step.vf_index, machine)
        if not found.online or _unattached(node, found.controller_id, context):
            return None
        return f"it is online with {found.queues} queues"

    def observe(self, step: StartNvmeVf, context: Context) -> Json:
        """The secondary controller as it is, and the namespaces that it lacks."""
        node = nvme_admin.device_node(step.pf, context.machine)
        found = nvme_admin.secondary(node, step.vf_index, context.machine)
        lacks = list(_unattached(node, found.controller_id, context))
        return {"online": found.online, "queues": found.queues, "interrupts": found.interrupts, "lacks": lacks}

    def do(self, step: StartNvmeVf, before: Json, context: Context) -> Json:
        """In the order that the controller accepts, and read back."""
        machine = context.machine
        node = nvme_admin.device_node(step.pf, machine)
        found = nvme_admin.secondary(node, step.vf_index, machine)
        if not found.online:
            queues, interrupts = nvme_admin.divisible(node, machine)
            shares = queues.share(step.queues, found.queues), interrupts.share(step.interrupts, found.interrupts)
            nvme_admin.assign(node, found.controller_id, shares, machine)
            nvme_admin.set_online(node, found.controller_id, True, machine)
        for namespace in _unattached(node, found.controller_id, context):
            nvme_admin.attach(node, namespace, found.controller_id, machine)
        now = nvme_admin.secondary(node, step.vf_index, machine)
        if not now.online:
            raise StepFailed(f"VF {step.vf_index} of {node} is not online", hint="see `nvme list-secondary`")
        return {"queues": now.queues, "interrupts": now.interrupts}

    def undo(self, step: StartNvmeVf, trace: Trace, context: Context) -> tuple[str, ...]:
        """Offline first: an online controller's share cannot be changed."""
        machine, before = context.machine, trace.before
        if before["online"]:
            return ("the VF was online before: left so",)
        context.refuse_while_running(f"VF {step.vf_index} of NVMe {step.pf}")
        node = nvme_admin.device_node(step.pf, machine)
        found = nvme_admin.secondary(node, step.vf_index, machine)
        for namespace in before["lacks"]:
            if found.controller_id in nvme_admin.controllers_of(node, namespace, machine):
                nvme_admin.detach(node, namespace, found.controller_id, machine)
        if found.online:
            nvme_admin.set_online(node, found.controller_id, False, machine)
        if (found.queues, found.interrupts) != (before["queues"], before["interrupts"]):
            nvme_admin.assign(node, found.controller_id, (before["queues"], before["interrupts"]), machine)
        now = nvme_admin.secondary(node, step.vf_index, machine)
        if now.online:
            raise StepFailed(f"VF {step.vf_index} of {node} is still online", hint="see `nvme list-secondary`")
        return ()


def _enough(found: Divisible, wish: int) -> bool:
    """Whether taking from the controller could give a VF no more."""
    return found.kept == 0 or found.free >= min(wish, found.most_per_vf or wish)


def _given_up(found: Divisible, wish: int) -> bool:
    """As ``_enough``, whether a VF has it already or not."""
    return found.kept == 0 or found.total - found.kept >= min(wish, found.most_per_vf or wish)


def _left(found: Divisible, wish: int) -> int:
    """What the controller may keep if a VF gets its share; in whole steps."""
    left = max(0, found.total - found.lent - min(wish, found.most_per_vf or wish))
    return min(found.kept, left - left % max(found.step, 1))


def _unattached(node: str, controller_id: int, context: Context) -> tuple[int, ...]:
    machine = context.machine
    listed = nvme_admin.namespaces(node, machine)
    return tuple(n for n in listed if controller_id not in nvme_admin.controllers_of(node, n, machine))


def _keep(pf: PciAddress, queues: int, interrupts: int, context: Context) -> None:
    """Have the controller keep so many, which counts from its next reset on; its VFs go offline by that."""
    machine = context.machine
    files = machine.files
    node = nvme_admin.device_node(pf, machine)
    own_id = read_int(files, f"/sys/bus/pci/devices/{pf}/nvme/{node.rpartition('/')[2]}/cntlid")
    nvme_admin.keep(node, own_id, (queues, interrupts), machine)
    files.write_text(f"/sys/bus/pci/devices/{pf}/reset", "1")

    def settled() -> bool | None:
        state = files.read_text(f"/sys/bus/pci/devices/{pf}/nvme/{node.rpartition('/')[2]}/state")
        return True if state is not None and state.strip() == "live" else None

    wait_until(machine.clock, f"{node} to answer after its reset", _RESET_TIMEOUT_S, settled)
    found = tuple(kind.kept for kind in nvme_admin.divisible(node, machine))
    if found != (queues, interrupts):
        raise StepFailed(f"{node} keeps {found} queues and interrupts, {(queues, interrupts)} were asked for")
