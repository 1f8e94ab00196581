"""A card's registers by name, over a window of offsets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from hpcapvf.host.protocols import Machine, RegisterWindow
from hpcapvf.model.errors import RegisterRefused
from hpcapvf.model.steps import ProgramReceiveAll, RegisterStep, ReplicateTraffic
from hpcapvf.nic.access import read_register, write_register
from hpcapvf.nic.mirror import Mirror, mirrors_for
from hpcapvf.nic.receive import RegisterWant, programme_of
from hpcapvf.nic.registers import RegisterTable
from hpcapvf.nic.tables import register_table

_TRIES = 3  # the PF driver may rewrite a register between our write and our look


class Card:
    """Registers of one PF, by name and index."""

    def __init__(self, window: RegisterWindow, table: RegisterTable) -> None:
        self._window = window
        self._table = table

    def read(self, name: str, index: int) -> int:
        """Current value."""
        return read_register(self._window, self._table, name, index)

    def ensure(self, wants: Iterable[RegisterWant]) -> None:
        """Write and read back; RegisterRefused if a register does not keep its bits."""
        for want in wants:
            self._ensure_one(want)

    def _ensure_one(self, want: RegisterWant) -> None:
        for _ in range(_TRIES):
            current = self.read(want.register, want.index)
            if want.reads_back and want.satisfied_by(current):
                return
            write_register(self._window, self._table, want.register, want.index, want.applied_to(current))
            if not want.reads_back:
                return
        found = self.read(want.register, want.index)
        if not want.satisfied_by(found):
            raise RegisterRefused(
                f"{want.register}[{want.index}] did not keep bits {want.mask:#010x} = {want.value:#010x}: "
                f"it reads {found:#010x}",
                hint="this card, or its emulation, does not implement it, or its driver writes it all the time",
            )


@contextmanager
def open_card(step: RegisterStep, machine: Machine) -> Iterator[Card]:
    """The card of a step, given back at the end."""
    table = register_table(step.family)
    window = machine.registers.open(step.pf, step.family)
    try:
        yield Card(window, table)
    finally:
        window.close()


def wants_of(step: RegisterStep, card: Card, backend: str = "") -> tuple[RegisterWant, ...]:
    """What the registers must hold, from what the card holds now. backend: name of the mirror that a replication uses;
    "" takes the one that the card holds. RegisterRefused if it holds none."""
    if isinstance(step, ProgramReceiveAll):
        return programme_of(step, card.read)
    for mirror in mirrors_of(step):
        if mirror.name == backend or (not backend and mirror.holds(card.read)):
            return mirror.wants(card.read)
    raise RegisterRefused(
        f"the registers of {step.pf} copy nothing to pool {step.pool}", hint="destroy the deployment and make it anew"
    )


def mirrors_of(step: ReplicateTraffic) -> tuple[Mirror, ...]:
    """The ways to do a step, the one to try first first."""
    return mirrors_for(step.family, [watched.pool for watched in step.watched], step.pool, step.own_mac)


def key_of(want: RegisterWant) -> str:
    """How the journal names some bits of a register: ``VMOLR[0]&1b000000``."""
    return f"{want.register}[{want.index}]&{want.mask:x}"


def want_of(key: str, bits: int, table: RegisterTable) -> RegisterWant:
    """The reverse of ``key_of``; ValueError if the text is none."""
    place, _, mask = key.partition("&")
    name, _, index = place.rstrip("]").partition("[")
    return RegisterWant(name, int(index), int(mask, 16), bits, table.register(name).checked)
