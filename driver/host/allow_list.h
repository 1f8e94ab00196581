/* SPDX-License-Identifier: GPL-2.0-or-later */
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

static const struct regs_allowed regs_82576_allowed[] = {
	{ 0x00000, 0x4, 1, 0x00000000, true },	/* CTRL */
	{ 0x00008, 0x4, 1, 0x00000000, true },	/* STATUS */
	{ 0x00038, 0x4, 1, 0x00000000, true },	/* VET */
	{ 0x00100, 0x4, 1, 0x00040000, true },	/* RCTL */
	{ 0x00800, 0x40, 8, 0x00000000, true },	/* VMBMEM */
	{ 0x00c00, 0x4, 8, 0x00000000, true },	/* P2VMAILBOX */
	{ 0x00c88, 0x4, 1, 0x00000000, true },	/* VFLRE */
	{ 0x00c8c, 0x4, 1, 0x00000000, true },	/* VFRE */
	{ 0x00c90, 0x4, 1, 0x00000000, true },	/* VFTE */
	{ 0x02408, 0x4, 1, 0x0000ffff, true },	/* QDE */
	{ 0x05004, 0x4, 1, 0x00000000, true },	/* RLPML */
	{ 0x05200, 0x4, 128, 0xffffffff, true },	/* MTA */
	{ 0x05600, 0x4, 128, 0x00000000, true },	/* VFTA */
	{ 0x05818, 0x4, 1, 0x00000000, true },	/* MRQC */
	{ 0x0581c, 0x4, 1, 0x60000380, true },	/* VT_CTL */
	{ 0x05ad0, 0x4, 8, 0x5f000000, true },	/* VMOLR */
	{ 0x05af0, 0x4, 1, 0x40000000, true },	/* RPLOLR */
	{ 0x05d00, 0x4, 32, 0x000ff000, true },	/* VLVF */
	{ 0x05d80, 0x4, 4, 0x0000070f, true },	/* VMRCTL */
	{ 0x05d90, 0x4, 4, 0xffffffff, true },	/* VMRVLAN */
	{ 0x05da0, 0x4, 4, 0x000000ff, true },	/* VMRVM */
	{ 0x0a000, 0x4, 128, 0xffffffff, false },	/* UTA */
	{ 0x05400, 0x8, 16, 0x00000000, true },	/* RAL */
	{ 0x054e0, 0x8, 8, 0x00000000, true },	/* RAL */
	{ 0x05404, 0x8, 16, 0x03fc0000, true },	/* RAH */
	{ 0x054e4, 0x8, 8, 0x03fc0000, true },	/* RAH */
	{ 0x03500, 0x4, 1, 0x00000000, true },	/* DTXSWC */
	{ 0x02830, 0x100, 4, 0x00000000, true },	/* RQDPC */
	{ 0x0c130, 0x40, 12, 0x00000000, true },	/* RQDPC */
	{ 0x10010, 0x100, 8, 0x00000000, true },	/* PFVFGPRC */
};

static const struct regs_family regs_82576 = {
	"82576", regs_82576_allowed, ARRAY_SIZE(regs_82576_allowed),
};

static const struct regs_allowed regs_i350_allowed[] = {
	{ 0x00000, 0x4, 1, 0x00000000, true },	/* CTRL */
	{ 0x00008, 0x4, 1, 0x00000000, true },	/* STATUS */
	{ 0x00038, 0x4, 1, 0x00000000, true },	/* VET */
	{ 0x00100, 0x4, 1, 0x00040000, true },	/* RCTL */
	{ 0x00800, 0x40, 8, 0x00000000, true },	/* VMBMEM */
	{ 0x00c00, 0x4, 8, 0x00000000, true },	/* P2VMAILBOX */
	{ 0x00c88, 0x4, 1, 0x00000000, true },	/* VFLRE */
	{ 0x00c8c, 0x4, 1, 0x00000000, true },	/* VFRE */
	{ 0x00c90, 0x4, 1, 0x00000000, true },	/* VFTE */
	{ 0x02408, 0x4, 1, 0x0000ffff, true },	/* QDE */
	{ 0x05004, 0x4, 1, 0x00000000, true },	/* RLPML */
	{ 0x05200, 0x4, 128, 0xffffffff, true },	/* MTA */
	{ 0x05600, 0x4, 128, 0x00000000, true },	/* VFTA */
	{ 0x05818, 0x4, 1, 0x00000000, true },	/* MRQC */
	{ 0x0581c, 0x4, 1, 0x60000380, true },	/* VT_CTL */
	{ 0x05ad0, 0x4, 8, 0x5f000000, true },	/* VMOLR */
	{ 0x05af0, 0x4, 1, 0x40000000, true },	/* RPLOLR */
	{ 0x05d00, 0x4, 32, 0x000ff000, true },	/* VLVF */
	{ 0x05d80, 0x4, 4, 0x0000070f, true },	/* VMRCTL */
	{ 0x05d90, 0x4, 4, 0xffffffff, true },	/* VMRVLAN */
	{ 0x05da0, 0x4, 4, 0x000000ff, true },	/* VMRVM */
	{ 0x0a000, 0x4, 128, 0xffffffff, false },	/* UTA */
	{ 0x05400, 0x8, 16, 0x00000000, true },	/* RAL */
	{ 0x054e0, 0x8, 16, 0x00000000, true },	/* RAL */
	{ 0x05404, 0x8, 16, 0x03fc0000, true },	/* RAH */
	{ 0x054e4, 0x8, 16, 0x03fc0000, true },	/* RAH */
	{ 0x05acc, 0x4, 1, 0x00000000, true },	/* TXSWC */
	{ 0x0c038, 0x40, 8, 0x60000000, true },	/* DVMOLR */
	{ 0x0c030, 0x40, 8, 0x00000000, true },	/* RQDPC */
};

static const struct regs_family regs_i350 = {
	"i350", regs_i350_allowed, ARRAY_SIZE(regs_i350_allowed),
};

static const struct regs_allowed regs_82599_allowed[] = {
	{ 0x02f04, 0x4, 1, 0x00037f03, false },	/* QDE */
	{ 0x01430, 0x40, 16, 0x00000000, true },	/* QPRDC */
	{ 0x02100, 0x4, 16, 0x00000000, true },	/* SRRCTL */
	{ 0x01414, 0x40, 48, 0x00000000, true },	/* SRRCTL */
	{ 0x0d014, 0x40, 64, 0x00000000, true },	/* SRRCTL */
	{ 0x05080, 0x4, 1, 0x00000000, true },	/* FCTRL */
	{ 0x05088, 0x4, 1, 0x40000000, true },	/* VLNCTRL */
	{ 0x05090, 0x4, 1, 0x00000004, true },	/* MCSTCTRL */
	{ 0x05180, 0x4, 2, 0x00000000, true },	/* VMTXSW */
	{ 0x051b0, 0x4, 1, 0x60001f80, true },	/* VT_CTL */
	{ 0x051e0, 0x4, 2, 0x00000000, true },	/* VFRE */
	{ 0x05200, 0x4, 128, 0xffffffff, true },	/* MTA */
	{ 0x05400, 0x8, 16, 0x00000000, true },	/* RAL */
	{ 0x0a280, 0x8, 112, 0x00000000, true },	/* RAL */
	{ 0x05404, 0x8, 16, 0x00000000, true },	/* RAH */
	{ 0x0a284, 0x8, 112, 0x00000000, true },	/* RAH */
	{ 0x05818, 0x4, 1, 0x00000000, true },	/* MRQC */
	{ 0x08000, 0x4, 64, 0x00000000, true },	/* VMVIR */
	{ 0x08110, 0x4, 2, 0x00000000, true },	/* VFTE */
	{ 0x08200, 0x4, 8, 0x00000000, true },	/* PFVFSPOOF */
	{ 0x08220, 0x4, 1, 0x00000000, true },	/* PFDTXGSWC */
	{ 0x0a000, 0x4, 128, 0x00000000, true },	/* VFTA */
	{ 0x0a600, 0x8, 128, 0xffffffff, true },	/* MPSAR_LO */
	{ 0x0a604, 0x8, 128, 0xffffffff, true },	/* MPSAR_HI */
	{ 0x0f100, 0x4, 64, 0x00000000, true },	/* VLVF */
	{ 0x0f200, 0x4, 128, 0xffffffff, true },	/* VLVFB */
	{ 0x0f400, 0x4, 128, 0xffffffff, true },	/* UTA */
	{ 0x0f600, 0x4, 4, 0x00003f0f, true },	/* VMRCTL */
	{ 0x0f610, 0x4, 8, 0xffffffff, true },	/* VMRVLAN */
	{ 0x0f630, 0x4, 8, 0xffffffff, true },	/* VMRVM */
	{ 0x0f000, 0x4, 64, 0x1f000000, true },	/* VMOLR */
};

static const struct regs_family regs_82599 = {
	"82599", regs_82599_allowed, ARRAY_SIZE(regs_82599_allowed),
};

static const struct regs_allowed regs_x540_allowed[] = {
	{ 0x02f04, 0x4, 1, 0x00037f03, false },	/* QDE */
	{ 0x01430, 0x40, 16, 0x00000000, true },	/* QPRDC */
	{ 0x02100, 0x4, 16, 0x00000000, true },	/* SRRCTL */
	{ 0x01414, 0x40, 48, 0x00000000, true },	/* SRRCTL */
	{ 0x0d014, 0x40, 64, 0x00000000, true },	/* SRRCTL */
	{ 0x05080, 0x4, 1, 0x00000000, true },	/* FCTRL */
	{ 0x05088, 0x4, 1, 0x40000000, true },	/* VLNCTRL */
	{ 0x05090, 0x4, 1, 0x00000004, true },	/* MCSTCTRL */
	{ 0x05180, 0x4, 2, 0x00000000, true },	/* VMTXSW */
	{ 0x051b0, 0x4, 1, 0x60001f80, true },	/* VT_CTL */
	{ 0x051e0, 0x4, 2, 0x00000000, true },	/* VFRE */
	{ 0x05200, 0x4, 128, 0xffffffff, true },	/* MTA */
	{ 0x05400, 0x8, 16, 0x00000000, true },	/* RAL */
	{ 0x0a280, 0x8, 112, 0x00000000, true },	/* RAL */
	{ 0x05404, 0x8, 16, 0x00000000, true },	/* RAH */
	{ 0x0a284, 0x8, 112, 0x00000000, true },	/* RAH */
	{ 0x05818, 0x4, 1, 0x00000000, true },	/* MRQC */
	{ 0x08000, 0x4, 64, 0x00000000, true },	/* VMVIR */
	{ 0x08110, 0x4, 2, 0x00000000, true },	/* VFTE */
	{ 0x08200, 0x4, 8, 0x00000000, true },	/* PFVFSPOOF */
	{ 0x08220, 0x4, 1, 0x00000000, true },	/* PFDTXGSWC */
	{ 0x0a000, 0x4, 128, 0x00000000, true },	/* VFTA */
	{ 0x0a600, 0x8, 128, 0xffffffff, true },	/* MPSAR_LO */
	{ 0x0a604, 0x8, 128, 0xffffffff, true },	/* MPSAR_HI */
	{ 0x0f100, 0x4, 64, 0x00000000, true },	/* VLVF */
	{ 0x0f200, 0x4, 128, 0xffffffff, true },	/* VLVFB */
	{ 0x0f400, 0x4, 128, 0xffffffff, true },	/* UTA */
	{ 0x0f600, 0x4, 4, 0x00003f0f, true },	/* VMRCTL */
	{ 0x0f610, 0x4, 8, 0xffffffff, true },	/* VMRVLAN */
	{ 0x0f630, 0x4, 8, 0xffffffff, true },	/* VMRVM */
	{ 0x0f000, 0x4, 64, 0x1f000000, true },	/* VMOLR */
};

static const struct regs_family regs_x540 = {
	"x540", regs_x540_allowed, ARRAY_SIZE(regs_x540_allowed),
};

static const struct regs_allowed regs_x550_allowed[] = {
	{ 0x02f04, 0x4, 1, 0x00037f03, false },	/* QDE */
	{ 0x01430, 0x40, 16, 0x00000000, true },	/* QPRDC */
	{ 0x02100, 0x4, 16, 0x00000000, true },	/* SRRCTL */
	{ 0x01414, 0x40, 48, 0x00000000, true },	/* SRRCTL */
	{ 0x0d014, 0x40, 64, 0x00000000, true },	/* SRRCTL */
	{ 0x05080, 0x4, 1, 0x00000000, true },	/* FCTRL */
	{ 0x05088, 0x4, 1, 0x40000000, true },	/* VLNCTRL */
	{ 0x05090, 0x4, 1, 0x00000004, true },	/* MCSTCTRL */
	{ 0x05180, 0x4, 2, 0x00000000, true },	/* VMTXSW */
	{ 0x051b0, 0x4, 1, 0x60001f80, true },	/* VT_CTL */
	{ 0x051e0, 0x4, 2, 0x00000000, true },	/* VFRE */
	{ 0x05200, 0x4, 128, 0xffffffff, true },	/* MTA */
	{ 0x05400, 0x8, 16, 0x00000000, true },	/* RAL */
	{ 0x0a280, 0x8, 112, 0x00000000, true },	/* RAL */
	{ 0x05404, 0x8, 16, 0x00000000, true },	/* RAH */
	{ 0x0a284, 0x8, 112, 0x00000000, true },	/* RAH */
	{ 0x05818, 0x4, 1, 0x00000000, true },	/* MRQC */
	{ 0x08000, 0x4, 64, 0x00000000, true },	/* VMVIR */
	{ 0x08110, 0x4, 2, 0x00000000, true },	/* VFTE */
	{ 0x08200, 0x4, 8, 0x00000000, true },	/* PFVFSPOOF */
	{ 0x08220, 0x4, 1, 0x00000000, true },	/* PFDTXGSWC */
	{ 0x0a000, 0x4, 128, 0x00000000, true },	/* VFTA */
	{ 0x0a600, 0x8, 128, 0xffffffff, true },	/* MPSAR_LO */
	{ 0x0a604, 0x8, 128, 0xffffffff, true },	/* MPSAR_HI */
	{ 0x0f100, 0x4, 64, 0x00000000, true },	/* VLVF */
	{ 0x0f200, 0x4, 128, 0xffffffff, true },	/* VLVFB */
	{ 0x0f400, 0x4, 128, 0xffffffff, true },	/* UTA */
	{ 0x0f600, 0x4, 4, 0x00003f0f, true },	/* VMRCTL */
	{ 0x0f610, 0x4, 8, 0xffffffff, true },	/* VMRVLAN */
	{ 0x0f630, 0x4, 8, 0xffffffff, true },	/* VMRVM */
	{ 0x0f000, 0x4, 64, 0x1fc00000, true },	/* VMOLR */
};

static const struct regs_family regs_x550 = {
	"x550", regs_x550_allowed, ARRAY_SIZE(regs_x550_allowed),
};

static const struct regs_allowed regs_x552_allowed[] = {
	{ 0x02f04, 0x4, 1, 0x00037f03, false },	/* QDE */
	{ 0x01430, 0x40, 16, 0x00000000, true },	/* QPRDC */
	{ 0x02100, 0x4, 16, 0x00000000, true },	/* SRRCTL */
	{ 0x01414, 0x40, 48, 0x00000000, true },	/* SRRCTL */
	{ 0x0d014, 0x40, 64, 0x00000000, true },	/* SRRCTL */
	{ 0x05080, 0x4, 1, 0x00000000, true },	/* FCTRL */
	{ 0x05088, 0x4, 1, 0x40000000, true },	/* VLNCTRL */
	{ 0x05090, 0x4, 1, 0x00000004, true },	/* MCSTCTRL */
	{ 0x05180, 0x4, 2, 0x00000000, true },	/* VMTXSW */
	{ 0x051b0, 0x4, 1, 0x60001f80, true },	/* VT_CTL */
	{ 0x051e0, 0x4, 2, 0x00000000, true },	/* VFRE */
	{ 0x05200, 0x4, 128, 0xffffffff, true },	/* MTA */
	{ 0x05400, 0x8, 16, 0x00000000, true },	/* RAL */
	{ 0x0a280, 0x8, 112, 0x00000000, true },	/* RAL */
	{ 0x05404, 0x8, 16, 0x00000000, true },	/* RAH */
	{ 0x0a284, 0x8, 112, 0x00000000, true },	/* RAH */
	{ 0x05818, 0x4, 1, 0x00000000, true },	/* MRQC */
	{ 0x08000, 0x4, 64, 0x00000000, true },	/* VMVIR */
	{ 0x08110, 0x4, 2, 0x00000000, true },	/* VFTE */
	{ 0x08200, 0x4, 8, 0x00000000, true },	/* PFVFSPOOF */
	{ 0x08220, 0x4, 1, 0x00000000, true },	/* PFDTXGSWC */
	{ 0x0a000, 0x4, 128, 0x00000000, true },	/* VFTA */
	{ 0x0a600, 0x8, 128, 0xffffffff, true },	/* MPSAR_LO */
	{ 0x0a604, 0x8, 128, 0xffffffff, true },	/* MPSAR_HI */
	{ 0x0f100, 0x4, 64, 0x00000000, true },	/* VLVF */
	{ 0x0f200, 0x4, 128, 0xffffffff, true },	/* VLVFB */
	{ 0x0f400, 0x4, 128, 0xffffffff, true },	/* UTA */
	{ 0x0f600, 0x4, 4, 0x00003f0f, true },	/* VMRCTL */
	{ 0x0f610, 0x4, 8, 0xffffffff, true },	/* VMRVLAN */
	{ 0x0f630, 0x4, 8, 0xffffffff, true },	/* VMRVM */
	{ 0x0f000, 0x4, 64, 0x1fc00000, true },	/* VMOLR */
};

static const struct regs_family regs_x552 = {
	"x552", regs_x552_allowed, ARRAY_SIZE(regs_x552_allowed),
};

static const struct regs_allowed regs_x553_allowed[] = {
	{ 0x02f04, 0x4, 1, 0x00037f03, false },	/* QDE */
	{ 0x01430, 0x40, 16, 0x00000000, true },	/* QPRDC */
	{ 0x02100, 0x4, 16, 0x00000000, true },	/* SRRCTL */
	{ 0x01414, 0x40, 48, 0x00000000, true },	/* SRRCTL */
	{ 0x0d014, 0x40, 64, 0x00000000, true },	/* SRRCTL */
	{ 0x05080, 0x4, 1, 0x00000000, true },	/* FCTRL */
	{ 0x05088, 0x4, 1, 0x40000000, true },	/* VLNCTRL */
	{ 0x05090, 0x4, 1, 0x00000004, true },	/* MCSTCTRL */
	{ 0x05180, 0x4, 2, 0x00000000, true },	/* VMTXSW */
	{ 0x051b0, 0x4, 1, 0x60001f80, true },	/* VT_CTL */
	{ 0x051e0, 0x4, 2, 0x00000000, true },	/* VFRE */
	{ 0x05200, 0x4, 128, 0xffffffff, true },	/* MTA */
	{ 0x05400, 0x8, 16, 0x00000000, true },	/* RAL */
	{ 0x0a280, 0x8, 112, 0x00000000, true },	/* RAL */
	{ 0x05404, 0x8, 16, 0x00000000, true },	/* RAH */
	{ 0x0a284, 0x8, 112, 0x00000000, true },	/* RAH */
	{ 0x05818, 0x4, 1, 0x00000000, true },	/* MRQC */
	{ 0x08000, 0x4, 64, 0x00000000, true },	/* VMVIR */
	{ 0x08110, 0x4, 2, 0x00000000, true },	/* VFTE */
	{ 0x08200, 0x4, 8, 0x00000000, true },	/* PFVFSPOOF */
	{ 0x08220, 0x4, 1, 0x00000000, true },	/* PFDTXGSWC */
	{ 0x0a000, 0x4, 128, 0x00000000, true },	/* VFTA */
	{ 0x0a600, 0x8, 128, 0xffffffff, true },	/* MPSAR_LO */
	{ 0x0a604, 0x8, 128, 0xffffffff, true },	/* MPSAR_HI */
	{ 0x0f100, 0x4, 64, 0x00000000, true },	/* VLVF */
	{ 0x0f200, 0x4, 128, 0xffffffff, true },	/* VLVFB */
	{ 0x0f400, 0x4, 128, 0xffffffff, true },	/* UTA */
	{ 0x0f600, 0x4, 4, 0x00003f0f, true },	/* VMRCTL */
	{ 0x0f610, 0x4, 8, 0xffffffff, true },	/* VMRVLAN */
	{ 0x0f630, 0x4, 8, 0xffffffff, true },	/* VMRVM */
	{ 0x0f000, 0x4, 64, 0x1fc00000, true },	/* VMOLR */
};

static const struct regs_family regs_x553 = {
	"x553", regs_x553_allowed, ARRAY_SIZE(regs_x553_allowed),
};

static const struct regs_device regs_devices[] = {
	{ 0x8086, 0x10c9, &regs_82576 },
	{ 0x8086, 0x10e6, &regs_82576 },
	{ 0x8086, 0x10e7, &regs_82576 },
	{ 0x8086, 0x10e8, &regs_82576 },
	{ 0x8086, 0x1526, &regs_82576 },
	{ 0x8086, 0x150a, &regs_82576 },
	{ 0x8086, 0x1518, &regs_82576 },
	{ 0x8086, 0x150d, &regs_82576 },
	{ 0x8086, 0x1521, &regs_i350 },
	{ 0x8086, 0x1522, &regs_i350 },
	{ 0x8086, 0x1523, &regs_i350 },
	{ 0x8086, 0x1524, &regs_i350 },
	{ 0x8086, 0x1546, &regs_i350 },
	{ 0x8086, 0x10fb, &regs_82599 },
	{ 0x8086, 0x10f7, &regs_82599 },
	{ 0x8086, 0x10f8, &regs_82599 },
	{ 0x8086, 0x10f9, &regs_82599 },
	{ 0x8086, 0x10fc, &regs_82599 },
	{ 0x8086, 0x1507, &regs_82599 },
	{ 0x8086, 0x1514, &regs_82599 },
	{ 0x8086, 0x1517, &regs_82599 },
	{ 0x8086, 0x151c, &regs_82599 },
	{ 0x8086, 0x1529, &regs_82599 },
	{ 0x8086, 0x152a, &regs_82599 },
	{ 0x8086, 0x154a, &regs_82599 },
	{ 0x8086, 0x154d, &regs_82599 },
	{ 0x8086, 0x1557, &regs_82599 },
	{ 0x8086, 0x1558, &regs_82599 },
	{ 0x8086, 0x1528, &regs_x540 },
	{ 0x8086, 0x1560, &regs_x540 },
	{ 0x8086, 0x1563, &regs_x550 },
	{ 0x8086, 0x15d1, &regs_x550 },
	{ 0x8086, 0x15aa, &regs_x552 },
	{ 0x8086, 0x15ab, &regs_x552 },
	{ 0x8086, 0x15ac, &regs_x552 },
	{ 0x8086, 0x15ad, &regs_x552 },
	{ 0x8086, 0x15ae, &regs_x552 },
	{ 0x8086, 0x15c2, &regs_x553 },
	{ 0x8086, 0x15c3, &regs_x553 },
	{ 0x8086, 0x15c4, &regs_x553 },
	{ 0x8086, 0x15c6, &regs_x553 },
	{ 0x8086, 0x15c7, &regs_x553 },
	{ 0x8086, 0x15c8, &regs_x553 },
	{ 0x8086, 0x15ce, &regs_x553 },
	{ 0x8086, 0x15e4, &regs_x553 },
	{ 0x8086, 0x15e5, &regs_x553 },
};

#endif /* HPCAPVF_REGS_ALLOW_LIST_H */
