"""What a plan would change, as before and after."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Area(StrEnum):
    """Where a change happens."""

    SYSFS = "sysfs"
    LINK = "link settings"  # of a network interface, by ip and ethtool
    REGISTERS = "registers"
    KERNEL = "kernel arguments"
    FILE = "file"
    LIBVIRT = "libvirt"
    SERVICE = "service"
    GUEST = "guest"


@dataclass(frozen=True)
class Change:
    """One place that a step changes.

    step: index in the plan; None for what no step does. before: None if it is unknown until the step is applied; "" if
    nothing is there. after equal to before: it stays as it is. is_text: before and after are texts of several lines.
    """

    step: int | None
    area: Area
    place: str
    before: str | None
    after: str
    reversible: bool = True
    is_text: bool = False
    note: str = ""
