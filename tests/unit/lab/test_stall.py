from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from hpcapvf.lab.stall import Stalled, StallWatch, set_aside

STALLED = (
    "[   25.822088] rcu: rcu_preempt kthread timer wakeup didn't happen for 5258 jiffies! g-951 f0x0\n"
    "[   25.826426] rcu: \tPossible timer handling issue on cpu=2 timer-softirq=1\n"
)
HEALTHY = "[    4.448990] clocksource: tsc: mask: 0xffffffffffffffff\n[   64.7] kvm_amd: Nested Paging enabled\n"


@pytest.mark.parametrize(("text", "stalled"), [(HEALTHY, False), (HEALTHY + STALLED, True), ("", False)])
def test_the_kernel_says_when_a_timer_is_lost(tmp_path: Path, text: str, stalled: bool) -> None:
    console = tmp_path / "console.log"
    watch = StallWatch(console)
    watch.look()
    console.write_text(text)
    with pytest.raises(Stalled, match="lost its timer") if stalled else nullcontext():
        watch.look()


def test_a_console_that_says_nothing_for_too_long_is_a_stall_and_a_slow_one_is_not(tmp_path: Path) -> None:
    console, now = tmp_path / "console.log", [0.0]
    watch = StallWatch(console, silent_s=100, clock=lambda: now[0])
    for now[0] in (0, 99, 198):
        console.write_text(HEALTHY * (1 + int(now[0])))
        watch.look()
    now[0] = 297
    watch.look()
    now[0] = 298
    with pytest.raises(Stalled, match="silent for 100 s"):
        watch.look()


def test_what_is_set_aside_is_kept_and_the_writer_goes_on_in_the_same_file(tmp_path: Path) -> None:
    console = tmp_path / "console.log"
    with console.open("a") as writer:
        writer.write(HEALTHY + STALLED)
        writer.flush()
        kept = set_aside(console, 1)
        writer.write(HEALTHY)
    assert kept.read_text() == HEALTHY + STALLED
    assert console.read_text() == HEALTHY
