"""Handler for the register guard's service."""

from __future__ import annotations

import json

from hpcapvf.apply.checked import run_any, run_checked, wait_until
from hpcapvf.apply.handler import Context, Handler, Json, Trace
from hpcapvf.model import paths
from hpcapvf.model.errors import StepFailed, WaitTimedOut
from hpcapvf.model.steps import StartGuard

_FIRST_CHECK_TIMEOUT_S = 90.0  # a Python start on a slow machine
_STOP_TIMEOUT_S = 60.0


class StartGuardHandler(Handler[StartGuard]):
    """A transient systemd unit that runs ``hpcapvf guard NAME``."""

    phase = "registers"
    survives_reboot = False

    def satisfied(self, step: StartGuard, context: Context) -> str | None:
        """It runs."""
        return f"{paths.guard_unit(step.deployment)} runs" if _is_active(step, context) else None

    def observe(self, step: StartGuard, context: Context) -> Json:
        """Nothing: it did not run."""
        return {"active": False}

    def do(self, step: StartGuard, before: Json, context: Context) -> Json:
        """Start it and wait for its first check."""
        unit = paths.guard_unit(step.deployment)
        machine = context.machine
        machine.files.remove(paths.guard_path(step.deployment))
        run_any(machine, ["systemctl", "reset-failed", unit])  # of an earlier guard; fails if there is none
        run_checked(
            machine,
            [
                "systemd-run",
                "--quiet",
                f"--unit={unit}",
                f"--description=HPCAPvf register guard of {step.deployment}",
                "--property=Restart=on-failure",
                "--property=RestartSec=2",
                "hpcapvf",
                "guard",
                step.deployment,
            ],
            hint="is the hpcapvf command on root's PATH?",
        )
        try:
            wait_until(
                machine.clock,
                f"the first check of {unit}",
                _FIRST_CHECK_TIMEOUT_S,
                lambda: _first_check(step, context),
                poll_s=0.5,
            )
        except WaitTimedOut as error:
            raise WaitTimedOut(
                error.message, hint=f"see `journalctl -u {unit}`", details=_log(unit, context)
            ) from error
        return {}

    def undo(self, step: StartGuard, trace: Trace, context: Context) -> tuple[str, ...]:
        """Stop it; its counts go with it."""
        unit = paths.guard_unit(step.deployment)
        remarks = _remarks(step, context)
        run_any(context.machine, ["systemctl", "stop", unit], timeout_s=_STOP_TIMEOUT_S)
        run_any(context.machine, ["systemctl", "reset-failed", unit])
        if _is_active(step, context):
            raise StepFailed(f"{unit} still runs", hint=f"systemctl kill {unit}")
        context.machine.files.remove(paths.guard_path(step.deployment))
        return remarks


def _is_active(step: StartGuard, context: Context) -> bool:
    argv = ["systemctl", "is-active", "--quiet", paths.guard_unit(step.deployment)]
    return run_any(context.machine, argv).returncode == 0


def _first_check(step: StartGuard, context: Context) -> bool | None:
    counts = _counts(step, context)
    if counts.get("error"):
        raise StepFailed(f"the register guard cannot work: {counts['error']}")
    return True if counts.get("checks") else None


def _counts(step: StartGuard, context: Context) -> Json:
    text = context.machine.files.read_text(paths.guard_path(step.deployment))
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _remarks(step: StartGuard, context: Context) -> tuple[str, ...]:
    counts = _counts(step, context)
    if not counts:
        return ()
    return (f"{counts.get('checks')} checks, {counts.get('drifts')} of them found registers rewritten",)


def _log(unit: str, context: Context) -> tuple[str, ...]:
    result = run_any(context.machine, ["journalctl", "--no-pager", "-o", "cat", "-n", "15", "-u", unit])
    return tuple(result.stdout.splitlines())
