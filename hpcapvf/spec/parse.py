"""A spec's text to a Request, driven by the table of keys."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from hpcapvf.model.codec import from_json, to_json
from hpcapvf.model.errors import BadSpec
from hpcapvf.model.request import (
    WIDE,
    EngineRequest,
    GuestRequest,
    NetworkRequest,
    PlacementRequest,
    RaidRequest,
    Request,
    StorageRequest,
)
from hpcapvf.spec.document import kind_of, load_document
from hpcapvf.spec.fields import KEYS, Key, duration_s, watch_selector

SECTIONS: dict[str, type[Any]] = {
    "": Request,
    "guest": GuestRequest,
    "network": NetworkRequest,
    "storage": StorageRequest,
    "storage.raid": RaidRequest,
    "engine": EngineRequest,
    "placement": PlacementRequest,
}
_BY_PATH = {key.path: key for key in KEYS}
_KINDS: dict[str, type[Any]] = {"text": str, "number": int, "flag": bool, "duration": str}
_WORDS = {
    "text": "text",
    "number": "a whole number",
    "flag": "true or false",
    "texts": "a list of texts",
    "duration": "a time such as 90s, 30m, 2h or 1d",
}


def parse_spec(text: str, overrides: Mapping[str, Any] = MappingProxyType({})) -> Request:
    """Read a spec. BadSpec names the dotted path of what is wrong, and suggests the key that was probably meant.

    overrides: top-level keys that the command line gives; they go before the spec's.
    """
    document = load_document(text)
    if isinstance(document, dict):
        document = {**document, **overrides}
    values = _section("", _with_watch_defaults(document))
    request: Request = from_json(Request, values)
    _check_together(request)
    return request


def _with_watch_defaults(document: Any) -> Any:
    """What a spec with ``watch`` leaves out means something else: no receive-all, and the guest's own disk."""
    if not isinstance(document, dict) or not document.get("watch"):
        return document
    filled = dict(document)
    for section, key, value in (("network", "receive", "own"), ("storage", "mode", "guest-disk")):
        found = filled.get(section, {})
        if isinstance(found, dict) and key not in found and "controller" not in found:
            filled[section] = {**found, key: value}
    return filled


def spec_sha256(request: Request) -> str:
    """Fingerprint of a request: SHA-256 of its canonical JSON, so that layout and comments do not count."""
    canonical = json.dumps(to_json(request), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def default_of(key: Key) -> Any:
    """The value of a key that the spec leaves out; ``dataclasses.MISSING`` if it must be given."""
    section, _, name = key.path.rpartition(".")
    if key.required:
        return dataclasses.MISSING
    field = {f.name: f for f in dataclasses.fields(SECTIONS[section])}[key.attribute or name]
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _section(section: str, mapping: Any) -> dict[str, Any]:
    """JSON-ready values of one section and what lies below it, every key present."""
    prefix = f"{section}." if section else ""
    keys = {p.removeprefix(prefix): k for p, k in _BY_PATH.items() if p.rpartition(".")[0] == section}
    inner = [s.removeprefix(prefix) for s in SECTIONS if s and s.rpartition(".")[0] == section]
    if not isinstance(mapping, dict):
        hint = f"its keys: {', '.join([*keys, *inner])}"
        raise BadSpec(f"must be a mapping, not {kind_of(mapping)}", path=section, hint=hint)
    for name in mapping:
        if name not in keys and name not in inner:
            raise _unknown_key(prefix + name, name, [*keys, *inner])
    values: dict[str, Any] = {}
    for name, key in keys.items():
        values[key.attribute or name] = _value(key, mapping) if name in mapping else _left_out(key)
    for name in inner:
        values[name] = _section(prefix + name, mapping.get(name, {}))
    return values


def _unknown_key(path: str, name: str, known: list[str]) -> BadSpec:
    near = difflib.get_close_matches(name, known, n=1)
    elsewhere = [p for p in (*_BY_PATH, *SECTIONS) if p and p.rpartition(".")[2] == name]
    if near:
        hint = f"did you mean {path.removesuffix(name)}{near[0]}?"
    elif elsewhere:
        hint = f"did you mean {elsewhere[0]}?"
    else:
        hint = f"keys known here: {', '.join(known)}"
    return BadSpec("unknown key", path=path, hint=hint)


def _left_out(key: Key) -> Any:
    default = default_of(key)
    if default is dataclasses.MISSING:
        raise BadSpec("is missing", path=key.path, hint=key.note)
    return to_json(default)


def _value(key: Key, mapping: dict[str, Any]) -> Any:
    value = mapping[key.path.rpartition(".")[2]]
    if value is None and key.optional:
        return None
    if key.kind == "texts":
        if not isinstance(value, list):
            raise _wrong_type(key, value)
        return [_text(key, item, f"{key.path}[{i}]") for i, item in enumerate(value)]
    if type(value) is not _KINDS[key.kind]:
        raise _wrong_type(key, value)
    _check_choice(key, value)
    if key.kind == "duration":
        return _duration(key, value)
    if isinstance(value, str):
        return _text(key, value, key.path)
    return _number(key, value)


def _wrong_type(key: Key, value: Any) -> BadSpec:
    quote = '; put it in quotes, as in "007"' if key.kind == "text" and isinstance(value, int | bool) else ""
    return BadSpec(f"must be {_WORDS[key.kind]}, not {kind_of(value)}{quote}", path=key.path, hint=key.note)


def _check_choice(key: Key, value: Any) -> None:
    if value in key.later:
        raise BadSpec(f"not yet: {value} is not built so far", path=key.path, hint=_choices(key))
    if key.choices and value not in key.choices:
        raise BadSpec(f"{_short(value)} is none of its values", path=key.path, hint=_choices(key))


def _choices(key: Key) -> str:
    return f"possible now: {', '.join(str(c) for c in key.choices)}"


def _text(key: Key, value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise BadSpec(f"must be text, not {kind_of(value)}", path=path, hint=key.note)
    if key.pattern and not re.fullmatch(key.pattern, value):
        raise BadSpec(f"{_short(value)} is not {key.form}", path=path, hint=key.note)
    try:
        return key.check(value) if key.check else value
    except ValueError as error:
        raise BadSpec(f"{_short(value)}: {error}", path=path, hint=key.note) from None


def _duration(key: Key, value: str) -> int:
    """Seconds, within the key's bounds."""
    seconds = duration_s(_text(key, value, key.path))
    least, most = key.least or 0, key.most or seconds
    if not least <= seconds <= most:
        raise BadSpec(f"{value} is outside {least} s to {most // 86400} days", path=key.path, hint=key.note)
    return seconds


def _number(key: Key, value: Any) -> Any:
    if (key.least is not None and value < key.least) or (key.most is not None and value > key.most):
        raise BadSpec(f"{value} is outside {key.least} to {key.most}", path=key.path, hint=key.note)
    try:
        if key.check:
            key.check(str(value))
    except ValueError as error:
        raise BadSpec(f"{value} {error}", path=key.path, hint=key.note) from None
    return value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _check_together(request: Request) -> None:
    """What is wrong only in combination."""
    _check_network(request)
    _check_storage(request)
    _check_watch(request)
    _check_placement(request)
    guest, engine, page_kib = request.guest, request.engine, request.placement.hugepage_kib
    if guest.memory_mib * 1024 % page_kib:
        raise BadSpec(
            f"{guest.memory_mib} MiB is no multiple of the hugepage size ({page_kib // 1024} MiB)",
            path="guest.memory_mib",
            hint="QEMU can only back memory by whole pages",
        )
    if engine.ring_mib * 2 > guest.memory_mib:
        raise BadSpec(
            f"{engine.ring_mib} MiB is more than half of the guest's memory ({guest.memory_mib} MiB)",
            path="engine.ring_mib",
            hint="the ring is locked memory: give the guest more memory, or make the ring smaller",
        )


def _check_network(request: Request) -> None:
    network = request.network
    if network.generator != "kernel" and network.mode != "vf":
        raise BadSpec(f"mode {network.mode} makes no VFs", path="network.generator", hint="leave the key out")
    if network.generator != "kernel" and request.watch:
        raise BadSpec(
            f"{network.generator} cannot be combined with watch: the watched VMs' VFs are there already",
            path="network.generator",
            hint="leave the key out",
        )


def _check_storage(request: Request) -> None:
    storage, kind = request.storage, request.storage.raid.kind
    if storage.has_disks and not storage.controller:
        raise BadSpec("is missing", path="storage.controller", hint=_BY_PATH["storage.controller"].note)
    if not storage.has_disks and storage.controller:
        raise BadSpec(
            f"mode {storage.mode} uses no controller",
            path="storage.controller",
            hint="leave the key out, or set storage.mode: passthrough, virtio or nvme-vf",
        )
    if request.wipe and (kind == "existing" or not storage.has_disks):
        what = "kind existing" if storage.has_disks else f"mode {storage.mode}"
        raise BadSpec(f"{what} formats no disk", path="wipe", hint="leave the key out")
    if kind == "hardware" and storage.mode == "nvme-vf":
        raise BadSpec(
            "an NVMe's namespaces are no volume of a RAID controller",
            path="storage.raid.kind",
            hint="md makes an array of them, of one as well",
        )
    if kind != "md" and not storage.has_disks:
        raise BadSpec(f"mode {storage.mode} has no array", path="storage.raid.kind", hint="leave the key out")


def _check_placement(request: Request) -> None:
    wish = request.placement
    if wish.side != "auto" and not request.watch:
        raise BadSpec("only an agent has a side", path="placement.side", hint="leave it out, or set placement.node")
    if wish.side != "auto" and wish.node is not None:
        raise BadSpec("the node is given already", path="placement.side", hint="leave out this or placement.node")


def _check_selector(text: str, path: str) -> None:
    try:
        watch_selector(text)
    except ValueError as error:
        hint = "a VF of the card is PF|vfN (enp5s0|vf3); PF|rest is what nobody else gets, PF|link all of the link"
        raise BadSpec(f"{text!r}: {error}", path=path, hint=hint) from None


def _check_watch(request: Request) -> None:
    watch = request.watch
    if request.ttl_s is not None and not watch:
        raise BadSpec("only an agent has a time limit", path="ttl", hint="leave it out; `hpcapvf destroy` ends a probe")
    if request.network.directions != "auto" and (not watch or request.watches_wide):
        what = f"{watch[0]} has no directions" if watch else "only an agent has directions"
        raise BadSpec(what, path="network.directions", hint="leave it out, or watch VMs or VFs")
    if watch and request.network.mode != "vf":
        raise BadSpec(
            f"{request.network.mode} cannot be combined with watch: a card copies traffic between its own VFs",
            path="network.mode",
            hint="leave the key out",
        )
    if watch and request.network.receive == "all":
        raise BadSpec(
            "all cannot be combined with watch: an agent is given what the watched VMs receive",
            path="network.receive",
            hint="leave the key out; deploy-vnp without watch deploys a probe that receives everything",
        )
    for index, name in enumerate(watch):
        if "|" in name:
            _check_selector(name, f"watch[{index}]")
        if name == request.name:
            raise BadSpec("a VM cannot watch itself", path=f"watch[{index}]", hint="name another VM")
        if len(watch) > 1 and name.partition("|")[2] in WIDE:
            raise BadSpec(
                f"{name} stands alone: nothing else can be watched with it",
                path=f"watch[{index}]",
                hint="watch that alone, or VMs and VFs; another agent can watch the others",
            )
        if name in watch[:index]:
            raise BadSpec(f"{name} is named twice", path=f"watch[{index}]", hint="name it once")
