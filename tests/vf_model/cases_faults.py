"""Refusals, silence, resets: what goes wrong between the two functions."""

from __future__ import annotations

import time
from typing import Any

from tests.vf_model import drivers
from tests.vf_model.cases import ENXIO, RATE, capture, case, expect, expect_same, expect_text, own_bound, refused
from tests.vf_model.frames import make_frames
from tests.vf_model.machine import Machine

ETIMEDOUT, ETIME, EACCES = 110, 62, 13


@case
def pf_says_nothing(machine: Machine) -> dict[str, Any]:
    """A PF that is down, and one that reads its mail and never answers."""
    return {
        "silent": refused(machine, "82599", ETIMEDOUT, "no answer from the physical function", "set silent 1"),
        "deaf": refused(machine, "82599", ETIMEDOUT, "no answer from the physical function", "set deaf 1"),
    }


@case
def pf_stays_in_reset(machine: Machine) -> dict[str, Any]:
    """And afterwards the same card is taken."""
    result = refused(machine, "82599", ETIME, "still in reset", "pf-reset 6000")
    time.sleep(6)
    bench, _ = own_bound(machine, "82599")
    result["afterwards"] = capture(bench, 50)
    bench.release()
    return result


@case
def pf_refuses_what_is_needed(machine: Machine) -> dict[str, Any]:
    """Queues; and the frame length, where that means that nothing would arrive."""
    queues = refused(machine, "X550", EACCES, "gives this function no receive queue", "refuse 9 1")
    length = refused(machine, "82599", EACCES, "takes no frame length", "set mtu 9000", "set api-highest 0")
    return {"GET_QUEUES": queues, "LPE with API 1.0, PF with MTU 9000": length}


@case
def no_address_assigned(machine: Machine) -> dict[str, Any]:
    """Linux' PF driver refuses RESET then: the function chooses an address, and captures."""
    bench, log = own_bound(machine, "82599", "set assigns-mac 0")
    expect_text(log, "no address assigned by the physical function: using")
    result = capture(bench, 50)
    bench.release()
    return result


@case
def receive_held_until_length_is_asked(machine: Machine) -> dict[str, Any]:
    """An 82599 PF with MTU 9000 lets nothing in before LPE; long frames come then."""
    bench, _ = own_bound(machine, "82599", "set mtu 9000")
    expect(bench.model.status()["receive_on"], True, "receive is on")
    sent = make_frames(100, lengths=(60, 1514, 1800, 2040))
    expect_same(drivers.capture_with_own(bench, sent, rate=RATE), sent)
    bench.release()
    return {"sent": 100, "identical": 100, "longest": max(map(len, sent))}


@case
def refused_length_turns_receive_off(machine: Machine) -> dict[str, Any]:
    """An 82599 PF with MTU 1500 refuses more than that, and the driver asks for less."""
    bench, log = own_bound(machine, "82599")
    asked = bench.model.status()["asked"]["5"]
    expect_text(log, "frames up to 1514 bytes")
    expect(bench.model.status()["receive_on"], True, "receive is on")
    result = {**capture(bench, 50), "LPE asked and refused so far": asked}
    bench.release()
    return result


@case
def dpdk_pf_takes_no_length(machine: Machine) -> dict[str, Any]:
    """DPDK's PF driver refuses every length on an 82599, and frames come all the same."""
    bench, log = own_bound(machine, "82599", "set dpdk 1")
    expect_text(log, "takes no frame length: frames beyond 1514 bytes may be missing")
    result = capture(bench, 50)
    bench.release()
    return result


@case
def pf_reset_in_mid_capture(machine: Machine) -> dict[str, Any]:
    """Linux' PF driver says when it is back; with DPDK's only the mailbox's bits tell."""
    return {
        "Linux": reset_in_mid_capture(machine, "82599", "set trusts 1"),
        "DPDK": reset_in_mid_capture(machine, "X550", "set dpdk 1"),
    }


def reset_in_mid_capture(machine: Machine, card: str, manner: str) -> dict[str, Any]:
    """Frames of the reset are lost and counted by the model; all others are there, in order, and capture goes on."""
    bench, _ = own_bound(machine, card, manner)
    before = bench.model.status()
    sent = make_frames(1200)
    drivers.start_own_capture(bench, len(sent))
    bench.send(sent, rate=200)
    time.sleep(2)
    bench.model.say("pf-reset 1000")
    bench.wait_own("resets", "1", timeout_s=60)
    bench.model.wait_sent(60)
    time.sleep(1)
    got = drivers.end_own_capture(bench, timeout_s=3)
    after, own = bench.model.status(), bench.own()
    lost = after["receive_off"] - before["receive_off"]
    delivered = after["delivered"] - before["delivered"]
    expect(own["state"], "up", "state")
    expect(own["allmulti"], "granted", "asked again after the reset")
    expect(delivered + lost, len(sent), "frames delivered and lost")
    expect(own["received"], str(delivered), "frames received")
    expect(lost > 0 and delivered > lost, True, f"some lost ({lost}), more delivered ({delivered})")
    gap = next(number for number, frame in enumerate(got) if frame != sent[number])
    expect_same(got, sent[:gap] + sent[gap + len(sent) - len(got) :])
    result = {"sent": len(sent), "identical": len(got), "lost in the reset": lost, "gap at": gap}
    bench.release()
    return result


@case
def pf_silent_after_reset(machine: Machine) -> dict[str, Any]:
    """The PF comes back without its driver: the state says so, and capture resumes when it answers again."""
    bench, _ = own_bound(machine, "82599")
    bench.model.say("set silent 1")
    bench.model.say("pf-reset 100")
    bench.wait_own("state", "resetting")
    time.sleep(5)
    expect(bench.own()["state"], "resetting", "state while nobody answers")
    expect(bench.own()["link"], "0", "link while nobody answers")
    bench.model.say("set silent 0")
    bench.wait_own("state", "up")
    result = capture(bench, 50)
    log = machine.run("dmesg --notime")
    expect(log.count("no answer from the physical function") <= 1, True, "said once, not again and again")
    bench.release()
    return result


@case
def registers_read_all_ones(machine: Machine) -> dict[str, Any]:
    """A function that fell off the bus: not taken; and if it was taken before, set up anew when it is back."""
    result = refused(machine, "X553", ENXIO, "registers read as all ones", "set gone 1")
    bench, _ = own_bound(machine, "X553")
    bench.model.say("set gone 1")
    bench.wait_own("state", "unreachable")
    expect(bench.own()["link"], "0", "link while unreachable")
    bench.model.say("set gone 0")
    bench.wait_own("state", "up")
    expect(bench.own()["resets"], "1", "resets")
    result["afterwards"] = capture(bench, 50)
    bench.release()
    return result


@case
def link_goes_and_comes(machine: Machine) -> dict[str, Any]:
    """On an 82599 a single read that says up is not believed."""
    bench, _ = own_bound(machine, "82599", "set glitch 3")
    expect(bench.own()["link"], "1", "link at first")
    bench.model.say("set link 0")
    bench.wait_own("link", "0")
    seen = machine.run(
        f"for i in $(seq 60); do cat /sys/bus/pci/devices/{bench.model.address}/hpcapvf/link; sleep 0.02; done"
    ).split()
    expect(set(seen), {"0"}, "60 looks while the link is down and every third read says up")
    bench.model.say("set link 1")
    bench.wait_own("link", "1")
    result = {"looks": len(seen), **capture(bench, 50)}
    expect(bench.own()["resets"], "0", "resets: a link that changes is none")
    bench.release()
    return result


@case
def drops_without_descriptors(machine: Machine) -> dict[str, Any]:
    """What the card dropped never reaches the driver, and everything else does."""
    bench, _ = own_bound(machine, "X550")
    before = bench.model.status()
    sent = make_frames(6000, lengths=(60,))
    bench.send(sent, rate=1_000_000, wait=False)
    bench.model.wait_sent(60)
    time.sleep(1)
    after, own = bench.model.status(), bench.own()
    dropped = after["no_descriptors"] - before["no_descriptors"]
    delivered = after["delivered"] - before["delivered"]
    expect(dropped > 0, True, "the card ran out of descriptors")
    expect(dropped + delivered, len(sent), "dropped and delivered")
    expect(own["received"], str(delivered), "received")
    expect(own["no_listener_drops"], str(delivered), "dropped for want of a listener")
    bench.release()
    return {"sent": len(sent), "delivered": delivered, "dropped by the card": dropped}
