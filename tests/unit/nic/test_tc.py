"""Words for tc, and what it says; the JSON was recorded from iproute2 6.1 with a u32 filter on a veth."""

from __future__ import annotations

import pytest

from hpcapvf.model.errors import StepFailed
from hpcapvf.nic import tc

RECORDED = """[
{"protocol":"all","pref":48006,"kind":"u32","chain":0},
{"protocol":"all","pref":48006,"kind":"u32","chain":0,"options":{"fh":"800:","ht_divisor":1}},
{"protocol":"all","pref":48006,"kind":"u32","chain":0,"options":{"fh":"800::800","order":2048,"key_ht":"800","bkt":"0",
"not_in_hw":true,"match":{"value":"0","mask":"0","offmask":"","off":0},"actions":[{"order":1,"kind":"mirred",
"mirred_action":"mirror","direction":"egress","to_dev":"vb","control_action":{"type":"pipe"},"index":1,"ref":1,
"bind":1}]}}]"""


def test_what_tc_says() -> None:
    assert tc.read_mirrors(RECORDED, 3, "ingress") == (tc.TcMirror("u32", "vb", in_hardware=False),)
    assert tc.read_mirrors(RECORDED, 3, "egress") == ()  # the other direction's
    assert tc.read_mirrors(RECORDED.replace("not_in_hw", "in_hw"), 3, "ingress")[0].in_hardware is True
    assert tc.read_mirrors(RECORDED.replace('"mirror"', '"redirect"'), 3, "ingress") == ()
    assert tc.read_mirrors("", 3, "ingress") == ()
    assert tc.has_filters(RECORDED)
    assert not tc.has_filters("[]")


@pytest.mark.parametrize("text", ["Error", "{}", "[1]"])
def test_what_it_does_not_say(text: str) -> None:
    with pytest.raises(StepFailed, match="tc printed"):
        tc.read_mirrors(text, 3, "ingress")


def test_the_words() -> None:
    words = " ".join(tc.add_words("rep0", "egress", 3, "rep3", tc.CLASSIFIERS[0]))
    assert words == "tc filter add dev rep0 egress protocol all pref 48007 flower action mirred egress mirror dev rep3"
    assert " ".join(tc.delete_words("rep0", "egress", 3)) == "tc filter del dev rep0 egress pref 48007"
