"""The switch model against what the emulated card did with random registers and frames (``make test-switch-model``)."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest

from hpcapvf.nic import switch
from tests.switch_model.__main__ import RECORDED, judge

LINES = gzip.decompress(RECORDED.read_bytes()).decode().splitlines()


def test_the_model_agrees_with_the_card_on_every_recorded_frame() -> None:
    found = judge(LINES)
    assert found["frames"] >= 2000
    assert found["disagreements"] == []
    assert found["one_sided"] == []


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("_vlan_members", lambda read, vlan: set(range(8))),
        ("_in_vfta", lambda read, vlan: True),
        ("_too_long_for_pool", lambda read, frame, pool: False),
        ("hash_slot", lambda mac, mode: (mac.value & 0xFF) << 4 | mac.value >> 12 & 0xF),
        ("_by_filter", lambda read, mac: set()),
    ],
)
def test_a_wrong_model_is_found_out(name: str, wrong: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switch, name, wrong)
    assert judge(LINES)["disagreements"]
