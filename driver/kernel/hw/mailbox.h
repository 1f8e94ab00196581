/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The mailbox between an Intel virtual function and its physical function: one control register, 16 words of
 * shared memory, one side at a time. The bits are the same in the 82576 and the 82599 families.
 */
#ifndef HPCAPVF_MAILBOX_H
#define HPCAPVF_MAILBOX_H

#include <linux/bits.h>
#include <linux/types.h>

#define MAILBOX_REQ BIT(0)	/* w: a message for the PF is ready */
#define MAILBOX_ACK BIT(1)	/* w: the PF's message was read */
#define MAILBOX_VFU BIT(2)	/* the VF owns the memory */
#define MAILBOX_PFU BIT(3)	/* the PF owns the memory */
#define MAILBOX_PFSTS BIT(4)	/* a message from the PF is there; read clears */
#define MAILBOX_PFACK BIT(5)	/* the PF read ours; read clears */
#define MAILBOX_RSTI BIT(6)	/* the PF is in reset */
#define MAILBOX_RSTD BIT(7)	/* the PF's reset is done; read clears */

#define MAILBOX_WORDS 16

#define MAILBOX_MESSAGE_ACK BIT(31)
#define MAILBOX_MESSAGE_NACK BIT(30)
#define MAILBOX_MESSAGE_CTS BIT(29)	/* the PF knows this VF */
#define MAILBOX_MESSAGE_TYPE GENMASK(15, 0)
#define MAILBOX_PF_CONTROL 0x0100	/* type of what the PF says to all its VFs by itself */

struct mailbox {
	void __iomem *control;
	void __iomem *memory;
	const bool *stopping;
	u32 latched;	/* read-to-clear bits seen and not taken yet */
};

/* The control register as it is now; what reading clears is kept for mailbox_take. */
u32 mailbox_look(struct mailbox *mailbox);

/* Were any of these bits seen since they were taken last? Forgets them. */
bool mailbox_take(struct mailbox *mailbox, u32 bits);

/*
 * Sends a message of count words and waits for its answer, which replaces the first answer_count words. 0: ACK;
 * -EACCES: NACK; -ETIMEDOUT; -EINTR. Messages that the PF sends by itself are dropped, and not acknowledged: DPDK's igb
 * answers an acknowledgement with a message, and that one's again.
 */
int mailbox_ask(struct mailbox *mailbox, u32 *words, unsigned int count, unsigned int answer_count);

/* Reads the first word of a message that PFSTS announced, without acknowledging it. 0, -ETIMEDOUT or -EINTR. */
int mailbox_peek(struct mailbox *mailbox, u32 *word);

#endif /* HPCAPVF_MAILBOX_H */
