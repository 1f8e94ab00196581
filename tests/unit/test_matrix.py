"""The matrix's cells as data: none missing, none twice, and specs that the parser takes."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from hpcapvf.raw.pcap import read_pcap
from hpcapvf.spec import parse_spec
from tests.matrix.cells import ENGINES, NETWORKS, NO_LINK, Cell, all_cells, keys_of
from tests.matrix.table import markdown
from tests.matrix.traffic import FRAMES, TRAFFICS, pcap_of


def test_every_configuration_is_there_once_and_all_but_the_forbidden_can_be_planned() -> None:
    cells = all_cells()
    compared = {(c.network, c.engine, c.storage) for c in cells if c.storage != "existing"}
    assert compared == {
        (n, e, s) for n in NETWORKS for e in ENGINES for s in ("passthrough", "virtio", "none", "nvme-vf")
    }
    assert len(set(cells)) == len(cells) == len(compared) + 1
    assert {(c.network, c.engine) for c in cells if c.forbidden} == {("vf-dpdk", "tcpdump")}
    first = cells[:4]
    assert {c.storage for c in first} == {"passthrough", "virtio", "none", "nvme-vf"}


@pytest.mark.parametrize("cell", all_cells(), ids=lambda cell: cell.name)
def test_its_spec_is_one(cell: Cell) -> None:
    keys: dict[str, Any] = keys_of(cell, pf="ens1", controller="0000:31:00.0", nvme="0000:32:00.0")
    guest = yaml.safe_load("{guest: {name: cell1, image: /var/lib/image.qcow2}, version: 1}")
    request = parse_spec(json.dumps(guest | keys))
    assert (request.engine.kind, request.storage.mode) == (cell.engine, cell.mode)
    assert request.network.mode == ("passthrough" if cell.network == "pf" else "vf")


@pytest.mark.parametrize("name", TRAFFICS)
def test_frames_are_unique_and_of_the_sizes_named(name: str) -> None:
    frames = [frame.data for frame in read_pcap(pcap_of(name))]
    assert len(set(frames)) == len(frames) == FRAMES
    assert [len(frame) + 4 for frame in frames[:12]] == list(TRAFFICS[name] * 12)[:12]


def test_the_table_says_what_was_not_run_what_failed_and_what_cannot_be() -> None:
    proof = {"frames_sent": 5000, "frames_identical": 4000, "frames_counted": 5000}
    green = {"problems": [], "proof": proof, "shares": {"64 B": {"share": 0.5}}, "phases_s": {"boot": 9.6, "proof": 1}}
    table = markdown({"vf hpcapvf passthrough": green, "pf hpcapvf none": {**green, "problems": ["deploy"]}})
    assert "| vf | hpcapvf | passthrough | 4000 of 5000 | 50.0 % | unknown | 11 s |" in table
    assert "| pf | hpcapvf | none | FAILED |" in table
    assert table.count(NO_LINK) == 4
    assert table.count("not run") == len(all_cells()) - 6
