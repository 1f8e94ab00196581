"""32-bit registers of a PF through the host module hpcapvf_regs: one character device a PF, offsets as in BAR 0.

The module holds an allow-list of its own (made from the same tables) and keeps bits outside a register's mask.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from hpcapvf.host.registers import check_write
from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import RegisterRefused
from hpcapvf.model.paths import register_device
from hpcapvf.nic.registers import RegisterTable
from hpcapvf.nic.tables import register_table

_WORD_BYTES = 4
_HINTS = {
    errno.ENOENT: "load it for this card: modprobe hpcapvf_regs pf=ADDRESS (driver/host/README.md)",
    errno.EACCES: "needs root",
    errno.EPERM: "the module's own list does not have it: were tool and module built from the same sources?",
    errno.ENODEV: "the card is gone, or asleep",
}


class DeviceRegisters:
    """Opens windows of PFs that the module serves."""

    name = "register device"

    def __init__(self, root: str = "/") -> None:
        self._root = root

    def open(self, pf: PciAddress, family: str) -> DeviceWindow:
        """RegisterRefused if the module does not serve this PF."""
        table, path = register_table(family), register_device(pf)
        try:
            descriptor = os.open(Path(self._root) / path.lstrip("/"), os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise _refused(f"open {path}", error) from error
        return DeviceWindow(f"{pf} ({family})", table, descriptor)


class DeviceWindow:
    """The registers of one PF that the module's list names."""

    def __init__(self, card: str, table: RegisterTable, descriptor: int) -> None:
        self._card = card
        self._table = table
        self._descriptor: int | None = descriptor

    def read(self, offset: int) -> int:
        """One read of four bytes at the register's offset."""
        try:
            data = os.pread(self._open(), _WORD_BYTES, offset)
        except OSError as error:
            raise _refused(f"read {offset:#x} of {self._card}", error) from error
        if len(data) != _WORD_BYTES:
            raise RegisterRefused(f"{offset:#x} is no register of {self._card}: {len(data)} bytes came")
        return int.from_bytes(data, "little")

    def write(self, offset: int, value: int) -> None:
        """One write of four bytes. RegisterRefused if either list does not have it."""
        check_write(self._table, self._card, offset, self.read(offset), value)
        try:
            os.pwrite(self._open(), value.to_bytes(_WORD_BYTES, "little"), offset)
        except OSError as error:
            if error.errno == errno.EIO:  # the module read back, and put back what was there
                raise RegisterRefused(
                    f"{self._name_of(offset)} of {self._card} did not keep {value:#010x}",
                    hint="this card, or its emulation, does not implement it, or its driver writes it all the time",
                ) from error
            raise _refused(f"write {offset:#x} of {self._card}", error) from error

    def close(self) -> None:
        """Closing twice is no error."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _name_of(self, offset: int) -> str:
        place = self._table.locate(offset)
        return f"{place[0].name}[{place[1]}]" if place else f"{offset:#x}"

    def _open(self) -> int:
        if self._descriptor is None:
            raise RegisterRefused(f"the register device of {self._card} is closed")
        return self._descriptor


def _refused(what: str, error: OSError) -> RegisterRefused:
    name = errno.errorcode.get(error.errno or 0, str(error.errno))
    return RegisterRefused(f"cannot {what}: {error.strerror} ({name})", hint=_HINTS.get(error.errno or 0, ""))
