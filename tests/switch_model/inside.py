"""Runs in the small machine, as root: sets registers, sends frames, writes what every pool and the wire received.

``python3 -m tests.switch_model.inside SEED SETS FRAMES FILE``; FILE gets a line of JSON for each set of registers.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import socket
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from random import Random

from hpcapvf.nic.registers_1g import TABLE_82576 as TABLE
from hpcapvf.nic.switch import POOLS
from tests.switch_model.draw import READ_ONLY, SET, Held, Sent, elements, frames, registers

VFS = POOLS - 1
ETHERTYPE, TAG = b"\x88\xb5", b"\x81\x00"
SOURCE = bytes.fromhex("025e00000001")
LINK_S, SEND_S, QUIET_S = 150.0, 20.0, 0.3
SETTLE_S = 5.0
WIRE = POOLS
"""The wire's place in the list of network devices, after those of the pools."""


def must(command: str) -> None:
    """A shell command that has to succeed."""
    subprocess.run(command, shell=True, check=True, timeout=120)  # noqa: S602


def device_of(pci: Path) -> str:
    """The network device of a PCI function; waits for its driver."""
    deadline = time.monotonic() + LINK_S
    while not (found := list((pci / "net").glob("*"))):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{pci} got no network device")
        time.sleep(0.1)
    return found[0].name


def bring_up() -> tuple[Path, list[str]]:
    """The PF, and the devices of pools 0 to 7 (the last is the PF's) and of the wire, with their links up."""
    must("modprobe -a virtio_net igb igbvf")
    pf = next(Path("/sys/bus/pci/drivers/igb").glob("0000:*")).resolve()
    own = device_of(pf)
    must(f"ip link set {own} up")
    (pf / "sriov_numvfs").write_text(str(VFS))
    wire = device_of(next(Path("/sys/bus/virtio/drivers/virtio_net").glob("virtio*")))
    names = [*(device_of((pf / f"virtfn{n}").resolve()) for n in range(VFS)), own, wire]
    must(f"ip link set {wire} mtu 3000 promisc on")
    for name in names:
        must(f"ip link set {name} up")
    deadline = time.monotonic() + LINK_S
    while not all(Path(f"/sys/class/net/{name}/carrier").read_text().strip() == "1" for name in names):
        if time.monotonic() > deadline:
            raise TimeoutError("a link did not come up")
        time.sleep(0.2)
    time.sleep(SETTLE_S)  # the drivers' last words to each other: the PF's rewrites registers at a VF's reset
    return pf, names


class Bar:
    """All registers of the PF, the model's allow-list not asked."""

    def __init__(self, pf: Path) -> None:
        file = os.open(pf / "resource0", os.O_RDWR | os.O_SYNC)
        self.words = memoryview(mmap.mmap(file, os.fstat(file).st_size)).cast("I")

    def read(self, name: str, index: int) -> int:
        return self.words[TABLE.register(name).offset(index) // 4]

    def write(self, name: str, index: int, value: int) -> None:
        self.words[TABLE.register(name).offset(index) // 4] = value

    def all(self) -> Held:
        """What the card says of itself."""
        held = {(name, index): self.read(name, index) for name in (*SET, *READ_ONLY) for index in elements(name)}
        return {place: value for place, value in held.items() if value}


def listen(name: str) -> socket.socket:
    """Sends on a device, and hears what it receives."""
    ear = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    ear.bind((name, 3))
    ear.setblocking(False)
    return ear


def frame_bytes(sent: Sent, number: int) -> bytes:
    """The frame, with its number after the EtherType."""
    tag = b"" if sent.frame.vlan is None else TAG + struct.pack(">H", sent.frame.vlan)
    head = sent.frame.destination.value.to_bytes(6, "big") + SOURCE + tag + ETHERTYPE
    return (head + struct.pack(">I", number)).ljust(sent.frame.length, b"\0")


def number_of(data: bytes) -> int | None:
    """Which of the frames it is; None if it is somebody else's."""
    rest = data[16:] if data[12:14] == TAG else data[12:]
    return struct.unpack(">I", rest[2:6])[0] if rest[:2] == ETHERTYPE and len(rest) >= 6 else None


def pending(ear: socket.socket) -> int:
    """Bytes that the device has not sent yet."""
    return int(struct.unpack("i", fcntl.ioctl(ear, termios.TIOCOUTQ, bytes(4)))[0])


def exchange(ears: list[socket.socket], batch: list[Sent]) -> list[list[int]]:
    """For each frame the places in ``ears`` at which it was received, one for each copy."""
    found: list[list[int]] = [[] for _ in batch]
    for number, sent in enumerate(batch):
        ears[WIRE if sent.sender is None else sent.sender].send(frame_bytes(sent, number))
    deadline = time.monotonic() + SEND_S
    while any(pending(ear) for ear in ears):
        if time.monotonic() > deadline:
            raise TimeoutError("a device keeps frames that it should send")
        time.sleep(0.01)
    last = time.monotonic()
    while time.monotonic() - last < QUIET_S:
        for place, ear in enumerate(ears):
            while (heard := hear(ear)) is not None:
                last = time.monotonic()
                if heard >= 0:
                    found[heard].append(place)
        time.sleep(0.02)
    return found


def hear(ear: socket.socket) -> int | None:
    """The number of a frame that was received; -1 for any other; None if there is none."""
    try:
        data, where = ear.recvfrom(4096)
    except BlockingIOError:
        return None
    number = number_of(data)
    return -1 if number is None or where[2] == socket.PACKET_OUTGOING else number


def try_set(bar: Bar, ears: list[socket.socket], wanted: Held, batch: list[Sent]) -> dict[str, object]:
    """Set the registers, send the frames. The unicast hash reads 0, so what was written stands for it."""
    for name in SET:
        for index in elements(name):
            bar.write(name, index, wanted.get((name, index), 0))
    unread = {place: value for place, value in wanted.items() if place[0] == "UTA" and value}
    before = bar.all()
    got = exchange(ears, batch)
    return {
        "registers": [[name, index, value] for (name, index), value in (before | unread).items()],
        "refused": [[*place, value] for place, value in wanted.items() if (before | unread).get(place, 0) != value],
        "changed": before != bar.all(),
        "frames": [
            [sent.sender, str(sent.frame.destination), sent.frame.length, sent.frame.vlan, sorted(places)]
            for sent, places in zip(batch, got, strict=True)
        ],
    }


def main(seed: int, sets: int, count: int, target: Path) -> None:
    """Everything, from the seed."""
    pf, names = bring_up()
    bar, ears = Bar(pf), [listen(name) for name in names]
    base = bar.all()
    random = Random(seed)  # noqa: S311 - to be drawn again, not to be kept secret
    with target.open("w", encoding="utf-8") as file:
        for _ in range(sets):
            wanted, batch = registers(random, base), frames(random, count)
            file.write(json.dumps(try_set(bar, ears, wanted, batch)) + "\n")
            file.flush()
    print("all sets tried")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
