// SPDX-License-Identifier: GPL-2.0-or-later
#include "hw/intel_vf.h"

#include <linux/delay.h>
#include <linux/iopoll.h>
#include <linux/slab.h>

#define REG_CTRL 0x0000
#define REG_STATUS 0x0008

#define CTRL_RST BIT(26)
#define SRRCTL_BUFFER_KIB(bytes) ((bytes) / 1024)
#define SRRCTL_ADVANCED_ONE_BUFFER 0x02000000u
#define RXDCTL_ENABLE BIT(25)

#define MESSAGE_RESET 0x01
#define MESSAGE_SET_MAC 0x02
#define MESSAGE_SET_LPE 0x05
#define HELLO_WORDS_MAX 4

#define RESET_MS 1000
#define QUEUE_ENABLE_MS 200
#define RELEASE_BATCH 32

void intel_vf_put(struct hw *hw, u32 offset, u32 value)
{
	writel(value, hw->registers + offset);
}

u32 intel_vf_get(struct hw *hw, u32 offset)
{
	return readl(hw->registers + offset);
}

void intel_vf_free(struct hw *hw)
{
	struct intel_vf *vf = intel_vf_of(hw);

	if (!vf)
		return;
	while (vf->ring_count)
		rx_ring_free(&vf->rings[--vf->ring_count]);
	kfree(vf);
	hw->private = NULL;
}

int intel_vf_allocate(struct hw *hw, const struct intel_vf_layout *layout, unsigned int descriptors,
		      unsigned int queues_max)
{
	struct intel_vf *vf = kzalloc(sizeof(*vf), GFP_KERNEL);
	int error = 0;

	if (!vf)
		return -ENOMEM;
	hw->queues = min(hw->queues, queues_max);
	hw->private = vf;
	vf->layout = layout;
	vf->mailbox.control = hw->registers + layout->mailbox;
	vf->mailbox.memory = hw->registers + layout->mailbox_memory;
	vf->mailbox.stopping = &hw->stopping;
	while (!error && vf->ring_count < hw->queues)
		error = rx_ring_allocate(&vf->rings[vf->ring_count++], &hw->pci->dev, descriptors);
	return error;
}

int intel_vf_reset(struct hw *hw)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(RESET_MS);
	struct intel_vf *vf = intel_vf_of(hw);
	u32 state;

	intel_vf_put(hw, REG_CTRL, intel_vf_get(hw, REG_CTRL) | CTRL_RST);
	do {
		if (READ_ONCE(hw->stopping))
			return -EINTR;
		usleep_range(500, 1000);
		state = mailbox_look(&vf->mailbox);
		if (state == U32_MAX) {
			hw_complain(hw, "reset: registers read as all ones\n");
			return -ENXIO;
		}
		if (!(state & (MAILBOX_RSTI | MAILBOX_RSTD))) {
			vf->mailbox.latched = 0;	/* all that was before this reset */
			return 0;
		}
	} while (time_before(jiffies, deadline));
	hw_complain(hw, "reset: the physical function is still in reset after %u ms (mailbox 0x%02x)\n", RESET_MS,
		    state);
	return -ETIME;
}

int intel_vf_ask(struct hw *hw, u32 *words, unsigned int count, unsigned int answer_count, const char *what)
{
	int error = mailbox_ask(&intel_vf_of(hw)->mailbox, words, count, answer_count);

	if (error == -ETIMEDOUT)
		hw_complain(hw, "mailbox: no answer from the physical function to %s; is it up?\n", what);
	return error;
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
	struct intel_vf *vf = intel_vf_of(hw);
	u32 words[3] = { MESSAGE_SET_MAC };
	int error;

	if (!vf->has_mac)
		eth_random_addr(hw->mac);
	vf->has_mac = true;
	mac_to_words(hw->mac, &words[1]);
	error = intel_vf_ask(hw, words, ARRAY_SIZE(words), 1, "an address");
	if (!error)
		pci_info(hw->pci, "no address assigned by the physical function: using %pM\n", hw->mac);
	else if (error == -EACCES)
		pci_warn(hw->pci, "the physical function neither assigned an address nor took %pM\n", hw->mac);
	return error == -EACCES ? 0 : error;
}

int intel_vf_say_hello(struct hw *hw)
{
	struct intel_vf *vf = intel_vf_of(hw);
	u32 words[HELLO_WORDS_MAX] = { MESSAGE_RESET };
	int error = intel_vf_ask(hw, words, 1, vf->layout->hello_words, "RESET");

	if (error == -EACCES)
		return offer_mac(hw);
	if (error)
		return error;
	mac_from_words(&words[1], hw->mac);
	vf->has_mac = is_valid_ether_addr(hw->mac);
	return vf->has_mac ? 0 : offer_mac(hw);
}

int intel_vf_ask_for_length(struct hw *hw, const u32 *lengths, unsigned int count)
{
	int error = -EACCES;
	unsigned int i;

	for (i = 0; i < count && error == -EACCES; i++) {
		u32 words[2] = { MESSAGE_SET_LPE, lengths[i] };

		error = intel_vf_ask(hw, words, ARRAY_SIZE(words), 1, "the frame length");
		if (!error)
			hw->frame_bytes_max = lengths[i] - ETH_FCS_LEN;
		else if (error == -EACCES && !hw->quiet)
			pci_info(hw->pci, "frames of %zu bytes: refused by the physical function\n",
				 (size_t)lengths[i] - ETH_FCS_LEN);
	}
	return error;
}

static int start_queue(struct hw *hw, unsigned int queue)
{
	const struct intel_vf_layout *at = intel_vf_of(hw)->layout;
	struct rx_ring *ring = &intel_vf_of(hw)->rings[queue];
	const u32 skip = queue * at->queue_stride;
	u32 control;

	intel_vf_put(hw, at->rxdctl + skip, 0);
	rx_ring_reset(ring);
	intel_vf_put(hw, at->rdbal + skip, lower_32_bits(ring->address));
	intel_vf_put(hw, at->rdbah + skip, upper_32_bits(ring->address));
	intel_vf_put(hw, at->rdlen + skip, ring->count * sizeof(*ring->descriptors));
	intel_vf_put(hw, at->srrctl + skip,
		     SRRCTL_BUFFER_KIB(RX_BUFFER_BYTES) | SRRCTL_ADVANCED_ONE_BUFFER | at->srrctl_drop);
	intel_vf_put(hw, at->rdh + skip, 0);
	intel_vf_put(hw, at->rdt + skip, 0);
	intel_vf_put(hw, at->rxdctl + skip, at->rxdctl_thresholds | RXDCTL_ENABLE);
	if (readl_poll_timeout(hw->registers + at->rxdctl + skip, control, control & RXDCTL_ENABLE, 100,
			       QUEUE_ENABLE_MS * 1000)) {
		hw_complain(hw, "receive queue %u not enabled after %u ms\n", queue, QUEUE_ENABLE_MS);
		return -ETIME;
	}
	intel_vf_put(hw, at->rdt + skip, ring->count - 1);
	return 0;
}

int intel_vf_start_receiving(struct hw *hw)
{
	unsigned int queue;
	int error = 0;

	for (queue = 0; !error && queue < hw->queues; queue++)
		error = start_queue(hw, queue);
	if (!error)
		hw->link = intel_vf_of(hw)->layout->link_up(hw);
	return error;
}

/* After this the device writes no memory of ours any more. */
void intel_vf_shut_down(struct hw *hw)
{
	const struct intel_vf_layout *at = intel_vf_of(hw)->layout;
	unsigned int queue;

	for (queue = 0; queue < hw->queues; queue++)
		intel_vf_put(hw, at->rxdctl + queue * at->queue_stride, 0);
	intel_vf_put(hw, REG_CTRL, intel_vf_get(hw, REG_CTRL) | CTRL_RST);
	intel_vf_get(hw, REG_STATUS);
	usleep_range(1000, 2000);
	hw->link = false;
}

/*
 * The PF pings its VFs. A ping without CTS says that it does not know us any more: it was reset. Anything else says
 * nothing of that: DPDK's igb sends a bare NACK for each acknowledgement.
 */
static int hear_ping(struct hw *hw)
{
	u32 word;
	int error = mailbox_peek(&intel_vf_of(hw)->mailbox, &word);

	if (error == -EINTR)
		return 0;
	if (error)
		return -ESTALE;
	if ((word & MAILBOX_MESSAGE_TYPE) != MAILBOX_PF_CONTROL)
		return 0;
	return word & MAILBOX_MESSAGE_CTS ? 0 : -ESTALE;
}

int intel_vf_watch(struct hw *hw)
{
	const struct intel_vf_layout *at = intel_vf_of(hw)->layout;
	struct mailbox *mailbox = &intel_vf_of(hw)->mailbox;
	u32 state = mailbox_look(mailbox);

	if (state == U32_MAX && intel_vf_get(hw, REG_STATUS) == U32_MAX) {
		hw->link = false;
		return -ENXIO;
	}
	if (mailbox_take(mailbox, MAILBOX_RSTD) || state & MAILBOX_RSTI ||
	    !(intel_vf_get(hw, at->rxdctl) & RXDCTL_ENABLE) ||
	    (mailbox_take(mailbox, MAILBOX_PFSTS) && hear_ping(hw))) {
		hw->link = false;	/* it has to be set up again: nothing arrives until then */
		return -ESTALE;
	}
	hw->link = at->link_up(hw);
	return 0;
}

unsigned int intel_vf_receive(struct hw *hw, unsigned int queue, struct hpcap_arrival *frames, unsigned int max)
{
	return rx_ring_receive(&intel_vf_of(hw)->rings[queue], frames, max);
}

void intel_vf_release(struct hw *hw, unsigned int queue, bool all)
{
	struct intel_vf *vf = intel_vf_of(hw);
	int tail = rx_ring_release(&vf->rings[queue], all ? 1 : RELEASE_BATCH);

	if (tail >= 0)
		intel_vf_put(hw, vf->layout->rdt + queue * vf->layout->queue_stride, (u32)tail);	/* writel orders the descriptors before it */
}
