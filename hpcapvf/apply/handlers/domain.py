"""Handlers for libvirt networks and domains."""

from __future__ import annotations

import dataclasses

from hpcapvf.apply.checked import read_word, wait_until
from hpcapvf.apply.handler import Context, Handler, Json, Trace
from hpcapvf.model.errors import Conflict, NotFound, StepFailed
from hpcapvf.model.host import DomainInfo
from hpcapvf.model.steps import DefineDomain, StartDomain, StartNetwork

_STATE_TIMEOUT_S = 30.0


class StartNetworkHandler(Handler[StartNetwork]):
    """A libvirt network."""

    phase = "guest start"
    survives_reboot = False
    common = True

    def satisfied(self, step: StartNetwork, context: Context) -> str | None:
        """Active already."""
        return f"{step.network} is active" if _network_active(step, context) else None

    def observe(self, step: StartNetwork, context: Context) -> Json:
        """Nothing: it was not active."""
        return {"active": False}

    def do(self, step: StartNetwork, before: Json, context: Context) -> Json:
        """Start and read back."""
        context.machine.hypervisor.set_network_active(step.network, True)
        if not _network_active(step, context):
            raise StepFailed(f"libvirt network {step.network} did not start", hint="see `journalctl -u libvirtd`")
        return {}

    def undo(self, step: StartNetwork, trace: Trace, context: Context) -> tuple[str, ...]:
        """Stop it, unless another running domain might hang on it by now."""
        if not _network_active(step, context):
            return ()
        context.refuse_while_running(f"network {step.network}")
        others = [d.name for d in context.machine.hypervisor.domains() if d.running]
        if others:
            return (f"left active, because {', '.join(others)} may use it",)
        context.machine.hypervisor.set_network_active(step.network, False)
        return ()


class DefineDomainHandler(Handler[DefineDomain]):
    """A persistent domain. Another domain of the same name is never touched."""

    phase = "guest start"
    survives_reboot = True

    def satisfied(self, step: DefineDomain, context: Context) -> str | None:
        """Defined with exactly this text."""
        found = _ours(step, context)
        same = found is not None and context.machine.hypervisor.xml(step.domain) == _xml(step, context)
        return f"{step.domain} is defined so" if same else None

    def kept(self, step: DefineDomain, context: Context) -> str | None:
        """Still defined; libvirt gives the text back in a form of its own, so it is not compared."""
        return f"{step.domain} is defined" if _ours(step, context) is not None else None

    def observe(self, step: DefineDomain, context: Context) -> Json:
        """Nothing: it was not defined. A leftover with our UUID but another text is refused, never overwritten."""
        if _ours(step, context) is not None:
            raise Conflict(
                f"a domain {step.domain} is left over from an earlier deployment",
                hint=f"look at it, then `virsh undefine --nvram {step.domain}`",
            )
        return {"defined": False}

    def do(self, step: DefineDomain, before: Json, context: Context) -> Json:
        """Define, and read back name and UUID."""
        context.machine.hypervisor.define(_xml(step, context))
        if _ours(step, context) is None:
            raise StepFailed(f"libvirt took the definition of {step.domain}, but does not list it")
        return {}

    def undo(self, step: DefineDomain, trace: Trace, context: Context) -> tuple[str, ...]:
        """Undefine it."""
        if _ours(step, context) is not None:
            context.machine.hypervisor.undefine(step.domain)
        return ()

    def for_journal(self, step: DefineDomain) -> DefineDomain:
        """Without the XML."""
        return dataclasses.replace(step, xml="")


class StartDomainHandler(Handler[StartDomain]):
    """A running domain."""

    phase = "guest start"
    survives_reboot = False

    def satisfied(self, step: StartDomain, context: Context) -> str | None:
        """Running already."""
        return f"{step.domain} is running" if context.guest_runs(step.domain) else None

    def observe(self, step: StartDomain, context: Context) -> Json:
        """Nothing: it was not running."""
        return {"running": False}

    def do(self, step: StartDomain, before: Json, context: Context) -> Json:
        """Start and read back."""
        context.met.clear()  # who answered before was not this one
        context.machine.hypervisor.start(step.domain)
        wait_until(
            context.machine.clock,
            f"domain {step.domain} to run",
            _STATE_TIMEOUT_S,
            lambda: True if context.guest_runs(step.domain) else None,
        )
        return {}

    def undo(self, step: StartDomain, trace: Trace, context: Context) -> tuple[str, ...]:
        """Ask the guest to power off; after the deadline switch it off."""
        if not context.guest_runs(step.domain):
            return ()
        orderly = context.machine.hypervisor.stop(step.domain, step.stop_timeout_s)
        if context.guest_runs(step.domain):
            raise StepFailed(f"domain {step.domain} still runs", hint=f"virsh destroy {step.domain}")
        return () if orderly else (f"did not power off within {step.stop_timeout_s} s and was switched off",)


def _xml(step: DefineDomain, context: Context) -> str:
    """The XML as libvirt is given it, with the token that nobody else is told."""
    if not step.token_path:
        return step.xml
    return step.xml.replace("@VF_TOKEN@", read_word(context.machine.files, step.token_path))


def _network_active(step: StartNetwork, context: Context) -> bool:
    active = context.machine.hypervisor.network_active(step.network)
    if active is None:
        raise NotFound(f"libvirt knows no network {step.network}", hint="see `virsh net-list --all`")
    return active


def _ours(step: DefineDomain, context: Context) -> DomainInfo | None:
    """The domain of this name, if it carries our UUID; Conflict if it is somebody else's."""
    for domain in context.machine.hypervisor.domains():
        if domain.name == step.domain and domain.uuid != step.uuid:
            raise Conflict(
                f"a domain {step.domain} with UUID {domain.uuid} exists and is not ours",
                hint="choose another guest.name, or remove that domain",
            )
        if domain.name == step.domain:
            return domain
    return None
