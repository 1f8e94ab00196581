"""What the card's registers say, read on the server with these eyes and not the engine's: QEMU's hw/net/igb_regs.h."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from tests.lab.conftest import Server

_QUEUES_TO_A_POOL = 8  # a pool's second queue has its number and 8
# MAC filters: RAL and RAH, 16 pairs at 0x5400 and 8 at 0x54e0; QDE at 0x2408.
_LOOK = """\
import json, mmap, struct, sys
with open(f"/sys/bus/pci/devices/{sys.argv[1]}/resource0", "r+b") as file:
    window = mmap.mmap(file.fileno(), 0x10000, mmap.MAP_SHARED, mmap.PROT_READ)
read = lambda at: struct.unpack_from("<I", window, at)[0]
pairs = [0x5400 + 8 * i for i in range(16)] + [0x54E0 + 8 * i for i in range(8)]
print(json.dumps({"qde": read(0x2408), "filters": [[read(at), read(at + 4)] for at in pairs]}))
"""


@dataclass(frozen=True)
class Card:
    """pools: MAC to the pools that its filter names. drops: queues that drop when they are full."""

    pools: dict[str, frozenset[int]]
    drops: frozenset[int]


def read_card(server: Server) -> Card:
    """The card as it is now."""
    result = server.lab.run(["python3", "-", server.pf], timeout_s=60, stdin=_LOOK.encode())
    assert result.returncode == 0, result.error_text
    found = json.loads(result.text)
    pools = {}
    for low, high in found["filters"]:
        if high >> 31:
            mac = (low.to_bytes(4, "little") + (high & 0xFFFF).to_bytes(2, "little")).hex(":")
            pools[mac] = _bits(high >> 18 & 0xFF)
    return Card(pools, _bits(found["qde"]))


def wrong_with(card: Card, owners: dict[str, int], watched: Iterable[str], agent: int | None) -> list[str]:
    """What is not as it should be. owners: MAC of a VM to its pool; agent: its pool, None if nobody watches."""
    found = []
    for mac, pool in owners.items():
        due = {pool} | ({agent} if agent is not None and mac in watched else set())
        if card.pools.get(mac, frozenset()) != due:
            found.append(f"filter of {mac} names pools {sorted(card.pools.get(mac, ()))}, not {sorted(due)}")
    if agent is not None and not {agent, agent + _QUEUES_TO_A_POOL} <= card.drops:
        found.append(f"queues of pool {agent} do not drop when they are full: QDE has {sorted(card.drops)}")
    return found


def _bits(value: int) -> frozenset[int]:
    return frozenset(bit for bit in range(32) if value >> bit & 1)
