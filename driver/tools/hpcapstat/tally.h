/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames and bytes by what stands in their headers, in memory of a fixed size: of the keys that come when it is full,
 * nothing but the sum is known.
 */
#ifndef HPCAPSTAT_TALLY_H
#define HPCAPSTAT_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TALLY_KEYS_MAX 4096u

/* Parts of a key: source address, destination address, VLAN ID of the outer tag. */
enum tally_field { TALLY_SRC = 1, TALLY_DST = 2, TALLY_VLAN = 4 };

#define TALLY_UNTAGGED 0x1000u	/* no VLAN ID has more than 12 bits */

/* 48 bits each, first octet highest; fields that were not asked for are 0. known: the frame was long enough for all. */
struct tally_key {
	uint64_t src, dst;
	uint32_t vlan;
	bool known;
};

struct tally_count {
	uint64_t frames, bytes;
};

struct tally_entry {
	struct tally_key key;
	struct tally_count count;
};

struct tally {
	struct tally_entry entries[TALLY_KEYS_MAX];
	unsigned int used;
	struct tally_count other;	/* no room left, or the frame was too short */
	uint16_t slots[2 * TALLY_KEYS_MAX];	/* number of the entry and 1; 0: free */
};

/* "src,dst,vlan" in any order, each at most once: bits of enum tally_field, or 0 if it is nothing of the kind. */
unsigned int tally_fields(const char *words);

/* The key of a frame of which caplen bytes are at data. */
struct tally_key tally_key_of(unsigned int fields, const uint8_t *data, size_t caplen);

void tally_clear(struct tally *tally);
void tally_add(struct tally *tally, const struct tally_key *key, uint64_t bytes);

/* Those with the most frames first. Nothing can be added until it is cleared. */
void tally_sort(struct tally *tally);

#endif /* HPCAPSTAT_TALLY_H */
