"""What share of the frames a monitoring VM and the VMs that it watches get: the thesis' tables, or "not measured"."""

from __future__ import annotations

from dataclasses import dataclass

from hpcapvf.model.plan import Advice


@dataclass(frozen=True)
class Share:
    """Percent of the frames on a full 10 Gb/s link of 64-byte packets that each gets."""

    monitor: float
    watched: float


# Table 6.5: watched VMs -> (monitor on the card's node, monitor on the far node). The watched VMs sit on the other.
_TABLE_6_5 = {
    1: (Share(44.0, 44.0), Share(41.8, 41.8)),
    2: (Share(31.3, 15.6), Share(42.1, 21.0)),
    3: (Share(30.4, 10.1), Share(41.1, 13.7)),
}
# Table 6.6, HPCAPvf, three watched VMs, CAIDA trace.
_CAIDA_NEAR, _CAIDA_FAR = 48.0, 76.7


def expected_share(watched: int, *, near: bool) -> Share | None:
    """Table 6.5's line for so many watched VMs; near: the monitor is on the card's node. None if not measured."""
    line = _TABLE_6_5.get(watched)
    return None if line is None else line[0] if near else line[1]


def monitor_near(watched_near: int) -> bool:
    """Whether the monitor belongs on the card's node: not when two or more watched VMs sit there, which then get
    their frames sooner (section 6.4)."""
    return watched_near < 2


def share_advice(watched: int) -> Advice:
    """What so many watched VMs and their monitor got in the thesis, for both places of the monitor."""
    near, far = expected_share(watched, near=True), expected_share(watched, near=False)
    if near is None or far is None:
        return Advice(f"expected share for {watched} watched VMs: not measured", "thesis table 6.5 has 1 to 3 VMs")
    text = (
        f"expected at 10 Gb/s of 64-byte packets with {watched} watched VM(s): monitor on the card's node "
        f"{near.monitor} %, each watched VM {near.watched} %; on the far node {far.monitor} % and {far.watched} %; "
        "at other loads not measured"
    )
    if watched != 3:
        return Advice(text, "thesis table 6.5")
    caida = f"; captured and stored of the CAIDA trace: {_CAIDA_NEAR} % and {_CAIDA_FAR} %"
    return Advice(text + caida, "thesis tables 6.5 and 6.6")
