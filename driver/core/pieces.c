// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/pieces.h"

#define BYTES_MAX 0xffffffffull

static __u32 counted(__u64 bytes)
{
	return bytes < BYTES_MAX ? (__u32)bytes : (__u32)BYTES_MAX;
}

static void forget(struct hpcap_pieces *pieces)
{
	pieces->count = 0;
	pieces->bytes = 0;
	pieces->broken = false;
}

void hpcap_pieces_add(struct hpcap_pieces *pieces, __u32 bytes, __u32 buffer_bytes)
{
	if (bytes != buffer_bytes || pieces->count == HPCAP_PIECES_MAX)
		pieces->broken = true;
	/* a device that never ends a frame shall not bring the count round to 0 */
	if (pieces->count < HPCAP_PIECES_MAX)
		pieces->count++;
	pieces->bytes += bytes;
}

bool hpcap_pieces_end(struct hpcap_pieces *pieces, __u32 bytes, __u32 buffer_bytes, __u32 *total)
{
	const bool whole = !pieces->broken && bytes <= buffer_bytes;

	*total = counted(pieces->bytes + bytes);
	forget(pieces);
	return whole;
}

void hpcap_pieces_cut(struct hpcap_pieces *pieces)
{
	if (!pieces->count)
		return;
	pieces->is_cut = true;
	pieces->cut_bytes = pieces->bytes;
	forget(pieces);
}

bool hpcap_pieces_take_cut(struct hpcap_pieces *pieces, struct hpcap_arrival *arrival)
{
	if (!pieces->is_cut)
		return false;
	pieces->is_cut = false;
	memset(arrival, 0, sizeof(*arrival));
	arrival->length = counted(pieces->cut_bytes);
	arrival->flags = HPCAP_ARRIVAL_ERROR;
	return true;
}
