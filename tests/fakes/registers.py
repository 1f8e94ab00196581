"""Registers of the fake 82576, what the emulated card of the lab was seen to do; and of cards of 10 Gb/s, as their
sources say (no such card was at hand)."""

from __future__ import annotations

from collections.abc import Callable

from hpcapvf.host.registers import check_write
from hpcapvf.model.address import Mac, PciAddress
from hpcapvf.model.errors import RegisterRefused
from hpcapvf.nic.registers import RegisterTable
from hpcapvf.nic.tables import register_table
from tests.fakes.faults import Faults
from tests.fakes.selected import Selected

MIRROR_RULES = frozenset({"VMRCTL", "VMRVLAN", "VMRVM"})
ROMPE, MPME, AUPE, BAM, STRVLAN = 1 << 25, 1 << 28, 1 << 24, 1 << 27, 1 << 30
RCTL_VFE = 1 << 18
PF_MAC = Mac.parse("52:54:00:00:02:00")


class FakeRegisters:
    """values: offset to value. refuse: a reason for which windows cannot be opened, as with strict devmem.

    missing: registers that drop writes and read 0 (the emulated card has no mirror rules, a real one has); frozen:
    those that only drop writes. vf_filters: MAC filter index to (MAC, VF), which the PF driver writes anew, whole, at a
    VF's reset; joined: VFs in multicast groups, for which it sets ROMPE again.
    """

    def __init__(self, faults: Faults, family: str = "82576") -> None:
        self.table: RegisterTable = register_table(family)
        self.values: dict[int, int] = {}
        self.refuse = ""
        self.missing = MIRROR_RULES
        self.frozen: frozenset[str] = frozenset()
        self.vf_filters: dict[int, tuple[Mac, int]] = {}
        self.joined: set[int] = set()
        self.drop_enable = Selected(register_table("82599").register("QDE"))
        self._faults = faults
        self.power_on()

    def open(self, pf: PciAddress, family: str) -> FakeWindow:
        """A window on this card's registers."""
        if self.refuse:
            raise RegisterRefused(f"cannot map resource0 of {pf}: {self.refuse}", hint="iomem=relaxed")
        return FakeWindow(self, f"{pf} ({family})", register_table(family), self._faults)

    def get(self, name: str, index: int = 0) -> int:
        """A register by name."""
        return self.values.get(self.table.register(name).offset(index), 0)

    def set(self, name: str, index: int, value: int) -> None:
        """A register by name, as the card itself would set it."""
        self.values[self.table.register(name).offset(index)] = value

    def power_on(self) -> None:
        """What the PF driver leaves with SR-IOV on: pool 7 is the PF's own and the default."""
        self.values = {0x0000: 0x1C80241, 0x0008: 0x80080783}
        self.set("RCTL", 0, 0x8002 | RCTL_VFE)
        self.set("VT_CTL", 0, 7 << 7 | 1 << 30)
        self.set("VFRE", 0, 0xFF)
        self.set("RAL", 0, 0x00005452)
        self.set("RAH", 0, 1 << 31 | 1 << (18 + 7) | 0x0002)
        for pool in range(8):
            self.set("VMOLR", pool, 0x05EE | AUPE | BAM | STRVLAN)

    def wipe(self) -> None:
        """What Linux' igb rewrites at any VF's reset: multicast promiscuity gone, tables cleared, VLAN filter on."""
        for pool in range(8):
            self.set("VMOLR", pool, self.get("VMOLR", pool) & ~(ROMPE | MPME))
        for index in range(128):
            self.set("MTA", index, 0)
        self.set("RCTL", 0, self.get("RCTL") | RCTL_VFE)
        for vf in self.joined:
            self.set("VMOLR", vf, self.get("VMOLR", vf) | ROMPE)
        for index, (mac, vf) in self.vf_filters.items():
            octets = mac.value.to_bytes(6, "big")
            self.set("RAL", index, int.from_bytes(octets[:4], "little"))
            self.set("RAH", index, 1 << 31 | 1 << (18 + vf) | int.from_bytes(octets[4:], "little"))


class FakeRegisters10g(FakeRegisters):
    """A PF of 10 Gb/s with two VFs that ixgbe drives: pool 2 is the PF's own and the default."""

    def __init__(self, faults: Faults, family: str) -> None:
        super().__init__(faults, family)
        self.missing = frozenset()

    def power_on(self) -> None:
        """Every pool takes broadcast and untagged frames; no queue drops."""
        self.values = {}
        self.drop_enable = Selected(self.table.register("QDE"))
        self.set("MRQC", 0, 0xA)
        self.set("VT_CTL", 0, 1 | 2 << 7 | 1 << 30)
        self.set("VLNCTRL", 0, 1 << 30)
        self.set("PFDTXGSWC", 0, 1)
        self.hold_mac(0, PF_MAC, 1 << 2)
        for pool in range(3):
            self.set("VMOLR", pool, AUPE | BAM)
            for name in ("VFRE", "VFTE"):
                self.set(name, 0, self.get(name) | 1 << pool)

    def wipe(self) -> None:
        """As ixgbe at a VF's reset: multicast by hash off, the VFs' filters written anew."""
        for pool in range(3):
            self.set("VMOLR", pool, self.get("VMOLR", pool) & ~(ROMPE | MPME))
        for index, (mac, vf) in self.vf_filters.items():
            self.hold_mac(index, mac, 1 << vf)

    def hold_mac(self, index: int, mac: Mac, pools: int) -> None:
        """A valid MAC filter and its pools."""
        octets = mac.value.to_bytes(6, "big")
        self.set("RAL", index, int.from_bytes(octets[:4], "little"))
        self.set("RAH", index, 1 << 31 | int.from_bytes(octets[4:], "little"))
        self.set("MPSAR_LO", index, pools)

    def inside(self, name: str, index: int) -> int:
        """What the card's own switch sees."""
        return self.get(name, index)


class FakeWindow:
    """An open window, held to the same allow-list as the real one."""

    def __init__(self, card: FakeRegisters, name: str, table: RegisterTable, faults: Faults) -> None:
        self._card = card
        self._name = name
        self._table = table
        self._faults = faults
        self._open = True

    def read(self, offset: int) -> int:
        """A register that drops writes reads 0."""
        if not self._open or offset % 4:
            raise RegisterRefused(f"cannot read {offset:#x} of {self._name}")
        place = self._table.locate(offset)
        if place is not None and place[0].selector:
            return self._card.drop_enable.read()
        dark = place is not None and (place[0].name in self._card.missing or not place[0].reads_back)
        return 0 if dark else self._card.values.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        """Counted."""
        if not self._open:
            raise RegisterRefused(f"the register window of {self._name} is closed")
        check_write(self._table, self._name, offset, self.read(offset), value)
        place = self._table.locate(offset)
        behind = self._card.drop_enable if place is not None and place[0].selector else None
        if behind and behind.asks_only(value):
            behind.write(value)  # changes nothing
            return
        with self._faults.effect("register", f"{offset:#x} = {value:#010x}"):
            if behind:
                behind.write(value)
            elif self._name_at(offset) not in self._card.missing | self._card.frozen:
                self._card.values[offset] = value

    def close(self) -> None:
        """Closed."""
        self._open = False

    def _name_at(self, offset: int) -> str:
        place = self._table.locate(offset)
        return place[0].name if place else ""


def wiper(registers: FakeRegisters) -> Callable[[str], None]:
    """For ``FakeKernel.on_reset``."""
    return lambda _pf: registers.wipe()
