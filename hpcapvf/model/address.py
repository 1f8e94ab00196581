"""PCI addresses, CPU sets and MAC addresses as types, never as strings."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_PCI = re.compile(r"^(?:([0-9a-fA-F]{4,8}):)?([0-9a-fA-F]{2}):([0-9a-fA-F]{2})\.([0-7])$")
_MAC = re.compile(r"^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$")
_CPU_RANGE = re.compile(r"^(\d{1,6})(?:-(\d{1,6}))?$")
_CPU_LIMIT = 1 << 16


@dataclass(frozen=True, order=True)
class PciAddress:
    """Domain, bus, device and function of a PCI function, as sysfs names it (``0000:05:10.0``)."""

    domain: int
    bus: int
    device: int
    function: int

    @classmethod
    def parse(cls, text: str) -> PciAddress:
        """Read ``[dddd:]bb:dd.f``; ValueError if it is not one or the device number is above 31."""
        match = _PCI.match(text.strip())
        if match is None or int(match[3], 16) > 0x1F:
            raise ValueError(f"not a PCI address: {text!r}")
        return cls(int(match[1] or "0", 16), int(match[2], 16), int(match[3], 16), int(match[4]))

    @classmethod
    def looks_like(cls, text: str) -> bool:
        """Whether text has the form of a PCI address."""
        return _PCI.match(text.strip()) is not None

    def __str__(self) -> str:
        return f"{self.domain:04x}:{self.bus:02x}:{self.device:02x}.{self.function}"


@dataclass(frozen=True)
class CpuSet:
    """A set of CPU numbers, printed and read in the kernel's list format (``0-3,8``)."""

    cpus: frozenset[int] = frozenset()

    @classmethod
    def of(cls, cpus: Iterable[int]) -> CpuSet:
        """The set that holds just these CPU numbers."""
        return cls(frozenset(cpus))

    @classmethod
    def parse(cls, text: str) -> CpuSet:
        """Read the kernel's list format; an empty text is the empty set; ValueError otherwise."""
        cpus: set[int] = set()
        for part in filter(None, (p.strip() for p in text.strip().split(","))):
            match = _CPU_RANGE.match(part)
            if match is None:
                raise ValueError(f"not a CPU list: {text!r}")
            first, last = int(match[1]), int(match[2] or match[1])
            if last < first or last >= _CPU_LIMIT:
                raise ValueError(f"not a CPU list: {text!r}")
            cpus.update(range(first, last + 1))
        return cls(frozenset(cpus))

    @classmethod
    def parse_mask(cls, text: str) -> CpuSet:
        """Read the kernel's mask format (``ff,00000003``: 32-bit hexadecimal words, highest first)."""
        words = text.strip().split(",")
        try:
            value = 0
            for word in words:
                value = (value << 32) | int(word or "0", 16)
        except ValueError:
            raise ValueError(f"not a CPU mask: {text!r}") from None
        return cls(frozenset(i for i in range(value.bit_length()) if value >> i & 1))

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self.cpus))

    def __len__(self) -> int:
        return len(self.cpus)

    def __contains__(self, cpu: int) -> bool:
        return cpu in self.cpus

    def __or__(self, other: CpuSet) -> CpuSet:
        return CpuSet(self.cpus | other.cpus)

    def __and__(self, other: CpuSet) -> CpuSet:
        return CpuSet(self.cpus & other.cpus)

    def __sub__(self, other: CpuSet) -> CpuSet:
        return CpuSet(self.cpus - other.cpus)

    def __str__(self) -> str:
        runs: list[list[int]] = []
        for cpu in self:
            if runs and cpu == runs[-1][1] + 1:
                runs[-1][1] = cpu
            else:
                runs.append([cpu, cpu])
        return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


@dataclass(frozen=True, order=True)
class Mac:
    """An Ethernet address, 48 bits."""

    value: int

    @classmethod
    def parse(cls, text: str) -> Mac:
        """Read six hexadecimal octets with colons; ValueError otherwise."""
        if not _MAC.match(text.strip()):
            raise ValueError(f"not a MAC address: {text!r}")
        return cls(int(text.strip().replace(":", ""), 16))

    @classmethod
    def derived(cls, *names: str) -> Mac:
        """The same locally administered unicast address for the same names, always (SHA-256 of the names)."""
        digest = bytearray(hashlib.sha256("\0".join(names).encode()).digest()[:6])
        digest[0] = (digest[0] & 0xFC) | 0x02
        return cls(int.from_bytes(digest, "big"))

    def __str__(self) -> str:
        return ":".join(f"{octet:02x}" for octet in self.value.to_bytes(6, "big"))
