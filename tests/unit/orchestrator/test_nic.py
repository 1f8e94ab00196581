"""nic show, mirrors, and what deploy-vnma is given."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hpcapvf.apply.handler import Json
from hpcapvf.apply.journal import done_at
from hpcapvf.apply.run import apply_plan, destroy
from hpcapvf.apply.state import state_path
from hpcapvf.model.errors import BadSpec, NotCapable, NotFound, RegisterRefused
from hpcapvf.model.paths import AUDIT, guard_path
from hpcapvf.model.progress import Silent
from hpcapvf.plan import plan_deployment
from hpcapvf.spec import parse_spec, spec_sha256
from hpcapvf.verify.status import read_status
from orchestrator.answer import Answer
from orchestrator.commands.deploy import check_kind, deploy_vnma_parser
from orchestrator.commands.nic import NO_MIRRORS, mirrors_answer, nic_answer
from orchestrator.main import hpcapvf_parser
from orchestrator.spec_file import read_spec
from orchestrator.suggest import MONITOR_SPEC_EXAMPLE, suggest_monitor_spec
from orchestrator.tables import show_plan
from tests.factories import IMAGE, WEB1, make_host
from tests.fakes import tree
from tests.kill.copies import LINK, agent_by_files, agent_by_tc, agent_on_the_link
from tests.unit.apply.world import MONITOR_MAC, NAME, PF, WATCHED_MAC, World, make_monitor_world
from tests.unit.orchestrator.printed import text_of_parts


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_monitor_world(tmp_path)


def audited(world: World) -> list[Json]:
    return [json.loads(line) for line in (world.fake.machine.files.read_text(AUDIT) or "").splitlines()]


def text_of(answer: Answer) -> str:
    return text_of_parts(answer.shown)


@pytest.mark.parametrize("name", [tree.PF_INTERFACE, tree.PF])
def test_nic_show_names_filters_pools_and_their_owners(world: World, name: str) -> None:
    apply_plan(world.plan, world.fake.machine, Silent())
    answer = nic_answer(name, world.fake.machine)
    assert answer.result["owners"] == {"0": "VF 0 (web1)", "1": "VF 1 (probe1)", "2": "PF"}
    filters = {m["mac"]: m["pools"] for m in answer.result["switch"]["macs"]}
    assert (filters[str(WATCHED_MAC)], filters[str(MONITOR_MAC)]) == ([0, 1], [1])
    text = text_of(answer)
    assert "0: VF 0 (web1), 1: VF 1 (probe1)" in text
    assert "multicast by hash" in text


def test_nic_show_refuses_what_is_no_card_of_ours(world: World) -> None:
    with pytest.raises(NotFound, match="no such network interface"):
        nic_answer("enp9s9", world.fake.machine)
    with pytest.raises(NotCapable, match="of no card family"):
        nic_answer(tree.CONTROLLER, world.fake.machine)
    world.fake.registers.refuse = "Operation not permitted"
    with pytest.raises(RegisterRefused, match="not permitted"):
        nic_answer(tree.PF_INTERFACE, world.fake.machine)


def test_mirrors_say_who_watches_whom_and_whether_it_holds(world: World) -> None:
    assert mirrors_answer(world.fake.machine).shown == (NO_MIRRORS,)
    apply_plan(world.plan, world.fake.machine, Silent())
    answer = mirrors_answer(world.fake.machine)
    (mirror,) = answer.result["mirrors"]
    assert (mirror["monitor"], mirror["pf"], mirror["backend"]) == (NAME, str(PF), "replication")
    assert [(w["domain"], w["pool"], w["moved_away"]) for w in mirror["watches"]] == [("web1", 0, "")]
    assert "copied by replication" in text_of(answer)
    world.fake.registers.wipe()
    (mirror,) = mirrors_answer(world.fake.machine).result["mirrors"]
    assert mirror["backend"] is None
    assert mirror["registers"].startswith("not copied (")
    world.fake.registers.refuse = "Operation not permitted"
    (mirror,) = mirrors_answer(world.fake.machine).result["mirrors"]
    assert mirror["registers"].startswith("unknown: ")
    world.fake.registers.refuse = ""
    world.fake.hypervisor.stop("web1", 1)
    (mirror,) = mirrors_answer(world.fake.machine).result["mirrors"]
    assert mirror["watches"][0]["moved_away"] == "web1 is off"
    destroy(NAME, world.fake.machine, Silent())
    assert mirrors_answer(world.fake.machine).result == {"mirrors": []}


@pytest.mark.parametrize(("make", "name"), [(agent_by_tc, "tc mirred"), (agent_by_files, "i40e mirror files")])
def test_mirrors_without_registers_are_listed_too(make: Callable[[Path], World], name: str, tmp_path: Path) -> None:
    world = make(tmp_path)
    apply_plan(world.plan, world.fake.machine, Silent())
    (mirror,) = mirrors_answer(world.fake.machine).result["mirrors"]
    assert mirror["backend"].startswith(name)
    assert read_status(NAME, "", world.plan, world.fake.machine, guest_timeout_s=1).copies_missing == 0
    world.fake.commands.tc.reboot()
    world.fake.kernel.tree.write(f"/sys/bus/pci/devices/{PF}/sriov/0/egress_mirror", "off")
    (mirror,) = mirrors_answer(world.fake.machine).result["mirrors"]
    assert mirror["backend"] is None
    missing = 2 if make is agent_by_tc else 1
    assert mirror["registers"] == f"not copied ({missing} of 2 places differ)"
    assert read_status(NAME, "", world.plan, world.fake.machine, guest_timeout_s=1).copies_missing == missing


def test_an_agent_on_the_link_is_listed_with_what_it_watches(tmp_path: Path) -> None:
    world = agent_on_the_link(tmp_path)
    before = world.snapshot()
    apply_plan(world.plan, world.fake.machine, Silent())
    answer = mirrors_answer(world.fake.machine)
    (mirror,) = answer.result["mirrors"]
    assert mirror["watches"] == [{"domain": LINK, "vf": None, "pool": None, "moved_away": ""}]
    assert mirror["backend"] == "receive programme"
    assert LINK in text_of(answer)
    (begun,) = audited(world)
    assert (begun["event"], begun["watched"]) == ("begin", [LINK])
    world.fake.registers.wipe()
    (mirror,) = mirrors_answer(world.fake.machine).result["mirrors"]
    assert mirror["backend"] is None and mirror["registers"].startswith("not copied (")
    destroy(NAME, world.fake.machine, Silent())
    assert world.snapshot() == before
    assert [line["event"] for line in audited(world)] == ["begin", "end"]


def test_a_state_that_cannot_be_read_hides_no_mirror(world: World) -> None:
    apply_plan(world.plan, world.fake.machine, Silent())
    world.fake.files.replace(state_path("bad"), b"{")
    answer = mirrors_answer(world.fake.machine)
    assert [mirror["monitor"] for mirror in answer.result["mirrors"]] == [NAME]
    assert [warning.text for warning in answer.warnings] == ["bad: its state file cannot be used: see `hpcapvf status`"]


@pytest.mark.parametrize(
    ("uid", "by", "said"),
    [("1000", "ada", "ada"), ("1001", "uid 1001", "uid 1001"), ("4294967295", "", "unknown"), ("", "", "unknown")],
)
def test_mirrors_say_since_when_by_whom_and_what_drifted(world: World, uid: str, by: str, said: str) -> None:
    tree_of_host = world.fake.kernel.tree
    tree_of_host.write("/etc/passwd", "root:x:0:0::/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh")
    tree_of_host.write("/proc/self/loginuid", uid)
    before = world.fake.clock.wall()
    apply_plan(world.plan, world.fake.machine, Silent())
    tree_of_host.write(guard_path(NAME), '{"checks": 9, "drifts": 3}')
    answer = mirrors_answer(world.fake.machine)
    (mirror,) = answer.result["mirrors"]
    assert (mirror["by"], mirror["drifts"]) == (by, 3)
    assert before <= mirror["since"] <= world.fake.clock.wall()
    (table,) = answer.shown
    assert not isinstance(table, str)
    row = dict(zip(table.columns, table.rows[0], strict=True))
    assert (row["by"], row["drifts"], row["watched VM"]) == (said, "3", "web1")
    assert row["since"].endswith(" UTC")


def test_a_copy_that_is_not_made_is_since_never() -> None:
    events: list[Json] = [{"event": "begin", "index": 4, "at": 1.0}]
    assert done_at(tuple(events), 4) is None
    events.append({"event": "done", "index": 4, "at": 2.0})
    assert (done_at(tuple(events), 4), done_at(tuple(events), 5)) == (2.0, None)
    events.append({"event": "undone", "index": 4, "at": 3.0})
    assert done_at(tuple(events), 4) is None


def test_each_command_takes_its_own_kind_of_spec(tmp_path: Path) -> None:
    agent, probe = tmp_path / "agent.yaml", tmp_path / "probe.yaml"
    agent.write_text(MONITOR_SPEC_EXAMPLE)
    probe.write_text(MONITOR_SPEC_EXAMPLE.replace("watch: [web1]\n", ""))
    check_kind(read_spec(str(agent)), monitor=True)
    check_kind(read_spec(str(probe)), monitor=False)
    with pytest.raises(BadSpec, match="watch: is missing"):
        check_kind(read_spec(str(probe)), monitor=True)
    with pytest.raises(BadSpec, match="watch: a probe watches the link") as caught:
        check_kind(read_spec(str(agent)), monitor=False)
    assert "deploy-vnma" in caught.value.hint


def test_a_suggested_agent_can_be_planned_and_the_plan_says_whom_it_watches() -> None:
    host = make_host(vfs=2, domains=(WEB1,))
    request = parse_spec(suggest_monitor_spec(host, name="agent1", image=IMAGE))
    assert (request.watch, request.network.pf) == (("web1",), "ens5")
    plan = plan_deployment(request, host, spec_sha256(request))
    text = text_of(Answer({}, shown=show_plan(plan)))  # type: ignore[arg-type]
    assert "web1: VF 0 at 0000:21:10.0" in text
    assert "0: the card's node" in text
    with pytest.raises(NotCapable, match="db1 runs with a virtual function"):
        suggest_monitor_spec(host, name="a", image=IMAGE, watch="db1")
    with pytest.raises(NotCapable, match="none runs"):
        suggest_monitor_spec(make_host(), name="a", image=IMAGE)


def test_help_shows_a_spec_that_parses_and_the_commands_exist() -> None:
    shown = deploy_vnma_parser().format_help()
    lines = shown.split("# a whole agent1.yaml\n")[1].split("\n\n")[0].splitlines()
    assert parse_spec("\n".join(line.removeprefix("  # ") for line in lines)).watch == ("web1",)
    assert hpcapvf_parser().parse_args(["nic", "show", "ens5", "--json"]).command_name == "nic show"
    assert hpcapvf_parser().parse_args(["mirrors"]).command_name == "mirrors"
