"""Register windows on an ordinary file: single aligned words, and the allow-list."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from hpcapvf.host.files import LocalFiles
from hpcapvf.host.registers import MappedRegisters
from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import ExitCode, RegisterRefused
from hpcapvf.nic.tables import register_table

PF = PciAddress.parse("0000:02:00.0")
TABLE = register_table("82576")
VMOLR0 = TABLE.register("VMOLR").offset(0)
ROMPE = 1 << 25


@pytest.fixture
def bar(tmp_path: Path) -> Path:
    path = tmp_path / f"sys/bus/pci/devices/{PF}/resource0"
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(128 << 10))
    return path


def window(bar: Path):  # type: ignore[no-untyped-def]
    return MappedRegisters(LocalFiles(str(bar.parents[5]))).open(PF, "82576")


def test_a_word_is_written_where_it_belongs(bar: Path) -> None:
    w = window(bar)
    w.write(VMOLR0, ROMPE)
    assert w.read(VMOLR0) == ROMPE
    w.close()
    assert struct.unpack_from("<I", bar.read_bytes(), VMOLR0) == (ROMPE,)


@pytest.mark.parametrize("name", ["CTRL", "VFRE", "VFTA"])
def test_registers_that_are_only_read_are_refused(bar: Path, name: str) -> None:
    w = window(bar)
    with pytest.raises(RegisterRefused, match="not on the list"):
        w.write(TABLE.register(name).offset(0), 1)
    w.close()
    assert not any(bar.read_bytes())


def test_an_offset_that_no_table_names_is_refused(bar: Path) -> None:
    w = window(bar)
    with pytest.raises(RegisterRefused, match="not on the list"):
        w.write(0x1_0000, 1)
    assert w.read(0x1_0000) == 0  # reading it is harmless
    w.close()


def test_bits_outside_the_mask_are_refused_and_kept(bar: Path) -> None:
    data = bytearray(bar.read_bytes())
    struct.pack_into("<I", data, VMOLR0, 0x05EE)
    bar.write_bytes(data)
    w = window(bar)
    with pytest.raises(RegisterRefused, match="outside its writable mask"):
        w.write(VMOLR0, ROMPE)
    w.write(VMOLR0, 0x05EE | ROMPE)
    assert w.read(VMOLR0) == 0x05EE | ROMPE
    w.close()


@pytest.mark.parametrize("offset", [1, 2, -4, 128 << 10, (128 << 10) - 2])
def test_unaligned_and_outside_offsets_are_refused(bar: Path, offset: int) -> None:
    w = window(bar)
    with pytest.raises(RegisterRefused):
        w.read(offset)
    w.close()


def test_a_closed_window_refuses(bar: Path) -> None:
    w = window(bar)
    w.close()
    w.close()
    with pytest.raises(RegisterRefused, match="closed"):
        w.read(0)


def test_a_card_that_is_not_there_is_explained(tmp_path: Path) -> None:
    with pytest.raises(RegisterRefused) as refused:
        MappedRegisters(LocalFiles(str(tmp_path))).open(PF, "82576")
    assert refused.value.exit_code == ExitCode.REGISTER_REFUSED
    assert "no such PCI device" in refused.value.hint


def test_an_empty_bar_is_explained(bar: Path) -> None:
    bar.write_bytes(b"")
    with pytest.raises(RegisterRefused):
        window(bar)


def test_an_unknown_family_has_no_window(bar: Path) -> None:
    with pytest.raises(RegisterRefused):
        MappedRegisters(LocalFiles(str(bar.parents[5]))).open(PF, "nonesuch")
