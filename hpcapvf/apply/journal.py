"""The journal of a deployment: what is about to be done, and what was there before.

One JSON object a line in ``journal.jsonl`` (mode 0600 in a folder of mode 0700), each line on disk before the step
that it announces is begun. Format version 1; every line has ``event`` and ``at`` (seconds since the epoch):

==============  ====================================================================================================
event           further keys
==============  ====================================================================================================
``open``        ``version``, ``deployment``, ``spec_sha256``, ``boot_id``, ``by`` (who logged in to deploy it; empty if
                not known, absent in journals of earlier programs); always the first line
``boot``        ``boot_id``: what follows was written after a reboot
``begin``       ``index`` (place in the plan), ``step`` (by the model's codec, long texts emptied), ``before``
``amend``       ``index``, ``before``: keys learned later, added to that step's ``before``; keys already there stay
``inherit``     ``index``, ``before``: keys that another deployment hands over as it goes, in the place of those there;
                with ``step`` if this deployment found it done (``skipped``): from now on it counts as begun and done
``done``        ``index``, ``after``
``skipped``     ``index``, ``kind``, ``why``; such a step was not begun and is not undone
``failed``      ``index``, ``message``
``undo-begin``  ``index``
``undone``      ``index``, ``notes``
``undo-failed`` ``index``, ``message``
``handed-over`` ``index``, ``to``: not undone, the deployment ``to`` inherited it
==============  ====================================================================================================

A step must be undone if it has a ``begin`` and neither ``undone`` nor ``handed-over``; the last ``begin`` of a step
counts, as it is made anew after a reboot. A last line without its newline was cut short and is no event; anything else
that is no event is damage, which is told and never guessed at. The register guard appends ``amend`` lines while the
deployment runs. No keys, no contents of seeds stand here.
"""

from __future__ import annotations

import contextlib
import json
import math
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
    """A step that was begun and not undone. boot_id: of the boot in which it was begun; empty if not known."""

    index: int
    step: Step
    trace: Trace
    boot_id: str = ""

    @property
    def is_done(self) -> bool:
        """Whether it came to its end."""
        return self.trace.after is not None


class Journal:
    """Appends events of one deployment."""

    def __init__(self, files: Files, clock: Clock, path: str) -> None:
        self._files = files
        self._clock = clock
        self._path = path

    def open(self, deployment: str, spec_sha256: str, boot_id: str, by: str = "") -> None:
        """Write the first line."""
        self.write("open", version=VERSION, deployment=deployment, spec_sha256=spec_sha256, boot_id=boot_id, by=by)

    def go_on(self, boot_id: str) -> None:
        """Before further lines by another process: what was cut short goes, and a reboot since is written down."""
        size = self._files.size(self._path)
        if size is None:
            return
        data = self._files.read_bytes(self._path, size) or b""
        whole = data.rfind(b"\n") + 1
        if whole != len(data):
            self._files.cut(self._path, whole)
        events = read_events(self._files, self._path)
        if events and boot_of(events) != boot_id:
            self.write("boot", boot_id=boot_id)

    def try_write(self, event: str, **fields: Any) -> None:
        """As ``write``; a full disk does not stop what is being undone. Undoing a step twice is no harm."""
        with contextlib.suppress(HpcapvfError):
            self.write(event, **fields)

    def write(self, event: str, **fields: Any) -> None:
        """Append one event; it is on disk when this returns."""
        line = {"event": event, "at": round(self._clock.wall(), 3)} | fields
        self._files.append_durably(self._path, json.dumps(to_json(line), separators=(",", ":")), mode=0o600)


def read_events(files: Files, path: str) -> tuple[Json, ...]:
    """All whole events, oldest first; HpcapvfError if a whole line is no event or a newer program wrote the journal."""
    text = files.read_text(path) or ""
    events: list[Json] = []
    for number, line in enumerate(text.split("\n")[:-1], start=1):
        try:
            event = json.loads(line)
            if not _is_event(event):
                raise ValueError("not an event")
        except ValueError:
            raise _damaged(path, f"line {number} is not an event") from None
        events.append(event)
    if events:
        _check_version(events[0], path)
    return tuple(events)


def _is_event(event: object) -> bool:
    """Whether the keys that every reader relies on are there and of their kind."""
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        return False
    at, index = event.get("at", 0.0), event.get("index", 0)
    return type(index) is int and type(at) in (int, float) and math.isfinite(at)


def _check_version(first: Json, path: str) -> None:
    version = first.get("version")
    if first["event"] != "open" or not isinstance(version, int):
        raise _damaged(path, "it does not begin as a journal")
    if version > VERSION:
        raise HpcapvfError(
            f"the journal {path} cannot be used: it has version {version}, and this program knows {VERSION}",
            hint="a newer hpcapvf wrote it: run that one; nothing was changed",
        )
    if version != VERSION:
        raise _damaged(path, f"it has version {version}")


def boot_of(events: tuple[Json, ...]) -> str:
    """The boot in which the last of these events was written; empty if not known."""
    return next((str(event["boot_id"]) for event in reversed(events) if event.get("boot_id")), "")


def opened_by(events: tuple[Json, ...]) -> str:
    """Who deployed it; empty if not known."""
    return str(events[0].get("by") or "") if events else ""


def done_at(events: tuple[Json, ...], index: int) -> float | None:
    """When this step of the plan came to its end last, in seconds since the epoch; None if it is not done now."""
    of_step = [e for e in events if e.get("index") == index and e["event"] in ("begin", "done", "undone")]
    at: float | None = of_step[-1].get("at") if of_step and of_step[-1]["event"] == "done" else None
    return at


def to_undo(events: tuple[Json, ...], path: str) -> tuple[Begun, ...]:
    """The steps that were begun and not undone, last of the plan first."""
    begun: dict[int, Begun] = {}
    boot_id = ""
    try:
        for event in events:
            boot_id = str(event.get("boot_id") or boot_id)
            _fold(begun, event, boot_id)
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path, str(error)) from error
    return tuple(begun[index] for index in sorted(begun, reverse=True))


def _fold(begun: dict[int, Begun], event: Json, boot_id: str) -> None:
    kind = event["event"]
    if kind == "begin":
        step: Step = from_json(Step, event["step"])
        begun[event["index"]] = Begun(event["index"], step, Trace(dict(event["before"]), None), boot_id)
    elif kind in ("undone", "handed-over"):
        begun.pop(event["index"], None)
    elif kind == "inherit" and "step" in event and event["index"] not in begun:
        inherited: Step = from_json(Step, event["step"])
        begun[event["index"]] = Begun(event["index"], inherited, Trace(dict(event["before"]), {}), boot_id)
    elif kind in ("amend", "inherit", "done") and event["index"] in begun:
        old = begun[event["index"]]
        if kind == "amend":
            trace = Trace(dict(event["before"]) | old.trace.before, old.trace.after)
        elif kind == "inherit":
            trace = Trace(old.trace.before | dict(event["before"]), old.trace.after)
        else:
            trace = Trace(old.trace.before, dict(event["after"]))
        begun[old.index] = Begun(old.index, old.step, trace, old.boot_id)


def _damaged(path: str, why: str) -> HpcapvfError:
    return HpcapvfError(
        f"the journal {path} cannot be used: {why}",
        hint="it says what was there before: keep it, and put the rest back by hand",
    )
