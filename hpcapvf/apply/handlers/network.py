"""Handlers for a PF's network interface: link, pause frames, offloads, and the MACs of its VFs."""

from __future__ import annotations

import json
import re
from typing import Any

from hpcapvf.apply.checked import read_int, run_any, run_checked, wait_until
from hpcapvf.apply.handler import Context, Handler, Json, Trace
from hpcapvf.host.protocols import Machine
from hpcapvf.model.address import Mac
from hpcapvf.model.errors import StepFailed
from hpcapvf.model.steps import SetLink, SetOffloads, SetPause, SetVfMac

_IFF_UP = 0x1
_SETTLE_TIMEOUT_S = 20.0  # the PF driver may reset the card for a change of pause frames
_RETURN_TIMEOUT_S = 30.0  # udev gives it its name after the driver made it
_PAUSE_LINE = re.compile(r"^(Autonegotiate|RX|TX):\s*(on|off)\s*$", re.MULTILINE)
_FEATURE_LINE = re.compile(r"^\s*([a-z0-9-]+): (on|off)( \[fixed\])?", re.MULTILINE)


class SetLinkHandler(Handler[SetLink]):
    """``ip link set``; read back from the interface's flags."""

    phase = "network card"
    survives_reboot = False
    common = True

    def satisfied(self, step: SetLink, context: Context) -> str | None:
        """The link is as wanted. A card that a run before this one gave away has no interface, and so no link."""
        if not step.up and not context.machine.files.exists(_flags(step.interface)):
            return f"{step.interface} is gone with its driver"
        return f"{step.interface} is {_updown(step.up)}" if _is_up(step.interface, context) == step.up else None

    def observe(self, step: SetLink, context: Context) -> Json:
        """Whether it is up."""
        return {"up": _is_up(step.interface, context)}

    def do(self, step: SetLink, before: Json, context: Context) -> Json:
        """Set and read back."""
        _set_link(step.interface, step.up, context)
        return {}

    def undo(self, step: SetLink, trace: Trace, context: Context) -> tuple[str, ...]:
        """Set to what it was. An interface whose card comes back from a guest is there a moment after its driver."""
        _wait_for_interface(step.interface, context)
        if _is_up(step.interface, context) != trace.before["up"]:
            _set_link(step.interface, trace.before["up"], context)
        return ()


class SetPauseHandler(Handler[SetPause]):
    """``ethtool -A``. Autonegotiation of pause frames goes off with it: while on, drivers ignore the wish."""

    phase = "network card"
    survives_reboot = False
    common = True

    def satisfied(self, step: SetPause, context: Context) -> str | None:
        """Pause frames are as wanted."""
        found = _pause_before(step, context)
        if found is None:
            return f"{step.interface} has no settings for pause frames"
        wanted = {"rx": step.rx, "tx": step.tx}
        return "pause frames are as wanted" if wanted == {"rx": found["rx"], "tx": found["tx"]} else None

    def observe(self, step: SetPause, context: Context) -> Json:
        """autoneg, rx and tx."""
        return _pause_before(step, context) or {}

    def do(self, step: SetPause, before: Json, context: Context) -> Json:
        """Set and read back."""
        _write_pause(step.interface, {"autoneg": False, "rx": step.rx, "tx": step.tx}, context)
        return {}

    def undo(self, step: SetPause, trace: Trace, context: Context) -> tuple[str, ...]:
        """Set to what it was. With autonegotiation back on, rx and tx are the link partner's to decide again."""
        if _read_pause(step.interface, context.machine) != trace.before:
            _write_pause(step.interface, trace.before, context)
        return ()


class SetOffloadsHandler(Handler[SetOffloads]):
    """``ethtool -K``, by the names that ``ethtool -k`` prints. Fixed features are left and said."""

    phase = "network card"
    survives_reboot = False
    common = True

    def satisfied(self, step: SetOffloads, context: Context) -> str | None:
        """All are off, or cannot be changed."""
        found = _features_before(step, context)
        if any(found.get(name) == "on" for name in step.features_off):
            return None
        stuck = [name for name in step.features_off if found.get(name) == "on fixed"]
        return f"cannot be switched off on this card: {', '.join(stuck)}" if stuck else "they are off"

    def observe(self, step: SetOffloads, context: Context) -> Json:
        """All features that are on and can be changed: switching one off may take others with it."""
        found = _features_before(step, context)
        return {"on": sorted(name for name, value in found.items() if value == "on")}

    def do(self, step: SetOffloads, before: Json, context: Context) -> Json:
        """Switch off what is on and can be changed."""
        wanted = [name for name in step.features_off if name in before["on"]]
        _switch_features(step.interface, wanted, "off", context)
        found = _read_features(step.interface, context.machine)
        left = [name for name in step.features_off if found.get(name) == "on fixed"]
        return {"left": left}

    def undo(self, step: SetOffloads, trace: Trace, context: Context) -> tuple[str, ...]:
        """Switch on again what was on, and off again what came along: a group's name switches all its members."""
        before = trace.before["on"]
        found = _read_features(step.interface, context.machine)
        _switch_features(step.interface, [name for name in before if found.get(name) == "off"], "on", context)
        found = _read_features(step.interface, context.machine)
        along = [name for name, value in found.items() if value == "on" and name not in before]
        _switch_features(step.interface, along, "off", context)
        return ()


class SetVfMacHandler(Handler[SetVfMac]):
    """``ip link set PF vf N mac``; read back from the PF's list of VFs."""

    phase = "network card"
    survives_reboot = False

    def satisfied(self, step: SetVfMac, context: Context) -> str | None:
        """The VF has the MAC."""
        return f"VF {step.vf_index} has {step.mac}" if _vf_mac_before(step, context) == str(step.mac) else None

    def observe(self, step: SetVfMac, context: Context) -> Json:
        """Its MAC (all zero: none assigned)."""
        return {"mac": _vf_mac_before(step, context)}

    def do(self, step: SetVfMac, before: Json, context: Context) -> Json:
        """Set and read back."""
        _set_vf_mac(step, str(step.mac), context)
        return {}

    def undo(self, step: SetVfMac, trace: Trace, context: Context) -> tuple[str, ...]:
        """Set to what it was; zero makes the PF driver forget that one was assigned."""
        if step.vf_index >= read_int(context.machine.files, f"/sys/class/net/{step.interface}/device/sriov_numvfs"):
            return ("the VF is gone already",)
        if _vf_mac(step, context) != trace.before["mac"]:
            _set_vf_mac(step, trace.before["mac"], context)
        return ()


def _pause_before(step: SetPause, context: Context) -> Json | None:
    return context.once("pause", lambda: _read_pause(step.interface, context.machine))


def _features_before(step: SetOffloads, context: Context) -> dict[str, str]:
    return context.once("features", lambda: _read_features(step.interface, context.machine))


def _vf_mac_before(step: SetVfMac, context: Context) -> str:
    return context.once("mac", lambda: _vf_mac(step, context))


def _updown(up: bool) -> str:
    return "up" if up else "down"


def _is_up(interface: str, context: Context) -> bool:
    return bool(read_int(context.machine.files, _flags(interface)) & _IFF_UP)


def _flags(interface: str) -> str:
    return f"/sys/class/net/{interface}/flags"


def _wait_for_interface(interface: str, context: Context) -> None:
    files, flags = context.machine.files, _flags(interface)
    what = f"interface {interface} to come back"
    wait_until(context.machine.clock, what, _RETURN_TIMEOUT_S, lambda: True if files.exists(flags) else None)


def _set_link(interface: str, up: bool, context: Context) -> None:
    run_checked(context.machine, ["ip", "link", "set", "dev", interface, _updown(up)])
    wait_until(
        context.machine.clock,
        f"{interface} to be {_updown(up)}",
        _SETTLE_TIMEOUT_S,
        lambda: True if _is_up(interface, context) == up else None,
    )


def _read_pause(interface: str, machine: Machine) -> Json | None:
    """autoneg, rx and tx; None if the driver has no such settings."""
    result = run_any(machine, ["ethtool", "-a", interface])
    found = {name: value == "on" for name, value in _PAUSE_LINE.findall(result.stdout)}
    if result.returncode != 0 or not {"RX", "TX"} <= set(found):
        return None
    return {"autoneg": found.get("Autonegotiate", False), "rx": found["RX"], "tx": found["TX"]}


def _write_pause(interface: str, wanted: Json, context: Context) -> None:
    machine = context.machine
    current = _read_pause(interface, machine) or {}
    switches = [(name, "on" if wanted[name] else "off") for name in ("autoneg", "rx", "tx")]
    # A driver may refuse a setting that does not change, so only changes are asked for.
    words = [word for name, value in switches if current.get(name) != wanted[name] for word in (name, value)]
    if not words:
        return
    run_checked(
        machine,
        ["ethtool", "-A", interface, *words],
        hint="the card's driver refuses it: see `ethtool -a` and the driver's documentation",
    )
    keys = ("autoneg",) if wanted["autoneg"] else ("autoneg", "rx", "tx")

    def settled() -> Json | None:
        found = _read_pause(interface, machine)
        return found if found and all(found[key] == wanted[key] for key in keys) else None

    wait_until(machine.clock, f"the pause settings of {interface}", _SETTLE_TIMEOUT_S, settled)


def _read_features(interface: str, machine: Machine) -> dict[str, str]:
    """Feature name to ``on``, ``off``, ``on fixed`` or ``off fixed``."""
    text = run_checked(machine, ["ethtool", "-k", interface])
    return {name: value + (" fixed" if fixed else "") for name, value, fixed in _FEATURE_LINE.findall(text)}


def _switch_features(interface: str, names: list[str], value: str, context: Context) -> None:
    if not names:
        return
    words = [word for name in names for word in (name, value)]
    # ethtool ends with 1 when a feature stayed as it was; what counts is what reads back.
    result = run_any(context.machine, ["ethtool", "-K", interface, *words])
    found = _read_features(interface, context.machine)
    stuck = [name for name in names if found.get(name, "off") not in (value, f"{value} fixed")]
    if stuck:
        reason = result.stderr.strip() or "no reason given"
        raise StepFailed(
            f"{interface}: {', '.join(stuck)} did not go {value} ({reason})",
            hint="another feature or a bridge may hold it: see `ethtool -k`",
        )


def _vf_mac(step: SetVfMac, context: Context) -> str:
    text = run_checked(context.machine, ["ip", "-j", "link", "show", "dev", step.interface])
    try:
        vfs: list[dict[str, Any]] = json.loads(text)[0].get("vfinfo_list", [])
        entry = next(vf for vf in vfs if vf["vf"] == step.vf_index)
        return str(Mac.parse(entry.get("address") or entry["mac"]))
    except (ValueError, KeyError, IndexError, StopIteration, TypeError) as error:
        raise StepFailed(
            f"{step.interface} does not list a VF {step.vf_index} ({error})",
            hint="are its VFs made, and is this its PF's interface? see `ip link show`",
        ) from error


def _set_vf_mac(step: SetVfMac, mac: str, context: Context) -> None:
    run_checked(context.machine, ["ip", "link", "set", "dev", step.interface, "vf", str(step.vf_index), "mac", mac])
    found = _vf_mac(step, context)
    if found != mac:
        raise StepFailed(f"VF {step.vf_index} of {step.interface} was given {mac} but has {found}")
