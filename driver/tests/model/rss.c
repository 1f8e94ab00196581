// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/model/rss.h"

#include <string.h>

#define KEY_BYTES 40u
#define TABLE_ENTRIES 64u
#define INPUT_BYTES_MAX 36u	/* two IPv6 addresses and two ports */
#define TYPE_TCP_IPV4 1u
#define TYPE_IPV4 2u
#define TYPE_TCP_IPV6 3u
#define TYPE_IPV6 5u
#define PROTOCOL_TCP 6u

/* What is hashed of a frame. */
struct flow {
	uint8_t bytes[INPUT_BYTES_MAX];
	unsigned int count;
	uint32_t type;
};

static void add(struct flow *flow, const uint8_t *bytes, unsigned int count)
{
	memcpy(flow->bytes + flow->count, bytes, count);
	flow->count += count;
}

static void take_ipv4(struct flow *flow, const uint8_t *ip, size_t bytes, uint32_t kinds)
{
	const size_t header = bytes ? (size_t)(ip[0] & 15) * 4 : 0;
	const bool fragment = bytes >= 20 && ((ip[6] & 0x3f) || ip[7]);

	if (bytes < 20 || header < 20)
		return;
	if (kinds & VFMRQC_TCP_IPV4 && ip[9] == PROTOCOL_TCP && !fragment && bytes >= header + 4) {
		add(flow, ip + 12, 8);
		add(flow, ip + header, 4);
		flow->type = TYPE_TCP_IPV4;
	} else if (kinds & VFMRQC_IPV4) {
		add(flow, ip + 12, 8);
		flow->type = TYPE_IPV4;
	}
}

static void take_ipv6(struct flow *flow, const uint8_t *ip, size_t bytes, uint32_t kinds)
{
	if (bytes < 40)
		return;
	if (kinds & VFMRQC_TCP_IPV6 && ip[6] == PROTOCOL_TCP && bytes >= 44) {
		add(flow, ip + 8, 36);
		flow->type = TYPE_TCP_IPV6;
	} else if (kinds & VFMRQC_IPV6) {
		add(flow, ip + 8, 32);
		flow->type = TYPE_IPV6;
	}
}

static struct flow flow_of(const uint8_t *frame, size_t bytes, uint32_t kinds)
{
	struct flow flow = { .count = 0 };
	size_t at = 12;

	if (bytes >= 18 && frame[12] == 0x81 && frame[13] == 0)
		at = 16;
	if (bytes < at + 2)
		return flow;
	if (frame[at] == 0x08 && frame[at + 1] == 0x00)
		take_ipv4(&flow, frame + at + 2, bytes - at - 2, kinds);
	else if (frame[at] == 0x86 && frame[at + 1] == 0xdd)
		take_ipv6(&flow, frame + at + 2, bytes - at - 2, kinds);
	return flow;
}

/* For each bit that is set in the input, the 32 bits of the key that begin there. */
static uint32_t toeplitz(const uint8_t key[KEY_BYTES], const struct flow *flow)
{
	uint32_t hash = 0, window = (uint32_t)key[0] << 24 | (uint32_t)key[1] << 16 | (uint32_t)key[2] << 8 | key[3];
	unsigned int i, bit;

	for (i = 0; i < flow->count; i++) {
		for (bit = 0; bit < 8; bit++) {
			if (flow->bytes[i] & 0x80u >> bit)
				hash ^= window;
			window = window << 1 | (key[i + 4] >> (7 - bit) & 1);
		}
	}
	return hash;
}

struct rss_choice rss_choose(const struct vf *vf, const uint8_t *frame, size_t bytes)
{
	const bool own = vf->device_id != VF_82599 && vf->device_id != VF_X540;
	const unsigned int used = 1u << (vf->registers[VFPSRTYPE / 4] >> VFPSRTYPE_QUEUES_SHIFT & 3);
	const uint32_t control = own ? vf->registers[VFMRQC / 4] : vf->pf.manner.shares_out ? UINT32_MAX : 0;
	struct rss_choice choice = { .queue = 0 };
	uint8_t key[KEY_BYTES];
	struct flow flow;

	if (!(control & VFMRQC_ENABLE))
		return choice;
	flow = flow_of(frame, bytes, control);
	if (!flow.type)
		return choice;
	if (own)
		memcpy(key, &vf->registers[VFRSSRK / 4], sizeof(key));
	else
		memset(key, 0x5a, sizeof(key));	/* the PF chose one */
	choice.type = flow.type;
	choice.hash = toeplitz(key, &flow);
	if (own)
		choice.queue = ((const uint8_t *)&vf->registers[VFRETA / 4])[choice.hash % TABLE_ENTRIES];
	else
		choice.queue = choice.hash;	/* entry n of the PF's table says n */
	choice.queue %= used;
	return choice;
}
