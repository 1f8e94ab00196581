"""The register tables as a C header, for the host module that holds them to the same list (``driver/host``)."""

from __future__ import annotations

from hpcapvf.nic.devices import family_named
from hpcapvf.nic.registers import ALL_BITS, Register, RegisterTable
from hpcapvf.nic.tables import TABLES

_HEAD = """/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Made from hpcapvf/nic/registers_*.py by `pytest --regenerate-golden tests/unit/nic/test_allow_list.py`: change that.
 * Every register of the tables may be read; only bits of its mask may be written.
 */
#ifndef HPCAPVF_REGS_ALLOW_LIST_H
#define HPCAPVF_REGS_ALLOW_LIST_H

#include <linux/kernel.h>
#include <linux/types.h>

/* count registers from offset, stride bytes apart. reads_back: whether a read gives what was written. */
struct regs_allowed {
	u32 offset;
	u32 stride;
	u32 count;
	u32 mask;
	bool reads_back;
};

struct regs_family {
	const char *name;
	const struct regs_allowed *allowed;
	size_t count;
};

struct regs_device {
	u16 vendor;
	u16 device;
	const struct regs_family *family;
};
"""


def render_allow_list() -> str:
    """The whole header, for every family that has a table."""
    parts = [_HEAD, *(_family(table) for table in TABLES), _devices(), "#endif /* HPCAPVF_REGS_ALLOW_LIST_H */\n"]
    return "\n".join(parts)


def _family(table: RegisterTable) -> str:
    name = f"regs_{table.family}"
    rows = "".join(_rows(register) for register in table.registers)
    family = f'"{table.family}", {name}_allowed, ARRAY_SIZE({name}_allowed),'
    return (
        f"static const struct regs_allowed {name}_allowed[] = {{\n{rows}}};\n\n"
        f"static const struct regs_family {name} = {{\n\t{family}\n}};\n"
    )


def _rows(register: Register) -> str:
    back = "true" if register.reads_back else "false"
    mask = register.writable_mask & ALL_BITS
    return "".join(
        f"\t{{ {span.offset:#07x}, {span.stride:#x}, {span.count}, {mask:#010x}, {back} }},\t/* {register.name} */\n"
        for span in register.spans
    )


def _devices() -> str:
    rows = ""
    for table in TABLES:
        family = family_named(table.family)
        if family is None:
            raise ValueError(f"{table.family} has registers and no device IDs")
        rows += "".join(f"\t{{ {family.vendor:#06x}, {pf:#06x}, &regs_{table.family} }},\n" for pf in family.pf_devices)
    return f"static const struct regs_device regs_devices[] = {{\n{rows}}};\n"
