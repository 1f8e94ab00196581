"""One cut: a process (or the whole host) dies at one effect, a new process recovers, and the host is compared."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from hpcapvf.apply import state
from hpcapvf.apply.recover import recover_all
from hpcapvf.apply.run import apply_plan, destroy
from hpcapvf.model import paths
from hpcapvf.model.host import DEPLOYED, LOST
from hpcapvf.model.progress import Silent
from tests.fakes.faults import Killed
from tests.kill.configurations import CONFIGURATIONS
from tests.unit.apply.world import NAME, World

KILL, POWER = "kill", "power"
DEPLOY, DESTROY, RECOVER = "deploy", "destroy", "recover"


@dataclass(frozen=True)
class Cut:
    """Where a run dies. during: the run; at: its effect (from 1), before it takes place; torn: in the middle of it.

    how: ``kill`` (SIGKILL) or ``power`` (the host starts anew). persist: as the spec says. of: during a recovery, the
    effect of the deployment at which that one had been killed.
    """

    configuration: str
    during: str
    how: str
    persist: bool
    at: int
    torn: bool = False
    of: int = 0

    @property
    def key(self) -> str:
        """A name that is the same in every run."""
        return json.dumps(asdict(self), sort_keys=True)


class Bench:
    """Worlds of one configuration, used again as long as they are as they were."""

    def __init__(self, configuration: str, folder: Path) -> None:
        self.configuration = configuration
        self._folder = folder
        self._made = 0
        self._world: World | None = None
        fresh = self.world()
        self.before = fresh.snapshot()
        self.deploy_log = self._log(fresh, lambda: deploy(fresh))
        self.deployed = essence(fresh)
        self.destroy_log = self._log(fresh, lambda: destroy(NAME, fresh.fake.machine, Silent()))
        assert fresh.snapshot() == self.before

    def world(self) -> World:
        """One in which nothing is deployed and nobody was in the guest."""
        if self._world is None:
            if self._made:  # tens of thousands of them would fill the disk
                shutil.rmtree(self._folder / str(self._made))
            self._made += 1
            self._world = CONFIGURATIONS[self.configuration](self._folder / str(self._made))
        self._world.fresh_guest()
        return self._world

    def spoil(self) -> None:
        """The next world is a new one."""
        self._world = None

    def difference(self, cut: Cut) -> str:
        """What is wrong after a cut, empty if nothing is; or ``Unreached`` if the run ended before it."""
        world = self.world()
        world.plan = replace(world.plan, request=replace(world.plan.request, persist=cut.persist))
        self._world = None  # unless all goes well
        self._arrange(world, cut)
        if cut.how == POWER and cut.during != RECOVER:
            world.reboot()
        found = self._recovered(world, cut)
        if not found:
            self._world = world
        return found

    def _arrange(self, world: World, cut: Cut) -> None:
        if cut.during == DESTROY:
            deploy(world)
            die(world, cut, lambda: destroy(NAME, world.fake.machine, Silent()))
        elif cut.during == RECOVER:
            die(world, replace(cut, at=cut.of, torn=False), lambda: deploy(world))
            if cut.how == POWER:
                world.reboot()
            die(world, cut, lambda: recover_all(world.fake.machine, Silent()))
        else:
            die(world, cut, lambda: deploy(world))

    def _recovered(self, world: World, cut: Cut) -> str:
        """Recover, and compare with what must be: everything there, or nothing."""
        names_before = state.names(world.fake.files)
        forward = cut.persist and bool(names_before) and cut.during != DESTROY
        report = recover_all(world.fake.machine, Silent())
        if report.errors:
            return f"recover failed: {report.errors[0]} {report.errors[0].details}"
        if cut.during == DESTROY and _stands(world):
            destroy(NAME, world.fake.machine, Silent())  # it was cut before it took anything away
        if forward:
            if found := unlike(self.deployed, essence(world)):
                return f"not as deployed: {found}"
            destroy(NAME, world.fake.machine, Silent())
        return unlike(self.before, world.snapshot())

    @staticmethod
    def _log(world: World, run: Callable[[], object]) -> list[tuple[str, str]]:
        begin = len(world.fake.faults.log)
        run()
        return world.fake.faults.log[begin:]


def _stands(world: World) -> bool:
    return any(d.condition in (DEPLOYED, LOST) for d in state.list_deployments(world.fake.files))


class Unreached(Exception):
    """The run ended before the effect at which it should have died."""


def deploy(world: World) -> None:
    """A whole deployment."""
    apply_plan(world.plan, world.fake.machine, Silent())


def die(world: World, cut: Cut, run: Callable[[], object]) -> None:
    """Let a run die; Unreached if it did not."""
    world.fake.faults.kill_at(cut.at, torn=cut.torn)
    with contextlib.suppress(Killed):
        run()
    if not world.fake.faults.revive():
        raise Unreached(cut.key)


def essence(world: World) -> dict[str, Any]:
    """A snapshot without what tells how often something was tried: journal, state, counts."""
    snapshot = world.snapshot()
    told = {f"{NAME}/state.json", f"{NAME}/journal.jsonl", f"{NAME}/guard.json"}
    files = {folder: {k: v for k, v in found.items() if k not in told} for folder, found in snapshot["files"].items()}
    assert paths.DEPLOYMENTS in files
    return snapshot | {"files": files, "guest": guest_essence(world)}


def guest_essence(world: World) -> dict[str, Any]:
    """What must be so in the guest of a deployment that stands."""
    model = world.guest
    return {"drivers": dict(model.drivers), "mounts": dict(model.mounts), "units": sorted(model.guest.units)}


def unlike(wanted: dict[str, Any], found: dict[str, Any]) -> str:
    """The first places that differ, or an empty text."""
    lines: list[str] = []
    _compare("", wanted, found, lines)
    return "; ".join(lines[:5])


def _compare(place: str, wanted: Any, found: Any, lines: list[str]) -> None:
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in [*wanted, *(k for k in found if k not in wanted)]:
            _compare(f"{place}/{key}", wanted.get(key, "absent"), found.get(key, "absent"), lines)
    elif wanted != found:
        lines.append(f"{place} should be {str(wanted)[:80]!r}, is {str(found)[:80]!r}")
