"""Configurations besides the one of the demo, one for each kind of part: the link, the engine, where captures go.

``make test-matrix`` runs all of them.
"""

from __future__ import annotations

import pytest

from tests.lab.conftest import Server
from tests.matrix.cells import Cell
from tests.matrix.run import run_cell

CELLS = (Cell("vf-dpdk", "dpdk", "virtio"), Cell("pf", "tcpdump", "none"))


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_a_cell_is_proved_and_leaves_nothing_behind(server: Server, cell: Cell) -> None:
    problems = run_cell(server, cell)["problems"]
    assert not problems, "\n".join(problems)
