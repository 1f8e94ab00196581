"""Whether frames are copied by other means than registers: by the driver's files, tc filters, or a trusted VF."""

from __future__ import annotations

import json

from hpcapvf.host.protocols import Machine
from hpcapvf.model.copy_steps import MirrorByFiles, MirrorByTc, TrustVf
from hpcapvf.model.errors import StepFailed
from hpcapvf.model.host import Host
from hpcapvf.model.paths import MIRROR_WAYS, mirror_file
from hpcapvf.model.plan import Finding, Plan
from hpcapvf.nic import backends, tc
from hpcapvf.verify.judgement import demand
from hpcapvf.verify.mirrors import moved_away

_TIMEOUT_S = 30.0


def check_copies(plan: Plan, host: Host, machine: Machine) -> tuple[Finding, ...]:
    """Of each step that has frames copied without registers; StepFailed if the machine cannot be asked."""
    found: list[Finding] = []
    for step in plan.steps:
        if isinstance(step, TrustVf):
            found.append(_trust(step, machine))
        elif isinstance(step, MirrorByFiles | MirrorByTc):
            found += missing_copies(step, machine)
            for watched in step.watched:
                place, away = f"running with VF {watched.vf}", moved_away(watched, host)
                found.append(demand(f"watched VM {watched.domain}", not away, place, away or place))
    return tuple(found)


def name_of(step: MirrorByFiles | MirrorByTc) -> str:
    """How people name the way, and how far it is proven."""
    way = backends.MIRROR_FILES if isinstance(step, MirrorByFiles) else backends.REPRESENTORS
    return f"{way.name}, {way.standing}"


def missing_copies(step: MirrorByFiles | MirrorByTc, machine: Machine) -> list[Finding]:
    """One finding for each place where the copies are asked for."""
    return _files(step, machine) if isinstance(step, MirrorByFiles) else _filters(step, machine)


def _files(step: MirrorByFiles, machine: Machine) -> list[Finding]:
    found = []
    for watched in step.watched:
        for direction in step.directions:
            path = mirror_file(step.pf, watched.pool, MIRROR_WAYS[direction])
            text = machine.files.read_text(path)
            now = "absent" if text is None else text.strip()
            hint = "were the VFs made anew? destroy and deploy the agent"
            found.append(demand(path, now == str(step.pool), str(step.pool), now, hint))
    return found


def _filters(step: MirrorByTc, machine: Machine) -> list[Finding]:
    found = []
    for interface in step.representors:
        for direction in (tc.SIDES[way] for way in step.directions):
            words = ["tc", "-j", "filter", "show", "dev", interface, direction]
            shown = machine.commands.run(words, timeout_s=_TIMEOUT_S)  # fails where there is no queue for filters
            text = shown.stdout if shown.returncode == 0 else ""
            to = ", ".join(m.to_interface for m in tc.read_mirrors(text, step.pool, direction)) or "nothing"
            what = f"tc filter of {interface} ({direction}) mirrors to"
            found.append(demand(what, to == step.to_interface, step.to_interface, to, "destroy and deploy the agent"))
    return found


def _trust(step: TrustVf, machine: Machine) -> Finding:
    vfs = json.loads(_ask(machine, ["ip", "-j", "link", "show", "dev", step.interface]))[0].get("vfinfo_list", [])
    trusted = next((vf.get("trust") for vf in vfs if vf.get("vf") == step.vf_index), None)
    now = "unknown" if trusted is None else "trusted" if trusted else "not trusted"
    return demand(f"VF {step.vf_index} of {step.interface}", now == "trusted", "trusted", now, "ip link set … trust on")


def _ask(machine: Machine, argv: list[str]) -> str:
    result = machine.commands.run(argv, timeout_s=_TIMEOUT_S)
    if result.returncode != 0:
        raise StepFailed(f"`{' '.join(argv)}` ended with status {result.returncode}: {result.stderr.strip()}")
    return result.stdout
