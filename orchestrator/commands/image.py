"""``hpcapvf image build``: a guest image for any hypervisor."""

from __future__ import annotations

import argparse
from pathlib import Path

from hpcapvf.lab.guest_image import export_guest
from hpcapvf.lab.images import GUEST_FILE
from hpcapvf.model.progress import Progress
from orchestrator.answer import Answer
from orchestrator.options import Commands, add_command
from orchestrator.tables import pairs


def add_commands(commands: Commands) -> None:
    """Define ``image build``."""
    image = commands.add_parser("image", help="guest images")
    below = image.add_subparsers(title="image commands", metavar="COMMAND", required=True)
    build = add_command(
        below,
        "build",
        "build the Debian guest of the lab and write it to a file, its checksum beside it",
        "hpcapvf image build guest.qcow2",
    )
    build.add_argument(
        "file", metavar="FILE", type=Path, nargs="?", default=Path(GUEST_FILE), help="default: %(default)s"
    )
    build.set_defaults(handler=run_build, command_name="image build")


def run_build(args: argparse.Namespace, progress: Progress) -> Answer:
    """``hpcapvf image build``."""
    facts = export_guest(args.file, progress)
    return Answer(facts, shown=(pairs("guest image", facts.items()),))
