/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading RAW: what stands at an offset of a file. RAW has no magic and no checksum, so a header can only be
 * plausible; a caller trusts a frame when what follows it is plausible too.
 */
#ifndef HPCAP_CORE_RAW_SCAN_H
#define HPCAP_CORE_RAW_SCAN_H

#include "core/port.h"
#include "hpcapvf.h"

enum hpcap_raw_kind {
	HPCAP_RAW_FRAME,	/* a plausible header and all bytes it announces */
	HPCAP_RAW_PADDING,	/* seconds = nanoseconds = 0, and all bytes it announces */
	HPCAP_RAW_END,		/* nothing left */
	HPCAP_RAW_SHORT_END,	/* 1 to 11 bytes left: no room for a header */
	HPCAP_RAW_CUT_FRAME,	/* a plausible header, fewer bytes than it announces */
	HPCAP_RAW_CUT_PADDING,	/* padding that announces more than is left */
	HPCAP_RAW_IMPLAUSIBLE,	/* no record of a frame looks like this */
};

struct hpcap_raw_item {
	enum hpcap_raw_kind kind;
	__u64 offset;
	__u64 next_offset;	/* of what follows; set for frames and padding */
	__u32 seconds;
	__u32 nanoseconds;
	__u16 caplen;
	__u16 len;
};

/* Shortest thing that is an Ethernet frame: two addresses and a type. */
#define HPCAP_RAW_FRAME_BYTES_MIN 14u

struct hpcap_raw_item hpcap_raw_scan(const __u8 *data, __u64 size, __u64 offset);

/*
 * Do up to depth items from offset on follow each other without a fault, the seconds of neighbouring frames
 * at most seconds_apart apart?
 */
bool hpcap_raw_chain_is_sound(const __u8 *data, __u64 size, __u64 offset, unsigned int depth, __u32 seconds_apart);

/* |a - b| */
__u32 hpcap_raw_seconds_between(__u32 a, __u32 b);

#endif /* HPCAP_CORE_RAW_SCAN_H */
