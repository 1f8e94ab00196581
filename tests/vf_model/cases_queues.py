"""Several receive queues: which frame goes where, computed here by itself, and what a PF may do to them."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.vf_model import drivers
from tests.vf_model.cases import RATE, case, expect, expect_same, expect_text, own_bound
from tests.vf_model.drivers import CAPTURE_S, Bench
from tests.vf_model.frames import FOREIGN_MAC, SENDER, make_frames
from tests.vf_model.machine import Machine

OWN_KEY = b"\x6d\x5a" * 20  # what hpcapvf gives a card that has a table of its own
PF_KEY = b"\x5a" * 40  # what the model's PF has chosen
QUEUES = 4
LISTENERS_MAX = 8


def toeplitz(key: bytes, data: bytes) -> int:
    """Hash as Microsoft's "RSS Hashing Functions" defines it: the key as one long number, shifted bit by bit."""
    number, bits = int.from_bytes(key), 8 * len(key)
    result = 0
    for position in range(8 * len(data)):
        if data[position // 8] >> (7 - position % 8) & 1:
            result ^= number >> (bits - 32 - position) & 0xFFFFFFFF
    return result


def make_flows(count: int) -> list[bytes]:
    """TCP over IPv4 in both directions of each flow, with frames of no flow between them."""
    chance = random.Random(7)  # noqa: S311 - reproducible, not secret
    frames = []
    for number, other in enumerate(make_frames(count)):
        one, two = chance.randbytes(4), chance.randbytes(4)
        ports = chance.randbytes(2), chance.randbytes(2)
        for source, target, head in ((one, two, ports[0] + ports[1]), (two, one, ports[1] + ports[0])):
            ip = struct.pack("!BBHHHBBH", 0x45, 0, 40, number, 0x4000, 64, 6, 0) + source + target
            frames.append(FOREIGN_MAC + SENDER + b"\x08\x00" + ip + head + chance.randbytes(22))
        frames.append(other)
    return frames


def queue_of(frame: bytes, key: bytes, queues: int) -> int:
    """Frames that are no IP have no hash."""
    if frame[12:14] != b"\x08\x00":
        return 0
    return toeplitz(key, frame[26:38]) % 64 % queues


def shared_out(frames: list[bytes], key: bytes, queues: int) -> list[list[bytes]]:
    """The frames of each queue."""
    return [[frame for frame in frames if queue_of(frame, key, queues) == queue] for queue in range(queues)]


@contextmanager
def loaded_with(machine: Machine, parameters: str) -> Iterator[None]:
    """The module with these parameters more; afterwards as the other cases want it."""
    machine.run(f"rmmod hpcapvf 2>/dev/null; insmod hpcapvf.ko {drivers.PARAMETERS} {parameters}")
    try:
        yield
    finally:
        machine.run("rmmod hpcapvf", may_fail=True)


def capture_queues(bench: Bench, sent: list[bytes], wanted: list[list[bytes]]) -> None:
    """hpcapdump on each node: every frame where it belongs, in order, and nothing twice."""
    node = bench.own()["node"].removesuffix("_0")
    for queue, frames in enumerate(wanted):
        bench.machine.run(
            f"rm -f queue{queue}.pcap queue{queue}.status\n"
            f"(bin/hpcapdump -c {len(frames)} /dev/{node}_{queue} >queue{queue}.pcap 2>queue{queue}.log; "
            f"echo $? >queue{queue}.status) &"
        )
        folder = f"/sys/class/misc/{node}_{queue}/hpcapvf"
        bench.machine.wait_for(f"[ $(cat {folder}/listeners) = 1 ]", what=f"a listener of queue {queue}")
    bench.send(sent, rate=RATE)
    bench.model.wait_sent(CAPTURE_S)
    for queue, frames in enumerate(wanted):
        bench.machine.wait_for(f"[ -e queue{queue}.status ]", what=f"{len(frames)} frames in queue {queue}")
        expect_same(bench.captured(f"queue{queue}.pcap"), frames)


def queue_files(bench: Bench, name: str) -> list[str]:
    """A file of hpcapvf for each queue, in their order."""
    node = bench.own()["node"].removesuffix("_0")
    return bench.machine.run(f"cat /sys/class/misc/{node}_[0-9]/hpcapvf/{name}").split()


@case
def queues_share_out_the_frames(machine: Machine) -> dict[str, Any]:
    """A table of the function's own (X550), and one of the PF's (82599); each queue goes round several times."""
    sent = make_flows(200)
    result = {}
    with loaded_with(machine, f"queues={QUEUES} rx_descriptors=64"):
        for card, queues, key in (("X550", QUEUES, OWN_KEY), ("82599", 2, PF_KEY)):
            bench, _ = own_bound(machine, card, f"set queues {queues}", "set shares-out 1")
            wanted = shared_out(sent, key, queues)
            capture_queues(bench, sent, wanted)
            counts = [str(len(frames)) for frames in wanted]
            expect(queue_files(bench, "queue"), [str(queue) for queue in range(queues)], "queue numbers")
            expect(queue_files(bench, "published"), counts, "published in each queue")
            expect(bench.own()["queues"], str(queues), "queues")
            result[card] = {"sent": len(sent), "in each queue": [len(frames) for frames in wanted]}
            bench.release()
    return result


@case
def queues_as_many_as_there_are(machine: Machine) -> dict[str, Any]:
    """One is captured unless more are asked for, and never more than the PF gives."""
    bench, _ = own_bound(machine, "X550", "set queues 4")
    expect(bench.own()["queues"], "1", "queues without the parameter")
    bench.release()
    with loaded_with(machine, f"queues={QUEUES}"):
        for given, used in ((1, "1"), (3, "2"), (8, "4")):
            bench, log = own_bound(machine, "X550", f"set queues {given}")
            expect(bench.own()["queues"], used, f"queues with {given} given")
            if int(used) < QUEUES:
                expect_text(log, f"{QUEUES} receive queues asked for, {used} there")
            bench.release()
    return {"given: used": "1: 1, 3: 2, 8: 4 of 4 asked for"}


@case
def queues_after_a_pf_reset(machine: Machine) -> dict[str, Any]:
    """All of them capture again; with fewer than before the function waits, since somebody listens to each."""
    sent = make_flows(20)
    with loaded_with(machine, f"queues={QUEUES}"):
        bench, _ = own_bound(machine, "X550", f"set queues {QUEUES}")
        bench.model.say("pf-reset 300")
        bench.wait_own("resets", "1")
        bench.wait_own("state", "up")
        capture_queues(bench, sent, shared_out(sent, OWN_KEY, QUEUES))
        machine.run("dmesg --clear")
        bench.model.say("set queues 1")
        bench.model.say("pf-reset 300")
        bench.wait_own("state", "resetting")
        machine.wait_for("dmesg | grep -q 'gives 1 receive queues now, 4 are captured'", what="the refusal in the log")
        bench.model.say(f"set queues {QUEUES}")
        bench.wait_own("state", "up")
        expect(queue_files(bench, "resets"), ["2"] * QUEUES, "resets")
        capture_queues(bench, sent, shared_out(sent, OWN_KEY, QUEUES))
        bench.release()
    return {"resets": 2, "sent after each": len(sent)}


@case
def queues_have_listeners_of_their_own(machine: Machine) -> dict[str, Any]:
    """Eight of each queue; a full one does not touch another."""
    with loaded_with(machine, "queues=2"):
        bench, _ = own_bound(machine, "X550", "set queues 2")
        node = "/dev/" + bench.own()["node"].removesuffix("_0")
        held = " ".join(f"{number}<{node}_1" for number in (0, *range(3, 10)))
        said = machine.run(
            f"exec {held}\ncat /sys/class/misc/{node[5:]}_[01]/hpcapvf/listeners\n"
            f"(: <{node}_1) 2>/dev/null || echo full\n(: <{node}_0) && echo free"
        )
        expect(said.split(), ["0", str(LISTENERS_MAX), "full", "free"], "listeners of queue 0 and 1, and the ninth")
        bench.release()
    return {"listeners of a queue": LISTENERS_MAX}
