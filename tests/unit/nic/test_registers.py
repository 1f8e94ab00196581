"""The register tables: offsets from the public facts, no overlap, and what may be written."""

from __future__ import annotations

import pytest

from hpcapvf.model.errors import RegisterRefused
from hpcapvf.nic.registers import BitField, RegisterTable
from hpcapvf.nic.registers_1g import TABLE_82576, TABLE_I350, TABLES_1G
from hpcapvf.nic.tables import TABLES, register_table


@pytest.mark.parametrize(
    ("name", "index", "offset"),
    [
        ("RCTL", 0, 0x100),
        ("VT_CTL", 0, 0x581C),
        ("MRQC", 0, 0x5818),
        ("VMOLR", 0, 0x5AD0),
        ("VMOLR", 7, 0x5AEC),
        ("RPLOLR", 0, 0x5AF0),
        ("RAL", 0, 0x5400),
        ("RAH", 0, 0x5404),
        ("RAH", 15, 0x547C),
        ("RAL", 16, 0x54E0),
        ("RAH", 23, 0x551C),
        ("MTA", 127, 0x53FC),
        ("VFTA", 0, 0x5600),
        ("UTA", 0, 0xA000),
        ("VLVF", 31, 0x5D7C),
        ("VMRCTL", 3, 0x5D8C),
        ("VMRVLAN", 0, 0x5D90),
        ("VMRVM", 0, 0x5DA0),
        ("VFRE", 0, 0xC8C),
        ("VFTE", 0, 0xC90),
        ("QDE", 0, 0x2408),
        ("DTXSWC", 0, 0x3500),
        ("RQDPC", 3, 0x2B30),
        ("RQDPC", 4, 0xC130),
        ("PFVFGPRC", 0, 0x10010),
        ("PFVFGPRC", 7, 0x10710),
    ],
)
def test_offsets_of_the_82576(name: str, index: int, offset: int) -> None:
    assert TABLE_82576.register(name).offset(index) == offset
    place = TABLE_82576.locate(offset)
    assert place is not None
    assert (place[0].name, place[1]) == (name, index)


def test_the_i350_differs_where_it_does() -> None:
    assert TABLE_I350.register("TXSWC").offset() == 0x5ACC
    assert TABLE_I350.register("DVMOLR").offset(7) == 0xC1F8
    assert TABLE_I350.register("RAH").count == 32
    assert TABLE_I350.register("RQDPC").offset(0) == 0xC030


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.family)
def test_no_two_registers_share_an_offset_and_fields_do_not_overlap(table: RegisterTable) -> None:
    assert table.locate(0xFFFF_FFF0) is None  # building the index raises on a shared offset
    for register in table.registers:
        masks = [f.mask for f in register.fields]
        assert sum(masks) == sum(masks) & 0xFFFF_FFFF, register.name
        assert all(a & b == 0 for i, a in enumerate(masks) for b in masks[i + 1 :]), register.name


@pytest.mark.parametrize("table", TABLES_1G, ids=lambda t: t.family)
def test_only_receive_filters_may_be_written(table: RegisterTable) -> None:
    writable = {r.name: r.writable_mask for r in table.registers if r.writable_mask}
    expected = {
        "RCTL": 0x0004_0000,
        "MTA": 0xFFFF_FFFF,
        "UTA": 0xFFFF_FFFF,
        "VT_CTL": 0x6000_0380,
        "VMOLR": 0x5F00_0000,
        "RPLOLR": 0x4000_0000,
        "RAH": 0x03FC_0000,
        "VLVF": 0x000F_F000,
        "VMRCTL": 0x0000_070F,
        "VMRVLAN": 0xFFFF_FFFF,
        "VMRVM": 0x0000_00FF,
        "QDE": 0x0000_FFFF,
    }
    if table.family == "i350":
        expected["DVMOLR"] = 0x6000_0000
    assert writable == expected
    assert table.writable_mask(0x0000) == 0  # device control
    assert table.writable_mask(0x5404) == 0x03FC_0000
    assert table.writable_mask(0x5400) == 0
    assert table.writable_mask(0x5402) == 0
    assert table.writable_mask(0xDEAD0) == 0


def test_values_are_decoded() -> None:
    decoded = TABLE_82576.register("RAH").decode(0x8004_5634)
    assert decoded == {"ADDRESS_HIGH": 0x5634, "POOLS": 1, "VALID": 1}
    field = BitField("F", 9, 7)
    assert field.extract(field.insert(5)) == 5
    for number in (8, -1):
        with pytest.raises(ValueError, match="does not fit"):
            field.insert(number)


def test_what_is_not_in_a_table_is_refused() -> None:
    with pytest.raises(RegisterRefused, match=r"VMOLR\[8\] does not exist"):
        TABLE_82576.register("VMOLR").offset(8)
    with pytest.raises(RegisterRefused, match="does not exist"):
        TABLE_82576.register("VMOLR").offset(-1)
    with pytest.raises(RegisterRefused, match="no register DVMOLR"):
        TABLE_82576.register("DVMOLR")
    with pytest.raises(RegisterRefused) as caught:
        register_table("82598")
    assert "82576, i350, 82599" in caught.value.hint
