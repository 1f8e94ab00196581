"""Copies by tc against this machine's kernel: veth pairs stand for VFs and their representors, in a network of its own.

What a representor is sent reaches its VF, what the VF sends comes out of the representor: a veth pair does just that.
It needs root, iproute2 and a kernel with act_mirred; nothing outside the namespace is touched.
"""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from hpcapvf.apply.handler import Context, Trace
from hpcapvf.apply.handlers import handler_of
from hpcapvf.host.commands import LocalCommands
from hpcapvf.host.protocols import CommandResult
from hpcapvf.model.errors import StepFailed
from hpcapvf.model.progress import Silent
from hpcapvf.model.steps import MirrorByTc, WatchedVf
from hpcapvf.verify.copies import missing_copies
from tests.unit.apply.world import PF, VF, make_world

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("tc"), reason="needs root, ip and tc"
)
SPACE = f"hpcapvf-tc-{os.getpid()}"
WATCHED, AGENT, OTHER = 0, 2, 1
STEP = MirrorByTc(PF, AGENT, "rep2", ("rep0",), (WatchedVf("web1", VF, WATCHED),))
ALL_PROTOCOLS = 0x0003  # ETH_P_ALL
FRAMES = 50


@dataclass
class InSpace:
    """Commands that run in the namespace."""

    commands: LocalCommands

    def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None) -> CommandResult:
        """Run one there."""
        return self.commands.run(["ip", "netns", "exec", SPACE, *argv], timeout_s=timeout_s, stdin=stdin)


class Everything:
    """Files of which all are there."""

    def exists(self, _path: str) -> bool:
        """Yes."""
        return True


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=30)


@pytest.fixture
def space() -> Iterator[None]:
    """Three VFs with a representor each; no addresses, so that nothing else sends."""
    ip("netns", "add", SPACE)
    try:
        for number in (WATCHED, OTHER, AGENT):
            ip("-n", SPACE, "link", "add", "name", f"vf{number}", "type", "veth", "peer", "name", f"rep{number}")
            for name in (f"vf{number}", f"rep{number}"):
                ip("netns", "exec", SPACE, "sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=1")
                ip("-n", SPACE, "link", "set", name, "up")
        yield
    finally:
        ip("netns", "del", SPACE)


@pytest.fixture
def context(space: None, tmp_path: Path) -> Context:
    """A handler's, whose commands run in the namespace."""
    world = make_world(tmp_path)
    machine = replace(world.fake.machine, commands=InSpace(LocalCommands()), files=Everything())  # type: ignore[arg-type]
    return Context(machine, world.plan, Silent(), lambda _before: None)


def _enter(space: int) -> None:
    """setns(2); Python has it from 3.12 on."""
    if ctypes.CDLL(None, use_errno=True).setns(space, 0):
        raise OSError(ctypes.get_errno(), "setns")


@contextmanager
def inside() -> Iterator[None]:
    """This thread's sockets are made in the namespace."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{SPACE}", os.O_RDONLY)
    try:
        _enter(there)
        yield
    finally:
        _enter(home)
        os.close(home)
        os.close(there)


def frame(number: int, tag: bytes = b"") -> bytes:
    """To some unknown unicast MAC, told apart by its payload."""
    return b"\x02\x00\x00\x00\x00\x99\x02\x00\x00\x00\x00\x01" + tag + b"\x88\xb5" + number.to_bytes(4, "big") * 12


def received_by(listener: str, sender: str, frames: Sequence[bytes]) -> list[bytes]:
    """What comes to one interface while frames are sent from another."""
    with inside():
        ear = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
        mouth = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    with ear, mouth:
        ear.bind((listener, ALL_PROTOCOLS))
        mouth.bind((sender, 0))
        for one in frames:
            mouth.send(one)
        found = []
        while select.select([ear], [], [], 0.3)[0]:
            data, (_, _, kind, *_) = ear.recvfrom(65535)
            if kind != socket.PACKET_OUTGOING:
                found.append(data)
        return found


def do(step: MirrorByTc, context: Context) -> Trace:
    handler = handler_of(step)
    before = handler.observe(step, context)
    return Trace(before, handler.do(step, before, context))


def shown(context: Context) -> str:
    return "".join(
        context.machine.commands.run(["tc", *words.split(), "dev", "rep0"], timeout_s=10).stdout
        for words in ("qdisc show", "filter show")
    )


def test_both_directions_are_copied_whole_and_in_order(context: Context) -> None:
    to_vm = [frame(n) for n in range(FRAMES)]
    from_vm = [frame(1000 + n) for n in range(FRAMES)]
    assert received_by("vf2", "rep0", to_vm) == []  # nothing before
    trace = do(STEP, context)
    assert received_by("vf2", "rep0", to_vm) == to_vm
    assert received_by("vf2", "vf0", from_vm) == from_vm
    assert all(finding.ok for finding in missing_copies(STEP, context.machine))
    assert trace.after is not None
    assert "software" in trace.after["notes"][0]


def test_the_watched_vm_still_gets_and_sends_all(context: Context) -> None:
    frames = [frame(n) for n in range(FRAMES)]
    do(STEP, context)
    assert received_by("vf0", "rep0", frames) == frames
    assert received_by("rep0", "vf0", frames) == frames


def test_nobody_else_is_copied_and_nobody_else_is_given_copies(context: Context) -> None:
    frames = [frame(n) for n in range(FRAMES)]
    do(STEP, context)
    assert received_by("vf2", "rep1", frames) == []
    assert received_by("vf2", "vf1", frames) == []
    assert received_by("vf1", "vf0", frames) == []


def test_a_second_run_adds_nothing_and_says_so(context: Context) -> None:
    do(STEP, context)
    assert handler_of(STEP).satisfied(STEP, context) == "tc says so"
    before = shown(context)
    do(STEP, context)
    assert shown(context) == before
    frames = [frame(n) for n in range(FRAMES)]
    assert received_by("vf2", "rep0", frames) == frames  # once each


def test_undone_it_copies_nothing_and_leaves_nothing(context: Context) -> None:
    before = shown(context)
    trace = do(STEP, context)
    handler_of(STEP).undo(STEP, trace, context)
    assert shown(context) == before
    assert received_by("vf2", "rep0", [frame(1)]) == []
    assert not any(finding.ok for finding in missing_copies(STEP, context.machine))
    handler_of(STEP).undo(STEP, trace, context)  # twice is no error


def test_a_filter_that_somebody_took_away_is_seen_missing_and_made_again(context: Context) -> None:
    do(STEP, context)
    gone = "tc filter del dev rep0 egress pref 48005"
    assert context.machine.commands.run(gone.split(), timeout_s=10).returncode == 0
    assert [finding.ok for finding in missing_copies(STEP, context.machine)] == [False, True]
    assert handler_of(STEP).satisfied(STEP, context) is None
    do(STEP, context)
    assert all(finding.ok for finding in missing_copies(STEP, context.machine))


def test_an_ingress_queue_of_somebody_else_is_refused(context: Context) -> None:
    assert context.machine.commands.run(["tc", "qdisc", "add", "dev", "rep0", "ingress"], timeout_s=10).returncode == 0
    with pytest.raises(StepFailed, match="ingress queue of somebody else"):
        do(STEP, context)


def test_a_destination_that_does_not_exist_fails_and_undo_cleans_up(context: Context) -> None:
    before = shown(context)
    step = replace(STEP, to_interface="rep9")
    with pytest.raises(StepFailed, match="rep9"):
        do(step, context)
    handler_of(step).undo(step, Trace({"rep0": False}, None), context)
    assert shown(context) == before
