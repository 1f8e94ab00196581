"""What was found as a table like the thesis' Table 6.5."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STAGES: dict[str, int | str] = {"1 VM": 1, "2 VMs": 2, "3 VMs": 3, "the rest": "rest", "the link": "link"}
_REMARK = """\
Share of the frames of 64 bytes (with CRC) that were sent to the watched VMs in turn: what the agent captured and
stored, and what each watched VM's driver received (least and most of them), beside what there is to get. "exact": at a
rate that the emulators bear, every frame that each should get came once and unchanged, and no other; VLANs, multicast,
broadcast and VM to VM among them.

What this can say: which frames are copied, that VMs lose none by being watched or by an agent that stands still, and
that the copies end. What it cannot: how fast a card replicates. Here a program copies the frames, on the CPUs that it
shares with all guests, so the shares compare rows on one machine and nothing else; the thesis' own figures (Table 6.5,
a real 82599 with mirror rules) are what `deploy-vnma` warns with. The emulated card has no mirror rules, and drops for
a queue that is full whether QDE says so or not: that it is set and read back is seen here, what it does is not.
"""


def markdown(cases: Mapping[str, Mapping[str, Any]]) -> str:
    """A table of all stages, those not yet run among them. cases: name to result as ``run_stage`` gives it."""
    head = ("watched", "VNMA", "each VM", "VNMA at best", "each VM at best", "sent", "exact", "disturbances passed")
    rows = [_row(name, number, cases.get(name)) for name, number in STAGES.items()]
    lines = [" | ".join(head), " | ".join("---" for _ in head), *(" | ".join(row) for row in rows)]
    return "\n".join(f"| {line} |" for line in lines) + f"\n\n{_REMARK}"


def _row(name: str, watched: int | str, found: Mapping[str, Any] | None) -> tuple[str, ...]:
    if found is None:
        return (name, "not run", *[""] * 6)
    share, problems = found["counts"].get("share"), found["problems"]
    exact = "FAILED" if problems.get("exact", ["not asked"]) else "yes"
    if isinstance(watched, str):  # what comes is not of one VM or another, so there is no share
        return (name, *[""] * 5, exact, "")
    if share is None:
        return (name, "FAILED", *[""] * 6)
    least, most = (f(share["watched"]) / share["sent"] for f in (min, max))
    each = _percent(least) if least == most else f"{_percent(least)} to {_percent(most)}"
    extra = {k: v for k, v in problems.items() if k not in ("deployed", "exact", "share", "hpcapstat", "destroyed")}
    passed = [key for key, wrong in extra.items() if not wrong]
    failed = [f"{key}: FAILED" for key, wrong in extra.items() if wrong]
    return (
        name,
        _percent(share["monitor"] / share["sent"]),
        each,
        _percent(1),
        _percent(1 / watched),
        f"{share['sent']} at {share['rate']:.0f}/s",
        exact,
        ", ".join(passed + failed),
    )


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"
