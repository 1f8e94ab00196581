// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * 82576 and I350 virtual functions. Register facts: nothing here is taken from a driver's text; offsets and
 * bits are those that DPDK's e1000 base and QEMU's igb model agree on.
 *
 * Bringing up, in this order:
 *  1. reset the function, wait until no reset of the PF is pending;
 *  2. RESET message: the PF now knows this VF, and tells its MAC address or refuses to (none was assigned: that
 *     is a success, too, and we choose one);
 *  3. longest frame; all unicast and multicast frames, please;
 *  4. receive ring: address, length, buffer size and drop policy, head, enable, and the tail last.
 * Left out: interrupts (this driver polls), transmit, statistics.
 *
 * An 82576 has 16 receive queues for 8 pools, so 2 for each function; an I350 has 8, one for each. Which of the two a
 * frame goes to is up to the PF: its MRQC (VMDq with RSS), its redirection table, and RSSE in the pool's VMOLR.
 */
#include "hw/intel_vf.h"

#include "main/parameters.h"

#define REG_STATUS 0x0008
#define REGISTERS_BYTES 0x4000

#define STATUS_LINK_UP BIT(1)

#define DEVICE_82576_VF 0x10ca

#define MESSAGE_SET_PROMISC_UNICAST (0x06 | 0x01 << 16)
#define MESSAGE_SET_PROMISC_MULTICAST (0x06 | 0x02 << 16)

static bool link_up_82576(struct hw *hw)
{
	return intel_vf_get(hw, REG_STATUS) & STATUS_LINK_UP;
}

static const struct intel_vf_layout layout = {
	.mailbox = 0x0C40,
	.mailbox_memory = 0x0800,
	.rdbal = 0x2800,
	.rdbah = 0x2804,
	.rdlen = 0x2808,
	.srrctl = 0x280C,
	.rdh = 0x2810,
	.rdt = 0x2818,
	.rxdctl = 0x2828,
	.queue_stride = 0x100,
	.srrctl_drop = BIT(31),
	/* prefetch below 16 left, in portions of 8; write back each descriptor at once (WTHRESH 1: an erratum) */
	.rxdctl_thresholds = 16u | 8u << 8 | 1u << 16,
	.hello_words = 3,
	.link_up = link_up_82576,
};

static int allocate_82576(struct hw *hw, unsigned int descriptors)
{
	return intel_vf_allocate(hw, &layout, descriptors, hw->pci->device == DEVICE_82576_VF ? 2 : 1);
}

/* Two tags fit a plain frame. */
static int ask_for_length(struct hw *hw)
{
	static const u32 lengths[] = { INTEL_VF_LONGEST_FRAME, RX_BUFFER_BYTES, ETH_FRAME_LEN + 2 * 4 + ETH_FCS_LEN };
	int error = intel_vf_ask_for_length(hw, lengths, ARRAY_SIZE(lengths));

	if (error == -EACCES)
		hw_complain(hw, "refused: the physical function takes no frame length for this function\n");
	else if (!error)
		pci_info(hw->pci, "frames up to %u bytes\n", hw->frame_bytes_max);
	return error;
}

/* Each such message stands for all that was asked before, so one that is refused is followed by a smaller one. */
static int ask_promiscuous(struct hw *hw, u32 message, const char *what, enum hw_answer *answer)
{
	int error = intel_vf_ask(hw, &message, 1, 1, "more than its own frames");

	if (error && error != -EACCES)
		return error;
	*answer = error ? HW_REFUSED : HW_GRANTED;
	if (!hw->quiet)
		pci_info(hw->pci, "all %s frames: %s by the physical function (answer 0x%08x)\n", what,
			 error ? "refused" : "granted", message);
	return 0;
}

static int ask_for_others_frames(struct hw *hw)
{
	int error;

	hw->promiscuous = HW_NOT_ASKED;
	hw->allmulti = HW_NOT_ASKED;
	if (parameters.receive == RECEIVE_PROMISCUOUS) {
		error = ask_promiscuous(hw, MESSAGE_SET_PROMISC_UNICAST | MESSAGE_SET_PROMISC_MULTICAST,
					"unicast and multicast", &hw->promiscuous);
		if (error)
			return error;
	}
	if (hw->promiscuous == HW_GRANTED)
		hw->allmulti = HW_GRANTED;
	else if (parameters.receive != RECEIVE_ADDRESSED)
		return ask_promiscuous(hw, MESSAGE_SET_PROMISC_MULTICAST, "multicast", &hw->allmulti);
	return 0;
}

static int bring_up_82576(struct hw *hw)
{
	int error = intel_vf_reset(hw);

	if (!error)
		error = intel_vf_say_hello(hw);
	if (!error)
		error = ask_for_length(hw);
	if (!error)
		error = ask_for_others_frames(hw);
	return error ? error : intel_vf_start_receiving(hw);
}

const struct hw_ops hw_82576_ops = {
	.family = "82576",
	.registers_bytes = REGISTERS_BYTES,
	.allocate = allocate_82576,
	.free = intel_vf_free,
	.bring_up = bring_up_82576,
	.shut_down = intel_vf_shut_down,
	.watch = intel_vf_watch,
	.receive = intel_vf_receive,
	.release = intel_vf_release,
};
