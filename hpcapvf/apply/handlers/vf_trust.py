"""Handlers for the card's driver letting a VF see the whole link: trust in the VF, and a private flag of the PF."""

from __future__ import annotations

import json
import re

from hpcapvf.apply.checked import read_int, run_any, run_checked
from hpcapvf.apply.handler import Context, Handler, Json, Trace
from hpcapvf.model.copy_steps import SetPrivateFlag, TrustVf
from hpcapvf.model.errors import StepFailed

# `ethtool --show-priv-flags`: one line a flag, the name filled up with blanks.
_FLAG_LINE = re.compile(r"^(\S+)\s*: (on|off)\s*$", re.MULTILINE)


class TrustVfHandler(Handler[TrustVf]):
    """``ip link set PF vf N trust``; read back from the PF's list of VFs."""

    phase = "network card"
    survives_reboot = False

    def satisfied(self, step: TrustVf, context: Context) -> str | None:
        """It is trusted."""
        return f"VF {step.vf_index} is trusted" if _trusted(step, context) else None

    def observe(self, step: TrustVf, context: Context) -> Json:
        """Whether it is."""
        return {"trust": _trusted(step, context)}

    def do(self, step: TrustVf, before: Json, context: Context) -> Json:
        """Set and read back."""
        _set_trust(step, True, context)
        return {}

    def undo(self, step: TrustVf, trace: Trace, context: Context) -> tuple[str, ...]:
        """Set to what it was; a VF that is gone has lost it."""
        if step.vf_index >= read_int(context.machine.files, f"/sys/class/net/{step.interface}/device/sriov_numvfs"):
            return ("the VF is gone already",)
        if _trusted(step, context) != trace.before["trust"]:
            _set_trust(step, trace.before["trust"], context)
        return ()


class SetPrivateFlagHandler(Handler[SetPrivateFlag]):
    """``ethtool --set-priv-flags``; the flag is for every VF of the device."""

    phase = "network card"
    survives_reboot = False
    common = True

    def satisfied(self, step: SetPrivateFlag, context: Context) -> str | None:
        """It is on."""
        return f"{step.flag} is on" if _flag(step, context) else None

    def observe(self, step: SetPrivateFlag, context: Context) -> Json:
        """Whether it is on."""
        return {"on": _flag(step, context)}

    def do(self, step: SetPrivateFlag, before: Json, context: Context) -> Json:
        """Set and read back."""
        _set_flag(step, True, context)
        return {}

    def undo(self, step: SetPrivateFlag, trace: Trace, context: Context) -> tuple[str, ...]:
        """Set to what it was."""
        if _flag(step, context) != trace.before["on"]:
            _set_flag(step, trace.before["on"], context)
        return ()


def _trusted(step: TrustVf, context: Context) -> bool:
    text = run_checked(context.machine, ["ip", "-j", "link", "show", "dev", step.interface])
    try:
        entry = next(vf for vf in json.loads(text)[0]["vfinfo_list"] if vf["vf"] == step.vf_index)
        return bool(entry["trust"])
    except (ValueError, KeyError, IndexError, StopIteration, TypeError) as error:
        raise StepFailed(
            f"{step.interface} does not say whether VF {step.vf_index} is trusted ({error})",
            hint="are its VFs made, and does its driver know trust? see `ip link show`",
        ) from error


def _set_trust(step: TrustVf, on: bool, context: Context) -> None:
    words = ["ip", "link", "set", "dev", step.interface, "vf", str(step.vf_index), "trust", "on" if on else "off"]
    run_checked(context.machine, words)
    if _trusted(step, context) != on:
        raise StepFailed(f"VF {step.vf_index} of {step.interface} did not keep trust {'on' if on else 'off'}")


def _flag(step: SetPrivateFlag, context: Context) -> bool:
    result = run_any(context.machine, ["ethtool", "--show-priv-flags", step.interface])
    flags: dict[str, bool] = {name: value == "on" for name, value in _FLAG_LINE.findall(result.stdout)}
    if step.flag not in flags:
        raise StepFailed(
            f"the driver of {step.interface} has no private flag {step.flag}",
            hint="i40e and ice have it on the first function of a card; see `ethtool --show-priv-flags`",
            details=tuple(sorted(flags)),
        )
    return flags[step.flag]


def _set_flag(step: SetPrivateFlag, on: bool, context: Context) -> None:
    value = "on" if on else "off"
    run_checked(context.machine, ["ethtool", "--set-priv-flags", step.interface, step.flag, value])
    if _flag(step, context) != on:
        raise StepFailed(f"{step.flag} of {step.interface} did not go {value}")
