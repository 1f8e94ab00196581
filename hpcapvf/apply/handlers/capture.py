"""Handler for the capture service in the guest."""

from __future__ import annotations

from hpcapvf.apply.at_once import ask, install_unit, needed
from hpcapvf.apply.checked import run_any, run_checked, wait_until
from hpcapvf.apply.handler import Context, Handler, Json, Trace
from hpcapvf.apply.in_guest import READ_IDS, driver_folder, last_lines, read_attribute, unit_is_active
from hpcapvf.host.protocols import Guest, NewFile
from hpcapvf.model.errors import StepFailed, WaitTimedOut
from hpcapvf.model.guest_steps import LISTENS, InstallDriver, StartCapture
from hpcapvf.model.paths import CAPTURE_UNIT, SYSTEMD_UNITS
from hpcapvf.model.request import NOT_STORED

_UNIT_PATH = f"{SYSTEMD_UNITS}/{CAPTURE_UNIT}"
_START_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 180.0  # SIGTERM makes hpcapdd write what is left in the ring


class StartCaptureHandler(Handler[StartCapture]):
    """Install the unit, start it, and wait until it listens: the driver counts it, or it has its socket."""

    phase = "capture"
    survives_reboot = True

    def satisfied(self, step: StartCapture, context: Context) -> str | None:
        """The same unit runs and listens."""
        guest = ask(context.guest(), ("cat", _UNIT_PATH), ("systemctl", "is-active", "--quiet", CAPTURE_UNIT))
        same = read_attribute(guest, _UNIT_PATH) == step.unit.strip()
        running = same and unit_is_active(guest, CAPTURE_UNIT) and _listeners(guest, step, context) > 0
        return "the capture service runs" if running else None

    def observe(self, step: StartCapture, context: Context) -> Json:
        """Nothing."""
        return {}

    def do(self, step: StartCapture, before: Json, context: Context) -> Json:
        """Install, start, wait for the listener."""
        guest = context.guest()
        folder = [needed("mkdir", "-p", step.directory)] if step.directory != NOT_STORED else []
        files = [NewFile(_UNIT_PATH, step.unit.encode())]
        known = install_unit(
            guest, CAPTURE_UNIT, files, timeout_s=_START_TIMEOUT_S, before=folder, questions=[READ_IDS]
        )
        try:
            listeners = wait_until(
                context.machine.clock,
                "the capture service to listen",
                _START_TIMEOUT_S,
                lambda: _listeners(known, step, context) or None,
                poll_s=0.3,
            )
        except WaitTimedOut as error:
            raise WaitTimedOut(
                error.message,
                hint=f"see `journalctl -u {CAPTURE_UNIT}` in the guest",
                details=last_lines(guest, CAPTURE_UNIT),
            ) from error
        if not unit_is_active(guest, CAPTURE_UNIT):
            raise StepFailed("the capture service ended at once", details=last_lines(guest, CAPTURE_UNIT))
        return {"listeners": listeners}

    def undo(self, step: StartCapture, trace: Trace, context: Context) -> tuple[str, ...]:
        """Stop it in an orderly way, so that the tail is saved. A guest that is off has nothing to stop."""
        if not context.guest_runs(step.domain):
            return ("the guest was off: what the ring still held was lost",)
        guest = context.guest()
        if unit_is_active(guest, CAPTURE_UNIT):
            run_checked(
                guest,
                ["systemctl", "stop", CAPTURE_UNIT],
                timeout_s=_STOP_TIMEOUT_S,
                hint=f"see `journalctl -u {CAPTURE_UNIT}`",
            )
        run_checked(guest, ["sync"], timeout_s=_STOP_TIMEOUT_S)
        return ()


def _listeners(guest: Guest, step: StartCapture, context: Context) -> int:
    """How many read what the driver captures; 1 for another engine that has said that it listens."""
    if step.engine != "hpcapvf":
        lines = run_any(guest, ["journalctl", "--no-pager", "-o", "cat", "-b", "-u", CAPTURE_UNIT]).stdout
        return int(LISTENS[step.engine] in lines)
    install = next((s for s in context.plan.steps if isinstance(s, InstallDriver)), None)
    if install is None:
        raise StepFailed("the plan starts a capture without installing a driver", hint="plan again with this version")
    text = read_attribute(guest, f"{driver_folder(guest, install)}/listeners")
    return int(text) if text is not None and text.isdecimal() else 0
