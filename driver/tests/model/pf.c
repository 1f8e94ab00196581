// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/model/pf.h"

#include <string.h>

#define CONTROL_MESSAGE 0x0100u
#define NACK (1u << 30)
#define CLEAR_TO_SEND (1u << 29)
#define NS_PER_MS 1000000ull

struct pf_manner pf_default_manner(bool is_82599)
{
	return (struct pf_manner){
		.is_82599 = is_82599,
		.assigns_mac = true,
		.mirrors = true,
		.mac = { 0x02, 0x82, 0x59, 0x90, 0x00, 0x01 },
		.queues = 1,
		.mtu = 1500,
		.api_highest = PF_API_13,
		.answer_us = 100,
	};
}

void pf_forget_vf(struct pf *pf)
{
	pf->clear_to_send = false;
	pf->api = PF_API_10;
	pf->xcast = PF_XCAST_NONE;
	pf->frame_bytes = 1518;
	pf->receive_on = false;
	memcpy(pf->vf_mac, pf->manner.mac, sizeof(pf->vf_mac));
	memset(pf->vlans, 0, sizeof(pf->vlans));
	memset(pf->multicast, 0, sizeof(pf->multicast));
	pf->has_request = false;
	pf->answer_at_ns = 0;
	pf->vf_owns = false;
	pf->latched = 0;
	pf->ping = false;
	pf->reads_unknown = false;
}

void pf_reset(struct pf *pf, unsigned int ms)
{
	pf_forget_vf(pf);
	memset(pf->words, 0, sizeof(pf->words));
	pf->in_reset = true;
	pf->reset_ms = ms;
	pf->reset_until_ns = 0;
}

uint32_t pf_mailbox_read(struct pf *pf)
{
	uint32_t value = pf->latched;

	pf->latched = 0;
	if (pf->vf_owns)
		value |= MAILBOX_VFU;
	if (pf->in_reset)
		value |= MAILBOX_RSTI;
	return value;
}

void pf_mailbox_write(struct pf *pf, uint32_t value)
{
	pf->vf_owns = value & MAILBOX_VFU;
	if (pf->in_reset)
		return;
	pf->reads_unknown = value & MAILBOX_ACK && !pf->clear_to_send;
	if (!(value & MAILBOX_REQ))
		return;
	pf->has_request = true;
	pf->answer_at_ns = 0;
}

static bool end_reset(struct pf *pf, uint64_t now_ns)
{
	if (!pf->reset_until_ns)
		pf->reset_until_ns = now_ns + pf->reset_ms * NS_PER_MS;
	if (now_ns < pf->reset_until_ns)
		return false;
	pf->in_reset = false;
	pf->latched |= MAILBOX_RSTD;
	pf->ping = !pf->manner.is_dpdk;
	return true;
}

/*
 * Messages that the VF did not ask for. Linux' driver sends a ping after its reset and whenever the link changes; both
 * drivers say NACK to a VF that acknowledges something although it was not introduced.
 */
static bool send_unasked(struct pf *pf)
{
	if ((!pf->ping && !pf->reads_unknown) || pf->vf_owns || pf->has_request || pf->in_reset || pf->manner.silent)
		return false;
	if (pf->ping)
		pf->words[0] = CONTROL_MESSAGE | (pf->clear_to_send ? CLEAR_TO_SEND : 0);
	else
		pf->words[0] = NACK;
	pf->ping = false;
	pf->reads_unknown = false;
	pf->latched |= MAILBOX_PFSTS;
	return true;
}

static bool serve(struct pf *pf, uint64_t now_ns)
{
	if (!pf->answer_at_ns)
		pf->answer_at_ns = now_ns + pf->manner.answer_us * 1000ull;
	if (now_ns < pf->answer_at_ns)
		return false;
	pf->has_request = false;
	if (!pf->manner.deaf) {
		pf_answer(pf);	/* RESET clears what was latched before */
		pf->latched |= MAILBOX_PFSTS;
	}
	pf->latched |= MAILBOX_PFACK;
	return true;
}

bool pf_tick(struct pf *pf, uint64_t now_ns, uint64_t *next_ns)
{
	bool interrupt = false;

	*next_ns = 0;
	if (pf->in_reset) {
		interrupt = end_reset(pf, now_ns);
		*next_ns = pf->in_reset ? pf->reset_until_ns : 0;
	} else if (pf->has_request && !pf->manner.silent && !pf->vf_owns) {
		interrupt = serve(pf, now_ns);
		*next_ns = pf->has_request ? pf->answer_at_ns : 0;
	}
	return interrupt | send_unasked(pf);
}

static bool in_set(const uint32_t *set, unsigned int number)
{
	return set[number / 32] >> (number % 32) & 1;
}

bool pf_takes(const struct pf *pf, const uint8_t *frame, size_t bytes)
{
	static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	const bool tagged = bytes >= 16 && frame[12] == 0x81 && frame[13] == 0x00;

	if (bytes < 14)
		return false;
	if (pf->manner.mirrors || pf->xcast == PF_XCAST_PROMISC)
		return true;
	if (tagged && !in_set(pf->vlans, (frame[14] & 0x0fu) << 8 | frame[15]))
		return false;
	if (!memcmp(frame, broadcast, sizeof(broadcast)))
		return true;
	if (!(frame[0] & 1))
		return !memcmp(frame, pf->vf_mac, sizeof(pf->vf_mac));
	/* filter type 0: the 12 highest bits of the address; it is what the answer to RESET says */
	return pf->xcast == PF_XCAST_ALLMULTI ||
	       (pf->xcast == PF_XCAST_MULTI && in_set(pf->multicast, (unsigned int)frame[5] << 4 | frame[4] >> 4));
}
