"""The JSON Schema of what ``codec.to_json`` makes of a type: of data classes, of TypedDicts, and of both joined.

Draft 2020-12. Objects are closed: a key that the type does not name is refused.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, NotRequired, get_args, get_origin, get_type_hints, is_typeddict

from hpcapvf.model.address import CpuSet, Mac, PciAddress

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]

_SCALARS: Mapping[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    PciAddress: {"type": "string", "pattern": r"^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$"},
    CpuSet: {"type": "string", "pattern": r"^(\d+(-\d+)?(,\d+(-\d+)?)*)?$"},
    Mac: {"type": "string", "pattern": "^[0-9a-f]{2}(:[0-9a-f]{2}){5}$"},
    Any: {},
    object: {},
}


@dataclass(frozen=True)
class Joined:
    """The keys of several types in one object: ``Annotated[dict[str, Any], Joined(A, B)]``. A later type wins.

    optional: types whose keys may be absent.
    """

    types: tuple[Any, ...]
    optional: tuple[Any, ...] = ()


def schema_of(kind: Any, definitions: dict[str, Schema]) -> Schema:
    """The schema of a type. Data classes go into definitions by their name, and are referred to.

    TypeError for a type that ``to_json`` does not know.
    """
    if kind in _SCALARS:
        return dict(_SCALARS[kind])
    joined = next((mark for mark in getattr(kind, "__metadata__", ()) if isinstance(mark, Joined)), None)
    if joined is not None:
        return _object(*keys_of(joined), definitions)
    if is_typeddict(kind):
        return _described(kind) | _object(*keys_of(kind), definitions)
    if dataclasses.is_dataclass(kind):
        return _referred(kind, definitions)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"enum": [member.value for member in kind]}
    return _generic(kind, definitions)


def keys_of(kind: Any) -> tuple[dict[str, Any], frozenset[str]]:
    """The keys of an object with their types, and those of them that are always there."""
    if isinstance(kind, Joined):
        hints: dict[str, Any] = {}
        required: frozenset[str] = frozenset()
        for part in (*kind.optional, *kind.types):
            more, needed = keys_of(part)
            hints |= more
            required |= frozenset() if part in kind.optional else needed
        return hints, required
    hints = get_type_hints(kind, include_extras=is_typeddict(kind))
    if is_typeddict(kind):
        # with annotations that are texts, as here, a TypedDict's own list has the keys that are not required, too
        spare = frozenset(name for name, hint in hints.items() if get_origin(hint) is NotRequired)
        bare = {name: get_args(hint)[0] if name in spare else hint for name, hint in hints.items()}
        return bare, frozenset(kind.__required_keys__) - spare
    hints = {field.name: hints[field.name] for field in dataclasses.fields(kind)}
    mark = getattr(kind, "kind", None)
    if isinstance(mark, str) and "kind" not in hints:  # as the codec does
        hints = {"kind": typing.Literal[mark]} | hints
    return hints, frozenset(hints)


def _object(hints: Mapping[str, Any], required: frozenset[str], definitions: dict[str, Schema]) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: schema_of(hint, definitions) for name, hint in hints.items()},
        "required": [name for name in hints if name in required],
    }


def _referred(kind: Any, definitions: dict[str, Schema]) -> Schema:
    name = kind.__name__
    if name not in definitions:
        definitions[name] = {}  # a class may hold itself
        head = {"title": f"{kind.__module__}.{name}"} | _described(kind)
        definitions[name] = head | _object(*keys_of(kind), definitions)
    elif definitions[name] and definitions[name]["title"] != f"{kind.__module__}.{name}":
        raise TypeError(f"two classes are named {name}: {definitions[name]['title']} and that of {kind.__module__}")
    return {"$ref": f"#/$defs/{name}"}


def _described(kind: Any) -> Schema:
    """What a class says of itself; not the list of its fields that data classes have where nothing is said."""
    text = inspect.cleandoc(kind.__doc__ or "").replace("``", "`")
    return {} if text.startswith(f"{kind.__name__}(") or not text else {"description": text}


def _generic(kind: Any, definitions: dict[str, Schema]) -> Schema:
    origin, args = get_origin(kind), get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [schema_of(arg, definitions) for arg in args]}
    if origin is typing.Literal:
        return {"enum": list(args)}
    if origin is tuple and args[1:] != (...,):
        items = [schema_of(arg, definitions) for arg in args]
        return {"type": "array", "prefixItems": items, "items": False, "minItems": len(items)}
    if origin in (tuple, list):
        return {"type": "array", "items": schema_of(args[0], definitions)}
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": schema_of(args[1], definitions)}
    raise TypeError(f"{kind!r} has no form in JSON")
