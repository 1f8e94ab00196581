"""Frames that span several descriptors."""

from __future__ import annotations

import time
from typing import Any

from tests.vf_model import drivers
from tests.vf_model.cases import RATE, capture_frames_of_stock, case, expect, expect_same, expect_text, own_bound
from tests.vf_model.drivers import Bench
from tests.vf_model.frames import make_frames
from tests.vf_model.machine import Machine

# around each border of a 2 KiB buffer, an MTU of 9000, and what the PFs take at most
LENGTHS = (60, 1514, 2047, 2048, 2049, 4092, 4096, 4097, 9014, 9700)
BUFFER_BYTES = 2048
CAPLEN = 3000


def pieces_of(frames: list[bytes]) -> int:
    """How many of the frames need more than one descriptor."""
    return sum(len(frame) > BUFFER_BYTES for frame in frames)


@case
def jumbo_stock_ixgbevf(machine: Machine) -> dict[str, Any]:
    """Linux' own driver takes the model's long frames, too."""
    result = {}
    for card in ("82599", "X550"):
        bench = Bench(machine, card)
        bench.release()
        bench.model.say("set mtu 9000")
        name = drivers.start_stock(bench)
        machine.run(f"ip link set {name} mtu 9000")
        drivers.wait_stock_link(bench, name)
        result[card] = capture_frames_of_stock(bench, name, make_frames(100, lengths=(60, 1514, 4097, 9000)))
        bench.release()
    return result


@case
def jumbo_frames_are_one_record(machine: Machine) -> dict[str, Any]:
    """Every family member, at every border; tags stay."""
    result = {}
    for card in ("82599", "X540", "X550", "X553"):
        bench, log = own_bound(machine, card, "set mtu 9000")
        expect_text(log, "frames up to 9724 bytes")
        sent = make_frames(300 if card in ("82599", "X550") else 50, lengths=LENGTHS)
        expect_same(drivers.capture_with_own(bench, sent, rate=RATE), sent)
        own = bench.own()
        expect((own["errors"], own["received"]), ("0", str(len(sent))), "errors, received")
        result[card] = {"sent": len(sent), "identical": len(sent), "of several descriptors": pieces_of(sent)}
        bench.release()
    return result


@case
def jumbo_refused_is_said(machine: Machine) -> dict[str, Any]:
    """An 82599 PF with MTU 1500 takes no long frames, and the log says so."""
    bench, log = own_bound(machine, "82599")
    expect_text(log, "frames of 9724 bytes: refused by the physical function")
    expect_text(log, "frames up to 1514 bytes")
    before = bench.model.status()["too_long"]
    bench.send(make_frames(20, lengths=(4096,)), rate=RATE)
    bench.model.wait_sent(60)
    expect(bench.model.status()["too_long"] - before, 20, "frames that the card did not take")
    expect(bench.own()["received"], "0", "received")
    bench.release()
    return {"said": "refused, frames up to 1514 bytes"}


@case
def jumbo_cut_by_a_reset(machine: Machine) -> dict[str, Any]:
    """The beginning of a frame, then a reset: one error, no record, and the next frames are whole."""
    bench, _ = own_bound(machine, "X550", "set mtu 9000")
    sent = make_frames(40, lengths=(9010,))
    drivers.start_own_capture(bench, 80)
    bench.send(sent, rate=RATE)
    bench.model.wait_sent(60)
    bench.model.say("set cut 1")
    bench.send(make_frames(1, lengths=(9010,), seed=7), rate=RATE)
    bench.model.wait_sent(60)
    time.sleep(1)
    expect(bench.model.status()["cut"] > 0, True, "a frame was cut")
    expect((bench.own()["received"], bench.own()["errors"]), ("40", "0"), "before the reset: received, errors")
    bench.model.say("pf-reset 300")
    bench.wait_own("resets", "1", timeout_s=60)
    bench.wait_own("errors", "1")
    bench.send(sent, rate=RATE)
    bench.model.wait_sent(60)
    expect_same(drivers.end_own_capture(bench), sent + sent)
    own = bench.own()
    expect((own["received"], own["published"], own["errors"]), ("81", "80", "1"), "received, published, errors")
    bench.release()
    return {"sent whole": 80, "identical": 80, "cut": 1, "errors": 1}


@case
def jumbo_with_caplen(machine: Machine) -> dict[str, Any]:
    """The kept bytes reach across the border of a buffer, the length is the frame's."""
    bench = Bench(machine, "X540")
    bench.release()
    machine.run("[ ! -d /sys/module/hpcapvf ] || rmmod hpcapvf")
    machine.run(f"insmod hpcapvf.ko {drivers.PARAMETERS} caplen={CAPLEN}")
    try:
        bench.model.say("set mtu 9000")
        bench.bind("hpcapvf")
        sent = make_frames(60, lengths=LENGTHS)
        got = drivers.capture_with_own(bench, sent, rate=RATE)
        expect_same(got, [frame[:CAPLEN] for frame in sent])
        expect(bench.own()["published_bytes"], str(sum(map(len, sent))), "bytes on the wire")
    finally:
        bench.release()
        machine.run("rmmod hpcapvf")
    return {"sent": len(sent), "caplen": CAPLEN, "longest": max(map(len, sent))}
