"""The one JSON object that every command prints with ``--json``."""

from __future__ import annotations

from typing import Any

from hpcapvf.model.codec import to_json
from hpcapvf.model.errors import ExitCode, HpcapvfError
from orchestrator.answer import Answer

SCHEMA = "hpcapvf/1"


def envelope(command: str, answer: Answer) -> dict[str, Any]:
    """``schema, command, ok, exit_code, result, warnings, error`` of an answer (docs/reference.md)."""
    code = answer.final_code
    return {
        "schema": SCHEMA,
        "command": command,
        "ok": code is ExitCode.OK,
        "exit_code": int(code),
        "result": to_json(answer.result),
        "warnings": [to_json(warning) for warning in answer.warnings],
        "error": None if answer.error is None else error_object(answer.error),
    }


def error_object(error: HpcapvfError) -> dict[str, Any]:
    """``type, message, hint, details`` of an error."""
    return {
        "type": type(error).__name__,
        "message": error.message,
        "hint": error.hint,
        "details": list(error.details),
    }
