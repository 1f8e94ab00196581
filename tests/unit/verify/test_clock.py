"""The guest's clock: what its shell says, as a clock. Lines of chronyc are those of chrony 4.3, seen."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from hpcapvf.host.protocols import CommandResult
from hpcapvf.model.errors import StepFailed
from hpcapvf.verify.clock import GuestClock, parse_clock, read_clock
from tests.fakes.streams import StreamsByRunning

BEFORE = (
    "tracking=00000000,,0,0.000000000,0.000000000,0.000000000,0.000000000,0.000,0.000,0.000,"
    "1.000000000,1.000000000,0.0,Not synchronised\n"
    "source=^,?,127.0.0.1,8,6,1,0,0.000008351,0.000008351,0.000012355\n"
)
AFTER = (
    "tracking=7F000001,127.0.0.1,9,1795426932.301718333,-0.000001625,-0.000011717,0.000011717,-0.387,-0.713,16.488,"
    "0.000008121,0.000083674,2.0,Normal\n"
    "source=^,*,127.0.0.1,8,6,17,3,-0.000000197,-0.000011914,0.000004120\n"
)
CHRONY = "unit=chrony.service\n"
END = "script=end\n"


def test_chrony_before_it_has_a_source() -> None:
    clock = parse_clock(CHRONY + BEFORE + END)
    assert clock == GuestClock("chrony", synchronised=False)
    assert clock.describe() == "kept by chrony, not synchronised, offset unknown, error unknown"


def test_chrony_that_follows_a_server() -> None:
    clock = parse_clock(CHRONY + AFTER + END)
    assert (clock.keeper, clock.source, clock.synchronised) == ("chrony", "127.0.0.1", True)
    assert clock.offset_s == pytest.approx(-1.625e-6)
    assert clock.error_s == pytest.approx(1.625e-6 + 83.674e-6 + 8.121e-6 / 2)
    assert clock.describe() == ("kept by chrony, synchronised to 127.0.0.1, offset -1.6 µs, error at most 89.4 µs")


def test_a_reference_clock_is_named_as_the_kernel_names_it() -> None:
    text = "ptp=ptp0 KVM virtual PTP\n" + CHRONY + AFTER.replace("^,*,127.0.0.1", "#,*,KVM") + END
    clock = parse_clock(text)
    assert clock.ptp == ("ptp0 KVM virtual PTP",)
    assert clock.source == "reference clock KVM (KVM virtual PTP)"


def test_chronyd_that_does_not_answer_is_unknown_and_not_wrong() -> None:
    clock = parse_clock(CHRONY + "tracking=\n" + END)
    assert (clock.keeper, clock.synchronised, clock.offset_s) == ("chrony", None, None)
    assert "does not answer" in clock.describe()
    assert "unknown whether synchronised" in clock.describe()


@pytest.mark.parametrize(("said", "expected"), [("yes", True), ("no", False), ("", None)])
def test_timesyncd(said: str, expected: bool | None) -> None:
    text = f"unit=systemd-timesyncd.service\nNTPSynchronized={said}\nServerName=\nServerAddress=192.0.2.1\n{END}"
    clock = parse_clock(text)
    assert (clock.keeper, clock.source, clock.synchronised) == ("systemd-timesyncd", "192.0.2.1", expected)
    assert clock.offset_s is None


def test_nobody_keeps_it_is_said_plainly() -> None:
    clock = parse_clock(END)
    assert (clock.keeper, clock.synchronised) == ("nobody", False)
    assert clock.describe().startswith("not kept")


def test_another_service_is_named_and_nothing_is_claimed_of_it() -> None:
    clock = parse_clock("unit=ntpsec.service\n" + END)
    assert (clock.keeper, clock.synchronised) == ("ntpsec", None)
    assert "not asked" in clock.describe()


class Guest(StreamsByRunning):
    """Answers every command with one text, or not at all."""

    def __init__(self, text: str | None) -> None:
        self.text = text

    def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None) -> CommandResult:
        if self.text is None:
            raise StepFailed("ssh: no route to host")
        return CommandResult(tuple(argv), 0, self.text, "")

    def put(self, data: bytes, path: str, mode: int = 0o644) -> None:
        raise AssertionError("reading writes nothing")

    def get(self, path: str, limit: int) -> bytes:
        raise AssertionError("reading fetches nothing")


def test_a_guest_that_is_silent_has_an_unknown_clock() -> None:
    assert read_clock(Guest(None)).describe() == "unknown: ssh: no route to host"
    assert read_clock(Guest("")).keeper == "unknown"
    assert read_clock(Guest(CHRONY + AFTER + END)).synchronised is True
