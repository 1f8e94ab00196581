"""Handlers for a PF that DPDK holds: module parameters, and the service that answers its VFs."""

from __future__ import annotations

import uuid

from hpcapvf.apply.checked import read_word, remove_whole, run_any, run_checked, wait_until, write_and_read_back
from hpcapvf.apply.handler import Context, Handler, Json, Trace
from hpcapvf.model import paths
from hpcapvf.model.errors import StepFailed, WaitTimedOut
from hpcapvf.model.steps import HoldPort, SetModuleParameter

_READY_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 60.0
_READY = "Checking link statuses"
# testpmd ends when its input does, so it is given a pipe that it holds open for writing too; commands come by that.
# The token is read from its file where it is needed; whoever may read testpmd's command line in /proc sees it there.
# No braces behind a dollar: systemd takes those for variables of its own and puts nothing in their place.
_SCRIPT = (
    'mkdir -p "$(dirname "$4")" && rm -f "$4" && mkfifo -m 600 "$4" && '
    'exec stdbuf -oL dpdk-testpmd --lcores "(0,1)@($1)" -a "$2" --no-huge --no-shconf -m 128 --no-telemetry '
    '--vfio-vf-token="$(cat "$3")" -- --interactive --total-num-mbufs=2048 0<>"$4"'
)


class SetModuleParameterHandler(Handler[SetModuleParameter]):
    """``/sys/module/MODULE/parameters/PARAMETER``; the module is loaded if it is not, and stays so."""

    phase = "network card"
    survives_reboot = False
    common = True

    def satisfied(self, step: SetModuleParameter, context: Context) -> str | None:
        """It has the value."""
        text = context.machine.files.read_text(_parameter(step))
        return f"it is {step.value}" if text is not None and text.strip() == step.value else None

    def observe(self, step: SetModuleParameter, context: Context) -> Json:
        """The value."""
        files = context.machine.files
        if files.read_text(_parameter(step)) is None:
            name = step.module.replace("_", "-")
            run_checked(context.machine, ["modprobe", name], hint="install the kernel's full module package")
        return {"value": read_word(files, _parameter(step))}

    def do(self, step: SetModuleParameter, before: Json, context: Context) -> Json:
        """Write and read back."""
        write_and_read_back(context.machine.files, _parameter(step), step.value)
        return {}

    def undo(self, step: SetModuleParameter, trace: Trace, context: Context) -> tuple[str, ...]:
        """Write what it was, if the module is there still."""
        if context.machine.files.read_text(_parameter(step)) is not None:
            write_and_read_back(context.machine.files, _parameter(step), trace.before["value"])
        return ()


class HoldPortHandler(Handler[HoldPort]):
    """A transient systemd unit with testpmd, and the token that it and QEMU share. The token stays over a reboot."""

    phase = "network card"
    survives_reboot = True

    def satisfied(self, step: HoldPort, context: Context) -> str | None:
        """It runs."""
        return f"{_unit(step)} runs" if _is_active(step, context) else None

    def observe(self, step: HoldPort, context: Context) -> Json:
        """Nothing: it did not run."""
        return {"active": False}

    def do(self, step: HoldPort, before: Json, context: Context) -> Json:
        """Make the token if there is none, start testpmd and wait until it has the port."""
        machine, unit = context.machine, _unit(step)
        if not machine.files.exists(step.token_path):  # a domain that was defined before a reboot knows the one there
            machine.files.replace(step.token_path, str(uuid.uuid4()).encode(), mode=0o600)
        run_any(machine, ["systemctl", "reset-failed", unit])  # of an earlier one; fails if there is none
        words = ["systemd-run", "--quiet", f"--unit={unit}", f"--description=DPDK holds {step.pf} for its VFs"]
        pipe = paths.port_commands_path(step.deployment)
        script = ["bash", "-c", _SCRIPT, "bash", str(step.cpus), str(step.pf), step.token_path, pipe]
        run_checked(machine, [*words, *script], hint=f"see `journalctl -u {unit}`")
        try:
            wait_until(
                machine.clock, f"testpmd to take {step.pf}", _READY_TIMEOUT_S, lambda: _ready(step, context), poll_s=0.5
            )
        except WaitTimedOut as error:
            raise WaitTimedOut(
                error.message, hint=f"see `journalctl -u {unit}`", details=_log(step, context)
            ) from error
        return {}

    def undo(self, step: HoldPort, trace: Trace, context: Context) -> tuple[str, ...]:
        """Stop it and remove the token, unless a domain is defined that knows it, as one is after a reboot."""
        context.refuse_while_running(_unit(step))
        run_any(context.machine, ["systemctl", "stop", _unit(step)], timeout_s=_STOP_TIMEOUT_S)
        run_any(context.machine, ["systemctl", "reset-failed", _unit(step)])
        if _is_active(step, context):
            raise StepFailed(f"{_unit(step)} still runs", hint=f"systemctl kill {_unit(step)}")
        remove_whole(context.machine.files, paths.port_commands_path(step.deployment))
        if any(domain.name == step.deployment for domain in context.machine.hypervisor.domains()):
            return ("the token stays: the domain knows it",)
        remove_whole(context.machine.files, step.token_path)
        return ()


def _parameter(step: SetModuleParameter) -> str:
    return f"/sys/module/{step.module}/parameters/{step.parameter}"


def _unit(step: HoldPort) -> str:
    return paths.port_unit(step.deployment)


def _is_active(step: HoldPort, context: Context) -> bool:
    return run_any(context.machine, ["systemctl", "is-active", "--quiet", _unit(step)]).returncode == 0


def _ready(step: HoldPort, context: Context) -> bool | None:
    lines = _log(step, context)
    if any(_READY in line for line in lines):
        return True
    if not _is_active(step, context):
        raise StepFailed(f"testpmd did not take {step.pf}", hint=f"see `journalctl -u {_unit(step)}`", details=lines)
    return None


def _log(step: HoldPort, context: Context) -> tuple[str, ...]:
    """The unit's last lines of this start, without the token if a program was given to saying its options."""
    argv = ["journalctl", "--no-pager", "-o", "cat", "-n", "25", "-u", _unit(step)]
    said = run_any(context.machine, argv).stdout
    token = (context.machine.files.read_text(step.token_path) or "").strip()
    return tuple((said.replace(token, "(hidden)") if token else said).splitlines())
