"""The guard: looks again and again, and re-applies what the PF driver rewrote.

Any VF's reset, and any change of the PF's receive mode, makes the PF driver write registers that the capture needs.
An agent's guard looks at its guest as well: when that has died, the agent is ended, and nobody is watched any more.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from hpcapvf.apply import state
from hpcapvf.apply.card import key_of, open_card, wants_of
from hpcapvf.apply.end import bring_about
from hpcapvf.apply.handler import Json
from hpcapvf.apply.journal import Journal, read_events, to_undo
from hpcapvf.host.protocols import Machine
from hpcapvf.model import paths
from hpcapvf.model.errors import FileFailed, HpcapvfError, NotFound
from hpcapvf.model.plan import Plan
from hpcapvf.model.steps import PrepareEnd, RegisterStep, StartGuard
from hpcapvf.nic.receive import RegisterWant, drift, held_before

_LOOK_AT_GUEST_S = 5.0
Remember = Callable[[tuple[RegisterWant, ...]], None]


@dataclass(frozen=True)
class GuardCounts:
    """What the guard has seen. registers: how often each was re-applied, by name (``VMOLR[0]``).

    drifts: checks that found something; last_drift_at: seconds since the epoch; error: why the last check failed.
    """

    checks: int = 0
    drifts: int = 0
    registers_reapplied: int = 0
    last_drift_at: float | None = None
    registers: dict[str, int] = field(default_factory=dict)
    error: str = ""


def never() -> bool:
    """A stop that never comes."""
    return False


def quiet(line: str) -> None:
    """A log that nobody reads."""


def guard_once(plan: Plan, machine: Machine, counts: GuardCounts, remember: Remember, backend: str = "") -> GuardCounts:
    """Look once, re-apply what drifted, and count.

    What must hold is computed anew, since a new MAC filter needs the pool as well. remember is given the bits as they
    were before they are written. Registers that do not read back are written whenever another one drifted.
    backend: how a replication was made (the journal knows).
    """
    step = _step_of(plan)
    if step is None:
        return dataclasses.replace(counts, checks=counts.checks + 1, error="")
    with open_card(step, machine) as card:
        wants = wants_of(step, card, backend)
        drifted = drift(wants, card.read)
        if not drifted:
            return dataclasses.replace(counts, checks=counts.checks + 1, error="")
        remember(held_before(drifted, card.read))
        card.ensure((*drifted, *(want for want in wants if not want.reads_back)))
    registers = dict(counts.registers)
    for want in drifted:
        name = f"{want.register}[{want.index}]"
        registers[name] = registers.get(name, 0) + 1
    return GuardCounts(
        checks=counts.checks + 1,
        drifts=counts.drifts + 1,
        registers_reapplied=counts.registers_reapplied + len(drifted),
        last_drift_at=machine.clock.wall(),
        registers=registers,
    )


def run_guard(
    name: str, machine: Machine, *, stop: Callable[[], bool] = never, log: Callable[[str], None] = quiet
) -> GuardCounts:
    """Guard until told to stop, the deployment is gone, or its end was brought about because its guest died.

    One line to ``log`` per drift and per new error.

    Counts go into ``/run/hpcapvf/NAME/guard.json``. An error (the card is gone for a moment) is reported there and
    tried again; it never ends the guard.
    """
    plan = state.read_deployment(name, machine.files).plan
    interval_s = _guard_of(plan).interval_ms / 1000
    keeper, life, tell = _Keeper(name, machine), _Life(plan, machine), _teller(name, machine, log)
    counts = GuardCounts()
    while not stop() and machine.files.exists(state.state_path(name)):
        counts = _check(plan, machine, counts, keeper, log)
        tell(counts)
        if life.is_over():
            log(f"guard: the guest of {name} does not run any more: the agent is ended")
            bring_about(name, machine)
            break
        machine.clock.sleep(interval_s)
    return counts


def _teller(name: str, machine: Machine, log: Callable[[str], None]) -> Callable[[GuardCounts], None]:
    """Writes counts to where others read them. That it cannot (a full /run) must not end the guard."""
    said = ""

    def tell(counts: GuardCounts) -> None:
        nonlocal said
        data = json.dumps(dataclasses.asdict(counts), indent=1).encode() + b"\n"
        try:
            machine.files.replace(paths.guard_path(name), data, mode=0o644)
        except FileFailed as error:
            if error.message != said:
                log(f"register guard: {error.message}")
            said = error.message
        else:
            said = ""

    return tell


class _Keeper:
    """Puts bits that the journal does not know yet into it, so that undo restores them as well.

    backend: how the journal says that a replication was made.
    """

    def __init__(self, name: str, machine: Machine) -> None:
        path = state.journal_path(name)
        self._journal = Journal(machine.files, machine.clock, path)
        begun = to_undo(read_events(machine.files, path), path)
        programmed = next((b for b in begun if isinstance(b.step, RegisterStep)), None)
        self._index = programmed.index if programmed else None
        self.backend = str((programmed.trace.after or {}).get("backend", "")) if programmed else ""
        self._known: set[str] = set(programmed.trace.before) if programmed else set()

    def remember(self, held: tuple[RegisterWant, ...]) -> None:
        """Journal what is new."""
        new: Json = {key_of(want): want.value for want in held if key_of(want) not in self._known}
        if new and self._index is not None:
            self._journal.write("amend", index=self._index, before=new)
            self._known.update(new)


def _check(
    plan: Plan, machine: Machine, counts: GuardCounts, keeper: _Keeper, log: Callable[[str], None]
) -> GuardCounts:
    try:
        after = guard_once(plan, machine, counts, keeper.remember, keeper.backend)
    except HpcapvfError as error:
        if error.message != counts.error:
            log(f"register guard: {error.message}")
        return dataclasses.replace(counts, checks=counts.checks + 1, error=error.message)
    if after.drifts != counts.drifts:
        changed = [name for name, times in after.registers.items() if times != counts.registers.get(name)]
        log(f"register guard: re-applied {_brief(changed)} (drift {after.drifts} in {after.checks} checks)")
    return after


def _brief(names: list[str]) -> str:
    """Register names, arrays shortened: ``MTA[0] … MTA[127]`` is said as ``MTA (128)``."""
    families: dict[str, int] = {}
    for name in names:
        family = name.partition("[")[0]
        families[family] = families.get(family, 0) + 1
    return ", ".join(f"{family} ({number})" if number > 1 else family for family, number in families.items())


def _step_of(plan: Plan) -> RegisterStep | None:
    return next((step for step in plan.steps if isinstance(step, RegisterStep)), None)


def _guard_of(plan: Plan) -> StartGuard:
    found = next((step for step in plan.steps if isinstance(step, StartGuard)), None)
    if found is None:
        raise NotFound(f"{plan.request.name} has no guard", hint="it set nothing that a card's driver could rewrite")
    return found


class _Life:
    """Whether an agent's guest has died: libvirt said twice in a row that it does not run."""

    def __init__(self, plan: Plan, machine: Machine) -> None:
        self._name, self._machine = plan.request.name, machine
        self._matters = any(isinstance(step, PrepareEnd) for step in plan.steps)
        self._next_s, self._off = machine.clock.monotonic() + _LOOK_AT_GUEST_S, 0

    def is_over(self) -> bool:
        """Looks every few seconds only; what libvirt cannot tell counts as alive."""
        now = self._machine.clock.monotonic()
        if not self._matters or now < self._next_s:
            return False
        self._next_s = now + _LOOK_AT_GUEST_S
        try:
            running = any(d.name == self._name and d.running for d in self._machine.hypervisor.domains())
        except HpcapvfError:
            return False
        self._off = 0 if running else self._off + 1
        return self._off >= 2
