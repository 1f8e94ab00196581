"""Several servers under one name: ``lab up --servers 2 --name pair`` makes the labs pair-1 and pair-2. Pure.

Each is a lab like any other, with its own ports, wire, disks and key; commands that take a lab's name take theirs too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from hpcapvf.lab.machine import LabConfig
from hpcapvf.model.errors import BadSpec, Conflict

MEMORY_MIB = 24 * 1024
MOST = 4


def configs(config: LabConfig, servers: int, labs: Sequence[str]) -> tuple[LabConfig, ...]:
    """A configuration for each server; one server keeps its name. labs: names of the labs that exist.

    Raises BadSpec for a number or memory that cannot be, Conflict where the name means something else already.
    """
    if not 1 <= servers <= MOST:
        raise BadSpec(f"{servers} servers cannot be started together", hint=f"Use 1 to {MOST}.")
    if servers == 1:
        return (config,)
    if servers * config.memory_mib > MEMORY_MIB:
        raise BadSpec(
            f"{servers} servers of {config.memory_mib} MiB are more than {MEMORY_MIB} MiB",
            hint=f"Use at most --memory {MEMORY_MIB // servers}M.",
        )
    if config.name in labs:
        raise Conflict(
            f"{config.name} is one server already",
            hint=f"Remove it with `hpcapvf lab clean --name {config.name}`, or use another name.",
        )
    return tuple(replace(config, name=f"{config.name}-{number}") for number in range(1, servers + 1))


def members(name: str, labs: Sequence[str]) -> tuple[str, ...]:
    """The labs that a name means: itself, or all of its servers. A name that nobody has means itself."""
    numbered = re.compile(rf"{re.escape(name)}-[1-{MOST}]")
    return (name,) if name in labs else tuple(lab for lab in labs if numbered.fullmatch(lab)) or (name,)
