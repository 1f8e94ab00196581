/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The capture path of one queue: what a NIC delivered, burst by burst, gets its time and goes into the record ring.
 */
#ifndef HPCAP_CORE_CAPTURE_H
#define HPCAP_CORE_CAPTURE_H

#include "core/clock.h"
#include "core/dedup.h"
#include "core/ring.h"
#include "core/stamp.h"

#define HPCAP_ARRIVAL_ERROR 1u		/* broken, or not whole: count it, do not store it */
#define HPCAP_ARRIVAL_VLAN_STRIPPED 2u	/* the NIC took the tag out; it is in vlan_tci */
#define HPCAP_ARRIVAL_HASH 4u		/* the NIC gave a hash over the flow */

/*
 * So many frames later the NIC's buffers are read that are asked for now: about as many as a processor can have under
 * way, and not so many that they leave its nearest cache again.
 */
#define HPCAP_FRAMES_AHEAD 16u

/* A frame in the NIC's buffer. */
struct hpcap_arrival {
	const __u8 *data;
	const __u8 *ahead;	/* where the frame HPCAP_FRAMES_AHEAD later is or will be, NULL: not known; only asked for */
	__u32 length;
	__u32 hash;
	__u16 vlan_tci;
	__u16 flags;
};

struct hpcap_capture {
	struct hpcap_ring ring;
	struct hpcap_clock clock;
	struct hpcap_stamper stamper;
	const struct hpcap_dedup *dedup;	/* NULL: duplicates are stored */
};

/* Stores a burst and publishes it. full: the burst is as long as one may be, more may be waiting. */
void hpcap_capture_burst(struct hpcap_capture *capture, const struct hpcap_arrival *arrivals, unsigned int count,
			 bool full);

/* Anchors the clock at the real one; due every 10 ms or so. Counts what it found into the ring's counters. */
void hpcap_capture_sync(struct hpcap_capture *capture);

#endif /* HPCAP_CORE_CAPTURE_H */
