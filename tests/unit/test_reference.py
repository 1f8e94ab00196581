"""docs/reference.md says what the code says."""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hpcapvf.apply.journal import __doc__ as journal_text
from hpcapvf.model.address import CpuSet, Mac, PciAddress
from hpcapvf.model.errors import ExitCode
from hpcapvf.model.host import Host
from hpcapvf.model.plan import Plan
from hpcapvf.model.shape import Joined, keys_of
from hpcapvf.model.steps import Step
from hpcapvf.nic.backends import BACKENDS
from hpcapvf.spec import KEYS, Key, default_of
from hpcapvf.verify.metrics import METRICS
from orchestrator.options import exit_code_meaning
from orchestrator.results import RESULTS

REFERENCE = Path(__file__).parents[2] / "docs" / "reference.md"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n".replace("|  |", "| |") for line in lines)


def exit_codes() -> str:
    """Number, name, meaning."""
    return _table(
        ("code", "name", "meaning"),
        [(str(code.value), code.name.lower().replace("_", " "), exit_code_meaning(code)) for code in ExitCode],
    )


def spec_keys() -> str:
    """Path, values, default, meaning."""
    return _table(("key", "values", "default", "meaning"), [_key_row(key) for key in KEYS])


def _key_row(key: Key) -> tuple[str, str, str, str]:
    values = key.kind
    if key.choices:
        values = ", ".join(f"`{choice}`" for choice in key.choices)
    elif key.least is not None:
        values = f"{key.least} to {key.most}"
    elif key.form:
        values = key.form
    if key.later:
        values += "; later: " + ", ".join(f"`{choice}`" for choice in key.later)
    default = default_of(key)
    said = {"": "empty", "None": "none", "()": "empty list", "False": "`false`"}.get(str(default), f"`{default}`")
    note = key.note
    return f"`{key.path}`", values, "required" if default is dataclasses.MISSING else said, note


def steps() -> str:
    """Kind, whether it can be undone, meaning, fields."""
    rows = []
    for step in typing.get_args(Step):
        meaning = (step.__doc__ or "").split("\n\n")[0].replace("\n    ", " ").strip()
        fields = ", ".join(f"`{field.name}`" for field in dataclasses.fields(step))
        rows.append((f"`{step.kind}`", "yes" if step.reversible else "no", meaning, fields))
    return _table(("kind", "undone", "what it wants", "fields"), rows)


def ways() -> str:
    """Every way to copy traffic, and every way to a card's registers."""
    copy = [
        (
            way.name, way.does, " and ".join(way.directions) or "-", "yes" if way.vlan else "no", way.rules or "-",
            "yes" if way.whole_link else "no", way.standing, way.source,
        )
        for way in BACKENDS
        if way.layer == "copy"
    ]  # fmt: skip
    registers = [(w.name, w.does, w.standing, w.source) for w in BACKENDS if w.layer == "registers"]
    heads = ("way to copy", "what it does", "frames of a VM", "VLANs", "rules", "whole link", "proven", "source")
    return f"{_table(heads, copy)}\n{_table(('way to the registers', 'what it is', 'proven', 'source'), registers)}"


def metrics() -> str:
    """Name, type, labels, meaning, source."""
    rows = []
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        rows.append((f"`{metric.name}`", metric.kind, labels, metric.help, metric.source))
    return _table(("metric", "type", "labels", "meaning", "read from"), rows)


def results() -> str:
    """Commands, keys with those of their parts, meaning."""
    rows = []
    for result in RESULTS:
        name = ", ".join(f"`{command}`" for command in result.of) + (f": {result.when}" if result.when else "")
        inner = _inner(result.kind)
        if inner is None:
            rows.append((name, "its own", ""))
            continue
        meaning = " ".join(" ".join(inspect.cleandoc(part.__doc__ or "").split()) for part in _parts(inner))
        keys = (f"`{key}`{_fields_of(kind)}" for key, kind in keys_of(inner)[0].items())
        rows.append((name, ", ".join(keys), meaning.replace("``", "`")))
    return _table(("result of", "keys", "meaning"), rows)


def _parts(kind: Any) -> tuple[Any, ...]:
    return (*kind.types, *kind.optional) if isinstance(kind, Joined) else (kind,)


def _inner(kind: Any) -> Any:
    """The class or the joined ones in a type; None if there is none, or several."""
    joined = [mark for mark in getattr(kind, "__metadata__", ()) if isinstance(mark, Joined)]
    if joined or typing.is_typeddict(kind) or dataclasses.is_dataclass(kind):
        return joined[0] if joined else kind
    inner = [found for arg in typing.get_args(kind) if (found := _inner(arg)) is not None]
    return inner[0] if len(inner) == 1 else None


def _fields_of(kind: Any) -> str:
    inner = _inner(kind)
    if inner is None or inner in (Host, Plan, PciAddress, CpuSet, Mac):
        return ""
    return f" (`{', '.join(keys_of(inner)[0])}`)"


GENERATED = {
    "exit codes": exit_codes,
    "spec keys": spec_keys,
    "results": results,
    "steps": steps,
    "ways": ways,
    "metrics": metrics,
}


@pytest.mark.parametrize("name", GENERATED)
def test_generated_tables_are_current(name: str, request: pytest.FixtureRequest) -> None:
    text = REFERENCE.read_text()
    block = re.compile(rf"(<!-- generated: {name} -->\n)(.*?)(<!-- /generated -->)", re.DOTALL)
    found = block.search(text)
    assert found is not None, f"docs/reference.md has no place for {name}"
    if request.config.getoption("--regenerate-golden"):
        REFERENCE.write_text(block.sub(lambda match: match[1] + GENERATED[name]() + match[3], text))
        return
    assert found[2] == GENERATED[name](), "differs from the code: run pytest --regenerate-golden"


def test_every_event_of_the_journal_is_named() -> None:
    text = REFERENCE.read_text()
    events = re.findall(r"^``([a-z-]+)``", journal_text or "", re.MULTILINE)
    assert len(events) >= 9
    for event in events:
        assert f"`{event}`" in text, event


def test_links_between_documents_lead_somewhere() -> None:
    top = REFERENCE.parents[1]
    for document in (top / "README.md", *sorted((top / "docs").glob("*.md"))):
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"
