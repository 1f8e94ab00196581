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
 * Left out: interrupts (this driver polls), transmit, statistics, RSS.
 */
#include "hw/hw.h"

#include <linux/delay.h>
#include <linux/iopoll.h>
#include <linux/slab.h>

#include "hw/mailbox.h"
#include "hw/rx_ring.h"
#include "main/parameters.h"

#define REG_CTRL 0x0000
#define REG_STATUS 0x0008
#define REG_MAILBOX_MEMORY 0x0800
#define REG_MAILBOX 0x0C40
#define REG_RDBAL 0x2800
#define REG_RDBAH 0x2804
#define REG_RDLEN 0x2808
#define REG_SRRCTL 0x280C
#define REG_RDH 0x2810
#define REG_RDT 0x2818
#define REG_RXDCTL 0x2828
#define REGISTERS_BYTES 0x4000

#define CTRL_RST BIT(26)
#define STATUS_LINK_UP BIT(1)
#define SRRCTL_BUFFER_KIB(bytes) ((bytes) / 1024)
#define SRRCTL_ADVANCED_ONE_BUFFER 0x02000000u
#define SRRCTL_DROP BIT(31)
#define RXDCTL_ENABLE BIT(25)
/* prefetch below 16 left, in portions of 8; write back each descriptor at once (WTHRESH 1: an erratum) */
#define RXDCTL_THRESHOLDS (16u | 8u << 8 | 1u << 16)

#define MESSAGE_RESET 0x01
#define MESSAGE_SET_MAC 0x02
#define MESSAGE_SET_LPE 0x05
#define MESSAGE_SET_PROMISC_UNICAST (0x06 | 0x01 << 16)
#define MESSAGE_SET_PROMISC_MULTICAST (0x06 | 0x02 << 16)

#define RESET_MS 1000
#define QUEUE_ENABLE_MS 200
#define RELEASE_BATCH 32

struct vf_82576 {
	struct mailbox mailbox;
	struct rx_ring ring;
	bool has_mac;
};

static struct vf_82576 *vf_of(struct hw *hw)
{
	return hw->private;
}

static void put(struct hw *hw, u32 offset, u32 value)
{
	writel(value, hw->registers + offset);
}

static u32 get(struct hw *hw, u32 offset)
{
	return readl(hw->registers + offset);
}

static void free_82576(struct hw *hw)
{
	if (!hw->private)
		return;
	rx_ring_free(&vf_of(hw)->ring);
	kfree(hw->private);
	hw->private = NULL;
}

static int allocate_82576(struct hw *hw, unsigned int descriptors)
{
	struct vf_82576 *vf = kzalloc(sizeof(*vf), GFP_KERNEL);

	if (!vf)
		return -ENOMEM;
	hw->private = vf;
	vf->mailbox.control = hw->registers + REG_MAILBOX;
	vf->mailbox.memory = hw->registers + REG_MAILBOX_MEMORY;
	vf->mailbox.stopping = &hw->stopping;
	return rx_ring_allocate(&vf->ring, &hw->pci->dev, descriptors);
}

static int reset_function(struct hw *hw)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(RESET_MS);
	struct vf_82576 *vf = vf_of(hw);
	u32 state;

	put(hw, REG_CTRL, get(hw, REG_CTRL) | CTRL_RST);
	do {
		if (READ_ONCE(hw->stopping))
			return -EINTR;
		usleep_range(500, 1000);
		state = mailbox_look(&vf->mailbox);
		if (state == U32_MAX)
			return -ENXIO;
		if (!(state & (MAILBOX_RSTI | MAILBOX_RSTD))) {
			vf->mailbox.latched = 0;	/* all that was before this reset */
			return 0;
		}
	} while (time_before(jiffies, deadline));
	hw_complain(hw, "reset: the physical function is still in reset after %u ms (mailbox 0x%02x)\n", RESET_MS,
		    state);
	return -ETIME;
}

static void mac_to_words(const u8 *mac, u32 *words)
{
	words[0] = mac[0] | mac[1] << 8 | mac[2] << 16 | (u32)mac[3] << 24;
	words[1] = mac[4] | mac[5] << 8;
}

static void mac_from_words(const u32 *words, u8 *mac)
{
	unsigned int i;

	for (i = 0; i < ETH_ALEN; i++)
		mac[i] = (u8)(words[i / 4] >> 8 * (i % 4));
}

/* The PF assigned no address: offer ours. Capturing works without it, too. */
static int offer_mac(struct hw *hw)
{
	struct vf_82576 *vf = vf_of(hw);
	u32 words[3] = { MESSAGE_SET_MAC };
	int error;

	if (!vf->has_mac)
		eth_random_addr(hw->mac);
	vf->has_mac = true;
	mac_to_words(hw->mac, &words[1]);
	error = mailbox_ask(&vf->mailbox, words, ARRAY_SIZE(words), 1);
	if (!error)
		pci_info(hw->pci, "no address assigned by the physical function: using %pM\n", hw->mac);
	else if (error == -EACCES)
		pci_warn(hw->pci, "the physical function neither assigned an address nor took %pM\n", hw->mac);
	return error == -EACCES ? 0 : error;
}

static int say_hello(struct hw *hw)
{
	struct vf_82576 *vf = vf_of(hw);
	u32 words[3] = { MESSAGE_RESET };
	int error = mailbox_ask(&vf->mailbox, words, 1, ARRAY_SIZE(words));

	if (error == -ETIMEDOUT)
		hw_complain(hw, "mailbox: no answer from the physical function; is it up?\n");
	if (error == -EACCES)
		return offer_mac(hw);
	if (error)
		return error;
	mac_from_words(&words[1], hw->mac);
	vf->has_mac = is_valid_ether_addr(hw->mac);
	return vf->has_mac ? 0 : offer_mac(hw);
}

/* Lengths in these messages include the CRC. */
static int ask_for_length(struct hw *hw)
{
	static const u32 lengths[] = { RX_BUFFER_BYTES, ETH_FRAME_LEN + 2 * 4 + ETH_FCS_LEN };
	struct vf_82576 *vf = vf_of(hw);
	unsigned int i;
	int error;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		u32 words[2] = { MESSAGE_SET_LPE, lengths[i] };

		error = mailbox_ask(&vf->mailbox, words, ARRAY_SIZE(words), 1);
		if (!error)
			hw->frame_bytes_max = lengths[i] - ETH_FCS_LEN;
		if (error != -EACCES)
			break;
	}
	if (error == -EACCES)
		hw_complain(hw, "refused: the physical function takes no frame length for this function\n");
	else if (error == -ETIMEDOUT)
		hw_complain(hw, "mailbox: no answer to the frame length\n");
	return error;
}

/* Each such message stands for all that was asked before, so one that is refused is followed by a smaller one. */
static int ask_promiscuous(struct hw *hw, u32 message, const char *what, enum hw_answer *answer)
{
	int error = mailbox_ask(&vf_of(hw)->mailbox, &message, 1, 1);

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

static int start_receiving(struct hw *hw)
{
	struct rx_ring *ring = &vf_of(hw)->ring;
	u32 control;
	int error;

	put(hw, REG_RXDCTL, 0);
	rx_ring_reset(ring);
	put(hw, REG_RDBAL, lower_32_bits(ring->address));
	put(hw, REG_RDBAH, upper_32_bits(ring->address));
	put(hw, REG_RDLEN, ring->count * sizeof(*ring->descriptors));
	put(hw, REG_SRRCTL, SRRCTL_BUFFER_KIB(RX_BUFFER_BYTES) | SRRCTL_ADVANCED_ONE_BUFFER | SRRCTL_DROP);
	put(hw, REG_RDH, 0);
	put(hw, REG_RDT, 0);
	put(hw, REG_RXDCTL, RXDCTL_THRESHOLDS | RXDCTL_ENABLE);
	error = readl_poll_timeout(hw->registers + REG_RXDCTL, control, control & RXDCTL_ENABLE, 100,
				   QUEUE_ENABLE_MS * 1000);
	if (error) {
		hw_complain(hw, "receive queue not enabled after %u ms\n", QUEUE_ENABLE_MS);
		return -ETIME;
	}
	put(hw, REG_RDT, ring->count - 1);
	return 0;
}

static int bring_up_82576(struct hw *hw)
{
	int error = reset_function(hw);

	if (!error)
		error = say_hello(hw);
	if (!error)
		error = ask_for_length(hw);
	if (!error)
		error = ask_for_others_frames(hw);
	if (!error)
		error = start_receiving(hw);
	if (!error)
		hw->link = get(hw, REG_STATUS) & STATUS_LINK_UP;
	return error;
}

/* After this the device writes no memory of ours any more. */
static void shut_down_82576(struct hw *hw)
{
	put(hw, REG_RXDCTL, 0);
	put(hw, REG_CTRL, get(hw, REG_CTRL) | CTRL_RST);
	get(hw, REG_STATUS);
	usleep_range(1000, 2000);
	hw->link = false;
}

/* The PF pings its VFs. A ping without CTS says that it does not know us any more: it was reset. */
static int answer_ping(struct hw *hw)
{
	u32 word;
	int error = mailbox_read(&vf_of(hw)->mailbox, &word, 1);

	if (error == -EINTR)
		return 0;
	if (error)
		return -ESTALE;
	return word & MAILBOX_MESSAGE_CTS ? 0 : -ESTALE;
}

static int watch_82576(struct hw *hw)
{
	struct mailbox *mailbox = &vf_of(hw)->mailbox;
	u32 state = mailbox_look(mailbox);
	u32 status = get(hw, REG_STATUS);

	hw->link = false;	/* also when it has to be set up again: nothing arrives until then */
	if (state == U32_MAX && status == U32_MAX)
		return -ENXIO;
	if (mailbox_take(mailbox, MAILBOX_RSTD) || state & MAILBOX_RSTI)
		return -ESTALE;
	if (!(get(hw, REG_RXDCTL) & RXDCTL_ENABLE))
		return -ESTALE;
	if (mailbox_take(mailbox, MAILBOX_PFSTS) && answer_ping(hw))
		return -ESTALE;
	hw->link = status & STATUS_LINK_UP;
	return 0;
}

static unsigned int receive_82576(struct hw *hw, struct hpcap_arrival *frames, unsigned int max)
{
	return rx_ring_receive(&vf_of(hw)->ring, frames, max);
}

static void release_82576(struct hw *hw, bool all)
{
	int tail = rx_ring_release(&vf_of(hw)->ring, all ? 1 : RELEASE_BATCH);

	if (tail >= 0)
		put(hw, REG_RDT, (u32)tail);	/* writel orders the descriptors before it */
}

const struct hw_ops hw_82576_ops = {
	.family = "82576",
	.registers_bytes = REGISTERS_BYTES,
	.allocate = allocate_82576,
	.free = free_82576,
	.bring_up = bring_up_82576,
	.shut_down = shut_down_82576,
	.watch = watch_82576,
	.receive = receive_82576,
	.release = release_82576,
};
