"""32-bit registers of a PF through the mapping of its BAR 0 (sysfs ``resource0``), held to an allow-list."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
from pathlib import Path

from hpcapvf.host.files import LocalFiles
from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import RegisterRefused
from hpcapvf.nic.registers import RegisterTable
from hpcapvf.nic.tables import register_table

_WORD_MASK = 0xFFFFFFFF

_WITHOUT_WINDOW = (
    "without it: load the host module hpcapvf_regs, let the PF's driver do it (ixgbe: debugfs reg_ops), or ask for "
    "receive: own"
)
_OPEN_HINTS = {
    errno.EINVAL: "the kernel keeps device memory from user space while a driver owns it (IO_STRICT_DEVMEM): "
    f"boot with the kernel argument iomem=relaxed; {_WITHOUT_WINDOW}",
    errno.EPERM: "the kernel is locked down (/sys/kernel/security/lockdown; secure boot does that), or not root; "
    f"{_WITHOUT_WINDOW}",
    errno.EACCES: "needs root",
    errno.ENODEV: "the device has no memory behind BAR 0, or it was taken away while this ran",
    errno.ENOENT: "no such PCI device, or it has no BAR 0: see `hpcapvf probe`",
    errno.ENXIO: "BAR 0 is shorter than this family's registers: is this the PF of that family?",
}


class MappedRegisters:
    """Opens register windows of PFs of this machine."""

    name = "register window"

    def __init__(self, files: LocalFiles) -> None:
        self._files = files

    def open(self, pf: PciAddress, family: str) -> MappedWindow:
        """Map BAR 0. RegisterRefused with the reason and the alternatives."""
        table = register_table(family)
        path = f"/sys/bus/pci/devices/{pf}/resource0"
        where = Path(self._files.root) / path.lstrip("/")
        try:
            descriptor = os.open(where, os.O_RDWR | os.O_SYNC | os.O_CLOEXEC)
            try:
                size = os.fstat(descriptor).st_size
                memory = mmap.mmap(descriptor, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
            finally:
                os.close(descriptor)
        except (OSError, ValueError) as error:
            raise _refused(path, error) from error
        return MappedWindow(pf, table, memory)


class MappedWindow:
    """The registers of one PF. Reads any aligned offset inside BAR 0; writes only what the allow-list names."""

    def __init__(self, pf: PciAddress, table: RegisterTable, memory: mmap.mmap) -> None:
        self._name = f"{pf} ({table.family})"
        self._table = table
        self._memory: mmap.mmap | None = memory

    def read(self, offset: int) -> int:
        """Read one register in a single 32-bit load."""
        return int(self._word(offset).value)

    def write(self, offset: int, value: int) -> None:
        """Write one register in a single 32-bit store. RegisterRefused if it is not on the allow-list.

        Bits outside the register's writable mask must keep the value that the card holds: the caller reads,
        changes and writes.
        """
        word = self._word(offset)
        check_write(self._table, self._name, offset, int(word.value), value)
        word.value = value

    def close(self) -> None:
        """Give the mapping back; closing twice is no error."""
        if self._memory is not None:
            self._memory.close()
            self._memory = None

    def _word(self, offset: int) -> ctypes.c_uint32:
        # An aligned c_uint32 is loaded and stored by one machine instruction; slices of an mmap are copied bytewise.
        memory = self._memory
        if memory is None:
            raise RegisterRefused(f"the register window of {self._name} is closed")
        if offset % 4 or not 0 <= offset <= len(memory) - 4:
            raise RegisterRefused(f"{offset:#x} is not an aligned offset inside BAR 0 of {self._name}")
        return ctypes.c_uint32.from_buffer(memory, offset)


def check_write(table: RegisterTable, card: str, offset: int, held: int, value: int) -> None:
    """RegisterRefused unless the table lets ``value`` be written where the card now holds ``held``.

    card: name for the messages. A register that does not read back must be written with only its writable bits.
    """
    place = table.locate(offset)
    if place is None or place[0].writable_mask == 0:
        raise RegisterRefused(
            f"register {offset:#x} of {card} is not on the list of registers that may be written",
            hint="nothing was written; the lists are hpcapvf/nic/registers_1g.py and registers_10g.py",
        )
    register, index = place
    if not 0 <= value <= _WORD_MASK:
        raise RegisterRefused(f"{value:#x} is not a value for the 32-bit register {register.name}[{index}]")
    foreign = (value ^ (held if register.reads_back else 0)) & ~register.writable_mask & _WORD_MASK
    if foreign:
        raise RegisterRefused(
            f"writing {value:#010x} to {register.name}[{index}] of {card} would change bits {foreign:#010x}, "
            f"which are outside its writable mask {register.writable_mask:#010x}",
            hint="nothing was written; read the register, change only its writable bits, write it back",
        )


def _refused(path: str, error: OSError | ValueError) -> RegisterRefused:
    number = (error.errno if isinstance(error, OSError) else None) or errno.ENXIO
    name = errno.errorcode.get(number, str(number))
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return RegisterRefused(f"cannot map {path}: {reason} ({name})", hint=_OPEN_HINTS.get(number, _WITHOUT_WINDOW))
