"""The JSON Schema of a command's envelope, made of the table of results."""

from __future__ import annotations

from typing import Any, TypedDict

from hpcapvf.model.errors import ExitCode
from hpcapvf.model.plan import Advice
from hpcapvf.model.shape import DIALECT, schema_of
from orchestrator.envelope import SCHEMA
from orchestrator.results import RESULTS


class ErrorObject(TypedDict):
    """Why a command failed."""

    type: str
    message: str
    hint: str
    details: list[str]


def told_commands() -> tuple[str, ...]:
    """The commands of which there is a schema, as the envelope names them."""
    return tuple(sorted({command for result in RESULTS for command in result.of}))


def envelope_schema(command: str) -> dict[str, Any]:
    """The schema of what a command prints with ``--json``. KeyError if there is none of that name.

    A command that failed may have no result yet.
    """
    forms = [result for result in RESULTS if command in result.of]
    if not forms:
        raise KeyError(command)
    definitions: dict[str, Any] = {}
    result = {"anyOf": [schema_of(form.kind, definitions) | _titled(form.when) for form in forms]}
    properties = {
        "schema": {"const": SCHEMA},
        "command": {"const": command},
        "ok": {"type": "boolean"},
        "exit_code": {"enum": [int(code) for code in ExitCode]},
        "result": {"type": "object"},
        "warnings": schema_of(list[Advice], definitions),
        "error": schema_of(ErrorObject | None, definitions),
    }
    return {
        "$schema": DIALECT,
        "title": f"{command} --json",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": list(properties),
        "if": {"properties": {"error": {"type": "null"}}},
        "then": {"properties": {"result": result}},
        "else": {"properties": {"result": {"anyOf": [*result["anyOf"], {"maxProperties": 0}]}}},
        "$defs": definitions,
    }


def _titled(when: str) -> dict[str, str]:
    return {"title": when} if when else {}
