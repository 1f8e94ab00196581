"""Who watched whom, since when and until when: one JSON line at each begin and at each end, never changed again.

``{"at": …, "event": "begin" | "end", "agent", "watched": [names], "pf", "by", "why", "ends_at"}``; times in seconds
since the epoch. by: the person who logged in, empty for a service. why: of an end. ends_at: the time limit at a begin.
A begin is written before the first frame is copied, an end after the last one and before that is journalled: after a
kill a line may be there twice, and none is missing.
"""

from __future__ import annotations

import json
from typing import Any

from hpcapvf.apply.end import ends_at
from hpcapvf.apply.operator import operator
from hpcapvf.host.protocols import Machine
from hpcapvf.model.paths import AUDIT
from hpcapvf.model.steps import CopyStep, names_of

_MODE = 0o640


def note_begin(agent: str, step: CopyStep, machine: Machine) -> None:
    """Copying is about to begin. Raises if it cannot be written: nobody is watched without a record."""
    _note(machine, event="begin", **_who(agent, step, machine), ends_at=ends_at(agent, machine.files))


def note_end(agent: str, step: CopyStep, machine: Machine, why: str) -> None:
    """Nothing is copied any more. why: one of those in ``apply.end``. Raises if it cannot be written."""
    _note(machine, event="end", **_who(agent, step, machine), why=why)


def _who(agent: str, step: CopyStep, machine: Machine) -> dict[str, Any]:
    return {"agent": agent, "watched": sorted(names_of(step)), "pf": str(step.pf), "by": operator(machine.files)}


def _note(machine: Machine, **fields: Any) -> None:
    line = {"at": round(machine.clock.wall(), 3)} | fields
    machine.files.append_durably(AUDIT, json.dumps(line, separators=(",", ":")), mode=_MODE)
