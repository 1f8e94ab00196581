"""Man pages of every command, from the parsers that read their command lines: ``python -m orchestrator.manual DIR``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from hpcapvf import __version__
from orchestrator.commands.deploy import deploy_vnma_parser, deploy_vnp_parser
from orchestrator.main import hpcapvf_parser


def commands_below(parser: argparse.ArgumentParser) -> Iterator[tuple[argparse.ArgumentParser, str]]:
    """Every command under a parser, at any depth, with its one line of help."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            lines = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, below in action.choices.items():
                yield below, lines.get(name, "")
                yield from commands_below(below)


def all_commands() -> list[tuple[argparse.ArgumentParser, str]]:
    """The three commands and everything below them, each with its one line of help."""
    tops = [
        (hpcapvf_parser(), "virtual network probes on SR-IOV hosts"),
        (deploy_vnp_parser(), "deploy a virtual network probe"),
        (deploy_vnma_parser(), "deploy a virtual network monitoring agent"),
    ]
    return [page for top in tops for page in (top, *commands_below(top[0]))]


def page_name(parser: argparse.ArgumentParser) -> str:
    """``hpcapvf nic show`` has the page ``hpcapvf-nic-show``."""
    return parser.prog.replace(" ", "-")


def man_page(parser: argparse.ArgumentParser, line: str) -> str:
    """One page in man(7) macros."""
    name = page_name(parser)
    formatter = argparse.HelpFormatter(prog=parser.prog, width=10_000)
    formatter.add_usage(None, parser._actions, parser._mutually_exclusive_groups, prefix="")
    parts = [
        f'.TH "{name.upper()}" 1 "" "hpcapvf {__version__}" "hpcapvf"',
        f".SH NAME\n{_escaped(name)} \\- {_escaped(line or parser.description or '')}",
        f".SH SYNOPSIS\n{_escaped(formatter.format_help().strip())}",
        f".SH DESCRIPTION\n{_escaped(parser.description or line)}",
    ]
    for group in parser._action_groups:
        shown = [action for action in group._group_actions if action.help != argparse.SUPPRESS]
        if shown:
            parts.append(f".SH {_escaped((group.title or '').upper())}\n" + "\n".join(map(_option, shown)))
    if parser.epilog:
        parts.append(f".SH EXAMPLES AND EXIT CODES\n.nf\n{_escaped(parser.epilog)}\n.fi")
    return "\n".join(parts) + "\n"


def _option(action: argparse.Action) -> str:
    formatter = argparse.HelpFormatter(prog="")
    if isinstance(action, argparse._SubParsersAction):
        rows = [f".TP\n.B {_escaped(c.dest)}\n{_escaped(c.help or '')}" for c in action._choices_actions]
        return "\n".join(rows)
    said = formatter._expand_help(action) if action.help else ""
    return f".TP\n.B {_escaped(formatter._format_action_invocation(action))}\n{_escaped(said)}"


def _escaped(text: str) -> str:
    plain = text.replace("\\", "\\e").replace("-", "\\-")
    # A line that begins with a dot or a quote would be a macro.
    return "\n".join(f"\\&{line}" if line[:1] in {".", "'"} else line for line in plain.splitlines())


def write_pages(folder: Path) -> list[Path]:
    """Write every page to a folder; gives the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for parser, line in all_commands():
        page = folder / f"{page_name(parser)}.1"
        page.write_text(man_page(parser, line))
        written.append(page)
    return written


if __name__ == "__main__":
    print(f"{len(write_pages(Path(sys.argv[1])))} man pages in {sys.argv[1]}")
