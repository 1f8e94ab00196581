"""What a second run of the same spec answers."""

from __future__ import annotations

from hpcapvf.model.plan import Unchanged
from orchestrator.answer import Answer


def unchanged_answer(unchanged: Unchanged) -> Answer:
    """The same spec is deployed already."""
    result = {"name": unchanged.name, "changed": False, "condition": unchanged.condition}
    return Answer(result, shown=(f"{unchanged.name} is deployed from this very spec: nothing to do, nothing changed",))
