"""From a request to what the planner says about it, and a refusal to the error that people see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hpcapvf.domain import complete_plan
from hpcapvf.host.protocols import Commands, Files, Hypervisor, Machine
from hpcapvf.model.errors import (
    Conflict,
    ExitCode,
    HpcapvfError,
    NotCapable,
    NotFound,
    PlacementRefused,
    RegisterRefused,
)
from hpcapvf.model.facts import Fact
from hpcapvf.model.host import Host
from hpcapvf.model.plan import Plan, Refusal, Unchanged
from hpcapvf.model.progress import Progress
from hpcapvf.model.request import Request
from hpcapvf.plan import plan_deployment
from hpcapvf.plan.facts import facts_of
from hpcapvf.probe import probe_host
from hpcapvf.spec import spec_sha256

_CLASSES: dict[ExitCode, type[HpcapvfError]] = {
    ExitCode.NOT_CAPABLE: NotCapable,
    ExitCode.REFUSED: PlacementRefused,
    ExitCode.CONFLICT: Conflict,
    ExitCode.NOT_FOUND: NotFound,
    ExitCode.REGISTER_REFUSED: RegisterRefused,
}


@dataclass(frozen=True)
class Planned:
    """What was asked, what the host is, and what the planner makes of both."""

    request: Request
    host: Host
    verdict: Plan | Unchanged


def plan_request(
    request: Request,
    files: Files,
    *,
    progress: Progress,
    commands: Commands | None = None,
    hypervisor: Hypervisor | None = None,
    force: Sequence[str] = (),
) -> Planned:
    """Probe and plan; force: names of guards to lift.

    The classes of NotCapable, PlacementRefused, Conflict … if the planner refuses.
    """
    progress.phase("probe host")
    host = probe_host(files, commands=commands, hypervisor=hypervisor, images=(request.guest.image,), progress=progress)
    progress.phase("plan")
    verdict = plan_deployment(request, host, spec_sha256(request), frozenset(force))
    if isinstance(verdict, Refusal):
        raise refusal_error(verdict)
    if isinstance(verdict, Unchanged):
        return Planned(request, host, verdict)
    return Planned(request, host, complete_plan(verdict))


def facts_now(plan: Plan, machine: Machine, progress: Progress) -> tuple[Fact, ...]:
    """What the plan took for granted, as the host is now."""
    progress.phase("probe host", "again, now that nobody else changes it")
    images = (plan.request.guest.image,)
    host = probe_host(machine.files, hypervisor=machine.hypervisor, images=images, progress=progress)
    return facts_of(plan, host)


def refusal_error(refusal: Refusal) -> HpcapvfError:
    """A refusal as the error with its exit code; every reason is named."""
    kind = _CLASSES.get(refusal.code, PlacementRefused)
    if len(refusal.reasons) == 1:
        (reason,) = refusal.reasons
        return kind(f"{reason.subject}: {reason.why}", hint=reason.hint)
    details = tuple(
        f"{reason.subject}: {reason.why}" + (f" ({reason.hint})" if reason.hint else "") for reason in refusal.reasons
    )
    return kind(
        f"refused for {len(details)} reasons", hint="each is listed above with what would help", details=details
    )
