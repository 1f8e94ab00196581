"""The table of PCI IDs."""

from __future__ import annotations

import pytest

from hpcapvf.nic.devices import FAMILIES, family_named, pf_family, vf_family


def test_an_id_belongs_to_one_family_and_one_role() -> None:
    seen = [(f.vendor, d) for f in FAMILIES for d in (*f.pf_devices, *f.vf_devices)]
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize(
    ("pf", "vf", "family"),
    [
        (0x10C9, 0x10CA, "82576"),
        (0x1521, 0x1520, "i350"),
        (0x10FB, 0x10ED, "82599"),
        (0x1528, 0x1515, "x540"),
        (0x1563, 0x1565, "x550"),
        (0x15AD, 0x15A8, "x552"),
        (0x15C4, 0x15C5, "x553"),
    ],
)
def test_well_known_cards(pf: int, vf: int, family: str) -> None:
    found = pf_family(0x8086, pf)
    assert found is not None
    assert found.name == family
    assert found.vf_devices[0] == vf
    assert vf_family(0x8086, vf) is found
    assert family_named(family) is found


def test_unknown_cards_are_unknown() -> None:
    assert pf_family(0x8086, 0x1533) is None
    assert pf_family(0x15B3, 0x10C9) is None
    assert vf_family(0x8086, 0x10C9) is None
    assert family_named("82575") is None
