"""Data classes of the model to JSON-ready values and back; one codec for plans, journals and recorded hosts."""

from __future__ import annotations

import dataclasses
import types
import typing
from enum import Enum
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from hpcapvf.model.address import CpuSet, Mac, PciAddress

T = TypeVar("T")
_TEXT_TYPES: tuple[type[Any], ...] = (PciAddress, CpuSet, Mac)


def to_json(value: Any) -> Any:
    """Turn a model value into dicts, lists, strings, numbers. A class with ``kind`` gets that key first."""
    if isinstance(value, _TEXT_TYPES):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = getattr(type(value), "kind", None)
        head = {"kind": kind} if isinstance(kind, str) else {}
        return head | {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [to_json(v) for v in value]
    if isinstance(value, dict):
        return {str(k): to_json(v) for k, v in value.items()}
    return value


def from_json(kind: type[T] | Any, value: Any) -> T:
    """Rebuild a model value of the given type; ValueError if the JSON does not fit it."""
    return typing.cast(T, _build(kind, value))


def _build(kind: Any, value: Any) -> Any:
    origin = get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _build_union(get_args(kind), value)
    if origin is tuple:
        item = get_args(kind)[0]
        if not isinstance(value, list):
            raise ValueError(f"expected a list, got {value!r}")
        return tuple(_build(item, v) for v in value)
    if origin is dict:
        if not isinstance(value, dict):
            raise ValueError(f"expected an object, got {value!r}")
        return {str(key): _build(get_args(kind)[1], v) for key, v in value.items()}
    if dataclasses.is_dataclass(kind) and kind not in _TEXT_TYPES:
        return _build_dataclass(kind, value)
    return _build_scalar(kind, value)


def _build_scalar(kind: Any, value: Any) -> Any:
    if kind in _TEXT_TYPES:
        if not isinstance(value, str):
            raise ValueError(f"expected the text of a {kind.__name__}, got {value!r}")
        return kind.parse(value)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if kind is Any:
        return value
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ValueError(f"expected {kind.__name__}, got {value!r}")
    return value


def _build_union(options: tuple[Any, ...], value: Any) -> Any:
    if value is None and type(None) in options:
        return None
    named = {getattr(o, "kind", None): o for o in options if isinstance(getattr(o, "kind", None), str)}
    if named:
        if not isinstance(value, dict) or value.get("kind") not in named:
            raise ValueError(f"unknown kind in {value!r}")
        return _build(named[value["kind"]], value)
    rest = [o for o in options if o is not type(None)]
    if len(rest) != 1:
        raise ValueError(f"ambiguous type for {value!r}")
    return _build(rest[0], value)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    """The types of a class's fields; to find them takes longer than all the rest."""
    return get_type_hints(kind)


def _build_dataclass(kind: Any, value: Any) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f"expected an object for {kind.__name__}, got {value!r}")
    hints = _hints(kind)
    names = {f.name for f in dataclasses.fields(kind)}
    extra = set(value) - names - {"kind"}
    if extra:
        raise ValueError(f"unknown fields for {kind.__name__}: {', '.join(sorted(extra))}")
    return kind(**{name: _build(hints[name], value[name]) for name in names if name in value})
