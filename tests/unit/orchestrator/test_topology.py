"""The host as lines and as a picture, and what a plan changes of it, marked."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from hpcapvf.model.errors import NotFound
from hpcapvf.model.host import DomainInfo
from hpcapvf.model.progress import Silent
from orchestrator.answer import Answer
from orchestrator.commands.topology import picture_answer
from orchestrator.main import hpcapvf_parser
from orchestrator.picture import Shown, render_change, render_topology
from orchestrator.topology_text import change_lines, topology_lines
from tests.factories import WEB1, make_host
from tests.unit.orchestrator.sample_host import agent_plan, sample_host, sample_plan, watched_host

SVG = "{http://www.w3.org/2000/svg}"


def changed() -> tuple[str, ...]:
    """Lines of the host with a probe, and what an agent changes."""
    host, probe = watched_host(), sample_plan()
    return change_lines(topology_lines(host, [probe]), topology_lines(host, [probe, agent_plan()]))


def test_the_lines_are_the_golden_ones(golden: Callable[[str, str], None]) -> None:
    golden("topology.txt", "\n".join(changed()) + "\n")


def test_what_stays_is_unmarked_and_what_changes_is_there_twice() -> None:
    lines = changed()
    before = topology_lines(watched_host(), [sample_plan()])
    assert tuple(line[2:] for line in lines if line[0] in " -") == before
    assert not [line for line in lines if line[0] not in " +-"]
    after = topology_lines(watched_host(), [sample_plan(), agent_plan()])
    assert tuple(line[2:] for line in lines if line[0] in " +") == after


def test_vms_of_others_and_their_vfs_are_named() -> None:
    off = DomainInfo("db1", "x", running=False)
    lines = topology_lines(dataclasses.replace(make_host(vfs=2), domains=(WEB1, off)))
    assert any(line.startswith("VM web1: runs") and "has VF 0 of ens5" in line for line in lines)
    assert "VM db1: is off, has no PCI functions" in lines


def marks(text: str) -> int:
    return sum(group.get("class") == "mark" for group in ET.fromstring(text).iter(f"{SVG}g"))  # noqa: S314


def test_the_picture_marks_what_changes_and_nothing_else() -> None:
    text = render_change(watched_host(), [Shown(sample_plan())], agent_plan())
    assert marks(text) == 7  # three CPUs, the bar of hugepages, the VF, the VM, and the legend's
    assert marks(render_topology(watched_host(), [Shown(sample_plan()), Shown(agent_plan())])) == 0
    ids = [element.get("id") for element in ET.fromstring(text).iter() if element.get("id")]  # noqa: S314
    assert len(ids) == len(set(ids))


def test_the_picture_goes_where_it_is_wanted(tmp_path: Path) -> None:
    host = sample_host()
    answer = picture_answer(host, [], sample_plan(), str(tmp_path / "deep" / "host.svg"))
    assert (tmp_path / "deep" / "host.svg").read_text() == render_change(host, [], sample_plan())
    assert answer.result["file"] == str(tmp_path / "deep" / "host.svg")
    assert picture_answer(host, [], None, "-").shown == (render_topology(host),)
    assert picture_answer(host, [], None, None).result["lines"] == list(topology_lines(host))


def test_the_command_draws_a_recorded_tree_and_names_one_that_is_not_there(tmp_path: Path) -> None:
    node = tmp_path / "sys/devices/system/node/node0"
    node.mkdir(parents=True)
    (node / "cpulist").write_text("0-1\n")
    (tmp_path / "sys/devices/system/cpu").mkdir()
    (tmp_path / "sys/devices/system/cpu/online").write_text("0-1\n")

    def run(*words: str) -> Answer:
        args = hpcapvf_parser(["topology"]).parse_args(["topology", "--root", *words])
        answer: Answer = args.handler(args, Silent())
        return answer

    assert "NUMA node 0: CPUs 0-1, memory unknown (unknown free)" in run(str(tmp_path)).result["lines"]
    assert ET.fromstring(run(str(tmp_path), "--svg", "-").result["svg"]).tag == f"{SVG}svg"  # noqa: S314
    with pytest.raises(NotFound):
        run(str(tmp_path / "none"))


@pytest.mark.parametrize("nodes", [1, 8])
def test_one_node_and_eight_nodes_have_a_line_each(nodes: int) -> None:
    lines = topology_lines(sample_host(2, nodes))
    assert sum(line.startswith("NUMA node ") for line in lines) == nodes
