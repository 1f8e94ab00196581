"""What is tried, each on a card of its own choice. A case returns the figures that go into the result."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tests.vf_model import drivers
from tests.vf_model.drivers import Bench
from tests.vf_model.frames import make_frames, without_tag
from tests.vf_model.machine import CARDS, Machine

Case = Callable[[Machine], dict[str, Any]]
CASES: dict[str, Case] = {}
RATE = 400
ENXIO = 6


class NotAsExpected(AssertionError):
    """A case failed."""


def case(function: Case) -> Case:
    """Register a case under its function's name."""
    CASES[function.__name__] = function
    return function


def expect(seen: object, wanted: object, what: str) -> None:
    """Fail with both values."""
    if seen != wanted:
        raise NotAsExpected(f"{what}: {seen!r}, expected {wanted!r}")


def expect_text(text: str, wanted: str) -> None:
    """Fail with the text."""
    if wanted not in text:
        raise NotAsExpected(f"expected `{wanted}` in: {text!r}")


def expect_same(got: list[bytes], sent: list[bytes]) -> None:
    """Every frame, unaltered and in order."""
    for number, (one, other) in enumerate(zip(got, sent, strict=False)):
        if one != other:
            where = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), "its end")
            raise NotAsExpected(
                f"frame {number}, {len(one)} bytes of {len(other)}, differs from byte {where} on: {one[:32].hex()}…"
            )
    expect(len(got), len(sent), "frames captured")


def capture_stock(bench: Bench, name: str, count: int) -> dict[str, Any]:
    """ixgbevf has tags taken out, and gives back only those of VLANs that it was told of: none here."""
    return capture_frames_of_stock(bench, name, make_frames(count))


def capture_frames_of_stock(bench: Bench, name: str, sent: list[bytes]) -> dict[str, Any]:
    """The same with these frames."""
    got = drivers.capture_with_stock(bench, name, sent, rate=RATE)
    expect_same(got, [without_tag(frame) for frame in sent])
    return {"sent": len(sent), "identical but for tags": len(sent)}


def own_bound(machine: Machine, card: str, *commands: str) -> tuple[Bench, str]:
    """A card with hpcapvf on it, after commands to the model. Returns the kernel's words, too."""
    bench = Bench(machine, card)
    bench.release()
    for command in commands:
        bench.model.say(command)
    drivers.load_own(machine)
    return bench, bench.bind("hpcapvf")


def refused(machine: Machine, card: str, error: int, text: str, *commands: str) -> dict[str, Any]:
    """hpcapvf does not take the card: with that error, and saying so."""
    began = time.monotonic()
    bench, log = own_bound(machine, card, *commands)
    expect_text(log, text)
    if error != ENXIO:  # that one the kernel only counts as "not my device"
        expect_text(log, f"failed with error -{error}")
    machine.run(f"[ ! -e {drivers.SYSFS}/{bench.model.address}/driver ]")
    return {"probe_error": -error, "said": text, "seconds": round(time.monotonic() - began, 1)}


def capture(bench: Bench, count: int = 200) -> dict[str, Any]:
    """hpcapvf captures a few frames as they are."""
    sent = make_frames(count)
    expect_same(drivers.capture_with_own(bench, sent, rate=RATE), sent)
    return {"sent": count, "identical": count}


@case
def stock_ixgbevf(machine: Machine) -> dict[str, Any]:
    """Linux' own driver takes the model of each card for real."""
    result = {}
    for card in CARDS:
        bench = Bench(machine, card)
        bench.release()
        name = drivers.start_stock(bench)
        result[card] = capture_stock(bench, name, 500 if card in ("82599", "X550") else 100)
        status = bench.model.status()
        expect(status["unknown_writes"], 0, "writes to registers that the model does not have")
        bench.release()
    return result


@case
def stock_ixgbevf_after_pf_reset(machine: Machine) -> dict[str, Any]:
    """Its recovery is the measure for ours."""
    bench = Bench(machine, "82599")
    bench.release()
    name = drivers.start_stock(bench)
    bench.model.say("pf-reset 500")
    time.sleep(2)
    drivers.wait_stock_link(bench, name)
    result = capture_stock(bench, name, 100)
    bench.release()
    return result


@case
def dpdk_ixgbe_vf(machine: Machine) -> dict[str, Any]:
    """DPDK's driver, too."""
    result = {}
    for card in ("82599", "X550"):
        bench = Bench(machine, card)
        bench.release()
        sent = make_frames(500)
        expect_same(drivers.capture_with_dpdk(bench, sent, rate=RATE), sent)
        expect(bench.model.status()["unknown_writes"], 0, "writes to registers that the model does not have")
        result[card] = {"sent": 500, "identical": 500}
        bench.release()
    return result


@case
def own_on_every_card(machine: Machine) -> dict[str, Any]:
    """hpcapvf, every device ID."""
    result = {}
    for card in CARDS:
        bench, log = own_bound(machine, card)
        expect_text(log, "mailbox API 1.3")
        result[card] = capture(bench, 1000 if card in ("82599", "X550") else 100)
        expect(bench.own()["errors"], "0", "errors")
        bench.release()
    return result


@case
def api_from_highest_down(machine: Machine) -> dict[str, Any]:
    """An older PF is spoken to in its own version, and asked nothing that it does not know."""
    result = {}
    for name, number, allmulti in (("1.2", 3, "lowered"), ("1.1", 2, "not asked"), ("1.0", 0, "not asked")):
        bench, log = own_bound(machine, "X540", f"set api-highest {number}")
        expect_text(log, f"mailbox API {name}")
        expect(bench.own()["allmulti"], allmulti, f"allmulti with API {name}")
        expect(bench.own()["promiscuous"], "not asked", f"promiscuous with API {name}")
        result[name] = capture(bench, 50)
        bench.release()
    return result


@case
def silent_lowering_is_seen(machine: Machine) -> dict[str, Any]:
    """What the PF really gave stands in sysfs, with both PF drivers, trust and a promiscuous PF."""
    wanted = {
        ("82599",): ("not asked", "lowered"),
        ("82599", "set trusts 1"): ("not asked", "granted"),
        ("82599", "set dpdk 1"): ("not asked", "granted"),
        ("X550",): ("lowered", "lowered"),
        ("X550", "set trusts 1"): ("refused", "granted"),
        ("X550", "set trusts 1", "set promiscuous 1"): ("granted", "granted"),
        ("X550", "set dpdk 1"): ("refused", "granted"),
        ("X550", "refuse 12 1"): ("refused", "refused"),
    }
    for (card, *commands), answers in wanted.items():
        bench, _ = own_bound(machine, card, *commands)
        own = bench.own()
        expect((own["promiscuous"], own["allmulti"]), answers, f"{card} {commands}")
        bench.release()
    return {"answers": {" ".join(key): f"promiscuous {value[0]}, allmulti {value[1]}" for key, value in wanted.items()}}


@case
def filters_follow_the_answer(machine: Machine) -> dict[str, Any]:
    """Without a mirror, what arrives is what the answer in sysfs promises."""
    sent = [frame for frame in make_frames(200) if frame[12:14] != b"\x81\x00"]
    own = [frame for frame in sent if not frame[0] & 1 and frame[5] == 1]
    result = {}
    for commands, passes in (
        ((), lambda frame: frame[:6] == b"\xff" * 6),
        (("set trusts 1",), lambda frame: frame[0] & 1),
        (("set trusts 1", "set promiscuous 1"), lambda frame: True),
    ):
        bench, _ = own_bound(machine, "X550", "set mirrors 0", *commands)
        wanted = [frame for frame in sent if frame in own or passes(frame)]
        drivers.start_own_capture(bench, len(wanted))
        bench.send(sent, rate=RATE)
        bench.model.wait_sent(60)
        expect_same(drivers.end_own_capture(bench), wanted)
        expect(bench.own()["received"], str(len(wanted)), "frames received")
        result[" ".join(commands) or "untrusted"] = {"sent": len(sent), "identical": len(wanted)}
        bench.release()
    return result
