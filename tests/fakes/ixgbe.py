"""ixgbe's reg_ops as ``ixgbe_debugfs.c`` has it: commands by one write at offset 0, answers in the kernel's log."""

from __future__ import annotations

import errno
import os
import re

from hpcapvf.model.address import PciAddress
from hpcapvf.model.errors import FileFailed
from hpcapvf.model.paths import ixgbe_registers

_LAST_REGISTER = 0x15FE8  # IXGBE_HFDR: newer drivers keep to it
_BUFFER_BYTES = 256


class FakeIxgbe:
    """Files with one PF's reg_ops, and the log. values: registers; frozen: those that drop writes; mute: no answers.

    noise: lines that others log before each answer.
    """

    def __init__(self, pf: PciAddress) -> None:
        self.pf = pf
        self.there = True
        self.mute = False
        self.values: dict[int, int] = {}
        self.frozen: set[int] = set()
        self.noise: list[str] = []
        self.said: list[str] = []
        self.commands: list[str] = []

    def exists(self, path: str) -> bool:
        """Only that file."""
        return self.there and path == ixgbe_registers(self.pf)

    def write_text(self, path: str, text: str) -> None:
        """``read R``, ``write R V``; other words are said to be unknown, and no error."""
        if not self.exists(path):
            raise FileFailed(path, "write", errno.ENOENT, reason=os.strerror(errno.ENOENT))
        if len(text) >= _BUFFER_BYTES:
            raise FileFailed(path, "write", errno.ENOSPC, reason=os.strerror(errno.ENOSPC))
        self.commands.append(text)
        numbers = [int(word, 16) for word in re.findall(r"\s(?:0x)?([0-9a-fA-F]+)", text)]
        if text.startswith("write"):
            self._say(self._write(numbers) if len(numbers) == 2 else "write <reg> <value>")
        elif text.startswith("read"):
            self._say(self._read(numbers) if len(numbers) == 1 else "read <reg>")
        else:
            self._say(f"Unknown command {text}")

    def new_lines(self) -> tuple[str, ...]:
        """What was logged since."""
        found, self.said = tuple(self.said), []
        return found

    def close(self) -> None:
        """Nothing to give back."""

    def _write(self, numbers: list[int]) -> str:
        offset, value = numbers
        if offset > _LAST_REGISTER:
            return "write <reg> <value>"
        if offset not in self.frozen:
            self.values[offset] = value & 0xFFFFFFFF
        return f"write: {offset:#010x} = {self.values.get(offset, 0):#010x}"

    def _read(self, numbers: list[int]) -> str:
        offset = numbers[0]
        return (
            f"read: {offset:#010x} = {self.values.get(offset, 0):#010x}" if offset <= _LAST_REGISTER else "read <reg>"
        )

    def _say(self, text: str) -> None:
        if not self.mute:
            self.said += [*self.noise, f"ixgbe {self.pf}: {text}"]
