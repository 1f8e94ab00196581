"""Advice about what else may use, slow down or interrupt a guest's CPUs; none about what the host does not say."""

from __future__ import annotations

from typing import Any

import pytest

from hpcapvf.model.address import CpuSet
from hpcapvf.model.plan import Plan
from hpcapvf.plan import plan_deployment
from tests.factories import make_host, make_request

NONE = CpuSet()


def said(**facts: Any) -> list[str]:
    """Texts of the advice on CPUs 1-2, which the factory's guest has, on a host with these facts."""
    plan = plan_deployment(make_request(), make_host(**facts), "ab" * 32)
    assert isinstance(plan, Plan)
    return [w.text for w in plan.warnings if "CPUs 1" in w.text or "CPUs 2" in w.text]


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({}, []),
        ({"isolated": NONE}, ["isolcpus=1-2"]),
        ({"isolated": CpuSet.parse("1-5")}, []),
        ({"isolated": CpuSet.parse("1")}, ["isolcpus=2"]),
        ({"isolated": NONE, "irqbalance": True}, ["isolcpus=1-2", 'IRQBALANCE_BANNED_CPULIST="1-2"']),
        ({"isolated": CpuSet.parse("1-2"), "irqbalance": True}, []),
        ({"irqbalance": True}, []),
        (
            {"governors": ((0, "powersave"), (1, "powersave"), (2, "performance"))},
            ["CPUs 1 have the frequency gov"],
        ),
        ({"governors": ((1, "performance"), (2, "performance"))}, []),
    ],
)
def test_what_is_advised(facts: dict[str, Any], words: list[str]) -> None:
    texts = said(**facts)
    assert len(texts) == len(words)
    assert all(word in text for word, text in zip(words, texts, strict=True))


def test_each_has_its_source() -> None:
    host = make_host(isolated=NONE, irqbalance=True, governors=((1, "powersave"),))
    plan = plan_deployment(make_request(), host, "ab" * 32)
    assert isinstance(plan, Plan)
    assert {"thesis appendix A.1 (isolcpus)", "thesis appendix A.2.6 (scaling governor)"} <= {
        w.source for w in plan.warnings
    }
