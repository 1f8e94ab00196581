/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finding duplicates that switches make (thesis, section 4.4): a table of the frames seen last, indexed by a hash
 * over their flow. In each place of the table are `pools` frames; the oldest makes room.
 *
 * A frame is a duplicate if one of the same hash, length and first bytes was seen at most window_ns before.
 */
#ifndef HPCAP_CORE_DEDUP_H
#define HPCAP_CORE_DEDUP_H

#include "core/port.h"

#define HPCAP_DEDUP_ENTRIES_MIN 64u
#define HPCAP_DEDUP_ENTRIES_MAX (1u << 20)
#define HPCAP_DEDUP_POOLS_MAX 64u
#define HPCAP_DEDUP_BYTES_MIN 14u
#define HPCAP_DEDUP_BYTES_MAX 240u
#define HPCAP_DEDUP_WINDOW_US_MAX 10000000u

struct hpcap_dedup_config {
	__u32 entries;		/* frames in the table, a power of two */
	__u32 pools;		/* of them in each place, a power of two */
	__u32 window_us;
	__u32 bytes;		/* of each frame that are compared */
};

struct hpcap_dedup_entry {
	__u64 ns;		/* when it was seen, 0: never used */
	__u32 hash;
	__u16 length;
	__u16 vlan_tci;		/* that the NIC took out, else 0 */
	__u8 data[];		/* its first bytes */
};

struct hpcap_dedup {
	struct hpcap_dedup_config config;
	__u64 window_ns;
	__u32 place_mask;
	__u32 entry_bytes;	/* from one entry to the next */
	__u8 *entries;
};

/* NULL, or which value is out of bounds, as text. */
const char *hpcap_dedup_check_config(const struct hpcap_dedup_config *config);

/* Bytes of memory that a table takes. */
__u64 hpcap_dedup_memory(const struct hpcap_dedup_config *config);

/* memory: zeroed, on a cache line's boundary. The config was checked. */
void hpcap_dedup_init(struct hpcap_dedup *dedup, const struct hpcap_dedup_config *config, void *memory);

/* A hash over the flow: addresses, protocol and ports of IPv4 and IPv6, else the addresses of the link. */
__u32 hpcap_flow_hash(const __u8 *data, __u32 length);

static inline struct hpcap_dedup_entry *hpcap_dedup_place(const struct hpcap_dedup *dedup, __u32 hash)
{
	__u64 first = (__u64)(hash & dedup->place_mask) * dedup->config.pools;

	return (struct hpcap_dedup_entry *)(dedup->entries + first * dedup->entry_bytes);
}

struct hpcap_dedup_key {
	const __u8 *data;
	__u32 length;
	__u32 hash;
	__u16 vlan_tci;
	__u64 ns;
};

/* Is it a duplicate? *oldest is the entry that it is to take. */
bool hpcap_dedup_seen(const struct hpcap_dedup *dedup, const struct hpcap_dedup_key *key,
		      struct hpcap_dedup_entry **oldest);

void hpcap_dedup_remember(const struct hpcap_dedup *dedup, const struct hpcap_dedup_key *key,
			  struct hpcap_dedup_entry *entry);

#endif /* HPCAP_CORE_DEDUP_H */
