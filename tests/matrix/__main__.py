"""Run the cells that are left, and write what was found after each.

python -m tests.matrix RESULT.json [--table] [--again CELL]... [--minutes M]

A cell is left if it was not run, failed, or was run on another commit; those never run come first. HPCAPVF_TEST_LAB
names a lab that runs (with --nvme); otherwise one is started and removed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from tests.lab.conftest import in_a_lab, looked_at
from tests.matrix.cells import Cell, all_cells
from tests.matrix.run import put_traffic, run_cell
from tests.matrix.table import markdown
from tests.results import provenance, write_result

_LONGEST_CELL_S = 15 * 60


def main() -> int:
    """0 if every cell that can be run is green now."""
    parser = argparse.ArgumentParser(prog="python -m tests.matrix")
    parser.add_argument("result", type=Path, metavar="RESULT.json")
    parser.add_argument("--table", action="store_true", help="only print what was found")
    parser.add_argument("--only", action="append", default=[], metavar="CELL", help="run just this cell, even if green")
    parser.add_argument("--minutes", type=float, default=140.0, help="begin no cell that may end later")
    args = parser.parse_args()
    cells: dict[str, Any] = json.loads(args.result.read_text())["cells"] if args.result.exists() else {}
    if not args.table:
        _run(args.result, cells, args.only, time.monotonic() + args.minutes * 60)
    print(markdown(cells))
    return int(any(cell.name not in cells or cells[cell.name]["problems"] for cell in _possible()))


def _possible() -> tuple[Cell, ...]:
    return tuple(cell for cell in all_cells() if not cell.forbidden)


def _run(target: Path, cells: dict[str, Any], only: list[str], end: float) -> None:
    about = provenance()
    cells_left = _left(cells, only, about["commit"])
    with in_a_lab("matrix", nvme=True) as server:
        traffic = put_traffic(server)
        for number, cell in enumerate(cells_left, start=1):
            if time.monotonic() + _LONGEST_CELL_S > end:
                print(f"no time for {len(cells_left) - number + 1} more: run it again", file=sys.stderr)
                break
            print(f"{number} of {len(cells_left)}: {cell.name}", file=sys.stderr, flush=True)
            start = time.monotonic()
            found = run_cell(looked_at(server.lab), cell, traffic)
            when = {"commit": about["commit"], "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
            cells[cell.name] = {**found, **when, "seconds": round(time.monotonic() - start)}
            write_result(target, about, {"cells": cells})
            print(f"  {found['problems'] or 'green'} {found['shares']}", file=sys.stderr, flush=True)


def _left(cells: dict[str, Any], only: list[str], commit: object) -> list[Cell]:
    """Those never run first, then those that failed, then those of other commits, the oldest first."""
    if only:
        return [cell for cell in _possible() if cell.name in only]

    def rank(cell: Cell) -> tuple[int, str]:
        found = cells.get(cell.name)
        if found is None:
            return 0, ""
        return (1, "") if found["problems"] else (2, found["date"])

    left = [c for c in _possible() if not (rank(c)[0] == 2 and cells[c.name]["commit"] == commit)]
    return sorted(left, key=rank)


if __name__ == "__main__":
    sys.exit(main())
