"""A model of the receive switch of the 82599, X540 and X550 with VFs: registers and a frame give pools and the wire.

The reference for what a register programme does where no card is at hand. Its rules are those that the project's
register facts take from the X550 datasheet (333369) and from Intel's base driver: first the pools that the MAC, the
hash tables and the promiscuous bits name, then VLAN membership, then the default pool, then VFRE, then mirror rules.
Where the datasheet leaves room the stricter reading is taken, so that a programme is proven under it: the unicast
hash is asked only for a MAC that no filter names, and the default pool takes unicast only.
Not seen on hardware. Not in it: frame lengths, anti-spoofing, RSS, EtherType and five-tuple filters.
"""

from __future__ import annotations

from dataclasses import dataclass

from hpcapvf.model.address import Mac
from hpcapvf.nic.receive import ReadRegister, filter_mac
from hpcapvf.nic.registers import RegisterTable
from hpcapvf.nic.registers_10g import POOLS, has_promiscuous_pools
from hpcapvf.nic.switch import BROADCAST, Delivery, Frame, hash_slot, is_group

_SR_IOV_MODES = (8, 10, 11, 12, 13)  # MRQC: 64 or 32 pools, with and without RSS and traffic classes
_RULE_UPPER_HALF = 4  # rule r's pools and VLAN filters 32 to 63 stand in register r + 4


@dataclass(frozen=True)
class Switch10g:
    """The switch of one port, of a family's table, over its registers."""

    table: RegisterTable
    read: ReadRegister

    def deliver(self, frame: Frame, sender: int | None = None) -> Delivery:
        """Which pools, and whether the wire, receive a frame.

        sender: the pool that sends it, None for a frame from the wire. ValueError if the port does not serve pools.
        """
        if not self._field("VT_CTL", 0, "ENABLE") or self._field("MRQC", 0, "MODE") not in _SR_IOV_MODES:
            raise ValueError("the model covers a port that serves pools only (VT_CTL.ENABLE, MRQC)")
        if sender is not None and not self._bitmap("VFTE") >> sender & 1:
            return Delivery(frozenset())
        named = self._by_filter(frame.destination)
        exact = bool(named) and not is_group(frame.destination)
        pools = self._original(frame, named, sender)
        to_wire = sender is not None and not (exact and pools)
        pools |= self._mirrored(frame, pools, sender, to_wire)
        return Delivery(frozenset(p for p in range(POOLS) if pools >> p & 1), wire=to_wire)

    def _original(self, frame: Frame, named: int, sender: int | None) -> int:
        """The bitmap of pools before mirroring."""
        if sender is not None and not self._field("PFDTXGSWC", 0, "LOOPBACK_ENABLE"):
            return 0
        filtering = bool(self._field("VLNCTRL", 0, "VFE"))
        if filtering and frame.vlan is not None and not self.read("VFTA", frame.vlan >> 5) >> (frame.vlan & 31) & 1:
            return 0
        pools = self._by_address(frame.destination, named)
        if filtering:
            pools &= self._vlan_members(frame.vlan)
        if sender is not None:
            pools &= ~(1 << sender) | self._bitmap("VMTXSW")
        no_default = self._field("VT_CTL", 0, "DISABLE_DEFAULT_POOL") or sender is not None
        if not pools and not is_group(frame.destination) and not no_default:
            pools = 1 << self._field("VT_CTL", 0, "DEFAULT_POOL")
        pools &= self._bitmap("VFRE")
        if pools.bit_count() > 1 and not self._field("VT_CTL", 0, "REPLICATION"):
            pools &= -pools  # one pool only; which one is not documented, the lowest stands for it
        return pools

    def _by_filter(self, mac: Mac) -> int:
        found = 0
        high = self.table.register("RAH")
        valid = high.field("VALID").mask
        for index in range(high.count):
            if self.read("RAH", index) & valid and filter_mac(self.table, self.read, index) == mac:
                found |= self.read("MPSAR_LO", index) | self.read("MPSAR_HI", index) << 32
        return found

    def _by_address(self, mac: Mac, named: int) -> int:
        if mac == BROADCAST:
            return self._pools_with("BAM") | named
        slot = hash_slot(mac, self._field("MCSTCTRL", 0, "MO"))
        if is_group(mac):
            by_hash = self._field("MCSTCTRL", 0, "MFE") and self._in_hash("MTA", slot)
            return named | self._pools_with("MPME") | (self._pools_with("ROMPE") if by_hash else 0)
        found = named or (self._pools_with("ROPE") if self._in_hash("UTA", slot) else 0)
        return found | (self._pools_with("UPE") if has_promiscuous_pools(self.table) else 0)

    def _vlan_members(self, vlan: int | None) -> int:
        if vlan is None:
            return self._pools_with("AUPE")
        found = self._pools_with("VPE") if has_promiscuous_pools(self.table) else 0
        for index in self._vlan_filters(vlan):
            found |= self.read("VLVFB", 2 * index) | self.read("VLVFB", 2 * index + 1) << 32
        return found

    def _vlan_filters(self, vlan: int) -> list[int]:
        register = self.table.register("VLVF")
        valid, number = register.field("VALID"), register.field("VLAN")
        wanted = valid.mask | number.insert(vlan)
        return [i for i in range(register.count) if self.read("VLVF", i) & (valid.mask | number.mask) == wanted]

    def _mirrored(self, frame: Frame, pools: int, sender: int | None, to_wire: bool) -> int:
        """The pools that mirror rules add; a rule looks at the list before mirroring, so that rules make no chain."""
        added = 0
        if not self._field("VT_CTL", 0, "REPLICATION"):
            return 0
        for rule in range(self.table.register("VMRCTL").count):
            matches = (
                (self._field("VMRCTL", rule, "POOL") and pools & self._of_rule("VMRVM", rule))
                or (self._field("VMRCTL", rule, "UPLINK") and sender is None and pools)
                or (self._field("VMRCTL", rule, "DOWNLINK") and to_wire)
                or (self._field("VMRCTL", rule, "VLAN") and pools and self._vlan_is_mirrored(frame, rule))
            )
            if matches:
                added |= 1 << self._field("VMRCTL", rule, "TO_POOL")
        return added & self._bitmap("VFRE")

    def _vlan_is_mirrored(self, frame: Frame, rule: int) -> bool:
        filters = self._of_rule("VMRVLAN", rule)
        return frame.vlan is not None and any(filters >> index & 1 for index in self._vlan_filters(frame.vlan))

    def _of_rule(self, name: str, rule: int) -> int:
        return self.read(name, rule) | self.read(name, rule + _RULE_UPPER_HALF) << 32

    def _bitmap(self, name: str) -> int:
        return self.read(name, 0) | self.read(name, 1) << 32

    def _in_hash(self, name: str, slot: int) -> bool:
        return bool(self.read(name, slot >> 5) >> (slot & 31) & 1)

    def _pools_with(self, name: str) -> int:
        bit = self.table.register("VMOLR").field(name).mask
        return sum(1 << pool for pool in range(POOLS) if self.read("VMOLR", pool) & bit)

    def _field(self, name: str, index: int, field: str) -> int:
        return self.table.register(name).field(field).extract(self.read(name, index))
