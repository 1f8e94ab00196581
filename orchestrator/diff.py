"""Changes of a plan as people read them: a table, then texts line by line as in a patch."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from hpcapvf.model.changes import Change
from orchestrator.answer import Part
from orchestrator.tables import table

UNKNOWN = "unknown until applied"


def show_changes(changes: Sequence[Change]) -> tuple[Part, ...]:
    """Old and new value of every place; steps that cannot be undone say so."""
    columns = ("step", "where", "what", "old", "new", "")
    parts: list[Part] = [table("changes", columns, [_row(change) for change in changes])]
    return (*parts, *(_patch(change) for change in changes if change.is_text))


def _row(change: Change) -> tuple[object, ...]:
    lines = len(change.after.splitlines())
    same = change.before == change.after
    return (
        "" if change.step is None else change.step + 1,
        str(change.area),
        change.place,
        UNKNOWN if change.before is None else change.before or "absent",
        "unchanged" if same else f"{lines} lines, below" if change.is_text else change.after,
        "; ".join(filter(None, ("" if change.reversible else "CANNOT BE UNDONE", change.note))),
    )


def _patch(change: Change) -> str:
    """An unknown text before counts as none: then every line is new."""
    old, new = (change.before or "").splitlines(), change.after.splitlines()
    names = (f"{change.place} ({UNKNOWN if change.before is None else 'now'})", f"{change.place} (planned)")
    return "\n".join(difflib.unified_diff(old, new, *names, lineterm=""))
