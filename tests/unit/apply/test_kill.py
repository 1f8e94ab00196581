"""A sample of the kill test, within some 40 s; ``make test-kill`` makes every cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kill.__main__ import read_kept
from tests.kill.configurations import CONFIGURATIONS
from tests.kill.cuts import DEPLOY, KILL, RECOVER, Bench, Cut, Unreached
from tests.kill.plan import cuts_of, sample_of

EVERY = 89


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody pulls the plug of this machine."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_the_host_is_as_it_was_wherever_it_is_cut(configuration: str, tmp_path: Path) -> None:
    bench = Bench(configuration, tmp_path)
    made = 0
    for cut in sample_of(bench, EVERY):
        try:
            assert bench.difference(cut) == "", cut.key
            made += 1
        except Unreached:
            bench.spoil()
    assert made > 6


def test_a_recovery_that_forgets_something_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench("probe", tmp_path)
    late = len(bench.deploy_log)
    monkeypatch.setattr("hpcapvf.apply.handlers.sriov.SetNumVfsHandler.undo", lambda *_: ())
    assert "sriov_numvfs" in bench.difference(Cut("probe", DEPLOY, KILL, False, late))


def test_a_recovery_cut_where_it_lends_the_disks_of_a_guest_that_runs(tmp_path: Path) -> None:
    """The last line of that step torn, while the deployment had come as far as the guest."""
    bench = Bench("virtio disks", tmp_path)
    running = 1 + next(n for n, (_, what) in enumerate(bench.deploy_log) if what == "uname -r")
    for at in range(12, 24):
        assert bench.difference(Cut("virtio disks", RECOVER, KILL, True, at, torn=True, of=running)) == "", at


def test_every_effect_is_cut(tmp_path: Path) -> None:
    bench = Bench("agent", tmp_path)
    cuts = [cut for cut in cuts_of(bench) if cut.during == DEPLOY and cut.how == KILL and not cut.persist]
    assert {cut.at for cut in cuts} == set(range(1, len(bench.deploy_log) + 1))


def test_a_line_that_a_killed_run_left_unfinished_is_not_joined_to_the_next(tmp_path: Path) -> None:
    kept = tmp_path / "kept.jsonl"
    kept.write_text('{"key": "a", "problem": ""}\n{"key": "b", "pro')
    assert list(read_kept(kept)) == ["a"]
    with kept.open("a") as out:
        out.write('{"key": "c", "problem": ""}\n')
    assert list(read_kept(kept)) == ["a", "c"]
