"""The JSON Schema of a spec, made of the table of keys, for editors and other programs.

It refuses less than the parser: what a check or several keys together say of a value stands in a description. All that
the parser takes, it takes.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from hpcapvf.model.codec import to_json
from hpcapvf.spec.fields import KEYS, Key
from hpcapvf.spec.parse import SECTIONS, default_of

_TYPES = {"text": "string", "number": "integer", "flag": "boolean", "texts": "array", "duration": "string"}
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The schema (draft 2020-12) of a whole spec."""
    return {"$schema": _DIALECT, "title": "hpcapvf spec", **_section("")}


def _section(section: str) -> dict[str, Any]:
    """An object with the keys of one section, and the sections below it."""
    keys = {key.path.rpartition(".")[2]: key for key in KEYS if key.path.rpartition(".")[0] == section}
    below = [path for path in SECTIONS if path and path.rpartition(".")[0] == section]
    inner = {path.rpartition(".")[2]: _section(path) for path in below}
    required = [name for name, key in keys.items() if key.required]
    required += [name for name, schema in inner.items() if "required" in schema]
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _value(key) for name, key in keys.items()} | inner,
        **({"required": required} if required else {}),
    }


def _value(key: Key) -> dict[str, Any]:
    default = default_of(key)
    known = {} if default is dataclasses.MISSING else {"default": to_json(default)}
    item = _limits(key)
    if key.kind == "texts":
        item = {"type": "array", "items": {"type": "string", **item}}
    else:
        kind = _TYPES[key.kind]
        item = {"type": [kind, "null"] if key.optional else kind, **item}
    form = f"; {key.form}" if key.form else ""
    return {"description": f"{key.note}{form}", **item, **known}


def _limits(key: Key) -> dict[str, Any]:
    if key.kind == "duration":
        return {"pattern": f"^(?:{key.pattern})$"}
    limits: dict[str, Any] = {}
    if key.choices:
        limits["enum"] = [*key.choices, *([None] if key.optional else [])]
    if key.least is not None:
        limits["minimum"] = key.least
    if key.most is not None:
        limits["maximum"] = key.most
    if key.pattern:
        limits["pattern"] = f"^(?:{key.pattern})$"
    return limits
