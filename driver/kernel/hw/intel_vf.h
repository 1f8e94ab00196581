/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What virtual functions of the 82576 and of the 82599 family do in the same way: reset, introduction, receive
 * queues, watching. A family says where its registers are, and asks for what only it knows.
 */
#ifndef HPCAPVF_INTEL_VF_H
#define HPCAPVF_INTEL_VF_H

#include "hw/hw.h"
#include "hw/mailbox.h"
#include "hw/rx_ring.h"

struct intel_vf_layout {
	u32 mailbox;
	u32 mailbox_memory;
	/* of receive queue 0; the next one's lie queue_stride further on */
	u32 rdbal;
	u32 rdbah;
	u32 rdlen;
	u32 srrctl;
	u32 rdh;
	u32 rdt;
	u32 rxdctl;
	u32 queue_stride;
	u32 srrctl_drop;	/* drop a frame rather than wait for a descriptor */
	u32 rxdctl_thresholds;
	unsigned int hello_words;	/* of the answer to RESET */
	bool (*link_up)(struct hw *hw);
};

struct intel_vf {
	const struct intel_vf_layout *layout;
	struct mailbox mailbox;
	struct rx_ring rings[HW_QUEUES_MAX];
	unsigned int ring_count;	/* that were allocated */
	u32 api;		/* of the mailbox; the 82576 has but one, 0 */
	bool has_mac;
};

static inline struct intel_vf *intel_vf_of(struct hw *hw)
{
	return hw->private;
}

u32 intel_vf_get(struct hw *hw, u32 offset);
void intel_vf_put(struct hw *hw, u32 offset, u32 value);

/* As in struct hw_ops; the family has queues_max queues at most. */
int intel_vf_allocate(struct hw *hw, const struct intel_vf_layout *layout, unsigned int descriptors,
		      unsigned int queues_max);
void intel_vf_free(struct hw *hw);
void intel_vf_shut_down(struct hw *hw);
int intel_vf_watch(struct hw *hw);
unsigned int intel_vf_receive(struct hw *hw, unsigned int queue, struct hpcap_arrival *frames, unsigned int max);
void intel_vf_release(struct hw *hw, unsigned int queue, bool all);

/* The steps of bring_up that are the same. Errors as in hw.h. */
int intel_vf_reset(struct hw *hw);
int intel_vf_say_hello(struct hw *hw);
int intel_vf_start_receiving(struct hw *hw);

/* mailbox_ask; a PF that says nothing is logged with what was asked for. */
int intel_vf_ask(struct hw *hw, u32 *words, unsigned int count, unsigned int answer_count, const char *what);

/*
 * The first of these lengths, CRC included, that the PF takes; sets hw->frame_bytes_max. -EACCES: none of them, which
 * the caller logs.
 */
#define INTEL_VF_LONGEST_FRAME 9728u	/* with CRC; what the PF drivers of both families take at most */
int intel_vf_ask_for_length(struct hw *hw, const u32 *lengths, unsigned int count);

#endif /* HPCAPVF_INTEL_VF_H */
