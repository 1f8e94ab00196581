/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A frame that is longer than one of the NIC's buffers comes in pieces. Each but the last fills its buffer, and the
 * buffers follow each other in memory, so a whole frame needs no copy; here it is decided whether it is whole.
 * What a device says of its pieces is not believed.
 */
#ifndef HPCAP_CORE_PIECES_H
#define HPCAP_CORE_PIECES_H

#include "core/capture.h"

/* Before the last one. With buffers of 2 KiB that is more than any record holds. */
#define HPCAP_PIECES_MAX 32u

struct hpcap_pieces {
	__u32 count;		/* of the unfinished frame; 0: there is none */
	__u64 bytes;
	bool broken;		/* it will not be stored, its buffers are not needed */
	bool is_cut;		/* another frame before it never got its end, and is not counted yet */
	__u64 cut_bytes;
};

/* One that is not the frame's last. */
void hpcap_pieces_add(struct hpcap_pieces *pieces, __u32 bytes, __u32 buffer_bytes);

/* The last one, perhaps of no bytes: true if the frame is whole. *total: what was counted of it, at most 2^32 - 1. */
bool hpcap_pieces_end(struct hpcap_pieces *pieces, __u32 bytes, __u32 buffer_bytes, __u32 *total);

/* The NIC was reset: the rest of an unfinished frame will not come. */
void hpcap_pieces_cut(struct hpcap_pieces *pieces);

/* true once for each frame that was cut, with an arrival that counts it as an error. */
bool hpcap_pieces_take_cut(struct hpcap_pieces *pieces, struct hpcap_arrival *arrival);

/* So many descriptors, the newest ones, must not go back to the NIC yet. */
static inline __u32 hpcap_pieces_held(const struct hpcap_pieces *pieces)
{
	return pieces->broken ? 0 : pieces->count;
}

#endif /* HPCAP_CORE_PIECES_H */
