"""What is kept beside a deployment's state for its report: the plan's changes, and what the last verification found.

Files of one JSON object in the deployment's folder (mode 0600), with ``version`` and ``at`` (seconds since 1970).
Nothing but the report reads them; they go with the deployment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hpcapvf.apply import state
from hpcapvf.host.protocols import Machine
from hpcapvf.model.codec import to_json
from hpcapvf.model.errors import FileFailed, HpcapvfError

VERSION = 1
PLANNED, VERIFIED = "planned", "verified"
PARTS = (PLANNED, VERIFIED)


def kept_path(name: str, part: str) -> str:
    """Where a part (one of PARTS) is kept."""
    return f"{state.folder(name)}/{part}.json"


def keep(name: str, part: str, values: Mapping[str, Any], machine: Machine) -> str:
    """Keep a part in the place of the one before; why it cannot be kept, empty if it is. A full disk fails nothing.

    Of a deployment that somebody took away meanwhile nothing is kept.
    """
    if not machine.files.exists(state.state_path(name)):
        return f"{name} is gone"
    content = {"version": VERSION, "at": round(machine.clock.wall(), 3)} | dict(values)
    try:
        machine.files.replace(kept_path(name, part), json.dumps(to_json(content)).encode() + b"\n", mode=0o600)
    except FileFailed as error:
        return error.message
    return ""


def read_kept(name: str, part: str, machine: Machine) -> dict[str, Any] | None:
    """A part as it was kept; None if there is none, HpcapvfError if it cannot be used."""
    path = kept_path(name, part)
    text = machine.files.read_text(path)
    if text is None:
        return None
    try:
        found = json.loads(text)
        if (
            not isinstance(found, dict)
            or found.get("version") != VERSION
            or not isinstance(found.get("at"), int | float)
        ):
            raise ValueError("not of this version")
    except ValueError as error:
        raise HpcapvfError(f"{path} cannot be used: {error}", hint=f"`hpcapvf verify {name}` makes it anew") from None
    return found
