/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RAW records: building them, and the padding that ends a file.
 *
 * A file that is closed ends with padding: a record with seconds = nanoseconds = 0 whose caplen = len says
 * how many bytes follow. caplen has 16 bits, so more than 65535 bytes of padding become several such records;
 * a reader that stops at the first one loses nothing.
 */
#ifndef HPCAP_CORE_RAW_H
#define HPCAP_CORE_RAW_H

#include "core/copy.h"
#include "core/port.h"
#include "hpcapvf.h"

struct hpcap_frame {
	const void *data;
	__u32 length;		/* bytes at data */
	__u32 seconds;
	__u32 nanoseconds;
	__u16 vlan_tci;		/* in host byte order, if vlan_stripped */
	bool vlan_stripped;	/* the NIC took the 802.1Q tag out: put it back */
};

/* Bytes the frame had on the wire. */
static inline __u32 hpcap_frame_wire_bytes(const struct hpcap_frame *frame)
{
	return frame->length + (frame->vlan_stripped ? 4 : 0);
}

/* Bytes of the frame that are kept with a limit of caplen (0: none). */
static inline __u32 hpcap_frame_kept_bytes(const struct hpcap_frame *frame, __u32 caplen)
{
	__u32 wire = hpcap_frame_wire_bytes(frame);

	return caplen && caplen < wire ? caplen : wire;
}

static inline void hpcap_header_build(__u8 *out, __u32 seconds, __u32 nanoseconds, __u32 caplen, __u32 len)
{
	struct hpcapvf_record header = {
		.seconds = core_to_le32(seconds),
		.nanoseconds = core_to_le32(nanoseconds),
		.caplen = core_to_le16((__u16)caplen),
		.len = core_to_le16((__u16)len),
	};

	memcpy(out, &header, sizeof(header));
}

void hpcap_frame_put_with_tag(__u8 *out, const struct hpcap_frame *frame, __u32 kept);

/* Writes header and kept bytes; out has room for HPCAPVF_RECORD_BYTES + kept. kept as told by the above. */
static inline void hpcap_record_build(__u8 *out, const struct hpcap_frame *frame, __u32 kept)
{
	/* seconds == 0 marks records that are no frames; only a clock that was never set gets here. */
	__u32 seconds = frame->seconds ? frame->seconds : 1;

	hpcap_header_build(out, seconds, frame->nanoseconds, kept, hpcap_frame_wire_bytes(frame));
	if (core_unlikely(frame->vlan_stripped))
		hpcap_frame_put_with_tag(out + HPCAPVF_RECORD_BYTES, frame, kept);
	else
		core_copy(out + HPCAPVF_RECORD_BYTES, frame->data, kept);
}

struct hpcap_loss {
	__u64 frames;
	__u64 bytes;
	__u32 seconds;	/* of the last frame lost */
	__u32 nanoseconds;
};

#define HPCAP_LOSS_RECORD_BYTES (HPCAPVF_RECORD_BYTES + (__u32)sizeof(struct hpcapvf_loss))

void hpcap_loss_build(__u8 out[HPCAP_LOSS_RECORD_BYTES], const struct hpcap_loss *loss);

/* Does a record of caplen bytes fit into a file of limit bytes that has size bytes, and padding after it? */
static inline bool hpcap_raw_fits(__u64 size, __u32 caplen, __u64 limit)
{
	return size + HPCAPVF_RECORD_BYTES + caplen + HPCAPVF_RECORD_BYTES <= limit;
}

/* Size of a file of size bytes once it ends with padding and its size is a multiple of alignment. */
static inline __u64 hpcap_raw_padded_size(__u64 size, __u64 alignment)
{
	__u64 with_header = size + HPCAPVF_RECORD_BYTES;
	__u64 rest = with_header % alignment;

	return rest ? with_header + alignment - rest : with_header;
}

/*
 * The next padding record of a gap of gap bytes: returns its caplen, to be followed by that many zeros. The
 * gap must have room for the header; what is left of it afterwards is 0 or has room for a header again.
 */
__u32 hpcap_raw_padding(__u8 header[HPCAPVF_RECORD_BYTES], __u64 gap);

#endif /* HPCAP_CORE_RAW_H */
