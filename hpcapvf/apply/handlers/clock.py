"""Handler for the guest's clock: what a frame's time is worth depends on it."""

from __future__ import annotations

from hpcapvf.apply.at_once import ask, do_all, needed
from hpcapvf.apply.checked import run_any
from hpcapvf.apply.handler import Context, Handler, Json, Trace
from hpcapvf.apply.in_guest import read_attribute, start_unit, unit_is_active
from hpcapvf.host.protocols import Guest, NewFile
from hpcapvf.model.steps import KeepClock

UNIT = "chrony.service"
CHRONY_CONF = "/etc/chrony/conf.d/hpcapvf.conf"
MODULES_CONF = "/etc/modules-load.d/hpcapvf-clock.conf"
# The kernel's name of that clock (drivers/ptp/ptp_kvm_common.c), and systemd's link to it (50-udev-default.rules).
PTP_NAME = "KVM virtual PTP"
PTP_LINK = "/dev/ptp_kvm"
_START_TIMEOUT_S = 60.0
_IS_ACTIVE = ("systemctl", "is-active", "--quiet", UNIT)
_IS_ENABLED = ("systemctl", "is-enabled", "--quiet", UNIT)
# "offset 0": this clock is UTC, not TAI as a PTP network's would be. A sample every 1/4 s, four seconds to an update.
_CONFIGURATION = f"""\
# Written by hpcapvf: the host's clock, as KVM gives it to guests.
refclock PHC {PTP_LINK} refid KVM poll 2 dpoll -2 offset 0
"""
# One round trip: loads the module, waits for nobody, and says what there is.
_LOOK = """
modprobe ptp_kvm 2>/dev/null
grep -qsx "$1" /sys/class/ptp/ptp*/clock_name && echo clock
[ -e "$2" ] && echo link
command -v chronyd >/dev/null && echo chronyd
[ -d "$3" ] && echo folder
exit 0
"""
_MISSING = {
    "clock": "this guest's kernel has no clock of KVM (ptp_kvm)",
    "link": f"udev made no {PTP_LINK} (needs systemd 245)",
    "chronyd": "chrony is not installed in the guest",
    "folder": f"the guest's chrony has no {CHRONY_CONF.rsplit('/', 1)[0]}",
}


class KeepClockHandler(Handler[KeepClock]):
    """Give chrony the host's clock as a reference, if both are there; a guest that lacks one is left as it is."""

    phase = "clock"
    survives_reboot = True

    def satisfied(self, step: KeepClock, context: Context) -> str | None:
        """The same configuration is in use."""
        guest = ask(context.guest(), ("cat", CHRONY_CONF), _IS_ACTIVE)
        same = read_attribute(guest, CHRONY_CONF) == _CONFIGURATION.strip()
        return "chrony follows the host's clock" if same and unit_is_active(guest, UNIT) else None

    def observe(self, step: KeepClock, context: Context) -> Json:
        """Nothing."""
        return {}

    def do(self, step: KeepClock, before: Json, context: Context) -> Json:
        """Look, and set up what can be set up. Nobody waits for the clock to be right: the report says how it is."""
        look = ("sh", "-c", _LOOK, "hpcapvf", PTP_NAME, PTP_LINK, CHRONY_CONF.rsplit("/", 1)[0])
        guest = context.guest()
        known = ask(guest, look, _IS_ACTIVE, _IS_ENABLED)
        found = run_any(known, look)
        missing = next((why for word, why in _MISSING.items() if word not in found.stdout.split()), None)
        if missing:
            return {"kept": False, "notes": [f"the guest's clock is left to itself: {missing}"]}
        is_set_up = unit_is_active(known, UNIT) and run_any(known, _IS_ENABLED).returncode == 0
        _follow(guest, is_set_up=is_set_up)
        return {"kept": True, "notes": [f"chrony in the guest follows {PTP_NAME}, which is the host's clock"]}

    def undo(self, step: KeepClock, trace: Trace, context: Context) -> tuple[str, ...]:
        """Nothing: the guest's disk goes."""
        return ()


def _follow(guest: Guest, *, is_set_up: bool) -> None:
    """is_set_up: whether chrony runs, and will at the next start: then enabling it would only cost time."""
    files = (NewFile(MODULES_CONF, b"ptp_kvm\n"), NewFile(CHRONY_CONF, _CONFIGURATION.encode()))
    do_all(guest, [needed("systemctl", "restart", UNIT)], files=files, timeout_s=_START_TIMEOUT_S)
    if not is_set_up:
        start_unit(guest, UNIT, _START_TIMEOUT_S)
