"""What was found as a table like the thesis' Table 6.4."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.matrix.cells import all_cells
from tests.matrix.traffic import FRAMES, RATE, TRAFFICS

_REMARK = (
    f"Share of {FRAMES} frames stored, sent at {RATE} frames a second; with storage none, those that it counted.\n"
    "An emulated card and nested emulated CPUs: the rows compare configurations on this machine, nothing else.\n"
)


def markdown(cells: Mapping[str, Mapping[str, Any]]) -> str:
    """A table of all cells, those not yet run among them. cells: name -> result as ``run_cell`` gives it."""
    head = ("network", "engine", "storage", "proof", *TRAFFICS, "start to capture")
    rows = [_row(cell.name, cell.forbidden, cells.get(cell.name)) for cell in all_cells()]
    lines = [" | ".join(head), " | ".join("---" for _ in head), *(" | ".join(row) for row in rows)]
    return "\n".join(f"| {line} |" for line in lines) + f"\n\n{_REMARK}"


def _row(name: str, forbidden: str, found: Mapping[str, Any] | None) -> tuple[str, ...]:
    words = tuple(name.split())
    blanks = ("",) * (len(TRAFFICS) + 1)
    if forbidden:
        return (*words, forbidden, *blanks)
    if found is None:
        return (*words, "not run", *blanks)
    proof = found.get("proof")
    if found["problems"] or not proof:
        return (*words, "FAILED", *blanks)
    stored = proof["frames_identical"]
    text = f"{proof['frames_counted'] if stored is None else stored} of {proof['frames_sent']}"
    shares = (found["shares"].get(traffic, {}).get("share") for traffic in TRAFFICS)
    percent = ("unknown" if share is None else f"{share * 100:.1f} %" for share in shares)
    return (*words, text, *percent, f"{sum(found['phases_s'].values()):.0f} s")
