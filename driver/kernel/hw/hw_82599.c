// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Virtual functions of the 82599, X540, X550 and X553. Register facts: offsets and bits are those that DPDK's ixgbe
 * base (ixgbe_vf.h, ixgbe_mbx.h) and the X550 datasheet (333369) agree on; no driver's text was taken.
 *
 * Bringing up, in this order:
 *  1. reset the function, wait until no reset of the PF is pending;
 *  2. RESET message, as on the 82576; the answer has a word more;
 *  3. the mailbox's API: the highest of 1.3, 1.2, 1.1 that the PF takes; before that there was 1.0;
 *  4. from 1.1 on: how many queues there are;
 *  5. longest frame, always: an 82599 whose PF takes long frames keeps this function's receive off until then;
 *  6. from 1.2 on: frames for others, as many as the parameter receive says;
 *  7. with several queues: how frames are shared out among them;
 *  8. receive rings.
 * Left out: interrupts (this driver polls), transmit, statistics.
 *
 * An X550 or X553 function has a key and a redirection table of its own. One of an 82599 or X540 only says how many
 * bits of the hash count; key and table are the PF's, and so is the decision to share out at all (MRQC). If it does
 * not, all frames are in queue 0.
 */
#include "hw/intel_vf.h"

#include <linux/delay.h>
#include <linux/log2.h>

#include "main/parameters.h"

#define REG_LINKS 0x0010
#define REG_PSRTYPE 0x0300
#define REG_MRQC 0x3000
#define REG_RSSRK 0x3100
#define REG_RETA 0x3200
#define REGISTERS_BYTES 0x4000

#define PSRTYPE_QUEUES_SHIFT 29	/* two bits and their log2; nothing else set: no header split */
#define MRQC_RSS BIT(0)
#define MRQC_IPV4_TCP BIT(16)
#define MRQC_IPV4 BIT(17)
#define MRQC_IPV6 BIT(20)
#define MRQC_IPV6_TCP BIT(21)
#define RSSRK_WORDS 10
#define RETA_WORDS 16

#define LINKS_UP BIT(30)
/* The 82599 may show a link for a moment that is not there yet. */
#define LINK_READS 5
#define LINK_PAUSE_US 100

#define MESSAGE_API_NEGOTIATE 0x08
#define MESSAGE_GET_QUEUES 0x09
#define MESSAGE_UPDATE_XCAST 0x0c

#define XCAST_ALLMULTI 2u
#define XCAST_PROMISC 3u

/* in the order in which numbers were given out: 1.0, 2.0 (not for us), 1.1, 1.2, 1.3 */
#define API_10 0u
#define API_11 2u
#define API_12 3u
#define API_13 4u

#define DEVICE_82599_VF 0x10ed
#define DEVICE_X540_VF 0x1515

static bool is_82599(const struct hw *hw)
{
	return hw->pci->device == DEVICE_82599_VF;
}

static bool link_up_82599(struct hw *hw)
{
	unsigned int reads = is_82599(hw) ? LINK_READS : 1;

	while (intel_vf_get(hw, REG_LINKS) & LINKS_UP) {
		if (!--reads)
			return true;
		if (hw->link)
			return true;	/* it was seen to be steady already */
		usleep_range(LINK_PAUSE_US, 2 * LINK_PAUSE_US);
	}
	return false;
}

static const struct intel_vf_layout layout = {
	.mailbox = 0x02FC,
	.mailbox_memory = 0x0200,
	.rdbal = 0x1000,
	.rdbah = 0x1004,
	.rdlen = 0x1008,
	.srrctl = 0x1014,
	.rdh = 0x1010,
	.rdt = 0x1018,
	.rxdctl = 0x1028,
	.queue_stride = 0x40,
	.srrctl_drop = BIT(28),
	/* thresholds as after a reset; without VLAN stripping (bit 30) tags stay in the frames */
	.rxdctl_thresholds = 0,
	.hello_words = 4,
	.link_up = link_up_82599,
};

static int allocate_82599(struct hw *hw, unsigned int descriptors)
{
	return intel_vf_allocate(hw, &layout, descriptors, HW_QUEUES_MAX);
}

static const char *api_name(u32 api)
{
	return api == API_13 ? "1.3" : api == API_12 ? "1.2" : api == API_11 ? "1.1" : "1.0";
}

static int negotiate(struct hw *hw)
{
	static const u32 versions[] = { API_13, API_12, API_11 };
	struct intel_vf *vf = intel_vf_of(hw);
	unsigned int i;

	vf->api = API_10;
	for (i = 0; i < ARRAY_SIZE(versions); i++) {
		u32 words[2] = { MESSAGE_API_NEGOTIATE, versions[i] };
		int error = intel_vf_ask(hw, words, ARRAY_SIZE(words), 1, "the mailbox API");

		if (error == -EACCES)
			continue;
		if (!error)
			vf->api = versions[i];
		return error;
	}
	return 0;
}

/* A hash is cut to some of its bits, so only 1, 2, 4 or 8 queues can be used. */
static int settle_queues(struct hw *hw, u32 given)
{
	const u32 usable = rounddown_pow_of_two(min(given, hw->queues));

	if (hw->queues_fixed && usable < hw->queues) {
		hw_complain(hw, "refused: the physical function gives %u receive queues now, %u are captured\n", given,
			    hw->queues);
		return -EACCES;
	}
	hw->queues = usable;
	return 0;
}

static int get_queues(struct hw *hw)
{
	u32 words[5] = { MESSAGE_GET_QUEUES };
	unsigned int given = 1;
	int error = 0;

	if (intel_vf_of(hw)->api >= API_11) {
		error = intel_vf_ask(hw, words, 1, ARRAY_SIZE(words), "the number of queues");
		given = words[2];
	}
	if (!error && !given)
		error = -EACCES;
	if (error == -EACCES)
		hw_complain(hw, "refused: the physical function gives this function no receive queue\n");
	return error ? error : settle_queues(hw, given);
}

/*
 * An 82599 whose PF is set to plain frames refuses more, and turns receive off until it is asked for less. DPDK's
 * PF driver refuses every length on that card and leaves receive on, which cannot be told apart from here: with an API
 * that knows of long frames, a refusal is a warning; before that it means that nothing would arrive.
 */
static int ask_for_length(struct hw *hw)
{
	static const u32 lengths[] = { INTEL_VF_LONGEST_FRAME, RX_BUFFER_BYTES, ETH_FRAME_LEN + ETH_FCS_LEN };
	int error = intel_vf_ask_for_length(hw, lengths, ARRAY_SIZE(lengths));

	if (error != -EACCES)
		return error;
	if (intel_vf_of(hw)->api < API_11) {
		hw_complain(hw, "refused: the physical function takes no frame length for this function\n");
		return error;
	}
	hw->frame_bytes_max = ETH_FRAME_LEN;
	pci_warn(hw->pci, "the physical function takes no frame length: frames beyond %u bytes may be missing\n",
		 ETH_FRAME_LEN);
	return 0;
}

/* An untrusted function gets less than it asks for, and an ACK all the same: the word that comes back tells. */
static int ask_xcast(struct hw *hw, u32 mode, enum hw_answer *answer)
{
	static const char *const names[] = { "not asked", "granted", "refused", "lowered" };
	u32 words[2] = { MESSAGE_UPDATE_XCAST, mode };
	int error = intel_vf_ask(hw, words, ARRAY_SIZE(words), ARRAY_SIZE(words), "more than its own frames");

	if (error && error != -EACCES)
		return error;
	*answer = error ? HW_REFUSED : words[1] == mode ? HW_GRANTED : HW_LOWERED;
	pci_info(hw->pci, "%s frames: %s by the physical function (answer 0x%08x, mode %u)\n",
		 mode == XCAST_PROMISC ? "all" : "all multicast", names[*answer], words[0], words[1]);
	return 0;
}

static int ask_for_others_frames(struct hw *hw)
{
	u32 api = intel_vf_of(hw)->api;
	int error = 0;

	hw->promiscuous = HW_NOT_ASKED;
	hw->allmulti = HW_NOT_ASKED;
	if (api >= API_13 && !is_82599(hw) && parameters.receive == RECEIVE_PROMISCUOUS)
		error = ask_xcast(hw, XCAST_PROMISC, &hw->promiscuous);
	if (error || api < API_12 || parameters.receive == RECEIVE_ADDRESSED)
		return error;
	if (hw->promiscuous != HW_GRANTED)
		return ask_xcast(hw, XCAST_ALLMULTI, &hw->allmulti);
	hw->allmulti = HW_GRANTED;
	return 0;
}

/*
 * The key is 0x6d5a over and over: with it both directions of a flow have the same hash, so they go to one queue
 * (Woo and Park, "Scalable TCP Session Monitoring with Symmetric Receive-side Scaling", 2012).
 */
static void share_out(struct hw *hw)
{
	const unsigned int entries_a_word = 4;
	unsigned int i;

	intel_vf_put(hw, REG_PSRTYPE, (u32)ilog2(hw->queues) << PSRTYPE_QUEUES_SHIFT);
	if (is_82599(hw) || hw->pci->device == DEVICE_X540_VF)
		return;
	for (i = 0; i < RSSRK_WORDS; i++)
		intel_vf_put(hw, REG_RSSRK + 4 * i, 0x5a6d5a6d);
	for (i = 0; i < RETA_WORDS; i++) {
		const u32 first = entries_a_word * i;

		intel_vf_put(hw, REG_RETA + 4 * i,
			     first % hw->queues | (first + 1) % hw->queues << 8 | (first + 2) % hw->queues << 16 |
				     (first + 3) % hw->queues << 24);
	}
	intel_vf_put(hw, REG_MRQC,
		     hw->queues > 1 ? MRQC_RSS | MRQC_IPV4_TCP | MRQC_IPV4 | MRQC_IPV6 | MRQC_IPV6_TCP : 0);
}

static int bring_up_82599(struct hw *hw)
{
	int error = intel_vf_reset(hw);

	if (!error)
		error = intel_vf_say_hello(hw);
	if (!error)
		error = negotiate(hw);
	if (!error)
		error = get_queues(hw);
	if (!error)
		error = ask_for_length(hw);
	if (!error)
		error = ask_for_others_frames(hw);
	if (error)
		return error;
	share_out(hw);
	error = intel_vf_start_receiving(hw);
	if (!error)
		pci_info(hw->pci, "mailbox API %s, frames up to %u bytes\n", api_name(intel_vf_of(hw)->api),
			 hw->frame_bytes_max);
	return error;
}

const struct hw_ops hw_82599_ops = {
	.family = "82599",
	.registers_bytes = REGISTERS_BYTES,
	.allocate = allocate_82599,
	.free = intel_vf_free,
	.bring_up = bring_up_82599,
	.shut_down = intel_vf_shut_down,
	.watch = intel_vf_watch,
	.receive = intel_vf_receive,
	.release = intel_vf_release,
};
