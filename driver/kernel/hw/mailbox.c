// SPDX-License-Identifier: GPL-2.0-or-later
#include "hw/mailbox.h"

#include <linux/delay.h>
#include <linux/errno.h>
#include <linux/io.h>
#include <linux/jiffies.h>

#define READ_TO_CLEAR (MAILBOX_PFSTS | MAILBOX_PFACK | MAILBOX_RSTD)
#define LOCK_MS 200
/* The PF driver answers from an interrupt of its host, which may be slow under emulation or load. */
#define ANSWER_MS 2000
#define PAUSE_US 100

u32 mailbox_look(struct mailbox *mailbox)
{
	u32 value = readl(mailbox->control);

	if (value != U32_MAX)
		mailbox->latched |= value & READ_TO_CLEAR;
	return value;
}

bool mailbox_take(struct mailbox *mailbox, u32 bits)
{
	bool seen = mailbox->latched & bits;

	mailbox->latched &= ~bits;
	return seen;
}

static int pause_until(const struct mailbox *mailbox, unsigned long deadline)
{
	if (READ_ONCE(*mailbox->stopping))
		return -EINTR;
	if (time_after(jiffies, deadline))
		return -ETIMEDOUT;
	usleep_range(PAUSE_US, 2 * PAUSE_US);
	return 0;
}

static int own(struct mailbox *mailbox)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(LOCK_MS);

	for (;;) {
		int error;

		writel(MAILBOX_VFU, mailbox->control);
		if (mailbox_look(mailbox) & MAILBOX_VFU)
			return 0;
		error = pause_until(mailbox, deadline);
		if (error)
			return error;
	}
}

/* The memory is ours until it is given back, with MAILBOX_ACK or with 0. */
static int take_message(struct mailbox *mailbox, u32 *words, unsigned int count)
{
	int error = own(mailbox);
	unsigned int i;

	for (i = 0; !error && i < count; i++)
		words[i] = readl(mailbox->memory + 4 * i);
	return error;
}

static void give_back(struct mailbox *mailbox, u32 acknowledgement)
{
	writel(acknowledgement, mailbox->control);	/* without VFU */
}

int mailbox_peek(struct mailbox *mailbox, u32 *word)
{
	int error = take_message(mailbox, word, 1);

	if (!error)
		give_back(mailbox, 0);
	return error;
}

static int send(struct mailbox *mailbox, const u32 *words, unsigned int count)
{
	int error = own(mailbox);
	unsigned int i;

	if (error)
		return error;
	/* an answer to something older is none to this */
	mailbox_take(mailbox, MAILBOX_PFSTS | MAILBOX_PFACK);
	for (i = 0; i < count; i++)
		writel(words[i], mailbox->memory + 4 * i);
	writel(MAILBOX_REQ, mailbox->control);
	return 0;
}

int mailbox_ask(struct mailbox *mailbox, u32 *words, unsigned int count, unsigned int answer_count)
{
	const u32 type = words[0] & MAILBOX_MESSAGE_TYPE;
	unsigned long deadline = jiffies + msecs_to_jiffies(ANSWER_MS);
	int error = send(mailbox, words, count);

	while (!error) {
		mailbox_look(mailbox);
		if (!mailbox_take(mailbox, MAILBOX_PFSTS)) {
			error = pause_until(mailbox, deadline);
			continue;
		}
		error = take_message(mailbox, words, answer_count);
		if (error)
			continue;
		if ((words[0] & MAILBOX_MESSAGE_TYPE) != type) {
			give_back(mailbox, 0);
			continue;
		}
		give_back(mailbox, MAILBOX_ACK);
		if (words[0] & MAILBOX_MESSAGE_NACK)
			return -EACCES;
		if (words[0] & MAILBOX_MESSAGE_ACK)
			return 0;
	}
	return error;
}
