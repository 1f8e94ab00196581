"""Who keeps the guest's clock, from what, and how well. What nobody said is unknown, not good and not bad."""

from __future__ import annotations

from dataclasses import dataclass

from hpcapvf.host.protocols import Guest
from hpcapvf.model.errors import HpcapvfError
from hpcapvf.verify.capture import COMMAND_TIMEOUT_S

UNKNOWN = "unknown"
NOBODY = "nobody"
CHRONY_UNITS = ("chrony", "chronyd")
TIMESYNCD = "systemd-timesyncd"
# Services that keep a clock, by the names that distributions give them.
UNITS = (*CHRONY_UNITS, TIMESYNCD, "ntpsec", "ntp", "ntpd", "openntpd")
# Facts as key=value lines, a line for each source. Who is not there is not asked: timedatectl would start a service.
_SCRIPT = """
say() { printf '%s=%s\\n' "$1" "$2"; }
for clock in /sys/class/ptp/ptp*; do
	[ ! -r "$clock/clock_name" ] || say ptp "$(basename "$clock") $(cat "$clock/clock_name")"
done
active=$(systemctl is-active "$@" | while read -r state; do
	[ "$state" != active ] || echo "$1"
	shift
done | head -n 1)
[ -z "$active" ] || say unit "$active"
case $active in
chrony*)
	say tracking "$(chronyc -c tracking)"
	chronyc -c sources | sed 's/^/source=/'
	;;
systemd-timesyncd*)
	timedatectl show --property=NTPSynchronized
	timedatectl show-timesync --property=ServerName --property=ServerAddress
	;;
esac
say script end
"""
_TRACKING_FIELDS = 14
_SOURCE_FIELDS = 10


@dataclass(frozen=True)
class GuestClock:
    """keeper: the service, ``nobody`` or ``unknown``. source: what it follows, empty if nothing. synchronised: None if
    unknown. offset_s: of the guest's clock from its source, positive if it is ahead; error_s: what it may be off at
    most, by the keeper's own estimate; both None if nobody says. ptp: the guest's hardware clocks. note: why unknown.
    """

    keeper: str
    source: str = ""
    synchronised: bool | None = None
    offset_s: float | None = None
    error_s: float | None = None
    ptp: tuple[str, ...] = ()
    note: str = ""

    def describe(self) -> str:
        """One line for people."""
        if self.keeper == UNKNOWN:
            return f"unknown: {self.note}"
        if self.keeper == NOBODY:
            return "not kept: no service that does it runs in the guest"
        known = {True: "synchronised", False: "not synchronised", None: "unknown whether synchronised"}
        parts = [f"kept by {self.keeper}", known[self.synchronised] + (f" to {self.source}" if self.source else "")]
        parts.append("offset unknown" if self.offset_s is None else f"offset {self.offset_s * 1e6:+.1f} µs")
        parts.append("error unknown" if self.error_s is None else f"error at most {self.error_s * 1e6:.1f} µs")
        return ", ".join(parts) + (f" ({self.note})" if self.note else "")


def read_clock(guest: Guest) -> GuestClock:
    """Ask the guest; a guest that does not answer gives an unknown clock."""
    try:
        argv = ["sh", "-c", _SCRIPT, "hpcapvf", *(f"{unit}.service" for unit in UNITS)]
        return parse_clock(guest.run(argv, timeout_s=COMMAND_TIMEOUT_S).stdout)
    except HpcapvfError as error:
        return GuestClock(UNKNOWN, note=error.message)


def parse_clock(text: str) -> GuestClock:
    """The script's lines as a clock."""
    lines = [line.partition("=") for line in text.splitlines()]

    def values(wanted: str) -> list[str]:
        return [value.strip() for key, _, value in lines if key == wanted]

    ptp = tuple(values("ptp"))
    if "end" not in values("script"):
        return GuestClock(UNKNOWN, note="the guest's shell gave no answer")
    keeper = "".join(values("unit")).removesuffix(".service")
    if not keeper:
        return GuestClock(NOBODY, synchronised=False, ptp=ptp)
    if keeper in CHRONY_UNITS:
        return _chrony((values("tracking") or [""])[0], values("source"), ptp)
    if keeper == TIMESYNCD:
        said = {key: value.strip() for key, _, value in lines}
        source = said.get("ServerName") or said.get("ServerAddress") or ""
        synchronised = {"yes": True, "no": False}.get(said.get("NTPSynchronized", ""))
        return GuestClock(TIMESYNCD, source, synchronised, ptp=ptp)
    return GuestClock(keeper, ptp=ptp, note="this service is not asked")


def _chrony(tracking: str, sources: list[str], ptp: tuple[str, ...]) -> GuestClock:
    """What ``chronyc -c`` says (chronyc(1): tracking, sources). Its bound is |offset| + dispersion + half the delay."""
    fields = tracking.split(",")
    if len(fields) != _TRACKING_FIELDS:
        return GuestClock("chrony", ptp=ptp, note="chronyd does not answer chronyc")
    if fields[-1] == "Not synchronised":
        return GuestClock("chrony", synchronised=False, ptp=ptp)
    try:
        offset, delay, dispersion = float(fields[4]), float(fields[10]), float(fields[11])
    except ValueError:
        return GuestClock("chrony", ptp=ptp, note=f"chronyc said {tracking}")
    return GuestClock("chrony", _selected(sources, ptp), True, offset, abs(offset) + dispersion + delay / 2, ptp)


def _selected(sources: list[str], ptp: tuple[str, ...]) -> str:
    """The source that is followed; a reference clock of ours by the name that the kernel has for it."""
    for source in sources:
        fields = source.split(",")
        if len(fields) == _SOURCE_FIELDS and fields[1] == "*":
            if fields[0] != "#":
                return fields[2]
            clocks = [clock.partition(" ")[2] for clock in ptp]
            return f"reference clock {fields[2]}" + (f" ({', '.join(clocks)})" if clocks else "")
    return UNKNOWN
