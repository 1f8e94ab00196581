"""The project's own commands on another machine, over ssh: the JSON envelope back, progress as it happens."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hpcapvf.lab.server import Lab
from hpcapvf.lab.stream import run_streaming
from hpcapvf.model.errors import ExitCode, HpcapvfError, LabFailed
from hpcapvf.model.progress import Progress
from orchestrator.envelope import SCHEMA


class ServerFailed(HpcapvfError):
    """A command on the server failed. It keeps the exit code of that command."""

    def __init__(self, envelope: Envelope) -> None:
        error = envelope.error
        text = f"{envelope.command} on the server: {error.get('message', 'failed')}"
        super().__init__(text, hint=str(error.get("hint", "")), details=tuple(error.get("details", ())))
        self.exit_code = envelope.exit_code


@dataclass(frozen=True)
class Envelope:
    """What a command with ``--json`` answered."""

    command: str
    exit_code: ExitCode
    result: dict[str, Any]
    warnings: tuple[dict[str, str], ...] = ()
    error: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the command ended well."""
        return self.exit_code is ExitCode.OK


def parse_envelope(text: str) -> Envelope:
    """Read an envelope; ValueError if the text is none."""
    found = json.loads(text)
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise ValueError(f"no {SCHEMA} envelope")
    return Envelope(
        str(found["command"]),
        ExitCode(found["exit_code"]),
        dict(found["result"]),
        tuple(found["warnings"]),
        dict(found["error"] or {}),
    )


def run_on_server(lab: Lab, argv: Sequence[str], progress: Progress, *, timeout_s: float) -> Envelope:
    """Run ``deploy-vnp …`` or ``hpcapvf …`` on the lab's server with ``--json``; its progress is passed on.

    Returns the envelope, whatever the exit code. LabFailed if there is none (ssh broke, no such command),
    WaitTimedOut at the deadline.
    """
    words = [*argv, "--json", "--progress", "json"]
    result = run_streaming(lab.target().command(shlex.join(words)), on_line=event_reader(progress), timeout_s=timeout_s)
    try:
        return parse_envelope(result.text)
    except (ValueError, KeyError, TypeError):
        lines = tuple(result.error_text.splitlines()) or tuple(result.text.splitlines()[-10:])
        raise LabFailed(
            f"`{shlex.join(argv)}` on the server gave no answer (exit status {result.returncode})",
            hint="`hpcapvf lab status` says whether the server runs",
            details=lines,
        ) from None


def event_reader(progress: Progress) -> Callable[[str], None]:
    """What turns lines of ``--progress json`` into progress here; other lines are left alone."""

    def read(line: str) -> None:
        try:
            event = json.loads(line)
            if event["event"] == "phase":
                progress.phase(str(event["name"]), str(event["detail"]))
            elif event["event"] == "advance":
                progress.advance(int(event["done"]), int(event["total"]), str(event["unit"]))
        except (ValueError, KeyError, TypeError):
            return

    return read


def must(envelope: Envelope) -> Envelope:
    """The envelope of a command that ended well; ServerFailed otherwise."""
    if not envelope.ok:
        raise ServerFailed(envelope)
    return envelope
