"""The journal of a deployment: what is about to be done, and what was there before.

One JSON object a line in ``journal.jsonl`` (mode 0600 in a folder of mode 0700), each line on disk before the step
that it announces is begun. Format version 1; every line has ``event`` and ``at`` (seconds since the epoch):

==============  ====================================================================================================
event           further keys
==============  ====================================================================================================
``open``        ``version``, ``deployment``, ``spec_sha256``; always the first line
``begin``       ``index`` (place in the plan), ``step`` (by the model's codec, long texts emptied), ``before``
``amend``       ``index``, ``before``: keys learned later, added to that step's ``before``; keys already there stay
``inherit``     ``index``, ``before``: keys that another deployment hands over as it goes, in the place of those there
``done``        ``index``, ``after``
``skipped``     ``index``, ``kind``, ``why``; such a step was not begun and is not undone
``failed``      ``index``, ``message``
``undo-begin``  ``index``
``undone``      ``index``, ``notes``
``undo-failed`` ``index``, ``message``
==============  ====================================================================================================

A step must be undone if it has a ``begin`` and no ``undone``. A last line that was cut short is no event. The register
guard appends ``amend`` lines while the deployment runs. No keys, no contents of seeds stand here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from hpcapvf.apply.handler import Json, Trace
from hpcapvf.host.protocols import Clock, Files
from hpcapvf.model.codec import from_json, to_json
from hpcapvf.model.errors import HpcapvfError
from hpcapvf.model.steps import Step

VERSION = 1


@dataclass(frozen=True)
class Begun:
    """A step that was begun and not undone."""

    index: int
    step: Step
    trace: Trace


class Journal:
    """Appends events of one deployment."""

    def __init__(self, files: Files, clock: Clock, path: str) -> None:
        self._files = files
        self._clock = clock
        self._path = path

    def open(self, deployment: str, spec_sha256: str) -> None:
        """Write the first line."""
        self.write("open", version=VERSION, deployment=deployment, spec_sha256=spec_sha256)

    def mend(self) -> None:
        """Take away a last line that was cut short, so that the next one stands alone."""
        text = self._files.read_text(self._path) or ""
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            self._files.replace(self._path, whole.encode(), mode=0o600)

    def write(self, event: str, **fields: Any) -> None:
        """Append one event; it is on disk when this returns."""
        line = {"event": event, "at": round(self._clock.wall(), 3)} | fields
        self._files.append_durably(self._path, json.dumps(to_json(line), separators=(",", ":")), mode=0o600)


def read_events(files: Files, path: str) -> tuple[Json, ...]:
    """All whole events, oldest first; HpcapvfError if a line other than the last is not one or the version is newer."""
    text = files.read_text(path) or ""
    lines = text.splitlines()
    events: list[Json] = []
    for number, line in enumerate(lines, start=1):
        try:
            event = json.loads(line)
            if not isinstance(event, dict) or not isinstance(event.get("event"), str):
                raise ValueError("not an event")
        except ValueError:
            if number == len(lines):
                break
            raise _damaged(path, f"line {number} is not an event") from None
        events.append(event)
    if events and (events[0]["event"] != "open" or events[0].get("version") != VERSION):
        raise _damaged(path, f"it does not begin as a journal of version {VERSION}")
    return tuple(events)


def to_undo(events: tuple[Json, ...], path: str) -> tuple[Begun, ...]:
    """The steps that were begun and not undone, last begun first."""
    begun: dict[int, Begun] = {}
    try:
        for event in events:
            _fold(begun, event)
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path, str(error)) from error
    return tuple(reversed(begun.values()))


def _fold(begun: dict[int, Begun], event: Json) -> None:
    kind = event["event"]
    if kind == "begin":
        step: Step = from_json(Step, event["step"])
        begun[event["index"]] = Begun(event["index"], step, Trace(dict(event["before"]), None))
    elif kind == "undone":
        begun.pop(event["index"], None)
    elif kind in ("amend", "inherit", "done") and event["index"] in begun:
        old = begun[event["index"]]
        if kind == "amend":
            trace = Trace(dict(event["before"]) | old.trace.before, old.trace.after)
        elif kind == "inherit":
            trace = Trace(old.trace.before | dict(event["before"]), old.trace.after)
        else:
            trace = Trace(old.trace.before, dict(event["after"]))
        begun[old.index] = Begun(old.index, old.step, trace)


def _damaged(path: str, why: str) -> HpcapvfError:
    return HpcapvfError(
        f"the journal {path} cannot be used: {why}",
        hint="it says what was there before: keep it, and put the rest back by hand",
    )
