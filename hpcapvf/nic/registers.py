"""What a table of registers is: the allow-list for writing and the source for decoding.

One table per family (``registers_1g``, ``registers_10g``; all of them in ``tables``). ``writable_mask`` holds the bits
that this program may change and no other: a register with mask 0 is only read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from hpcapvf.model.errors import RegisterRefused

ALL_BITS = 0xFFFF_FFFF


@dataclass(frozen=True)
class Span:
    """Registers in a row: ``count`` of them from ``offset``, ``stride`` bytes apart (bytes into BAR 0)."""

    offset: int
    stride: int = 4
    count: int = 1


@dataclass(frozen=True)
class BitField:
    """Bits ``high``..``low`` (both included) of a register."""

    name: str
    high: int
    low: int

    @property
    def mask(self) -> int:
        """The field's bits in place."""
        return ((1 << (self.high - self.low + 1)) - 1) << self.low

    def extract(self, value: int) -> int:
        """The field's value, shifted down."""
        return (value & self.mask) >> self.low

    def insert(self, number: int) -> int:
        """The number in the field's place; ValueError if it does not fit."""
        if number << self.low & ~self.mask or number < 0:
            raise ValueError(f"{number} does not fit {self.name} ({self.high}:{self.low})")
        return number << self.low


@dataclass(frozen=True)
class Selector:
    """How one offset stands for an array: the number of an element is written to it with the bit that says what is
    meant, and what is read next is that element.

    count: elements; index: the field of the number; read, write: the two bits.
    """

    count: int
    index: BitField
    read: BitField
    write: BitField

    @property
    def mask(self) -> int:
        """All bits that are the selector's and not the element's."""
        return self.index.mask | self.read.mask | self.write.mask


@dataclass(frozen=True)
class Register:
    """A register or an array of them; an array may lie in several spans, or behind a selector at one offset.

    reads_back: False if the offset gives 0 (or something else) whatever was written, so that a check must not trust it.
    """

    name: str
    spans: tuple[Span, ...]
    writable_mask: int = 0
    fields: tuple[BitField, ...] = ()
    reads_back: bool = True
    selector: Selector | None = None

    @property
    def offsets(self) -> int:
        """How many offsets it takes."""
        return sum(span.count for span in self.spans)

    @property
    def count(self) -> int:
        """How many registers the array has."""
        return self.selector.count if self.selector else self.offsets

    @property
    def checked(self) -> bool:
        """Whether what an element holds can be asked for (``nic.access``)."""
        return self.reads_back or self.selector is not None

    def offset(self, index: int = 0) -> int:
        """Byte offset of one register; RegisterRefused if the index is outside the array."""
        if self.selector and 0 <= index < self.selector.count:
            return self.spans[0].offset
        rest = index if not self.selector else -1
        for span in self.spans:
            if 0 <= rest < span.count:
                return span.offset + span.stride * rest
            rest -= span.count
        raise RegisterRefused(f"{self.name}[{index}] does not exist: the array has {self.count}")

    def field(self, name: str) -> BitField:
        """The field of this name; KeyError if the table has none."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(f"{self.name}.{name}")

    def decode(self, value: int) -> dict[str, int]:
        """All known fields of a value."""
        return {field.name: field.extract(value) for field in self.fields}


@dataclass(frozen=True, eq=False)
class RegisterTable:
    """All registers of one family. There is one table a family, compared by identity: hashing its contents at each
    register access took most of a guard's time."""

    family: str
    registers: tuple[Register, ...]

    def register(self, name: str) -> Register:
        """The register of this name; RegisterRefused if the family has none."""
        register = _by_name(self).get(name)
        if register is None:
            raise RegisterRefused(f"the table of {self.family} has no register {name}")
        return register

    def locate(self, offset: int) -> tuple[Register, int] | None:
        """Register and index at a byte offset, or None if the table does not name it."""
        return _by_offset(self).get(offset)

    def has(self, name: str) -> bool:
        """Whether the family has a register of this name."""
        return name in _by_name(self)

    def writable_mask(self, offset: int) -> int:
        """The bits that may be changed at a byte offset; 0 if the offset is not in the table."""
        place = self.locate(offset)
        return place[0].writable_mask if place else 0


@cache
def _by_name(table: RegisterTable) -> dict[str, Register]:
    return {register.name: register for register in table.registers}


@cache
def _by_offset(table: RegisterTable) -> dict[int, tuple[Register, int]]:
    places: dict[int, tuple[Register, int]] = {}
    for register in table.registers:
        for index in range(register.offsets):
            offset = register.offset(index)
            if offset in places:
                raise ValueError(f"{register.name}[{index}] and {places[offset]} share offset {offset:#x}")
            places[offset] = (register, index)
    return places
