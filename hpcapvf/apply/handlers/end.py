"""Handler for the service that ends an agent, and for its timer."""

from __future__ import annotations

import time

from hpcapvf.apply.boot_service import hpcapvf_command
from hpcapvf.apply.checked import remove_torn, remove_whole, run_any, run_checked
from hpcapvf.apply.end import DIED, ENDS_AT, TIME_OVER
from hpcapvf.apply.handler import Context, Handler, Json, Trace
from hpcapvf.model.errors import StepFailed
from hpcapvf.model.paths import SYSTEMD_UNITS, end_service, end_timer
from hpcapvf.model.steps import PrepareEnd

# Tried again each minute until the agent is gone: nobody is watched for longer because the first try failed.
_SERVICE = """\
[Unit]
Description=HPCAPvf: take agent @NAME@ away, what it is given first
After=libvirtd.service libvirtd.socket virtqemud.socket hpcapvf-recover.service

[Service]
Type=oneshot
ExecStart=@COMMAND@ destroy @NAME@ --wait 300 --because "@WHY@"
TimeoutStartSec=infinity
Restart=on-failure
RestartSec=60
"""
# The time is absolute, so that neither a reboot nor a clock that stands still moves it; one that is missed while the
# host is off is made up for at its next start (systemd.timer(5), Persistent=).
_TIMER = """\
[Unit]
Description=HPCAPvf: the time of agent @NAME@ is over at @END@

[Timer]
OnCalendar=@END@
AccuracySec=1s
Persistent=true

[Install]
WantedBy=timers.target
"""


class PrepareEndHandler(Handler[PrepareEnd]):
    """Units below /etc, which outlive a reboot. The first end that was journalled stays, however often it is made."""

    phase = "registers"
    survives_reboot = True

    def satisfied(self, step: PrepareEnd, context: Context) -> str | None:
        """Never before it was done: the end counts from now."""
        return None

    def kept(self, step: PrepareEnd, context: Context) -> str | None:
        """Both units are there, and the timer waits."""
        files = context.machine.files
        if files.read_text(_path(end_service(step.deployment))) is None:
            return None
        if step.ttl_s is None:
            return "its end is prepared"
        timer = end_timer(step.deployment)
        waits = run_any(context.machine, ["systemctl", "is-active", "--quiet", timer]).returncode == 0
        return "its timer waits" if waits and files.read_text(_path(timer)) is not None else None

    def observe(self, step: PrepareEnd, context: Context) -> Json:
        """When the end will be, in seconds since the epoch."""
        return {} if step.ttl_s is None else {ENDS_AT: round(context.machine.clock.wall()) + step.ttl_s}

    def do(self, step: PrepareEnd, before: Json, context: Context) -> Json:
        """Write the units; start the timer."""
        machine, name = context.machine, step.deployment
        service, timer = end_service(name), end_timer(name)
        why = DIED if step.ttl_s is None else TIME_OVER
        text = _SERVICE.replace("@COMMAND@", hpcapvf_command(machine)).replace("@WHY@", why).replace("@NAME@", name)
        remove_torn(machine.files, _path(service))
        machine.files.replace(_path(service), text.encode(), mode=0o644)
        if step.ttl_s is not None:
            text = _TIMER.replace("@END@", calendar(before[ENDS_AT])).replace("@NAME@", name)
            remove_torn(machine.files, _path(timer))
            machine.files.replace(_path(timer), text.encode(), mode=0o644)
        run_checked(machine, ["systemctl", "daemon-reload"])
        if step.ttl_s is not None:
            run_checked(machine, ["systemctl", "enable", "--quiet", timer])
            run_checked(machine, ["systemctl", "start", timer])
            if run_any(machine, ["systemctl", "is-active", "--quiet", timer]).returncode != 0:
                raise StepFailed(f"{timer} does not wait", hint=f"see `systemctl status {timer}`")
        return {}

    def undo(self, step: PrepareEnd, trace: Trace, context: Context) -> tuple[str, ...]:
        """Remove both. The service is not stopped: it may be what runs this."""
        machine, timer = context.machine, end_timer(step.deployment)
        if trace.before.get(ENDS_AT) is not None:
            run_any(machine, ["systemctl", "disable", "--quiet", timer])
            run_any(machine, ["systemctl", "stop", timer])
        for unit in (timer, end_service(step.deployment)):
            remove_whole(machine.files, _path(unit))
        run_any(machine, ["systemctl", "daemon-reload"])
        return ()


def calendar(at: float) -> str:
    """A point in time as systemd.time(7) writes it."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))


def _path(unit: str) -> str:
    return f"{SYSTEMD_UNITS}/{unit}"
