"""Which sets of mirror rules fit a card."""

from __future__ import annotations

import pytest

from hpcapvf.model.address import PciAddress
from hpcapvf.nic.mirror_budget import WantedRule, misfits

PF, OTHER_PF = PciAddress.parse("0000:05:00.0"), PciAddress.parse("0000:06:00.0")


def rule(sources: set[int], to_pool: int, pf: PciAddress = PF) -> WantedRule:
    return WantedRule(pf, frozenset(sources), to_pool)


def test_what_fits() -> None:
    four = [rule({n, 8}, 10 + n) for n in range(4)]
    assert misfits("82599", PF, four, range(64), replication=True) == ()
    assert misfits("82576", PF, [rule({0, 1}, 2)], {0, 1, 2, 7}, replication=True, held=3) == ()


@pytest.mark.parametrize(
    ("rules", "options", "why"),
    [
        ([rule({0}, 10 + n) for n in range(5)], {}, "rules wanted: 5"),
        ([rule({0}, 1)], {"held": 4}, "free of the card's 4: 0"),
        ([rule({0}, 1)], {"replication": False}, "one pool only"),
        ([rule({0}, 1, OTHER_PF)], {}, "0000:06:00.0"),
        ([rule({64}, 1)], {}, "no such pools"),
        ([rule(set(), 1)], {}, "none given"),
        ([rule({0}, 40)], {}, "which is off"),
        ([rule({3}, 3)], {}, "pool 3 would watch itself"),
        ([rule({0}, 1), rule({1}, 2), rule({2}, 0)], {}, "pool 2 would watch itself"),
    ],
)
def test_what_does_not_says_why_and_what_would(rules: list[WantedRule], options: dict[str, int], why: str) -> None:
    replication = bool(options.get("replication", True))
    found = misfits("x550", PF, rules, range(32), replication=replication, held=options.get("held", 0))
    assert any(why in m.why for m in found)
    assert all(m.would_fit for m in found)


def test_an_unknown_card_fits_nothing() -> None:
    assert misfits("", PF, [], range(8), replication=True)
