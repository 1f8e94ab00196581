// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/raw.h"

#define MAC_ADDRESSES_BYTES 12u
#define VLAN_TAG_BYTES 4u

static __u32 smaller(__u32 a, __u32 b)
{
	return a < b ? a : b;
}

/* The frame as it was on the wire: addresses, the tag that the NIC took out, the rest. */
void hpcap_frame_put_with_tag(__u8 *out, const struct hpcap_frame *frame, __u32 kept)
{
	const __u8 *data = frame->data;
	const __u8 tag[VLAN_TAG_BYTES] = { 0x81, 0x00, (__u8)(frame->vlan_tci >> 8), (__u8)frame->vlan_tci };
	__u32 addresses = smaller(smaller(MAC_ADDRESSES_BYTES, frame->length), kept);
	__u32 tag_bytes = smaller(VLAN_TAG_BYTES, kept - addresses);
	__u32 rest = kept - addresses - tag_bytes;

	memcpy(out, data, addresses);
	memcpy(out + addresses, tag, tag_bytes);
	memcpy(out + addresses + tag_bytes, data + addresses, rest);
}

void hpcap_loss_build(__u8 out[HPCAP_LOSS_RECORD_BYTES], const struct hpcap_loss *loss)
{
	struct hpcapvf_loss payload = {
		.frames = core_to_le64(loss->frames),
		.bytes = core_to_le64(loss->bytes),
		.seconds = core_to_le32(loss->seconds),
		.nanoseconds = core_to_le32(loss->nanoseconds),
	};

	hpcap_header_build(out, 0, HPCAPVF_SPECIAL_LOSS, sizeof(payload), sizeof(payload));
	memcpy(out + HPCAPVF_RECORD_BYTES, &payload, sizeof(payload));
}

__u32 hpcap_raw_padding(__u8 header[HPCAPVF_RECORD_BYTES], __u64 gap)
{
	__u64 room = gap - HPCAPVF_RECORD_BYTES;
	__u32 padding;

	if (room <= HPCAPVF_CAPLEN_MAX)
		padding = (__u32)room;
	else if (room - HPCAPVF_CAPLEN_MAX < HPCAPVF_RECORD_BYTES)
		padding = HPCAPVF_CAPLEN_MAX - HPCAPVF_RECORD_BYTES;
	else
		padding = HPCAPVF_CAPLEN_MAX;
	hpcap_header_build(header, 0, 0, padding, padding);
	return padding;
}
