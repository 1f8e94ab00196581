/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The interface to a NIC family. One file per family implements struct hw_ops; nothing outside hw/ knows a
 * register or a descriptor.
 *
 * Errors of bring_up, each logged with what was waited for or refused:
 *	-ETIME		the reset or the receive queue did not complete
 *	-ETIMEDOUT	the physical function did not answer the mailbox
 *	-EACCES		the physical function refused something that capturing needs
 *	-EINTR		hw->stopping was set meanwhile
 *	-ENXIO		registers read as all ones: the device does not answer at all
 */
#ifndef HPCAPVF_HW_H
#define HPCAPVF_HW_H

#include <linux/etherdevice.h>
#include <linux/pci.h>
#include <linux/types.h>

#include "core/capture.h"

enum hw_answer {
	HW_NOT_ASKED,
	HW_GRANTED,
	HW_REFUSED,
	HW_LOWERED,	/* less than asked for, without a refusal */
};

struct hw;

#define HW_QUEUES_MAX 8u	/* receive queues of one device; no card here gives a function more */

struct hw_ops {
	const char *family;
	resource_size_t registers_bytes;	/* BAR 0 of a virtual function must have at least as many */

	/* Memory only, for hw->queues queues or as many as the family has; 0 or -ENOMEM. free also after a failed allocate. */
	int (*allocate)(struct hw *hw, unsigned int descriptors);
	void (*free)(struct hw *hw);

	/*
	 * Reset, handshake, receive on in all queues. Lowers hw->queues to what the physical function gives; -EACCES
	 * instead, once they are fixed. Also used to start again, while nobody receives or releases; sleeps.
	 */
	int (*bring_up)(struct hw *hw);
	void (*shut_down)(struct hw *hw);

	/*
	 * Called every few ms: sets hw->link, answers the physical function's mailbox. 0; -ESTALE when
	 * bring_up is due again; -ENXIO when registers read as all ones.
	 */
	int (*watch)(struct hw *hw);

	/*
	 * Up to max frames that have arrived in a queue, in order. They stay valid until release. Never sleeps. Queues
	 * do not disturb each other.
	 */
	unsigned int (*receive)(struct hw *hw, unsigned int queue, struct hpcap_arrival *frames, unsigned int max);

	/* Gives descriptors back. Few of them may be kept back for a later call unless all is set. */
	void (*release)(struct hw *hw, unsigned int queue, bool all);
};

struct hw {
	struct device *device;	/* in messages */
	struct pci_dev *pci;	/* of a virtual function */
	struct net_device *netdev;	/* of the family netdev */
	void __iomem *registers;
	const struct hw_ops *ops;
	void *private;		/* of the family */
	bool stopping;		/* set from elsewhere: bring_up shall end soon */
	bool quiet;		/* this failure was logged already: a PF may be down for hours */
	unsigned int queues;	/* wanted before allocate; what there is after bring_up */
	bool queues_fixed;	/* each has its thread by now */

	u8 mac[ETH_ALEN];
	bool link;
	enum hw_answer promiscuous;
	enum hw_answer allmulti;
	u64 queue_full_drops;	/* delivered by the device's own driver, but lost before receive */
	u64 queue_full_bytes;
	u32 frame_bytes_max;	/* without CRC */
};

#define hw_complain(hw, format, ...)                                  \
	do {                                                          \
		if (!(hw)->quiet)                                     \
			dev_err((hw)->device, format, ##__VA_ARGS__);    \
	} while (0)

/* NULL: not a virtual function this module drives. */
const struct hw_ops *hw_find(const struct pci_dev *pci);

extern const struct hw_ops hw_82576_ops;
extern const struct hw_ops hw_82599_ops;

#endif /* HPCAPVF_HW_H */
