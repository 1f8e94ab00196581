"""Ways to a PF's registers: ixgbe's debugfs against a model of it, our module's device against a file, the choice."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpcapvf.apply.card import Card
from hpcapvf.host.ixgbe_registers import DebugfsRegisters
from hpcapvf.host.protocols import RegisterWindow
from hpcapvf.host.register_device import DeviceRegisters
from hpcapvf.host.register_ways import ChosenRegisters
from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import RegisterRefused
from hpcapvf.model.paths import register_device
from hpcapvf.nic.receive import RegisterWant
from hpcapvf.nic.registers_1g import TABLE_82576 as TABLE
from tests.fakes.ixgbe import FakeIxgbe
from tests.fakes.machine import FakeClock

PF = PciAddress.parse("0000:05:00.0")
VMOLR, CTRL = TABLE.register("VMOLR").offset(2), TABLE.register("CTRL").offset()
BAM = 1 << 27


@pytest.fixture
def ixgbe() -> FakeIxgbe:
    return FakeIxgbe(PF)


def opened(ixgbe: FakeIxgbe) -> RegisterWindow:
    return DebugfsRegisters(ixgbe, FakeClock(), lambda: ixgbe).open(PF, "82576")  # type: ignore[arg-type]


def test_a_register_goes_there_and_back(ixgbe: FakeIxgbe) -> None:
    window = opened(ixgbe)
    ixgbe.values[VMOLR] = 0x05EE
    assert window.read(VMOLR) == 0x05EE
    window.write(VMOLR, 0x05EE | BAM)
    assert window.read(VMOLR) == 0x05EE | BAM
    assert ixgbe.commands[-2:] == [f"write {VMOLR:#x} {0x05EE | BAM:#x}", f"read {VMOLR:#x}"]


def test_lines_of_others_are_no_answer(ixgbe: FakeIxgbe) -> None:
    ixgbe.values[VMOLR] = 7
    ixgbe.noise = [
        f"ixgbe 0000:05:00.1: read: {VMOLR:#010x} = 0x00000009",
        f"ixgbe {PF}: read: {VMOLR + 4:#010x} = 0x00000009",
        f"ixgbe {PF}: write: {VMOLR:#010x} = 0x00000009",
        f"ixgbe {PF}: Unknown command",
    ]
    window = opened(ixgbe)
    ixgbe.said = [f"ixgbe {PF}: read: {VMOLR:#010x} = 0x0000000b"]  # an old one
    assert window.read(VMOLR) == 7


def test_a_driver_that_does_not_answer_is_refused_in_bounded_time(ixgbe: FakeIxgbe) -> None:
    window = opened(ixgbe)
    ixgbe.mute = True
    with pytest.raises(RegisterRefused, match="did not answer `read"):
        window.read(VMOLR)


def test_the_allow_list_holds_here_too(ixgbe: FakeIxgbe) -> None:
    window = opened(ixgbe)
    for offset, value in ((CTRL, 1 << 26), (VMOLR, 1), (0x18000, 1)):
        with pytest.raises(RegisterRefused):
            window.write(offset, value)
    assert not any(command.startswith("write") for command in ixgbe.commands)


def test_a_register_that_does_not_keep_its_bits_is_refused(ixgbe: FakeIxgbe) -> None:
    ixgbe.frozen = {VMOLR}
    with pytest.raises(RegisterRefused, match="did not keep bits"):
        Card(opened(ixgbe), TABLE).ensure([RegisterWant("VMOLR", 2, BAM, BAM)])


def test_no_file_and_closed(ixgbe: FakeIxgbe) -> None:
    window = opened(ixgbe)
    window.close()
    window.close()
    with pytest.raises(RegisterRefused, match="are closed"):
        window.read(VMOLR)
    ixgbe.there = False
    with pytest.raises(RegisterRefused, match="reg_ops"):
        opened(ixgbe)


@pytest.fixture
def device(tmp_path: Path) -> Path:
    """A file as long as the window stands for the module's device."""
    place = tmp_path / register_device(PF).lstrip("/")
    place.parent.mkdir()
    place.write_bytes(bytes(0x11000))
    return tmp_path


def test_the_modules_device_is_read_and_written_by_offset(device: Path) -> None:
    window = DeviceRegisters(str(device)).open(PF, "82576")
    window.write(VMOLR, BAM)
    assert window.read(VMOLR) == BAM
    assert (device / register_device(PF).lstrip("/")).read_bytes()[VMOLR : VMOLR + 4] == BAM.to_bytes(4, "little")
    with pytest.raises(RegisterRefused, match="not on the list"):
        window.write(CTRL, 1)
    with pytest.raises(RegisterRefused, match="is no register"):
        window.read(0x20000)
    window.close()
    window.close()
    with pytest.raises(RegisterRefused, match="is closed"):
        window.read(VMOLR)


def test_without_the_module_it_says_how_to_load_it(tmp_path: Path) -> None:
    with pytest.raises(RegisterRefused, match="ENOENT") as caught:
        DeviceRegisters(str(tmp_path)).open(PF, "82576")
    assert "modprobe hpcapvf_regs" in caught.value.hint


class Way:
    """Opens, or refuses."""

    def __init__(self, name: str, window: RegisterWindow | None) -> None:
        self.name = name
        self.window = window

    def open(self, pf: PciAddress, family: str) -> RegisterWindow:
        if self.window is None:
            raise RegisterRefused(f"no {self.name} for {pf}", hint=f"get {self.name}")
        return self.window


def test_the_first_that_opens_is_taken(ixgbe: FakeIxgbe) -> None:
    window = opened(ixgbe)
    assert ChosenRegisters([Way("a", None), Way("b", window), Way("c", opened(ixgbe))], "a").open(PF, "82576") is window


def test_if_none_opens_each_reason_is_told() -> None:
    with pytest.raises(RegisterRefused, match="no b for") as caught:
        ChosenRegisters([Way("a", None), Way("b", None)], "b").open(PF, "82576")
    assert caught.value.hint == "get b"
    assert caught.value.details == (f"a: no a for {PF}",)


def test_a_family_in_no_table_is_refused_by_name() -> None:
    with pytest.raises(RegisterRefused, match="not in the register tables"):
        ChosenRegisters([Way("a", None)], "a").open(PF, "connectx-5")
