"""Handlers for copies that the PF's driver makes: out-of-tree i40e's files, and tc filters on representors."""

from __future__ import annotations

from collections.abc import Iterator

from hpcapvf.apply.checked import command_failed, read_word, run_any, run_checked
from hpcapvf.apply.handler import Context, Handler, Json, Trace
from hpcapvf.model.copy_steps import MirrorByFiles, MirrorByTc
from hpcapvf.model.errors import StepFailed
from hpcapvf.model.paths import MIRROR_WAYS, mirror_file
from hpcapvf.nic import tc

_OFF = "off"


class MirrorByFilesHandler(Handler[MirrorByFiles]):
    """``add N`` and ``rem N`` in sriov/M/ingress_mirror and egress_mirror, which read back as ``N`` or ``off``.

    Unproven on hardware: tried against a model of the driver's files only.
    """

    phase = "registers"
    survives_reboot = False

    def satisfied(self, step: MirrorByFiles, context: Context) -> str | None:
        """Every file names the agent's VF."""
        held = [read_word(context.machine.files, path) for path in _files_of(step)]
        return "the driver's files say so" if all(value == str(step.pool) for value in held) else None

    def observe(self, step: MirrorByFiles, context: Context) -> Json:
        """What each file says. StepFailed if a source is copied to somebody else: it has one destination."""
        found: Json = {path: read_word(context.machine.files, path) for path in _files_of(step)}
        others = {path: to for path, to in found.items() if to not in (_OFF, str(step.pool))}
        for path, to in others.items():
            raise StepFailed(
                f"{path} says {to}: that VF's traffic is copied to VF {to} already, and the card has one destination",
                hint="end that mirror first, or watch another VM",
            )
        return found

    def do(self, step: MirrorByFiles, before: Json, context: Context) -> Json:
        """Write and read back."""
        for path, held in before.items():
            if held != str(step.pool):
                _write(path, f"add {step.pool}", str(step.pool), context)
        return {"notes": ["unproven on hardware: the driver's files say so, no card was seen to make the copies"]}

    def undo(self, step: MirrorByFiles, trace: Trace, context: Context) -> tuple[str, ...]:
        """Take back what still names the agent's VF and did not before. Files that are gone went with the VFs."""
        files = context.machine.files
        for path, held in reversed(trace.before.items()):
            now = files.read_text(path)
            if held == _OFF and now is not None and now.strip() == str(step.pool):
                _write(path, f"rem {step.pool}", _OFF, context)
        return ()


class MirrorByTcHandler(Handler[MirrorByTc]):
    """A clsact queue on each representor, and for each direction one filter that mirrors to the agent's.

    ``before`` says which representors had that queue already; those keep it.
    """

    phase = "registers"
    survives_reboot = False

    def satisfied(self, step: MirrorByTc, context: Context) -> str | None:
        """Every filter is there."""
        held = [_mirrors(step, place, context) for place in _places(step)]
        return "tc says so" if all(_is_ours(step, mirrors) for mirrors in held) else None

    def observe(self, step: MirrorByTc, context: Context) -> Json:
        """Which representors have the queue that filters hang on."""
        found: Json = {}
        for interface in step.representors:
            kinds = _queue_kinds(interface, context)
            if "ingress" in kinds:
                raise StepFailed(
                    f"{interface} has an ingress queue of somebody else, and no room beside it for both directions",
                    hint=f"end what uses it (tc qdisc show dev {interface}), or have that use clsact",
                )
            found[interface] = "clsact" in kinds
        return found

    def do(self, step: MirrorByTc, before: Json, context: Context) -> Json:
        """Add and read back; the note says whether the card's switch or the host's processor makes the copies."""
        for interface in step.representors:
            if "clsact" not in _queue_kinds(interface, context):
                run_checked(context.machine, ["tc", "qdisc", "add", "dev", interface, "clsact"])
        made: list[tc.TcMirror] = []
        for place in _places(step):
            mirrors = _mirrors(step, place, context)
            if mirrors and not _is_ours(step, mirrors):
                _delete(step, place, context)
            if not _is_ours(step, mirrors):
                _add(step, place, context)
            mirrors = _mirrors(step, place, context)
            if not _is_ours(step, mirrors):
                raise StepFailed(f"tc took a filter on {place[0]} ({place[1]}) but does not show it: {mirrors}")
            made += mirrors
        return {"notes": [_who_copies(made)]}

    def undo(self, step: MirrorByTc, trace: Trace, context: Context) -> tuple[str, ...]:
        """Take the agent's filters away, and the queues that were not there if nobody else uses them now."""
        notes = []
        for interface in reversed(step.representors):
            if not context.machine.files.exists(f"/sys/class/net/{interface}"):
                continue  # it went with its VF, and its filters with it
            if "clsact" not in _queue_kinds(interface, context):
                continue
            for direction in step.directions:
                place = interface, tc.SIDES[direction]
                if _mirrors(step, place, context):
                    _delete(step, place, context)
            if trace.before.get(interface):
                continue
            if any(tc.has_filters(_show(interface, direction, context)) for direction in tc.DIRECTIONS):
                notes.append(f"the clsact queue of {interface} stays: others have filters on it now")
            else:
                run_checked(context.machine, ["tc", "qdisc", "del", "dev", interface, "clsact"])
        return tuple(notes)


def _files_of(step: MirrorByFiles) -> Iterator[str]:
    for watched in step.watched:
        for direction in step.directions:
            yield mirror_file(step.pf, watched.pool, MIRROR_WAYS[direction])


def _write(path: str, text: str, wanted: str, context: Context) -> None:
    context.machine.files.write_text(path, text)
    found = read_word(context.machine.files, path)
    if found != wanted:
        hint = "the driver refused it: see the kernel log (dmesg)"
        raise StepFailed(f"wrote {text!r} to {path} but it reads {found}", hint=hint)


def _places(step: MirrorByTc) -> Iterator[tuple[str, str]]:
    for interface in step.representors:
        for direction in step.directions:
            yield interface, tc.SIDES[direction]


def _add(step: MirrorByTc, place: tuple[str, str], context: Context) -> None:
    """By the first kind of filter that this kernel has."""
    refused = []
    for classifier in tc.CLASSIFIERS:
        result = run_any(context.machine, tc.add_words(*place, step.pool, step.to_interface, classifier))
        if result.returncode == 0:
            return
        refused.append(result)
    raise command_failed(refused[-1], hint="the kernel needs cls_flower or cls_u32, and act_mirred")


def _delete(step: MirrorByTc, place: tuple[str, str], context: Context) -> None:
    run_checked(context.machine, tc.delete_words(*place, step.pool))
    if _mirrors(step, place, context):
        raise StepFailed(f"the filters of {step.pool} on {place[0]} ({place[1]}) are still there")


def _is_ours(step: MirrorByTc, mirrors: tuple[tc.TcMirror, ...]) -> bool:
    return len(mirrors) == 1 and mirrors[0].to_interface == step.to_interface


def _mirrors(step: MirrorByTc, place: tuple[str, str], context: Context) -> tuple[tc.TcMirror, ...]:
    return tc.read_mirrors(_show(*place, context), step.pool, place[1])


def _show(interface: str, direction: str, context: Context) -> str:
    if "clsact" not in _queue_kinds(interface, context):
        return "[]"
    return run_checked(context.machine, ["tc", "-j", "filter", "show", "dev", interface, direction])


def _queue_kinds(interface: str, context: Context) -> frozenset[str]:
    return tc.queue_kinds(run_checked(context.machine, ["tc", "-j", "qdisc", "show", "dev", interface]))


def _who_copies(made: list[tc.TcMirror]) -> str:
    if all(mirror.in_hardware for mirror in made):
        return "the card's switch has taken the filters over (in_hw): unproven on hardware"
    return "the filters are in software (not in_hw): frames that the card's switch forwards by itself are not copied"
