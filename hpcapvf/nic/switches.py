"""The model of each family's switch, for those that have one."""

from __future__ import annotations

from collections.abc import Callable

from hpcapvf.nic.receive import ReadRegister
from hpcapvf.nic.registers_1g import TABLE_82576
from hpcapvf.nic.registers_10g import TABLES_10G
from hpcapvf.nic.switch import Delivery, Frame, deliver
from hpcapvf.nic.switch_10g import Switch10g

Deliver = Callable[[ReadRegister, Frame, int | None], Delivery]
"""Registers, frame, and the pool that sends it (None from the wire): which pools, and whether the wire, receive it."""


def switch_of(family: str) -> Deliver | None:
    """The model of a family's switch; None if there is none (the I350 has none)."""
    if family == TABLE_82576.family:
        return deliver
    table = next((table for table in TABLES_10G if table.family == family), None)
    if table is None:
        return None
    return lambda read, frame, sender: Switch10g(table, read).deliver(frame, sender)
