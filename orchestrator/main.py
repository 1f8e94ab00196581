"""The console commands. Only the modules of the command that was asked for are loaded: a slow host feels every one."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from hpcapvf import __version__
from orchestrator.completion import add_completion_option
from orchestrator.options import epilog
from orchestrator.runner import run

# Module -> the commands that its add_commands defines.
MODULES = {
    "orchestrator.commands.inspect": ("probe", "plan", "snapshot"),
    "orchestrator.commands.upkeep": ("verify", "destroy", "recover"),
    "orchestrator.commands.guard": ("guard",),
    "orchestrator.commands.doctor": ("doctor",),
    "orchestrator.commands.fetch": ("fetch",),
    "orchestrator.commands.report": ("report",),
    "orchestrator.commands.status": ("status",),
    "orchestrator.commands.metrics": ("metrics",),
    "orchestrator.commands.top": ("top",),
    "orchestrator.commands.schema": ("schema",),
    "orchestrator.commands.topology": ("topology",),
    "orchestrator.commands.advise": ("advise",),
    "orchestrator.commands.nic": ("nic", "mirrors"),
    "orchestrator.commands.image": ("image",),
    "orchestrator.commands.lab": ("lab",),
}


def hpcapvf_parser(words: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The command line of ``hpcapvf``; of one module's commands only if the words begin with one of them."""
    parser = argparse.ArgumentParser(
        prog="hpcapvf",
        description="Virtual network probes on SR-IOV hosts: look, plan, verify, take away; and the emulated server.",
        epilog=epilog("hpcapvf probe", "hpcapvf plan probe1.yaml", "deploy-vnp probe1.yaml", "hpcapvf destroy probe1"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"hpcapvf {__version__}")
    add_completion_option(parser)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    first = words[0] if words else ""
    chosen = [module for module, names in MODULES.items() if first in names]
    for module in () if first == "--version" else chosen or MODULES:
        importlib.import_module(module).add_commands(commands)
    return parser


def hpcapvf() -> None:
    """Entry point of ``hpcapvf``."""
    sys.exit(run(hpcapvf_parser(sys.argv[1:])))


def deploy_vnp() -> None:
    """Entry point of ``deploy-vnp``."""
    sys.exit(run(importlib.import_module("orchestrator.commands.deploy").deploy_vnp_parser()))


def deploy_vnma() -> None:
    """Entry point of ``deploy-vnma``."""
    sys.exit(run(importlib.import_module("orchestrator.commands.deploy").deploy_vnma_parser()))
