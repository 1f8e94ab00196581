"""Where a deployment's state lies, and reading and writing it.

``state.json`` holds ``version``, ``name``, ``spec_sha256``, ``condition`` (``incomplete`` until the last step is done,
then ``deployed``; ``undoing`` from the begin of taking it away), ``boot_id`` (of the boot in which it was written; a
deployment of another boot has lost what does not survive one), ``plan`` (by the model's codec) and ``phases_s``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from hpcapvf.host.protocols import Files
from hpcapvf.model.codec import from_json, to_json
from hpcapvf.model.copy_steps import MirrorByFiles
from hpcapvf.model.errors import HpcapvfError, NotFound
from hpcapvf.model.host import UNREADABLE, Copies, Deployed, condition_now
from hpcapvf.model.paths import BOOT_ID, DEPLOYMENTS
from hpcapvf.model.plan import Plan
from hpcapvf.model.steps import CopyStep, ProgramReceiveAll, SetNumVfs, WatchLink

VERSION = 1
HISTORY = "/var/lib/hpcapvf/history"
LOCK = "/run/lock/hpcapvf.lock"
RUN = "/run/hpcapvf"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True)
class Deployment:
    """A deployment as its state file tells, and what a reboot since made of it (``model.host.condition_now``).

    phases_s: seconds by phase of the run that made it.
    """

    name: str
    condition: str
    plan: Plan
    phases_s: dict[str, float] = field(default_factory=dict)


def folder(name: str) -> str:
    """The state folder of a deployment; NotFound if the name could not be one."""
    if _NAME.fullmatch(name) is None:
        raise NotFound(f"{name!r} is not a deployment's name", hint="see `hpcapvf status` for those that exist")
    return f"{DEPLOYMENTS}/{name}"


def state_path(name: str) -> str:
    """The state file."""
    return f"{folder(name)}/state.json"


def journal_path(name: str) -> str:
    """The journal."""
    return f"{folder(name)}/journal.jsonl"


def boot_id(files: Files) -> str:
    """Which boot of the kernel this is; empty if the machine does not say."""
    return (files.read_text(BOOT_ID) or "").strip()


def write_state(files: Files, plan: Plan, condition: str, phases_s: dict[str, float]) -> None:
    """Write the state file atomically."""
    state = {
        "version": VERSION,
        "name": plan.request.name,
        "spec_sha256": plan.spec_sha256,
        "condition": condition,
        "boot_id": boot_id(files),
        "phases_s": {name: round(seconds, 3) for name, seconds in phases_s.items()},
        "plan": to_json(plan),
    }
    files.replace(state_path(plan.request.name), json.dumps(state, indent=1).encode() + b"\n", mode=0o600)


def read_deployment(name: str, files: Files) -> Deployment:
    """The deployment of this name; NotFound if there is none, HpcapvfError if its state cannot be read."""
    text = files.read_text(state_path(name))
    if text is None:
        raise NotFound(f"no deployment named {name!r}", hint="see `hpcapvf status` for those that exist")
    try:
        state = json.loads(text)
        if state["version"] != VERSION:
            raise ValueError(f"version {state['version']!r}")
        plan: Plan = from_json(Plan, state["plan"])
        condition = condition_now(state["condition"], state.get("boot_id", ""), boot_id(files))
        return Deployment(name, condition, plan, dict(state["phases_s"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise HpcapvfError(
            f"{state_path(name)} cannot be used: {error}",
            hint="it was written by another version or damaged; use the version that deployed it",
        ) from error


def names(files: Files) -> tuple[str, ...]:
    """Names of all deployments that have a state file, sorted."""
    return tuple(n for n in files.list(DEPLOYMENTS) or () if _NAME.fullmatch(n) and files.exists(state_path(n)))


def list_deployments(files: Files) -> tuple[Deployed, ...]:
    """All deployments that this machine knows, by name. One whose state cannot be read is ``unreadable``."""
    return tuple(_deployed(name, files) for name in names(files))


def _deployed(name: str, files: Files) -> Deployed:
    try:
        deployment = read_deployment(name, files)
    except HpcapvfError:
        return Deployed(name, "", UNREADABLE)
    steps = deployment.plan.steps
    receives = next((s.pf for s in steps if isinstance(s, ProgramReceiveAll)), None)
    makes = next((s.pf for s in steps if isinstance(s, SetNumVfs)), None)
    copies = next((_copies(s) for s in steps if isinstance(s, CopyStep) and not isinstance(s, WatchLink)), None)
    return Deployed(name, deployment.plan.spec_sha256, deployment.condition, receives, makes, copies)


def _copies(step: CopyStep) -> Copies:
    sources = tuple(watched.pool for watched in step.watched)
    return Copies(step.pf, sources, step.pool, by_files=isinstance(step, MirrorByFiles))
