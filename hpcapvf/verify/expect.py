"""Which of the frames on the link a deployment should store: all of them, or for an agent what its VMs receive."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from hpcapvf.host.protocols import Files, Machine
from hpcapvf.model.address import Mac
from hpcapvf.model.errors import NotCapable
from hpcapvf.model.plan import Plan
from hpcapvf.model.steps import ReplicateTraffic, WatchLink
from hpcapvf.nic.decode import decode_switch
from hpcapvf.nic.receive import ReadRegister
from hpcapvf.nic.switch import Frame
from hpcapvf.nic.switches import Deliver, switch_of
from hpcapvf.nic.tables import register_table
from hpcapvf.verify.compare import SHORTEST_ON_LINK_BYTES
from hpcapvf.verify.frames import ETHERTYPE_VLAN
from hpcapvf.verify.mix import MixTargets
from hpcapvf.verify.readings import open_registers


def expected_frames(plan: Plan, frames: Sequence[bytes], machine: Machine) -> tuple[bytes, ...]:
    """Of a probe, and of an agent that watches the link, all frames; of one that watches the rest, those that the card
    gives it; of another those that the card gives to a watched VM, and to the agent's own MAC.

    The card's registers and the model of its switch tell what the watched VMs get; the agent's own filters are looked
    at for its MAC only. NotCapable if there is no model of the card's switch, RegisterRefused if it is out of reach.
    """
    step = next((step for step in plan.steps if isinstance(step, ReplicateTraffic | WatchLink)), None)
    if step is None and plan.request.watch:
        raise NotCapable(
            f"nothing says which frames {plan.pf} gives to the watched VMs: its switch has no model",
            hint="deploy and verify with --source none, and compare with what the watched VM counts",
        )
    if step is None or (isinstance(step, WatchLink) and step.owned):
        return tuple(frames)
    deliver = switch_of(step.family)
    if deliver is None:
        raise NotCapable(
            f"nothing says which frames a {step.family} gives to the watched VMs: its switch has no model",
            hint="deploy and verify with --source none, and compare with what the watched VM counts",
        )
    with open_registers(step.pf, step.family, machine) as read:
        held = cache(read)
        return tuple(frame for frame in frames if _is_for(step, frame, held, deliver))


def targets_of(plan: Plan, machine: Machine) -> MixTargets:
    """The MACs that the traffic mix is aimed at: the probe's VF, or the first watched VM's MAC."""
    targets = mix_targets(plan, machine.files)
    step = _replication(plan)
    if step is None:
        return targets
    sources = {watched.pool for watched in step.watched}
    with open_registers(step.pf, step.family, machine) as read:
        macs = [m.mac for m in decode_switch(register_table(step.family), read).macs if sources & set(m.pools)]
    return MixTargets(macs[0], targets.pf_mac, (*macs[1:], plan.function_mac)) if macs else targets


def mix_targets(plan: Plan, files: Files) -> MixTargets:
    """The MACs on the card that the traffic mix is aimed at; without the PF's if the host does not say."""
    if plan.vf_index is None:  # the PF is the guest's
        return MixTargets(plan.function_mac, None)
    text = files.read_text(f"/sys/class/net/{plan.pf_interface}/address")
    return MixTargets(plan.function_mac, Mac.parse(text) if text and text.strip() else None)


def _replication(plan: Plan) -> ReplicateTraffic | None:
    return next((step for step in plan.steps if isinstance(step, ReplicateTraffic)), None)


def _is_for(step: ReplicateTraffic | WatchLink, frame: bytes, read: ReadRegister, deliver: Deliver) -> bool:
    destination = Mac(int.from_bytes(frame[:6], "big"))
    tagged = int.from_bytes(frame[12:14], "big") == ETHERTYPE_VLAN
    vlan = int.from_bytes(frame[14:16], "big") & 0xFFF if tagged else None
    pools = deliver(read, Frame(destination, max(len(frame), SHORTEST_ON_LINK_BYTES), vlan), None).pools
    if isinstance(step, WatchLink):
        return step.pool in pools
    return any(watched.pool in pools for watched in step.watched) or (
        destination == step.own_mac and step.pool in pools
    )
