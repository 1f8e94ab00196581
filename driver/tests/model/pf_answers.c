// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the two PF drivers answer. Linux: drivers/net/ethernet/intel/ixgbe/ixgbe_sriov.c; DPDK:
 * drivers/net/(intel/)ixgbe/ixgbe_pf.c. Differences that a VF notices:
 *
 *			Linux				DPDK
 *	RESET		refused without a MAC assigned	always granted, with a MAC of its own making
 *	LPE, 82599	see set_length; turns receive	always refused; receive stays on
 *			on and off
 *	XCAST ALLMULTI	lowered to MULTI without trust	granted
 *	XCAST PROMISC	lowered to MULTI without trust;	refused on the 82599, and unless the PF is promiscuous
 *			else refused likewise
 *	before RESET	everything is refused		answered all the same
 */
#include <string.h>

#include "tests/model/pf.h"

#define ACK (1u << 31)
#define NACK (1u << 30)
#define CTS (1u << 29)
#define TYPE 0xffffu
#define INFO(word) ((word) >> 16 & 0xffu)
#define PLAIN_FRAME_BYTES 1514u
#define CRC_BYTES 4u
#define LONGEST_FRAME 9728u
#define API_WITH(pf, version) ((pf)->api != PF_API_20 && (pf)->api >= (version))

static bool jumbo_pf(const struct pf *pf)
{
	return pf->manner.mtu + 14 > PLAIN_FRAME_BYTES;
}

static void pack_mac(const uint8_t *mac, uint32_t *words)
{
	memcpy(words, mac, 6);
}

/* An 82599 whose PF takes long frames keeps a function's receive off until its driver has shown that it can, too. */
static bool reset(struct pf *pf)
{
	const bool granted = pf->manner.is_dpdk || pf->manner.assigns_mac;

	pf_forget_vf(pf);
	pf->clear_to_send = true;
	pf->receive_on = !(pf->manner.is_82599 && jumbo_pf(pf) && !pf->manner.is_dpdk);
	memset(pf->words, 0, sizeof(pf->words));
	if (granted)
		pack_mac(pf->vf_mac, &pf->words[1]);
	return granted;
}

static bool set_mac(struct pf *pf)
{
	uint8_t mac[6];

	memcpy(mac, &pf->words[1], sizeof(mac));
	/* an address that the host assigned stays, unless the function is trusted */
	if (mac[0] & 1 || (!pf->manner.is_dpdk && pf->manner.assigns_mac && !pf->manner.trusts &&
			   memcmp(mac, pf->vf_mac, sizeof(mac))))
		return false;
	memcpy(pf->vf_mac, mac, sizeof(mac));
	return true;
}

static void add(uint32_t *set, unsigned int number)
{
	set[number / 32 % 128] |= 1u << number % 32;
}

static bool set_multicast(struct pf *pf)
{
	const unsigned int count = INFO(pf->words[0]);
	const uint8_t *hashes = (const uint8_t *)&pf->words[1];
	unsigned int i;

	memset(pf->multicast, 0, sizeof(pf->multicast));
	for (i = 0; i < count && i < 30; i++)
		add(pf->multicast, (hashes[2 * i] | (unsigned int)hashes[2 * i + 1] << 8) & 0xfff);
	/* before XCAST was there, a list of addresses was the request to filter by it */
	if (pf->xcast == PF_XCAST_NONE && !API_WITH(pf, PF_API_12))
		pf->xcast = PF_XCAST_MULTI;
	return true;
}

static bool set_vlan(struct pf *pf)
{
	const unsigned int vlan = pf->words[1] & 0xfff;

	if (INFO(pf->words[0]))
		add(pf->vlans, vlan);
	else
		pf->vlans[vlan / 32] &= ~(1u << vlan % 32);
	return true;
}

static bool set_length(struct pf *pf)
{
	const unsigned int bytes = pf->words[1];
	bool allowed = true;

	if (bytes < 68 || bytes > LONGEST_FRAME)
		return false;
	if (pf->manner.is_82599) {
		const bool knows_jumbo = API_WITH(pf, PF_API_11);

		if (pf->manner.is_dpdk)
			return false;
		allowed = jumbo_pf(pf) ? knows_jumbo : bytes <= PLAIN_FRAME_BYTES + CRC_BYTES;
		pf->receive_on = allowed;	/* a refusal turns receive off */
	}
	if (allowed)
		pf->frame_bytes = bytes;
	return allowed;
}

static bool negotiate(struct pf *pf)
{
	const uint32_t api = pf->words[1];

	if (api > pf->manner.api_highest || api == PF_API_20)
		return false;
	pf->api = api;
	return true;
}

static bool get_queues(struct pf *pf)
{
	if (!API_WITH(pf, PF_API_11))
		return false;
	pf->words[1] = 1;	/* transmit */
	pf->words[2] = pf->manner.queues;	/* receive */
	pf->words[3] = 0;	/* no port VLAN */
	pf->words[4] = 0;	/* default queue */
	return true;
}

static bool update_xcast(struct pf *pf)
{
	uint32_t mode = pf->words[1];

	if (!API_WITH(pf, PF_API_12) || mode > PF_XCAST_PROMISC || (mode == PF_XCAST_PROMISC && !API_WITH(pf, PF_API_13)))
		return false;
	if (mode > PF_XCAST_MULTI && !pf->manner.is_dpdk && !pf->manner.trusts)
		mode = PF_XCAST_MULTI;
	if (mode == PF_XCAST_PROMISC && (pf->manner.is_82599 || !pf->manner.promiscuous))
		return false;
	pf->xcast = mode;
	pf->words[1] = mode;
	return true;
}

static bool decide(struct pf *pf, uint32_t type)
{
	if (pf->manner.refused >> type & 1)
		return false;
	switch (type) {
	case PF_RESET:
		return reset(pf);
	case PF_SET_MAC:
		return set_mac(pf);
	case PF_SET_MULTICAST:
		return set_multicast(pf);
	case PF_SET_VLAN:
		return set_vlan(pf);
	case PF_SET_LPE:
		return set_length(pf);
	case PF_API_NEGOTIATE:
		return negotiate(pf);
	case PF_GET_QUEUES:
		return get_queues(pf);
	case PF_UPDATE_XCAST:
		return update_xcast(pf);
	default:
		return false;
	}
}

void pf_answer(struct pf *pf)
{
	const uint32_t word = pf->words[0];
	const uint32_t type = word & TYPE;
	bool granted = false;

	if (type < PF_MESSAGES) {
		pf->asked[type]++;
		granted = (pf->clear_to_send || pf->manner.is_dpdk || type == PF_RESET) && decide(pf, type);
		pf->nacked[type] += !granted;
	}
	/* the answer to RESET itself does not carry CTS */
	pf->words[0] = (word & ~(ACK | NACK | CTS)) | (granted ? ACK : NACK) |
		       ((pf->clear_to_send || pf->manner.is_dpdk) && type != PF_RESET ? CTS : 0);
}
