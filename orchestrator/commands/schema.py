"""``hpcapvf schema``: the JSON Schema of a spec."""

from __future__ import annotations

import argparse
import json

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
        "print the JSON Schema of a spec, for editors and other programs",
        "hpcapvf schema",
        "hpcapvf schema --output hpcapvf.schema.json",
    )
    schema.add_argument("--output", metavar="FILE", help="write it there")
    schema.set_defaults(handler=run_schema)


def run_schema(args: argparse.Namespace, _progress: Progress) -> Answer:
    """``hpcapvf schema``."""
    schema = json_schema()
    if args.output:
        write_json(args.output, schema)
        return Answer({"written": args.output}, shown=(f"written: {args.output}",))
    return Answer(schema, shown=(json.dumps(schema, indent=2),))
