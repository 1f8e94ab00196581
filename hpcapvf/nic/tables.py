"""The register tables of every family that can be programmed, and the one look-up among them."""

from __future__ import annotations

from hpcapvf.model.errors import RegisterRefused
from hpcapvf.nic.registers import RegisterTable
from hpcapvf.nic.registers_1g import TABLES_1G
from hpcapvf.nic.registers_10g import TABLES_10G

TABLES: tuple[RegisterTable, ...] = (*TABLES_1G, *TABLES_10G)


def register_table(family: str) -> RegisterTable:
    """The table of a family; RegisterRefused if there is none: an unknown card is never guessed at."""
    for table in TABLES:
        if table.family == family:
            return table
    known = ", ".join(t.family for t in TABLES)
    raise RegisterRefused(
        f"card family {family or 'unknown'} is not in the register tables",
        hint=f"families whose registers can be programmed: {known}; with network.receive: own none are needed",
    )
