"""The console commands."""

from __future__ import annotations

import argparse
import sys

from hpcapvf import __version__
from orchestrator.commands.deploy import deploy_vnma_parser, deploy_vnp_parser
from orchestrator.commands.image import add_image_commands
from orchestrator.commands.inspect import add_inspect_commands
from orchestrator.commands.nic import add_nic_commands
from orchestrator.commands.upkeep import add_upkeep_commands
from orchestrator.lab_cli import add_lab_commands
from orchestrator.options import epilog
from orchestrator.runner import run


def hpcapvf_parser() -> argparse.ArgumentParser:
    """The command line of ``hpcapvf``."""
    parser = argparse.ArgumentParser(
        prog="hpcapvf",
        description="Virtual network probes on SR-IOV hosts: look, plan, verify, take away; and the emulated server.",
        epilog=epilog("hpcapvf probe", "hpcapvf plan probe1.yaml", "deploy-vnp probe1.yaml", "hpcapvf destroy probe1"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"hpcapvf {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_inspect_commands(commands)
    add_upkeep_commands(commands)
    add_nic_commands(commands)
    add_image_commands(commands)
    add_lab_commands(commands)
    return parser


def hpcapvf() -> None:
    """Entry point of ``hpcapvf``."""
    sys.exit(run(hpcapvf_parser()))


def deploy_vnp() -> None:
    """Entry point of ``deploy-vnp``."""
    sys.exit(run(deploy_vnp_parser()))


def deploy_vnma() -> None:
    """Entry point of ``deploy-vnma``."""
    sys.exit(run(deploy_vnma_parser()))
