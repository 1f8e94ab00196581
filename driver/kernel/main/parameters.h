/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HPCAPVF_PARAMETERS_H
#define HPCAPVF_PARAMETERS_H

#include <linux/types.h>

#include "hw/hw.h"
#include "hpcapvf.h"

#define HPCAPVF_RING_MIB_MAX (64 * 1024)

enum idle_mode {
	IDLE_SPIN,
	IDLE_BACKOFF,
};

/* Which frames the device is asked for, beside those that are for it. */
enum receive_mode {
	RECEIVE_PROMISCUOUS,
	RECEIVE_ALLMULTI,
	RECEIVE_ADDRESSED,
};

/* What the module was loaded with, checked. */
struct parameters {
	enum idle_mode idle;
	unsigned int idle_max_us;
	int cpu;	/* of the first queue's thread; -1: the first online CPU of the device's node */
	u64 ring_bytes;
	unsigned int queues;
	unsigned int rx_descriptors;
	u32 caplen;
	enum receive_mode receive;
	u32 timestamp;	/* HPCAPVF_TIMESTAMP_* */
	u32 clock;	/* HPCAPVF_CLOCK_* */
	struct hpcap_dedup_config dedup;	/* entries 0: off */
};

extern struct parameters parameters;

/* Checks the parameters of the module; -EINVAL with the reason in the log. */
int parameters_check(void);

const char *parameters_idle_name(void);
const char *parameters_timestamp_name(void);
const char *parameters_clock_name(void);
const char *parameters_receive_name(void);

/*
 * The name of a device: the parameter if it is set, else from the PCI address, such as p7s0, p7s0f1 (function 1)
 * or P2p7s0 (domain 2). It does not depend on what else is there or on the order of probing.
 */
void parameters_interface_name(const struct pci_dev *pci, char name[HPCAPVF_INTERFACE_BYTES]);

#endif /* HPCAPVF_PARAMETERS_H */
