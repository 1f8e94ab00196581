"""Runs in the small machine, as root: each case prints one line of JSON."""

from __future__ import annotations

import errno
import json
import os
import socket
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hpcapvf.apply.card import Card
from hpcapvf.apply.handlers.vf_mirror import MirrorByTcHandler
from hpcapvf.host.commands import LocalCommands
from hpcapvf.host.files import LocalFiles
from hpcapvf.host.register_device import DeviceRegisters
from hpcapvf.host.register_ways import ChosenRegisters
from hpcapvf.host.registers import MappedRegisters
from hpcapvf.model.address import Mac, PciAddress
from hpcapvf.model.copy_steps import MirrorByTc, WatchedVf
from hpcapvf.model.errors import RegisterRefused
from hpcapvf.nic.mirror import mirrors_for
from hpcapvf.nic.receive import drift, receive_all
from hpcapvf.nic.registers_1g import TABLE_82576 as TABLE

MODULE = "hpcapvf_regs"
FILE = f"{MODULE}.ko"
ROMPE = 1 << 25
CYCLES = 20
VMOLR = TABLE.register("VMOLR").offset(1)


def shell(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, shell=True, capture_output=True, text=True, timeout=120, check=False)  # noqa: S602


def must(command: str) -> str:
    done = shell(command)
    if done.returncode:
        raise AssertionError(f"{command}: {done.stderr or done.stdout}")
    return done.stdout.strip()


def card() -> PciAddress:
    """The PF, bound to igb, up, with two VFs that nobody drives."""
    must("modprobe igb")
    for _ in range(100):
        found = sorted(Path("/sys/bus/pci/drivers/igb").glob("0000:*"))
        if found and (found[0] / "net").is_dir():
            break
        time.sleep(0.1)
    must(f"echo 0 >{found[0]}/sriov_drivers_autoprobe; echo 2 >{found[0]}/sriov_numvfs")
    must(f"ip link set {next((found[0] / 'net').iterdir()).name} up")
    return PciAddress.parse(found[0].name)


def expect(error: int, do: Callable[[], Any]) -> None:
    """The system call fails with this error."""
    try:
        do()
    except OSError as failed:
        if failed.errno != error:
            raise AssertionError(f"{errno.errorcode[failed.errno or 0]}, not {errno.errorcode[error]}") from failed
        return
    raise AssertionError(f"no error, {errno.errorcode[error]} was expected")


class Cases:
    """In the order in which they run; the module is loaded from the fourth on."""

    def __init__(self, pf: PciAddress) -> None:
        self.pf = pf
        self.device = f"/dev/{MODULE}-{pf}"
        self.ways = ChosenRegisters([DeviceRegisters(), MappedRegisters(LocalFiles("/"))], MappedRegisters.name)

    def case_1_strict_memory_refuses_the_mapping_and_says_so(self) -> str:
        try:
            self.ways.open(self.pf, "82576")
        except RegisterRefused as error:
            assert "EINVAL" in error.message, error.message
            assert "IO_STRICT_DEVMEM" in error.hint, error.hint
            assert any("register device" in detail and "ENOENT" in detail for detail in error.details), error.details
            return error.message
        raise AssertionError("BAR 0 was mapped: is memory strict here?")

    def case_2_without_a_card_or_with_a_wrong_one_it_does_not_load(self) -> str:
        vf = Path(f"/sys/bus/pci/devices/{self.pf}/virtfn0").resolve().name
        wrong = ["", "pf=nonsense", "pf=0000:7f:1f.7", f"pf={vf}", "pf=0000:00:00.0", f"pf={self.pf},{vf}"]
        for words in wrong:
            assert shell(f"insmod {FILE} {words}").returncode, f"loaded with {words!r}"
            assert not Path(self.device).exists()
        log = must("dmesg | grep hpcapvf_regs")
        assert "is no physical function of a family in the list" in log, log
        return f"{len(wrong)} refused"

    def case_3_twenty_times_in_and_out(self) -> str:
        for _ in range(CYCLES):
            must(f"insmod {FILE} pf={self.pf}")
            assert Path(self.device).exists()
            must(f"rmmod {MODULE}")
            assert not Path(self.device).exists()
        return f"{CYCLES} cycles"

    def case_4_the_device_is_roots_alone(self) -> str:
        must(f"insmod {FILE} pf={self.pf}")
        assert stat.S_IMODE(Path(self.device).stat().st_mode) == 0o600
        child = os.fork()
        if not child:
            os.setuid(65534)
            try:
                os.open(self.device, os.O_RDONLY)
            except PermissionError:
                os._exit(0)
            os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        assert Path(f"/sys/bus/pci/devices/{self.pf}/driver").readlink().name == "igb"
        return "mode 0600, another user gets EACCES, igb stays bound"

    def case_5_a_bit_goes_there_and_back(self) -> str:
        window = self.ways.open(self.pf, "82576")
        assert window.read(TABLE.register("STATUS").offset()) not in {0, 0xFFFFFFFF}
        before = window.read(VMOLR)
        window.write(VMOLR, before ^ ROMPE)
        assert window.read(VMOLR) == before ^ ROMPE
        window.write(VMOLR, before)
        assert window.read(VMOLR) == before
        window.close()
        return f"VMOLR[1] was {before:#010x}"

    def case_6_the_kernels_own_list_holds(self) -> str:
        """Past the program's list: straight to the device."""
        file = os.open(self.device, os.O_RDWR)
        word = (1 << 26).to_bytes(4, "little")
        ctrl = TABLE.register("CTRL").offset()
        held = os.pread(file, 4, VMOLR)
        wrong_bit = (int.from_bytes(held, "little") ^ 1).to_bytes(4, "little")
        expect(errno.EPERM, lambda: os.pwrite(file, word, ctrl))
        expect(errno.EPERM, lambda: os.pread(file, 4, 0x1FFFC))
        expect(errno.EPERM, lambda: os.pwrite(file, word, 0xFFFFFFFC))
        expect(errno.EPERM, lambda: os.pwrite(file, wrong_bit, VMOLR))
        for size, place in ((4, VMOLR + 2), (2, VMOLR), (8, VMOLR), (4, 1 << 33)):
            expect(errno.EINVAL, lambda size=size, place=place: os.pread(file, size, place))  # type: ignore[misc]
            expect(errno.EINVAL, lambda size=size, place=place: os.pwrite(file, bytes(size), place))  # type: ignore[misc]
        assert os.pread(file, 4, VMOLR) == held
        os.close(file)
        return "CTRL, offsets off the list, bits outside the mask, odd sizes and places: refused, nothing changed"

    def case_7_mirror_rules_do_not_read_back_filters_do(self) -> str:
        window = self.ways.open(self.pf, "82576")
        own = Card(window, TABLE)
        # a filter for VF 0, as igb makes one when a MAC is assigned
        must(
            f"ip link set {next(Path(f'/sys/bus/pci/devices/{self.pf}/net').iterdir()).name} vf 0 mac 02:00:00:00:00:77"
        )
        rules, filters = mirrors_for("82576", (0,), 1, Mac.parse("02:00:00:00:00:78"))
        try:
            own.ensure(rules.wants(own.read))
        except RegisterRefused as error:
            said = error.message
        else:
            raise AssertionError("the emulated card has mirror rules?")
        own.ensure(filters.wants(own.read))
        assert filters.holds(own.read)
        assert not rules.holds(own.read)
        window.close()
        return f"rules: {said}; replication holds"

    def case_8_receive_all_through_the_device(self) -> str:
        window = self.ways.open(self.pf, "82576")
        own = Card(window, TABLE)
        wants = receive_all("82576", 1, own.read)
        own.ensure(wants)
        assert not drift(wants, own.read)
        window.close()
        return f"{len(wants)} registers as wanted"

    def case_9_an_open_file_keeps_the_module_and_a_card_that_is_gone_is_said_so(self) -> str:
        file = os.open(self.device, os.O_RDWR)
        assert shell(f"rmmod {MODULE}").returncode
        must(f"echo 1 >/sys/bus/pci/devices/{self.pf}/remove")
        expect(errno.ENODEV, lambda: os.pread(file, 4, VMOLR))
        expect(errno.ENODEV, lambda: os.pwrite(file, bytes(4), VMOLR))
        os.close(file)
        must(f"rmmod {MODULE}")
        must("echo 1 >/sys/bus/pci/rescan")
        return "EBUSY while open; ENODEV after the card was taken out; unloaded after"

    def case_tc_flower_copies_both_directions(self) -> str:
        """As the contract test does with u32: the kernel that ran that has no flower."""
        must("modprobe -a veth sch_ingress cls_flower act_mirred")
        for n in (0, 2):
            must(f"ip link add name vf{n} type veth peer name rep{n}; ip link set vf{n} up; ip link set rep{n} up")
        step = MirrorByTc(self.pf, 2, "rep2", ("rep0",), (WatchedVf("web1", self.pf, 0),))
        handler, commands = MirrorByTcHandler(), LocalCommands()
        context: Any = SimpleNamespace(machine=_machine(commands))
        before = handler.observe(step, context)
        after = handler.do(step, before, context)
        assert "flower" in must("tc filter show dev rep0 ingress")
        copied = [_copied("vf2", sender, 50) for sender in ("rep0", "vf0")]
        assert copied == [50, 50], copied
        handler.undo(step, SimpleNamespace(before=before, after=after), context)  # type: ignore[arg-type]
        assert _copied("vf2", "rep0", 5) == 0
        assert "clsact" not in must("tc qdisc show dev rep0")
        return f"{copied[0]} of 50 to and {copied[1]} of 50 from the VM; {after['notes'][0]}"


def _machine(commands: LocalCommands) -> Any:
    """A Machine of which only commands and files are asked."""
    from hpcapvf.host.protocols import Machine  # noqa: PLC0415 - beside its only use

    nothing: Any = None
    return Machine(LocalFiles("/"), commands, nothing, nothing, nothing, nothing, nothing)


def _copied(listener: str, sender: str, number: int) -> int:
    ear = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    mouth = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    ear.bind((listener, 3))
    ear.settimeout(0.5)
    mouth.bind((sender, 0))
    head = b"\x02\x00\x00\x00\x00\x99\x02\x00\x00\x00\x00\x01\x88\xb5"
    for n in range(number):
        mouth.send(head + n.to_bytes(4, "big") * 12)
    found = 0
    try:
        while True:
            data, place = ear.recvfrom(2048)
            found += data[12:14] == b"\x88\xb5" and place[2] != socket.PACKET_OUTGOING
    except TimeoutError:
        return found
    finally:
        ear.close()
        mouth.close()


def main() -> None:
    """Every case, whatever became of those before."""
    cases = Cases(card())
    for name in [name for name in dir(cases) if name.startswith("case_")]:
        began = time.monotonic()
        try:
            found, good = getattr(cases, name)(), True
        except Exception as error:
            found, good = f"{type(error).__name__}: {error}", False
        seconds = round(time.monotonic() - began, 1)
        print(json.dumps({"case": name, "ok": good, "found": found, "seconds": seconds}), flush=True)
    print("all cases ran")


if __name__ == "__main__":
    main()
