"""An NVMe controller's divisible queues and interrupts, through nvme-cli (NVMe 1.3, 5.15.2 and 5.22).

Seen against QEMU 10.0's controller: counts of the controller itself change by a reset of it; a secondary controller is
online once it has two queues and an interrupt; a reset of the controller takes all secondary ones offline.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from hpcapvf.apply.checked import run_any, run_checked
from hpcapvf.host.protocols import Machine
from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import NotCapable, StepFailed

LEAST_QUEUES = 2  # one for commands to the controller, one for data
LEAST_INTERRUPTS = 1
_QUEUES, _INTERRUPTS = 0, 1  # types of resources
_PRIMARY_KEEPS, _OFFLINE, _ASSIGN, _ONLINE = 1, 7, 8, 9  # actions of Virtualization Management
_TIMEOUT_S = 60.0
_HINT = "is nvme-cli installed, and does the controller have virtualization enhancements (nvme id-ctrl: oacs bit 7)?"


@dataclass(frozen=True)
class Divisible:
    """Flexible resources of one type: how many there are, how many VFs and the controller have, and a VF may have."""

    total: int
    lent: int
    kept: int
    most_per_vf: int
    step: int

    @property
    def free(self) -> int:
        """What no one has."""
        return self.total - self.lent - self.kept

    def share(self, wish: int, has: int = 0) -> int:
        """What one VF is given of what is free, or its already: at most the wish, in whole steps."""
        most = min(wish, self.most_per_vf or wish, self.free + has)
        return most - most % max(self.step, 1)


@dataclass(frozen=True)
class Secondary:
    """A secondary controller: its ID, whether it is online, and what it was given."""

    controller_id: int
    online: bool
    queues: int
    interrupts: int


def device_node(pf: PciAddress, machine: Machine) -> str:
    """The controller's device node; StepFailed if its driver shows none."""
    names = [n for n in machine.files.list(f"/sys/bus/pci/devices/{pf}/nvme") or () if n.startswith("nvme")]
    if len(names) != 1:
        raise StepFailed(f"{pf} has no NVMe controller of the host's driver", hint="is it bound to the driver nvme?")
    return f"/dev/{names[0]}"


def divisible(node: str, machine: Machine) -> tuple[Divisible, Divisible]:
    """(queues, interrupts); NotCapable if the controller cannot divide both."""
    facts = _asked(["nvme", "primary-ctrl-caps", node], machine)
    try:
        if int(facts["crt"]) & 3 != 3:
            raise NotCapable(f"{node} cannot divide queues and interrupts (crt {facts['crt']})", hint=_HINT)
        queues, interrupts = (
            Divisible(*(int(facts[f"{kind}{word}"]) for word in ("frt", "rfa", "rfap", "frsm", "gran")))
            for kind in ("vq", "vi")
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StepFailed(f"`nvme primary-ctrl-caps {node}` says nothing usable: {error!r}", hint=_HINT) from error
    return queues, interrupts


def secondary(node: str, vf_index: int, machine: Machine) -> Secondary:
    """The secondary controller of a VF (which the command counts from 1)."""
    listed = _asked(["nvme", "list-secondary", node], machine)
    try:
        for entry in listed["secondary-controllers"]:
            if int(entry["virtual-function-number"]) == vf_index + 1:
                return Secondary(
                    int(entry["secondary-controller-identifier"]),
                    bool(int(entry["secondary-controller-state"]) & 1),
                    int(entry["num-virtual-queues"]),
                    int(entry["num-virtual-interrupts"]),
                )
    except (KeyError, TypeError, ValueError) as error:
        raise StepFailed(f"`nvme list-secondary {node}` says nothing usable: {error!r}", hint=_HINT) from error
    raise StepFailed(f"{node} has no secondary controller for VF {vf_index}", hint="see `nvme list-secondary`")


def assign(node: str, controller_id: int, shares: tuple[int, int], machine: Machine) -> None:
    """Give a secondary controller, which must be offline, so many queues and interrupts."""
    _set_both(node, controller_id, _ASSIGN, shares, machine)


def keep(node: str, controller_id: int, shares: tuple[int, int], machine: Machine) -> None:
    """Have the controller itself keep so many queues and interrupts from its next reset on."""
    _set_both(node, controller_id, _PRIMARY_KEEPS, shares, machine)


def set_online(node: str, controller_id: int, online: bool, machine: Machine) -> None:
    """Bring a secondary controller online, or take it off."""
    _manage(machine, node, controller_id, _ONLINE if online else _OFFLINE, _QUEUES, 0)


def _set_both(node: str, controller_id: int, action: int, shares: tuple[int, int], machine: Machine) -> None:
    for kind, count in ((_INTERRUPTS, shares[1]), (_QUEUES, shares[0])):
        _manage(machine, node, controller_id, action, kind, count)


def _manage(machine: Machine, node: str, *words: int) -> None:
    """One Virtualization Management command: controller, action, type of resource, count."""
    options = (f"--{name}={value}" for name, value in zip(("cntlid", "act", "rt", "nr"), words, strict=True))
    run_checked(machine, ["nvme", "virt-mgmt", node, *options], timeout_s=_TIMEOUT_S, hint=_HINT)


def namespaces(node: str, machine: Machine) -> tuple[int, ...]:
    """IDs of the namespaces that the controller itself has."""
    listed = _asked(["nvme", "list-ns", node], machine)
    try:
        return tuple(sorted(int(entry["nsid"]) for entry in listed["nsid_list"]))
    except (KeyError, TypeError, ValueError) as error:
        raise StepFailed(f"`nvme list-ns {node}` says nothing usable: {error!r}", hint=_HINT) from error


def controllers_of(node: str, namespace: int, machine: Machine) -> tuple[int, ...]:
    """IDs of the controllers that a namespace is attached to."""
    listed = _asked(["nvme", "list-ctrl", node, f"--namespace-id={namespace}"], machine)
    try:
        return tuple(sorted(int(entry["ctrl_id"]) for entry in listed["ctrl_list"]))
    except (KeyError, TypeError, ValueError) as error:
        raise StepFailed(f"`nvme list-ctrl {node}` says nothing usable: {error!r}", hint=_HINT) from error


def attach(node: str, namespace: int, controller_id: int, machine: Machine) -> None:
    """Attach a namespace to one more controller."""
    argv = ["nvme", "attach-ns", node, f"--namespace-id={namespace}", f"--controllers={controller_id}"]
    run_checked(machine, argv, timeout_s=_TIMEOUT_S, hint="may it be shared (nvme id-ns: nmic)?")


def detach(node: str, namespace: int, controller_id: int, machine: Machine) -> None:
    """Detach a namespace from a controller."""
    argv = ["nvme", "detach-ns", node, f"--namespace-id={namespace}", f"--controllers={controller_id}"]
    run_checked(machine, argv, timeout_s=_TIMEOUT_S)


def _asked(argv: list[str], machine: Machine) -> dict[str, Any]:
    result = run_any(machine, [*argv, "--output-format=json"], timeout_s=_TIMEOUT_S)
    if result.returncode != 0:
        said = (result.stderr.strip() or result.stdout.strip() or "nothing").splitlines()[-1]
        raise NotCapable(f"`{' '.join(argv)}` was refused: {said}", hint=_HINT)
    try:
        answer = json.loads(result.stdout)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise StepFailed(f"`{' '.join(argv)}` gives no JSON: {result.stdout[:120]!r}", hint="nvme-cli 2.0 or later")
    return answer
