"""Several servers under one name: who they are, and what is done with each."""

from __future__ import annotations

from typing import Any

import pytest

from hpcapvf.lab.inventory import GROUP, together
from hpcapvf.lab.machine import LabConfig
from hpcapvf.lab.server import Lab
from hpcapvf.lab.several import configs, members
from hpcapvf.model.errors import BadSpec, Conflict, ExitCode, NotFound
from orchestrator.commands.lab import on_each


def test_one_server_keeps_its_name_and_two_are_numbered() -> None:
    config = LabConfig(name="pair", cpus=8)
    assert configs(config, 1, ["pair"]) == (config,)
    first, second = configs(config, 2, ["other"])
    assert (first.name, second.name) == ("pair-1", "pair-2")
    assert first.cpus == second.cpus == 8


@pytest.mark.parametrize(
    ("servers", "memory_mib", "error"),
    [(0, 8192, BadSpec), (5, 2048, BadSpec), (3, 8194, BadSpec), (2, 12290, BadSpec)],
)
def test_what_cannot_be_is_refused(servers: int, memory_mib: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        configs(LabConfig(name="pair", memory_mib=memory_mib), servers, [])


def test_24_gib_are_enough_for_two_and_a_taken_name_is_refused() -> None:
    config = LabConfig(name="pair", memory_mib=12288)
    assert len(configs(config, 2, ["pair-1", "pair-2"])) == 2  # a second run finds its own
    with pytest.raises(Conflict, match="one server already"):
        configs(config, 2, ["pair"])


def test_a_name_means_a_lab_or_all_its_servers() -> None:
    labs = ["a.b-1", "pair-1", "pair-2", "pair-23", "pair-x", "single"]
    assert members("pair", labs) == ("pair-1", "pair-2")
    assert members("pair-2", labs) == ("pair-2",)
    assert members("single", labs) == ("single",)
    assert members("nobody", labs) == ("nobody",)
    assert members("pair", ["pair", "pair-1"]) == ("pair",)


def test_an_inventory_holds_both() -> None:
    each = [{GROUP: {"hosts": {f"lab-pair-{number}": {"ansible_port": number}}}} for number in (1, 2)]
    assert together(each) == {GROUP: {"hosts": {"lab-pair-1": {"ansible_port": 1}, "lab-pair-2": {"ansible_port": 2}}}}


def test_a_server_that_fails_does_not_keep_it_from_the_other() -> None:
    def act(lab: Lab) -> dict[str, Any]:
        if lab.name == "pair-1":
            raise NotFound("there is no disk", hint="make one")
        return {"running": False}

    told = on_each("pair", ("pair-1", "pair-2"), act)
    assert told.result == {
        "name": "pair", "servers": {"pair-2": {"running": False}}, "failed": {"pair-1": "there is no disk"},
    }  # fmt: skip
    assert told.error is not None
    assert (told.final_code, told.error.message) == (ExitCode.NOT_FOUND, "1 of 2 servers failed")
    assert told.error.details == ("pair-1: there is no disk",)
    with pytest.raises(NotFound):
        on_each("pair-1", ("pair-1",), act)
