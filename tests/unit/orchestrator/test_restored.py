"""What a destruction put back is said from its journal."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpcapvf.apply.journal import read_events
from hpcapvf.apply.run import apply_plan, destroy
from hpcapvf.model.progress import Silent
from orchestrator.restored import put_back_lines
from tests.unit.apply.world import CONTROLLER, NAME, PF, make_world


def test_each_step_that_was_undone_is_named_with_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    world = make_world(tmp_path)
    apply_plan(world.plan, world.fake.machine, Silent())
    report = destroy(NAME, world.fake.machine, Silent())
    lines = put_back_lines(read_events(world.fake.files, report.journal))
    assert tuple(text for text, _ in lines) == report.restored
    told = dict(lines)
    assert told[f"make 2 VF(s) on {PF}"] == "count: 0"
    assert told["set link enp2s0 up"] == "up: no"
    assert told[f"bind {CONTROLLER} to vfio-pci"].startswith("driver: megaraid_sas, override: (null)")
    assert told[f"programme {PF} (82576): pool 0 receives every frame"].endswith("values as before")


def test_a_step_that_was_not_undone_is_left_out() -> None:
    begin = {"event": "begin", "index": 0, "step": {"kind": "set-link", "interface": "eth9", "up": True}, "before": {}}
    assert put_back_lines([begin]) == ()
    assert put_back_lines([begin, {"event": "undone", "index": 0}]) == (("set link eth9 up", ""),)
