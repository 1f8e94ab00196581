// SPDX-License-Identifier: GPL-2.0-or-later
#include "to_raw.h"

#include <string.h>

#include "core/raw.h"
#include "core/raw_scan.h"

#define ALIGNMENT 4096u

const char *to_raw_objection(const struct pcap_frame *frame)
{
	if (frame->len > HPCAPVF_CAPLEN_MAX)
		return "longer than RAW can say";
	if (frame->len < HPCAP_RAW_FRAME_BYTES_MIN)
		return "shorter than an Ethernet header";
	if (frame->caplen == 0)
		return "nothing of the packet was kept";
	if (frame->caplen > frame->len)
		return "more was kept than was on the wire";
	if (frame->seconds == 0)
		return "its time is second 0, which means padding in RAW";
	return NULL;
}

void to_raw_write(struct byte_output *output, const struct pcap_frame *frame)
{
	const struct hpcap_frame record = { .data = frame->data, .length = frame->len,
					    .seconds = (__u32)frame->seconds, .nanoseconds = frame->nanoseconds };

	hpcap_record_build(byte_output_reserve(output, HPCAPVF_RECORD_BYTES + frame->caplen), &record, frame->caplen);
}

void to_raw_end(struct byte_output *output)
{
	uint64_t gap = hpcap_raw_padded_size(output->total, ALIGNMENT) - output->total;
	__u8 header[HPCAPVF_RECORD_BYTES];
	const __u32 zeros = hpcap_raw_padding(header, gap);

	memcpy(byte_output_reserve(output, sizeof(header)), header, sizeof(header));
	memset(byte_output_reserve(output, zeros), 0, zeros);
}
