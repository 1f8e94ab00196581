"""What the registers must hold so that one pool receives every frame on the wire.

Functions of data: they are given a way to read registers and say what is wanted; writing is the host's work.
A PF driver rewrites some of these registers whenever a VF resets or the receive mode changes, and it may add MAC
filters; so a guard computes the wants anew each time (``drift(receive_all(…), …)``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hpcapvf.model.address import Mac
from hpcapvf.model.errors import RegisterRefused
from hpcapvf.model.register_steps import ProgramReceiveAll
from hpcapvf.nic.bitmaps import MAC, part_of
from hpcapvf.nic.registers import ALL_BITS, Register, RegisterTable
from hpcapvf.nic.tables import register_table

# UPE (every unicast frame) and VPE (every VLAN) are the X550's alone.
_ACCEPT = ("UPE", "VPE", "AUPE", "ROMPE", "ROPE", "BAM", "MPME")
# MRQC.MODE of 10 Gb/s cards: 64 pools, with RSS too; 32 with RSS; 16 and 32 with traffic classes. 128 queues in all.
_QUEUES_OF_A_POOL = {0x8: 2, 0xB: 2, 0xA: 4, 0xC: 8, 0xD: 4}

ReadRegister = Callable[[str, int], int]
"""Current value of a register: (name, index) -> 32-bit value."""


@dataclass(frozen=True)
class RegisterWant:
    """The bits ``mask`` of ``register[index]`` shall equal ``value``; other bits are nobody's business here.

    reads_back: False where the card cannot be asked (see ``Register.reads_back``).
    """

    register: str
    index: int
    mask: int
    value: int
    reads_back: bool = True

    def satisfied_by(self, current: int) -> bool:
        """Whether a register that holds ``current`` needs no write."""
        return current & self.mask == self.value

    def applied_to(self, current: int) -> int:
        """The value to write to a register that holds ``current``."""
        return current & ~self.mask & ALL_BITS | self.value

    def describe(self) -> str:
        """One line for people."""
        return f"{self.register}[{self.index}] bits {self.mask:#010x} = {self.value:#010x}"


def receive_all(
    family: str, pool: int, read: ReadRegister, *, default_pool: bool = True, owned: bool = True
) -> tuple[RegisterWant, ...]:
    """Everything that must be set for ``pool`` to receive each frame on the wire, in the order to write it.

    default_pool: False for a pool beside another that receives everything: the card has one default pool, and unknown
    unicast reaches the others by the unicast hash table alone. owned: False leaves out unicast to a MAC that another
    pool owns, so that the pool gets the rest: what nobody else gets, and multicast and broadcast, which are
    everybody's.

    RegisterRefused if the family is in no table or has no such pool. Unknown unicast comes by the default pool and
    the unicast hash table, multicast by an all-ones hash table, broadcast by BAM, a MAC that somebody owns (the PF
    too) by adding the pool to that filter, tagged frames because the VLAN filter is off, and tags stay in the frame.
    Measured on the emulated 82576; the unicast hash with ROPE is for real cards, where the overflow bit gates it.
    Of 10 Gb/s cards it is proven on ``nic.switch_10g``, not on hardware. Only the X550 can be told to give a pool every
    owned unicast (UPE): elsewhere a MAC filter that is added later is missed until the wants are computed anew.
    """
    table = register_table(family)
    check_pool(table, pool)
    default = {"DEFAULT_POOL": pool, "DISABLE_DEFAULT_POOL": 0} if default_pool else {}
    return (
        *drops_when_full(table, pool, read),
        *(_every_owned_mac(table, pool, read) if owned else ()),
        *_all_ones(table.register("MTA")),
        *_all_ones(table.register("UTA")),
        *_of_every_pool(table),
        *_pool_accepts_all(table, pool, owned=owned),
        want(table, "VT_CTL", 0, **default, REPLICATION=1),
    )


def programme_of(step: ProgramReceiveAll, read: ReadRegister) -> tuple[RegisterWant, ...]:
    """What a step of a plan wants of the card as it is now."""
    return receive_all(step.family, step.pool, read, default_pool=step.default_pool, owned=step.owned)


def drops_when_full(table: RegisterTable, pool: int, read: ReadRegister) -> tuple[RegisterWant, ...]:
    """The pool's queues drop frames for which the guest has no room, so that one that stands still holds up no other.

    Queues of a pool: its number and that plus 8 on the 82576, its number on the I350 (igb_vf_queue handling of Linux'
    igb, which enables all at once: ``QDE``); neighbours on the 82599 and later, by the mode in MRQC
    (``ixgbe_write_qde``). In a mode without pools, nothing.
    """
    if not table.register("QDE").selector:
        pools = table.register("VMOLR").count
        queues = 1 << pool | (1 << pool + pools if table.family == "82576" else 0)
        return (RegisterWant("QDE", 0, queues, queues),)
    number = _QUEUES_OF_A_POOL.get(table.register("MRQC").field("MODE").extract(read("MRQC", 0)), 0)
    return tuple(want(table, "QDE", pool * number + queue, ENABLE=1) for queue in range(number))


def check_pool(table: RegisterTable, pool: int) -> None:
    """RegisterRefused if the family has no such pool."""
    pools = table.register("VMOLR").count
    if not 0 <= pool < pools:
        raise RegisterRefused(f"{table.family} has no pool {pool}: pools are 0 to {pools - 1}")


def drift(wants: Iterable[RegisterWant], read: ReadRegister) -> tuple[RegisterWant, ...]:
    """The wants that the card does not satisfy now. Registers that cannot be read back are left out."""
    return tuple(w for w in wants if w.reads_back and not w.satisfied_by(read(w.register, w.index)))


def held_before(wants: Iterable[RegisterWant], read: ReadRegister) -> tuple[RegisterWant, ...]:
    """The same bits as they stand now, to be journalled before the first write and put back at the end.

    A register that cannot be read back gives what it reads (0), which is also what a reset leaves there.
    """
    return tuple(
        RegisterWant(w.register, w.index, w.mask, read(w.register, w.index) & w.mask, w.reads_back) for w in wants
    )


def undo_writes(
    before: Iterable[RegisterWant], wants: Iterable[RegisterWant], read: ReadRegister
) -> tuple[RegisterWant, ...]:
    """What must still be put back: bits that differ from before and still hold what was written.

    A register that the PF driver has rewritten since belongs to the PF driver again and is left alone.
    """
    written = {(w.register, w.index): w for w in wants}
    undo: list[RegisterWant] = []
    for old in before:
        new = written.get((old.register, old.index))
        if new is None or new.value == old.value:
            continue
        if not old.reads_back or new.satisfied_by(read(old.register, old.index)):
            undo.append(old)
    return tuple(reversed(undo))


def filter_mac(table: RegisterTable, read: ReadRegister, index: int) -> Mac:
    """A filter's MAC: RAL holds octets 1 to 4 (first in the lowest bits), RAH octets 5 and 6."""
    low = read("RAL", index).to_bytes(4, "little")
    high = table.register("RAH").field("ADDRESS_HIGH").extract(read("RAH", index)).to_bytes(2, "little")
    return Mac(int.from_bytes(low + high, "big"))


def want(table: RegisterTable, name: str, index: int, **fields: int) -> RegisterWant:
    """These fields of a register shall have these values; RegisterRefused if the table forbids to write them."""
    register = table.register(name)
    mask = value = 0
    for field_name, number in fields.items():
        field = register.field(field_name)
        mask |= field.mask
        value |= field.insert(number)
    if mask & ~register.writable_mask:
        raise RegisterRefused(f"{table.family}: {name} bits {mask & ~register.writable_mask:#x} must not be written")
    return RegisterWant(name, index, mask, value, register.checked)


def keep_tags(table: RegisterTable, pool: int) -> tuple[RegisterWant, ...]:
    """A pool's VLAN tags stay in its frames; multicast obeys ``RPLOLR``, which is everybody's. On the 82599 and later
    tags are stripped queue by queue (RXDCTL), as the guest's driver says."""
    if table.family == "i350":
        return (want(table, "DVMOLR", pool, STRVLAN=0, HIDE_VLAN=0),)
    return (want(table, "VMOLR", pool, STRVLAN=0),) if _has_field(table, "VMOLR", "STRVLAN") else ()


def _has_field(table: RegisterTable, register: str, name: str) -> bool:
    return any(field.name == name for field in table.register(register).fields)


def _every_owned_mac(table: RegisterTable, pool: int, read: ReadRegister) -> list[RegisterWant]:
    """One pool bit beside each valid MAC filter; filters that are not in use stay as they are."""
    valid = table.register("RAH").field("VALID").mask
    used = [index for index in range(table.register("RAH").count) if read("RAH", index) & valid]
    found = (part_of(table, MAC, index, pool) for index in used)
    return [RegisterWant(register, index, bit, bit) for register, index, bit in found]


def _all_ones(register: Register) -> list[RegisterWant]:
    return [RegisterWant(register.name, i, ALL_BITS, ALL_BITS, register.reads_back) for i in range(register.count)]


def _of_every_pool(table: RegisterTable) -> tuple[RegisterWant, ...]:
    """VLAN filter off; tags of multicast stay (1 Gb/s), the multicast hash table is asked (10 Gb/s)."""
    if table.has("VLNCTRL"):
        return want(table, "MCSTCTRL", 0, MFE=1), want(table, "VLNCTRL", 0, VFE=0)
    return want(table, "RPLOLR", 0, STRVLAN=0), want(table, "RCTL", 0, VFE=0)


def _pool_accepts_all(table: RegisterTable, pool: int, *, owned: bool) -> tuple[RegisterWant, ...]:
    """The pool's own switches, and its VLAN tags stay in the frame. One want per register, so that undo is exact."""
    accept = {name: 1 for name in _ACCEPT if _has_field(table, "VMOLR", name) and (owned or name != "UPE")}
    if table.family == "i350":
        return *keep_tags(table, pool), want(table, "VMOLR", pool, **accept)
    keep = {"STRVLAN": 0} if keep_tags(table, pool) else {}
    return (want(table, "VMOLR", pool, **keep, **accept),)
