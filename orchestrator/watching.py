"""How all deployments of a host fare, read at the same time: one that hangs is given up and holds up no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace

from hpcapvf.apply import state
from hpcapvf.apply.end import ends_at
from hpcapvf.host.protocols import Machine
from hpcapvf.model.errors import HpcapvfError
from hpcapvf.model.host import UNREADABLE
from hpcapvf.verify.status import DeploymentStatus, read_status, unknown_status

_BESIDE_GUEST_S = 20.0  # ssh's own begin and end, libvirt, registers, services


class Watcher:
    """Reads every deployment in a thread of its own, with effects of its own: machines makes them.

    A thread that hangs (a libvirt that never answers) is left alone and not started a second time, so there are never
    more of them than deployments.
    """

    def __init__(self, machines: Callable[[], Machine], *, wait_s: float) -> None:
        self._machines = machines
        self._wait_s = wait_s
        self._under_way: dict[str, Future[DeploymentStatus]] = {}

    def look(self) -> tuple[DeploymentStatus, ...]:
        """Every deployment by name, within a bounded time; what did not answer is unknown, with the reason."""
        names = state.names(self._machines().files)
        deadline = time.monotonic() + 2 * self._wait_s + _BESIDE_GUEST_S
        # A late answer of the look before is not taken for a new one.
        self._under_way = {name: future for name, future in self._under_way.items() if not future.done()}
        begun = {name: self._under_way.get(name) or self._begin(name) for name in names}
        self._under_way.update(begun)
        return tuple(self._end(name, future, deadline) for name, future in begun.items())

    def _begin(self, name: str) -> Future[DeploymentStatus]:
        future: Future[DeploymentStatus] = Future()

        def work() -> None:
            try:
                future.set_result(read_one(name, self._machines(), self._wait_s))
            except BaseException as error:  # look() raises it again
                future.set_exception(error)

        threading.Thread(target=work, name=f"look at {name}", daemon=True).start()
        return future

    def _end(self, name: str, future: Future[DeploymentStatus], deadline: float) -> DeploymentStatus:
        try:
            return future.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            return unknown_status(name, "unknown", f"{name} was not read in time: libvirt or its guest hangs")


def read_one(name: str, machine: Machine, wait_s: float) -> DeploymentStatus:
    """One deployment; ``unreadable`` with the reason if its state file cannot be used."""
    try:
        deployment = state.read_deployment(name, machine.files)
    except HpcapvfError as error:
        return unknown_status(name, UNREADABLE, error.message)
    return status_of(deployment, machine, wait_s)


def status_of(deployment: state.Deployment, machine: Machine, wait_s: float) -> DeploymentStatus:
    """How a deployment fares, with the end of its time."""
    found = read_status(deployment.name, deployment.condition, deployment.plan, machine, guest_timeout_s=wait_s)
    return replace(found, ends_at=ends_at(deployment.name, machine.files))
