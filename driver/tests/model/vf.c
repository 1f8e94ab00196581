// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/model/vf.h"

#include <stdio.h>
#include <string.h>

#define STATUS_AT_REST 0x00000001u
#define NS_PER_US 1000ull

void vf_init(struct vf *vf, uint16_t device_id)
{
	memset(vf, 0, sizeof(*vf));
	vf->device_id = device_id;
	vf_defaults(vf);
	pf_forget_vf(&vf->pf);
}

void vf_defaults(struct vf *vf)
{
	vf->gone = false;
	vf->link_up = true;
	vf->glitch_every = 0;
	vf->cut_next = 0;
	vf->pf.manner = pf_default_manner(vf->device_id == 0x10ed);
}

static void clear_registers(struct vf *vf)
{
	memset(vf->registers, 0, sizeof(vf->registers));
	vf->causes = 0;
	vf->enabled = 0;
}

void vf_reset(struct vf *vf)
{
	clear_registers(vf);
	if (!vf->pf.in_reset)
		pf_forget_vf(&vf->pf);
	vf->counts.resets++;
}

void vf_pf_reset(struct vf *vf, unsigned int ms)
{
	clear_registers(vf);
	pf_reset(&vf->pf, ms);
}

/* Asserts the vectors of all enabled causes; what VTEIAC and VTEIAM name clears and masks itself by that. */
static void assert_vectors(struct vf *vf)
{
	const uint32_t due = vf->causes & vf->enabled;
	unsigned int vector;

	for (vector = 0; vector < VF_VECTORS; vector++) {
		const uint32_t bit = 1u << vector;

		if (!(due & bit))
			continue;
		if (vf->registers[VTEIAC / 4] & bit)
			vf->causes &= ~bit;
		if (vf->registers[VTEIAM / 4] & bit)
			vf->enabled &= ~bit;
		vf->counts.interrupts++;
		if (vf->interrupt)
			vf->interrupt(vf->owner, vector);
	}
}

/* entry: a byte of VTIVAR, which names the vector that a cause leads to. */
static void raise_cause(struct vf *vf, uint8_t entry)
{
	if (!(entry & VTIVAR_VALID) || (entry & 0x7f) >= VF_VECTORS)
		return;
	vf->causes |= 1u << (entry & 0x7f);
	assert_vectors(vf);
}

void vf_queue_interrupt(struct vf *vf, unsigned int queue, bool transmit)
{
	raise_cause(vf, (uint8_t)(vf->registers[VTIVAR / 4 + queue / 2] >> (16 * (queue % 2) + (transmit ? 8 : 0))));
}

static void mailbox_interrupt(struct vf *vf)
{
	raise_cause(vf, (uint8_t)vf->registers[VTIVAR_MISC / 4]);
}

void vf_set_link(struct vf *vf, bool up)
{
	vf->link_up = up;
	vf->pf.ping = !vf->pf.manner.is_dpdk;
}

int vf_tick(struct vf *vf, uint64_t now_ns)
{
	uint64_t next_ns;

	/* the free-running timer counts microseconds, about */
	vf->registers[VFFRTIMER / 4] = (uint32_t)(now_ns / NS_PER_US);
	if (pf_tick(&vf->pf, now_ns, &next_ns))
		mailbox_interrupt(vf);
	if (!next_ns)
		return -1;
	return next_ns <= now_ns ? 0 : (int)((next_ns - now_ns) / (1000 * NS_PER_US)) + 1;
}

static uint32_t read_links(struct vf *vf)
{
	bool up = vf->link_up && !vf->pf.in_reset;

	if (!up && vf->glitch_every && ++vf->link_reads % vf->glitch_every == 0)
		up = true;
	return up ? VFLINKS_UP | VFLINKS_10G : 0;
}

static uint32_t take_causes(struct vf *vf)
{
	const uint32_t causes = vf->causes;

	vf->causes = 0;
	return causes;
}

uint32_t vf_read(struct vf *vf, uint32_t offset)
{
	if (vf->gone)
		return UINT32_MAX;
	switch (offset) {
	case VFSTATUS:
		return STATUS_AT_REST;
	case VFLINKS:
		return read_links(vf);
	case VTEICR:
		return take_causes(vf);
	case VTEICS:
	case VTEIMC:
		return 0;
	case VTEIMS:
		return vf->enabled;
	case VFMAILBOX:
		return pf_mailbox_read(&vf->pf);
	case VFGPRC:
		return (uint32_t)vf->rx_packets;
	case VFGORC_LOW:
		return (uint32_t)vf->rx_bytes;
	case VFGORC_HIGH:
		return vf->rx_bytes >> 32 & 0xf;
	case VFMPRC:
		return (uint32_t)vf->rx_multicast;
	case VFGPTC:
		return (uint32_t)vf->tx_packets;
	case VFGOTC_LOW:
		return (uint32_t)vf->tx_bytes;
	case VFGOTC_HIGH:
		return vf->tx_bytes >> 32 & 0xf;
	default:
		break;
	}
	if (offset >= VFMBMEM && offset < VFMBMEM + 4 * MAILBOX_WORDS)
		return vf->pf.words[(offset - VFMBMEM) / 4];
	return offset < VF_BAR_BYTES ? vf->registers[offset / 4] : 0;
}

static bool in_bank(uint32_t offset, uint32_t begin, uint32_t end)
{
	return offset >= begin && offset < end;
}

/* Registers that keep what is written, and may do something more. */
static bool is_plain(uint32_t offset)
{
	static const uint32_t single[] = { VTEIAC, VTEIAM, VTIVAR_MISC, VFPSRTYPE, VFMRQC, VFRXMEMWRAP };
	unsigned int i;

	for (i = 0; i < sizeof(single) / sizeof(*single); i++)
		if (offset == single[i])
			return true;
	return in_bank(offset, VTIVAR, VTIVAR + 16) || in_bank(offset, VTRSCINT, VTRSCINT + 4 * VF_VECTORS) ||
	       in_bank(offset, VTEITR, VTEITR + 4 * VF_VECTORS) || in_bank(offset, VFRSSRK, VFRSSRK + 40) ||
	       in_bank(offset, VFRETA, VFRETA + 64) || in_bank(offset, VFRX, VFRX + VF_QUEUES * QUEUE_STRIDE) ||
	       in_bank(offset, VFTX, VFTX + VF_QUEUES * QUEUE_STRIDE);
}

static void write_queue(struct vf *vf, uint32_t offset, uint32_t value)
{
	const uint32_t bank = offset < VFTX ? VFRX : VFTX;
	const unsigned int queue = (offset - bank) / QUEUE_STRIDE;

	/* lengths are multiples of 128, addresses aligned to it: the lower bits do not exist */
	if ((offset - bank) % QUEUE_STRIDE == QUEUE_BAL || (offset - bank) % QUEUE_STRIDE == QUEUE_LEN)
		value &= ~127u;
	vf->registers[offset / 4] = value;
	if (bank == VFTX)
		vf_transmit(vf, queue);
}

static void write_enabled(struct vf *vf, uint32_t offset, uint32_t value)
{
	if (offset == VTEIMC)
		vf->enabled &= ~value;
	else
		vf->enabled |= value & ((1u << VF_VECTORS) - 1);
	assert_vectors(vf);
}

static void write_unknown(struct vf *vf, uint32_t offset, uint32_t value)
{
	if (vf->counts.unknown_writes++ < 20)
		fprintf(stderr, "vf: 0x%08x written to register 0x%05x, which is not modelled\n", value, offset);
}

void vf_write(struct vf *vf, uint32_t offset, uint32_t value)
{
	if (vf->gone)
		return;
	if (in_bank(offset, VFMBMEM, VFMBMEM + 4 * MAILBOX_WORDS)) {
		vf->pf.words[(offset - VFMBMEM) / 4] = value;
		return;
	}
	switch (offset) {
	case VFCTRL:
		if (value & VFCTRL_RST)
			vf_reset(vf);
		return;
	case VFMAILBOX:
		pf_mailbox_write(&vf->pf, value);
		return;
	case VTEICR:
		vf->causes &= ~value;
		return;
	case VTEICS:
		vf->causes |= value & ((1u << VF_VECTORS) - 1);
		assert_vectors(vf);
		return;
	case VTEIMS:
	case VTEIMC:
		write_enabled(vf, offset, value);
		return;
	default:
		break;
	}
	if (!is_plain(offset) || offset % 4)
		write_unknown(vf, offset, value);
	else if (offset >= VFRX && offset < VFMRQC)
		write_queue(vf, offset, value);
	else
		vf->registers[offset / 4] = value;
}
