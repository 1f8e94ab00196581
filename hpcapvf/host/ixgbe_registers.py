"""32-bit registers of a PF through ixgbe's own file in debugfs, whose answers come in the kernel's log.

``read R`` and ``write R V`` (hexadecimal); the driver logs ``read: 0xR = 0xV`` with eight digits, after a write too
what it then read (Linux, ``ixgbe_debugfs.c``). Unproven on hardware: tried against a model of that file only.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from hpcapvf.host.kernel_log import KernelLog, LocalKernelLog
from hpcapvf.host.protocols import Clock, Files
from hpcapvf.host.registers import check_write
from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import FileFailed, RegisterRefused
from hpcapvf.model.paths import ixgbe_registers
from hpcapvf.nic.registers import RegisterTable
from hpcapvf.nic.tables import register_table

_ANSWER_TIMEOUT_S = 1.0  # the driver logs before the write returns; this is for a log that is slow to be read


class DebugfsRegisters:
    """Opens windows of PFs that ixgbe drives."""

    name = "ixgbe debugfs"

    def __init__(self, files: Files, clock: Clock, open_log: Callable[[], KernelLog] = LocalKernelLog) -> None:
        self._files = files
        self._clock = clock
        self._open_log = open_log

    def open(self, pf: PciAddress, family: str) -> DebugfsWindow:
        """RegisterRefused if the driver has no such file, or its answers cannot be read."""
        table, path = register_table(family), ixgbe_registers(pf)
        try:
            if not self._files.exists(path):
                raise RegisterRefused(
                    f"no {path}", hint="it is there if ixgbe drives the PF and debugfs is mounted, with no lockdown"
                )
            return DebugfsWindow(pf, table, self._files, self._open_log(), self._clock)
        except FileFailed as error:
            raise RegisterRefused(f"{error.message}", hint=error.hint) from error


class DebugfsWindow:
    """The registers of one PF. Reads any register of the family's table; writes only what its allow-list names."""

    def __init__(self, pf: PciAddress, table: RegisterTable, files: Files, log: KernelLog, clock: Clock) -> None:
        self._pf = pf
        self._table = table
        self._files = files
        self._log: KernelLog | None = log
        self._clock = clock

    def read(self, offset: int) -> int:
        """One line in the kernel's log. Offsets outside the table are refused: some registers change when read."""
        if self._table.locate(offset) is None:
            raise RegisterRefused(f"{offset:#x} is in no table of {self._table.family}, so it is not read")
        return self._ask("read", f"read {offset:#x}", offset)

    def write(self, offset: int, value: int) -> None:
        """Write one register; what the driver then reads is the caller's to look at (it reads it again)."""
        check_write(self._table, f"{self._pf} ({self._table.family})", offset, self.read(offset), value)
        self._ask("write", f"write {offset:#x} {value:#x}", offset)

    def close(self) -> None:
        """Closing twice is no error."""
        if self._log is not None:
            self._log.close()
            self._log = None

    def _ask(self, verb: str, command: str, offset: int) -> int:
        log = self._log
        if log is None:
            raise RegisterRefused(f"the registers of {self._pf} are closed")
        answer = re.compile(rf"\bixgbe {re.escape(str(self._pf))}.*: {verb}: 0x0*{offset:x} = 0x([0-9a-f]+)$")
        try:
            log.new_lines()  # what was said before is no answer
            self._files.write_text(ixgbe_registers(self._pf), command)
            end = self._clock.monotonic() + _ANSWER_TIMEOUT_S
            while True:
                found = [match for line in log.new_lines() if (match := answer.search(line))]
                if found:
                    return int(found[-1][1], 16)
                if self._clock.monotonic() >= end:
                    break
                self._clock.sleep(0.01)
        except FileFailed as error:
            raise RegisterRefused(error.message, hint=error.hint) from error
        raise RegisterRefused(
            f"ixgbe did not answer `{command}` for {self._pf} in the kernel's log",
            hint="does the driver drive this PF, and is the register within its limits? see dmesg",
        )
