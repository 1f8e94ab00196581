"""Handler for what the testpmd that holds a PF is told to do.

Its answers stand in the journal of its unit. As DPDK 24.11 was seen to do it: each command is echoed behind its
prompt, a refusal is a line with ``return code = -95`` or the like, success is silent.
"""

from __future__ import annotations

from hpcapvf.apply.checked import run_any, run_checked, wait_until
from hpcapvf.apply.handler import Context, Handler, Json, Trace
from hpcapvf.model import paths
from hpcapvf.model.copy_steps import SetTestpmdModes
from hpcapvf.model.errors import StepFailed

_ANSWER_TIMEOUT_S = 20.0
_PIPE_TIMEOUT_S = 5  # a pipe that nobody reads would be waited for without an end
_LINES = 60
_REFUSED = ("return code", "Bad arguments", "Command not found", "Invalid", "failed")
_NOTES = (
    "unproven on hardware, and testpmd reads nothing back: only the frames of a proof tell whether the modes hold",
    "frames for MACs that others on the card own stay theirs",
)


class SetTestpmdModesHandler(Handler[SetTestpmdModes]):
    """``set port 0 vf N rxmode M on`` and ``set port 0 uta all on``, by testpmd's pipe."""

    phase = "registers"
    survives_reboot = False

    def satisfied(self, step: SetTestpmdModes, context: Context) -> str | None:
        """That cannot be known: it is told again, which changes nothing."""
        return None

    def observe(self, step: SetTestpmdModes, context: Context) -> Json:
        """What DPDK's driver sets at a VF's reset: unowned unicast and all multicast are off."""
        return {}

    def do(self, step: SetTestpmdModes, before: Json, context: Context) -> Json:
        """Tell, and see that no command was refused; what was set before one that was is taken back."""
        refused = _tell(step, [*_modes(step, ("AUPE", "ROPE", "BAM", "MPE"), "on"), "set port 0 uta all on"], context)
        if refused:
            raise StepFailed(
                f"testpmd refused: {refused[0]}",
                hint="DPDK's ixgbe driver has these modes, others have not; or set network.receive: own",
                details=refused,
            )
        return {"notes": list(_NOTES)}

    def undo(self, step: SetTestpmdModes, trace: Trace, context: Context) -> tuple[str, ...]:
        """Off again what is off after a VF's reset; if testpmd is gone, so is what it set."""
        unit = paths.port_unit(step.deployment)
        if run_any(context.machine, ["systemctl", "is-active", "--quiet", unit]).returncode != 0:
            return ()
        return tuple(_tell(step, ["set port 0 uta all off", *_modes(step, ("MPE",), "off")], context))


def _modes(step: SetTestpmdModes, names: tuple[str, ...], value: str) -> list[str]:
    return [f"set port 0 vf {step.vf_index} rxmode {name} {value}" for name in names]


def _tell(step: SetTestpmdModes, commands: list[str], context: Context) -> tuple[str, ...]:
    """Give commands, and return the lines in which testpmd refused one.

    The last is no command: its echo says that those before it were worked off.
    """
    machine = context.machine
    marker = f"hpcapvf-{int(machine.clock.monotonic() * 1_000_000)}"
    text = "\n".join([*commands, marker, ""]).encode()
    pipe = paths.port_commands_path(step.deployment)
    run_checked(
        machine,
        ["timeout", str(_PIPE_TIMEOUT_S), "sh", "-c", 'cat >"$0"', pipe],
        stdin=text,
        hint=f"does testpmd run? systemctl status {paths.port_unit(step.deployment)}",
    )

    def answered() -> tuple[str, ...] | None:
        lines = _journal(step, context)
        ends = [index for index, line in enumerate(lines) if marker in line]
        return lines[: ends[-1]] if ends else None

    said = wait_until(machine.clock, f"testpmd to answer {len(commands)} commands", _ANSWER_TIMEOUT_S, answered)
    begins = [index for index, line in enumerate(said) if line.rstrip().endswith(commands[0])]
    return tuple(line for line in said[begins[-1] if begins else 0 :] if any(word in line for word in _REFUSED))


def _journal(step: SetTestpmdModes, context: Context) -> tuple[str, ...]:
    argv = ["journalctl", "--no-pager", "-o", "cat", "-n", str(_LINES), "-u", paths.port_unit(step.deployment)]
    return tuple(run_any(context.machine, argv).stdout.splitlines())
