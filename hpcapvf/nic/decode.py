"""A card's receive switch as its registers say: which MAC and VLAN feeds which pool, and what each pool takes."""

from __future__ import annotations

from dataclasses import dataclass

from hpcapvf.model.address import Mac
from hpcapvf.nic.bitmaps import MAC, RECEIVES, RULE, RULE_VLANS, SENDS, VLAN, bitmap, numbers
from hpcapvf.nic.receive import ReadRegister, filter_mac
from hpcapvf.nic.registers import RegisterTable

_POOL_WORDS = {
    "UPE": "all unicast",
    "VPE": "every VLAN",
    "AUPE": "untagged frames",
    "BAM": "broadcast",
    "ROMPE": "multicast by hash",
    "MPME": "all multicast",
    "ROPE": "unicast by hash",
    "LPE": "long frames",
    "STRVLAN": "VLAN tags taken out",
}
_RULE_WORDS = {"POOL": "pools", "UPLINK": "from the network", "DOWNLINK": "to the network", "VLAN": "VLANs"}


@dataclass(frozen=True)
class MacFilter:
    """A MAC in filter ``index`` (RAL, RAH) and the pools that it feeds."""

    index: int
    mac: Mac
    pools: tuple[int, ...]


@dataclass(frozen=True)
class VlanFilter:
    """A VLAN in filter ``index`` (VLVF) and the pools that are its members."""

    index: int
    vlan: int
    pools: tuple[int, ...]


@dataclass(frozen=True)
class PoolState:
    """What a pool takes, in words; receives, sends: whether it is enabled at all (VFRE, VFTE)."""

    pool: int
    receives: bool
    sends: bool
    takes: tuple[str, ...]
    value: int


@dataclass(frozen=True)
class MirrorRule:
    """A mirror rule that is on: its types in words, the pools and VLAN filters it looks at, and where it copies to."""

    index: int
    types: tuple[str, ...]
    pools: tuple[int, ...]
    vlan_filters: tuple[int, ...]
    to_pool: int


@dataclass(frozen=True)
class SwitchState:
    """The whole switch. default_pool: gets unicast that no filter names; None if that is dropped.

    loopback: whether frames from one pool to another stay on the card (DTXSWC, TXSWC, PFDTXGSWC). hash_bits: bits set
    in the multicast table; promiscuous: of the port as a whole, unicast and multicast (RCTL of 1 Gb/s cards, FCTRL of
    10 Gb/s).
    """

    macs: tuple[MacFilter, ...]
    vlans: tuple[VlanFilter, ...]
    pools: tuple[PoolState, ...]
    rules: tuple[MirrorRule, ...]
    default_pool: int | None
    replication: bool
    loopback: bool
    vlan_filtering: bool
    promiscuous_unicast: bool
    promiscuous_multicast: bool
    hash_bits: int


def decode_switch(table: RegisterTable, read: ReadRegister) -> SwitchState:
    """Everything at once. Registers that do not read back (the unicast hash) are left out."""

    def field(register: str, index: int, name: str) -> int:
        return table.register(register).field(name).extract(read(register, index))

    def every(register: str) -> range:
        return range(table.register(register).count)

    enabled, sending = bitmap(table, read, RECEIVES), bitmap(table, read, SENDS)
    transmit = next(name for name in ("PFDTXGSWC", "DTXSWC", "TXSWC") if table.has(name))
    port, filtering = ("FCTRL", "VLNCTRL") if table.has("FCTRL") else ("RCTL", "RCTL")
    return SwitchState(
        macs=tuple(
            MacFilter(i, filter_mac(table, read, i), numbers(bitmap(table, read, MAC, i)))
            for i in every("RAH")
            if field("RAH", i, "VALID")
        ),
        vlans=tuple(
            VlanFilter(i, field("VLVF", i, "VLAN"), numbers(bitmap(table, read, VLAN, i)))
            for i in every("VLVF")
            if field("VLVF", i, "VALID")
        ),
        pools=tuple(
            PoolState(
                i,
                bool(enabled >> i & 1),
                bool(sending >> i & 1),
                _words(table, "VMOLR", read("VMOLR", i), _POOL_WORDS),
                read("VMOLR", i),
            )
            for i in every("VMOLR")
        ),
        rules=_rules(table, read),
        default_pool=None if field("VT_CTL", 0, "DISABLE_DEFAULT_POOL") else field("VT_CTL", 0, "DEFAULT_POOL"),
        replication=bool(field("VT_CTL", 0, "REPLICATION")),
        loopback=bool(field(transmit, 0, "LOOPBACK_ENABLE")),
        vlan_filtering=bool(field(filtering, 0, "VFE")),
        promiscuous_unicast=bool(field(port, 0, "UPE")),
        promiscuous_multicast=bool(field(port, 0, "MPE")),
        hash_bits=sum(read("MTA", i).bit_count() for i in every("MTA")),
    )


def _rules(table: RegisterTable, read: ReadRegister) -> tuple[MirrorRule, ...]:
    control = table.register("VMRCTL")
    found = []
    for index in range(control.count):
        types = _words(table, "VMRCTL", read("VMRCTL", index), _RULE_WORDS)
        if types:
            to_pool = control.field("TO_POOL").extract(read("VMRCTL", index))
            pools, filters = (numbers(bitmap(table, read, what, index)) for what in (RULE, RULE_VLANS))
            found.append(MirrorRule(index, types, pools, filters, to_pool))
    return tuple(found)


def _words(table: RegisterTable, register: str, value: int, words: dict[str, str]) -> tuple[str, ...]:
    fields = table.register(register).fields
    return tuple(words[f.name] for f in fields if f.name in words and f.extract(value))
