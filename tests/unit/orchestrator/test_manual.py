"""Man pages and completion say what the parsers say."""

from __future__ import annotations

import argparse
import shlex

import pytest

from orchestrator.commands.deploy import deploy_vnma_parser, deploy_vnp_parser
from orchestrator.completion import SHELLS, completion
from orchestrator.main import MODULES, hpcapvf_parser
from orchestrator.manual import all_commands, commands_below, man_page, page_name

PAGES = [pytest.param(*page, id=page_name(page[0])) for page in all_commands()]


TOPS = {"hpcapvf": hpcapvf_parser, "deploy-vnp": deploy_vnp_parser, "deploy-vnma": deploy_vnma_parser}


def _options(parser: argparse.ArgumentParser) -> list[str]:
    return [o for a in parser._actions for o in a.option_strings if a.help != argparse.SUPPRESS]


def test_every_command_has_a_page() -> None:
    names = {page_name(parser) for parser, _ in all_commands()}
    expected = {f"hpcapvf-{name}" for below in MODULES.values() for name in below}
    assert {"hpcapvf", "deploy-vnp", "deploy-vnma"} | expected <= names


@pytest.mark.parametrize(("parser", "line"), PAGES)
def test_a_page_names_every_option(parser: argparse.ArgumentParser, line: str) -> None:
    page = man_page(parser, line).replace("\\-", "-")
    assert page.startswith('.TH "')
    explained = page.partition(".SH DESCRIPTION")[2].partition(".SH EXAMPLES")[0]
    assert [option for option in _options(parser) if option not in explained] == []


@pytest.mark.parametrize(("parser", "line"), PAGES)
def test_every_command_that_does_something_has_examples(parser: argparse.ArgumentParser, line: str) -> None:
    if not list(commands_below(parser)):
        assert "examples:\n  " in (parser.epilog or ""), f"{parser.prog} {line}"
        assert "exit codes:" in (parser.epilog or "")


@pytest.mark.parametrize(("parser", "line"), PAGES)
def test_every_example_is_a_command_line_that_is_understood(parser: argparse.ArgumentParser, line: str) -> None:
    shown = (parser.epilog or "").partition("\nexit codes:")[0].splitlines()
    commands = [text.strip() for text in shown if text.strip().startswith(("hpcapvf ", "deploy-vn"))]
    assert commands or any(commands_below(parser)), f"{parser.prog} {line}"
    for text in commands:
        program, *words = shlex.split(text.partition(" # ")[0].partition(" | ")[0].partition(" > ")[0])
        TOPS[program]().parse_args(words)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("parser", [hpcapvf_parser(), deploy_vnp_parser(), deploy_vnma_parser()])
def test_completion_knows_every_option(parser: argparse.ArgumentParser, shell: str) -> None:
    script = completion(parser, shell)
    for below in (parser, *(sub for sub, _ in commands_below(parser))):
        assert [option for option in _options(below) if option not in script] == []


def test_the_option_prints_and_ends(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        hpcapvf_parser().parse_args(["--print-completion", "bash"])
    assert ended.value.code == 0
    assert "-F _shtab_hpcapvf hpcapvf" in capsys.readouterr().out
