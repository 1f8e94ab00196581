"""The host module's allow-list is the register tables', and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hpcapvf.nic.allow_list import render_allow_list
from hpcapvf.nic.tables import TABLES

HEADER = Path(__file__).resolve().parents[3] / "driver/host/allow_list.h"
ROW = re.compile(r"\{ (0x[0-9a-f]+), (0x[0-9a-f]+), (\d+), (0x[0-9a-f]+), (true|false) \},\s*/\* (\w+) \*/")


def test_the_header_is_current(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--regenerate-golden"):
        HEADER.write_text(render_allow_list())
        return
    assert HEADER.read_text() == render_allow_list(), "differs from the tables: run pytest --regenerate-golden"


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.family)
def test_every_offset_has_the_tables_mask(table) -> None:  # type: ignore[no-untyped-def]
    text = HEADER.read_text().partition(f"regs_{table.family}_allowed[] = ")[2].partition("};")[0]
    found = {
        int(offset, 16) + int(stride, 16) * index: (int(mask, 16), back == "true", name)
        for offset, stride, count, mask, back, name in ROW.findall(text)
        for index in range(int(count))
    }
    wanted = {
        register.offset(index): (register.writable_mask, register.reads_back, register.name)
        for register in table.registers
        for index in range(register.offsets)
    }
    assert found == wanted
