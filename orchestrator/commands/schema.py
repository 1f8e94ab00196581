"""``hpcapvf schema``: the JSON Schema of a spec, or of what a command tells with ``--json``."""

from __future__ import annotations

import argparse
import json
from typing import Any

from hpcapvf.model.errors import NotFound
from hpcapvf.model.progress import Progress
from hpcapvf.spec.schema import json_schema
from orchestrator.answer import Answer
from orchestrator.files import write_json
from orchestrator.options import Commands, add_command


def add_commands(commands: Commands) -> None:
    """Define schema."""
    schema = add_command(
        commands,
        "schema",
        "print the JSON Schema of a spec, or of what a command prints with --json; for editors and other programs",
        "hpcapvf schema",
        "hpcapvf schema --output hpcapvf.schema.json",
        "hpcapvf schema deploy-vnp",
        "hpcapvf schema nic show",
    )
    schema.add_argument(
        "words", metavar="COMMAND", nargs="*", help="a command such as `status` or `lab up` (default: of a spec)"
    )
    schema.add_argument("--output", metavar="FILE", help="write it there")
    schema.set_defaults(handler=run_schema)


def run_schema(args: argparse.Namespace, _progress: Progress) -> Answer:
    """``hpcapvf schema``."""
    schema = _of_command(" ".join(args.words)) if args.words else json_schema()
    if args.output:
        write_json(args.output, schema)
        return Answer({"written": args.output}, shown=(f"written: {args.output}",))
    return Answer(schema, shown=(json.dumps(schema, indent=2),))


def _of_command(command: str) -> dict[str, Any]:
    from orchestrator.result_schema import envelope_schema, told_commands  # noqa: PLC0415 - most of the program

    try:
        return envelope_schema(command.removeprefix("hpcapvf "))
    except KeyError:
        raise NotFound(
            f"no command {command!r} that prints JSON", hint=f"commands: {', '.join(told_commands())}"
        ) from None
