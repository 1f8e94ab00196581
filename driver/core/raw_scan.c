// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/raw_scan.h"

#define NANOSECONDS_PER_SECOND 1000000000u

/* A fill pattern such as spaces reads as a valid time and length, over and over. No real header is like that. */
static bool all_bytes_equal(const __u8 *bytes, unsigned int count)
{
	return memcmp(bytes, bytes + 1, count - 1) == 0;
}

static bool frame_is_plausible(const struct hpcap_raw_item *item)
{
	return item->seconds != 0 && item->nanoseconds < NANOSECONDS_PER_SECOND && item->caplen != 0 &&
	       item->caplen <= item->len && item->len >= HPCAP_RAW_FRAME_BYTES_MIN;
}

struct hpcap_raw_item hpcap_raw_scan(const __u8 *data, __u64 size, __u64 offset)
{
	struct hpcap_raw_item item = { .kind = HPCAP_RAW_END, .offset = offset, .next_offset = offset };
	struct hpcapvf_record header;
	bool whole;

	if (offset == size)
		return item;
	if (size - offset < sizeof(header)) {
		item.kind = HPCAP_RAW_SHORT_END;
		return item;
	}
	memcpy(&header, data + offset, sizeof(header));
	item.seconds = core_le32(header.seconds);
	item.nanoseconds = core_le32(header.nanoseconds);
	item.caplen = core_le16(header.caplen);
	item.len = core_le16(header.len);
	item.next_offset = offset + sizeof(header) + item.caplen;
	whole = item.next_offset <= size;
	if (item.seconds == 0 && item.nanoseconds == 0 && item.caplen == item.len)
		item.kind = whole ? HPCAP_RAW_PADDING : HPCAP_RAW_CUT_PADDING;
	else if (!frame_is_plausible(&item) || all_bytes_equal(data + offset, sizeof(header)))
		item.kind = HPCAP_RAW_IMPLAUSIBLE;
	else
		item.kind = whole ? HPCAP_RAW_FRAME : HPCAP_RAW_CUT_FRAME;
	return item;
}

__u32 hpcap_raw_seconds_between(__u32 a, __u32 b)
{
	return a < b ? b - a : a - b;
}

bool hpcap_raw_chain_is_sound(const __u8 *data, __u64 size, __u64 offset, unsigned int depth, __u32 seconds_apart)
{
	__u32 previous = 0;

	for (; depth; depth--) {
		struct hpcap_raw_item item = hpcap_raw_scan(data, size, offset);

		switch (item.kind) {
		case HPCAP_RAW_END:
		case HPCAP_RAW_SHORT_END:
			return true;
		case HPCAP_RAW_IMPLAUSIBLE:
			return false;
		case HPCAP_RAW_CUT_PADDING:
			return true;
		case HPCAP_RAW_FRAME:
		case HPCAP_RAW_CUT_FRAME:
			if (previous && hpcap_raw_seconds_between(previous, item.seconds) > seconds_apart)
				return false;
			if (item.kind == HPCAP_RAW_CUT_FRAME)
				return true;
			previous = item.seconds;
			break;
		case HPCAP_RAW_PADDING:
			break;
		}
		offset = item.next_offset;
	}
	return true;
}
