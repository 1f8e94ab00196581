"""What counts as a complaint of a small machine's kernel, and what a suite reads from its console."""

from __future__ import annotations

import pytest

from tests.device.suites import read_console
from tests.vm.machine import complaints

COMPLAINTS = (
    "[   12.345678] WARNING: CPU: 0 PID: 77 at mm/vmalloc.c:3000 vunmap+0x1/0x2",
    "[   12.345678] BUG: KASAN: slab-use-after-free in hpcapvf_open+0x10/0x20 [hpcapvf]",
    "[  130.000001] watchdog: BUG: soft lockup - CPU#0 stuck for 120s! [hpcap_p1s0:99]",
    "[    0.900000] BUG: unable to handle page fault for address: ffff888000000000",
    "[   12.345678] Oops: general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1]",
    "[   12.345678] UBSAN: array-index-out-of-bounds in kernel/x.c:1:2",
    "[   12.345678] WARNING: possible circular locking dependency detected",
    "[   12.345678] WARNING: inconsistent lock state",
    "[   12.345678] WARNING: suspicious RCU usage",
    "[  250.123456] INFO: task rmmod:88 blocked for more than 120 seconds.",
    "[  250.123456] rcu: INFO: rcu_preempt self-detected stall on CPU",
    "[   12.345678] DMA-API: igb 0000:01:00.0: device driver frees DMA memory with different size",
    "[   12.345678] refcount_t: underflow; use-after-free.",
    "[   12.345678] Kernel panic - not syncing: Attempted to kill init!",
)


@pytest.mark.parametrize("line", COMPLAINTS)
def test_a_complaint_is_seen(line: str) -> None:
    assert complaints(f"FACT cycles 3\n{line}\r\nCASE vf 0\r\n") == (line,)


def test_a_complaint_in_the_middle_of_a_programs_line_is_seen() -> None:
    assert complaints("all 200 frames[    7.000000] WARNING: CPU: 0 PID: 1\n")


def test_each_complaint_is_told_once() -> None:
    assert complaints(f"{COMPLAINTS[0]}\n{COMPLAINTS[0]}\n") == (COMPLAINTS[0],)


@pytest.mark.parametrize(
    "line",
    [
        "[    0.064000] tsc: Unable to calibrate against PIT",
        "[   80.123456] hpcapvf: rx_descriptors=63: must be 64 to 4096, a multiple of 8",
        "WARNING: of a program, not of the kernel",
    ],
)
def test_other_words_are_no_complaint(line: str) -> None:
    assert complaints(line + "\n") == ()


def test_leaks_are_complaints() -> None:
    said = "KERNEL unreferenced object 0xffff888001 (size 64):\nCASE ring 0\n"
    assert read_console(said, "ring").kernel == ("unreferenced object 0xffff888001 (size 64):",)


def test_a_machine_that_never_said_how_it_ended_has_not_passed() -> None:
    ran = read_console("FACT reader_ended_with 5\n", "removal")
    assert (ran.status, ran.passed, ran.facts) == (None, False, ("reader_ended_with 5",))


@pytest.mark.parametrize(("status", "passed"), [("0", True), ("1", False)])
def test_the_scripts_status_decides(status: str, passed: bool) -> None:
    assert read_console(f"CASE ring {status}\r\n", "ring").passed is passed
