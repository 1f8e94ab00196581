"""What a proof's figures mean: each demand as a finding that can fail. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from hpcapvf.model.plan import Finding
from hpcapvf.verify.compare import Comparison


def judge(
    *,
    sent: int | None,
    offered: int | None,
    wanted: int | None,
    unwanted: int,
    comparison: Comparison | None,
    counted: int,
    counters: dict[str, int],
    loss_counters: Mapping[str, str],
    in_vf: int | None,
    nic_drops: int | None,
    guard: dict[str, int] | None,
    guard_expected: bool,
    faults: tuple[str, ...],
    count_errors: tuple[str, ...],
    unsaved: int,
    restarted: bool,
) -> tuple[Finding, ...]:
    """All demands on a proof. sent, offered (to the source), wanted (to be stored): None without a source.

    unwanted: frames stored that were sent for others. comparison: None if nothing is stored; then counted, the frames
    that the capture service read, and the driver's counters are all that there is to judge. loss_counters: those that
    must not move, to the remedy. What the card does not tell (drops, frames that it gave the VF) is no failure by
    itself: the comparison sees the loss anyway.
    """
    findings = [_none_of("capture service kept running", int(restarted), "see its journal in the guest")]
    if wanted is not None:
        if in_vf is not None:
            hint = "the card gave the VF too few: its registers, a link that is down, or too few descriptors"
            findings.append(demand("frames given to the VF", in_vf >= wanted, f"at least {wanted}", str(in_vf), hint))
        findings += (
            _judge_frames(wanted, comparison, counters) if comparison else _judge_counts(wanted, counted, counters)
        )
        hint = "see the source's own messages"
        findings.append(demand("frames sent by the source", sent == offered, str(offered), str(sent), hint))
    if wanted is not None and comparison is not None:
        findings.append(_none_of("frames for others", unwanted, "the card gives the VF more than it should: nic show"))
    if comparison is not None:
        findings.append(
            _none_of("timestamps that go back", comparison.timestamps_back, "the guest's clock was set meanwhile")
        )
        findings.append(_listed("capture files without faults", faults))
        findings.append(_listed("files hold as many frames as announced", count_errors))
    for name, hint in loss_counters.items():
        found = counters.get(name)
        findings.append(
            demand(f"driver counter {name}", found == 0, "0", "unknown" if found is None else str(found), hint)
        )
    if nic_drops is not None:
        hint = "the polling thread was too slow: give it a core of its own and idle: spin"
        findings.append(_none_of("frames dropped by the card for this VF", nic_drops, hint))
    findings.append(_none_of("frames that the capture service could not save", unsaved, "is the storage full?"))
    if guard_expected:
        hint = "start it again: systemctl restart the guard's unit, see hpcapvf status"
        found_text = "no counts" if guard is None else f"{guard.get('checks', 0)} checks"
        findings.append(
            demand("register guard at work", bool(guard and guard.get("checks", 0) > 0), "checks", found_text, hint)
        )
    return tuple(findings)


def _judge_counts(wanted: int, counted: int, counters: dict[str, int]) -> list[Finding]:
    """Nothing is stored, so frames are counted and nobody knows what was in them."""
    received, published = counters.get("received", 0), counters.get("published", 0)
    return [
        demand("frames to send", wanted > 0, "at least 1", str(wanted), "a proof without frames proves nothing"),
        demand(
            "frames received by the driver (counted only)",
            received >= wanted,
            f"at least {wanted}",
            str(received),
            "frames were lost before the VF: a too fast source, the card's registers, or a link that is down",
        ),
        demand(
            "frames read by the capture service (counted only)",
            counted >= max(published, wanted),
            f"at least {max(published, wanted)}",
            str(counted),
            "see its journal in the guest",
        ),
    ]


def _judge_frames(wanted: int, comparison: Comparison, counters: dict[str, int]) -> list[Finding]:
    received = counters.get("received", 0)
    lost = "; ".join(f"{count} {kind}" for kind, count in comparison.lost_per_class.items())
    first_altered = comparison.altered[0].note if comparison.altered else ""
    return [
        demand("frames to send", wanted > 0, "at least 1", str(wanted), "a proof without frames proves nothing"),
        demand(
            "frames received by the driver",
            received >= wanted,
            f"at least {wanted}",
            str(received),
            "frames were lost before the VF: a too fast source, the card's registers, or a link that is down",
        ),
        demand(
            "frames stored identical and in order",
            comparison.frames_identical == wanted == comparison.frames_stored,
            str(wanted),
            f"{comparison.frames_identical} of {comparison.frames_stored} stored",
        ),
        _none_of("frames missing", comparison.frames_missing, f"by class: {lost}" if lost else ""),
        _none_of("frames altered", comparison.frames_altered, first_altered),
        _none_of("frames out of order", comparison.frames_out_of_order),
        _none_of("frames duplicated", comparison.frames_duplicated, "two filters of the card give the frame to the VF"),
    ]


def demand(check: str, ok: bool, expected: str, found: str, hint: str = "") -> Finding:
    """A finding; the remedy is only told where one is needed."""
    return Finding(check, ok, expected, found, "" if ok else hint)


def _none_of(check: str, count: int, hint: str = "") -> Finding:
    return demand(check, count == 0, "0", str(count), hint)


def _listed(check: str, problems: tuple[str, ...]) -> Finding:
    found = "none" if not problems else f"{len(problems)}: {problems[0]}"
    return demand(check, not problems, "none", found, "\n".join(problems[1:5]))
