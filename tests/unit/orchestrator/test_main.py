"""Each command is found in the one module that is loaded for it."""

from __future__ import annotations

import argparse
import importlib

import pytest

from hpcapvf.model.errors import ExitCode
from orchestrator.commands.deploy import deploy_vnma_parser, deploy_vnp_parser
from orchestrator.main import MODULES, hpcapvf_parser


@pytest.mark.parametrize("module", MODULES)
def test_the_table_names_just_the_commands_that_a_module_defines(module: str) -> None:
    commands = argparse.ArgumentParser().add_subparsers()
    importlib.import_module(module).add_commands(commands)
    assert tuple(commands.choices) == MODULES[module]


def test_help_lists_all_commands() -> None:
    text = hpcapvf_parser(["--help"]).format_help()
    for names in MODULES.values():
        for name in names:
            assert f"\n    {name} " in text, name


def test_a_command_is_parsed_with_its_module_alone(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["mirrors", "--json"]
    assert hpcapvf_parser(words).parse_args(words).command_name == "mirrors"
    with pytest.raises(SystemExit):
        hpcapvf_parser(["mirrros"]).parse_args(["mirrros"])
    assert "'verify'" in capsys.readouterr().err  # the choices of all modules


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("brigde", "no guard is named 'brigde'; guards: default-route, bridge, vf-in-use"),
        ("disk-mounted", "disk-mounted cannot be forced: the host would lose a file system"),
    ],
)
@pytest.mark.parametrize("command", ["plan", "deploy-vnp", "deploy-vnma"])
def test_only_a_guard_that_can_be_forced_is_taken(
    command: str, name: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parsers = {"plan": hpcapvf_parser, "deploy-vnp": deploy_vnp_parser, "deploy-vnma": deploy_vnma_parser}
    first = ["plan"] if command == "plan" else []
    assert parsers[command]().parse_args([*first, "a.yaml", "--force", "bridge"]).force == ["bridge"]
    with pytest.raises(SystemExit) as ended:
        parsers[command]().parse_args([*first, "a.yaml", "--force", name])
    assert ended.value.code == ExitCode.USAGE
    assert said in capsys.readouterr().err


def test_the_version_needs_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        hpcapvf_parser(["--version"]).parse_args(["--version"])
    assert capsys.readouterr().out.startswith("hpcapvf ")
