"""What a handler of a step is: how to look, do and put back, with the machine handed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from hpcapvf.host.protocols import Guest, Machine, Running, guest_access
from hpcapvf.model.errors import StepFailed
from hpcapvf.model.plan import Plan
from hpcapvf.model.progress import Progress

Json = dict[str, Any]
S = TypeVar("S")
T = TypeVar("T")

GUEST_ANSWER_TIMEOUT_S = 60.0
SILENT_GUEST_TIMEOUT_S = 5.0  # for one that was waited for in vain a moment ago


@dataclass(frozen=True)
class Trace:
    """What the journal remembers of one step. after is None if the step did not come to its end."""

    before: Json
    after: Json | None


@dataclass(frozen=True)
class Context:
    """What a handler works with. amend adds to the journalled ``before`` of the running step (keys there stay).

    guest_timeout_s: how long its guest is waited for.
    early: what the handler had begun ahead of its turn. met: the guest that answered, for all steps of one run: each
    greeting costs a round trip. seen: what a handler read and need not read again before the same step is done.
    """

    machine: Machine
    plan: Plan
    progress: Progress
    amend: Callable[[Json], None]
    guest_timeout_s: float = GUEST_ANSWER_TIMEOUT_S
    met: dict[str, Guest] = field(default_factory=dict)
    early: Running | None = None
    seen: dict[str, Any] = field(default_factory=dict)

    def guest(self, timeout_s: float | None = None) -> Guest:
        """The guest of this plan over ssh; GuestSilent if it does not answer."""
        access = guest_access(self.plan)
        if access.domain not in self.met:
            timeout_s = timeout_s or self.guest_timeout_s
            self.met[access.domain] = self.machine.guests.connect(access, timeout_s=timeout_s)
        return self.met[access.domain]

    def once(self, what: str, read: Callable[[], T]) -> T:
        """What ``read`` gives, read once for this step: between looking and doing nobody else holds the host's lock."""
        if what not in self.seen:
            self.seen[what] = read()
        found: T = self.seen[what]
        return found

    def refuse_while_running(self, what: str) -> None:
        """StepFailed if the plan's domain still runs, so that nothing is taken away from under it."""
        if self.guest_runs(self.plan.request.name):
            raise StepFailed(
                f"{what} cannot be put back while domain {self.plan.request.name} runs",
                hint=f"stop it (virsh shutdown {self.plan.request.name}), then run this again",
            )

    def guest_runs(self, domain: str) -> bool:
        """Whether the hypervisor says that the domain is running."""
        return any(d.name == domain and d.running for d in self.machine.hypervisor.domains())


class Handler(Generic[S]):
    """One kind of step. Every method may be called again after it was cut short.

    phase groups the times of the report. Irreversible steps have an ``undo`` as well: it lets go of what they hold
    (unmounts, stops) and keeps the data. survives_reboot: whether what the step did is still there when the host starts
    again (files and definitions are, sysfs, registers and what runs are not); each handler says it. What a reboot took
    is not undone: ``before`` is of a host that is gone. common: whether the change is one for everybody on the card or
    the host: while another deployment has the same step it stays, and that one undoes it (``apply.heirs``).
    """

    phase: ClassVar[str] = ""
    survives_reboot: ClassVar[bool]
    common: ClassVar[bool] = False

    def satisfied(self, step: S, context: Context) -> str | None:
        """Why there is nothing to do, or None."""
        raise NotImplementedError

    def kept(self, step: S, context: Context) -> str | None:
        """Of a step that was done once: why it needs not be done again, or None."""
        return self.satisfied(step, context)

    def ahead(self, step: S, machine: Machine) -> Running | None:
        """A program that only reads and takes long, to run while the steps before this one do; None: there is none.

        ``do`` finds it as ``context.early``, and does without it as well.
        """
        return None

    def observe(self, step: S, context: Context) -> Json:
        """What is there now, enough to put it back. No secrets: this goes into the journal."""
        raise NotImplementedError

    def do(self, step: S, before: Json, context: Context) -> Json:
        """Make it so and read it back. What is returned goes into the journal as ``after``."""
        raise NotImplementedError

    def undo(self, step: S, trace: Trace, context: Context) -> tuple[str, ...]:
        """Put back what ``before`` says, also after half a ``do``. Returns remarks for people, if any."""
        raise NotImplementedError

    def for_journal(self, step: S) -> S:
        """The step as the journal keeps it: without long or private texts that undoing does not need."""
        return step
