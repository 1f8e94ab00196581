// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/hpcapstat/tally.h"

#include <stdlib.h>
#include <string.h>

#define ADDRESS_BYTES 6
#define TYPE_OFFSET 12u
#define HEADER_BYTES 14u
#define TAGGED_HEADER_BYTES 16u
#define TYPE_VLAN 0x8100u
#define TYPE_SERVICE_VLAN 0x88a8u
#define SLOTS (2 * TALLY_KEYS_MAX)

unsigned int tally_fields(const char *words)
{
	static const char *const names[] = { "src", "dst", "vlan" };
	unsigned int fields = 0, i;

	for (;;) {
		const size_t length = strcspn(words, ",");

		for (i = 0; i < 3; i++)
			if (strlen(names[i]) == length && memcmp(words, names[i], length) == 0)
				break;
		if (i == 3 || fields & 1u << i)
			return 0;
		fields |= 1u << i;
		if (!words[length])
			return fields;
		words += length + 1;
	}
}

static uint64_t address_at(const uint8_t *data)
{
	uint64_t address = 0;
	unsigned int i;

	for (i = 0; i < ADDRESS_BYTES; i++)
		address = address << 8 | data[i];
	return address;
}

struct tally_key tally_key_of(unsigned int fields, const uint8_t *data, size_t caplen)
{
	struct tally_key key = { 0 };
	unsigned int type;

	if (caplen < HEADER_BYTES)
		return key;
	if (fields & TALLY_SRC)
		key.src = address_at(data + ADDRESS_BYTES);
	if (fields & TALLY_DST)
		key.dst = address_at(data);
	key.known = true;
	if (fields & TALLY_VLAN) {
		type = (unsigned int)data[TYPE_OFFSET] << 8 | data[TYPE_OFFSET + 1];
		key.vlan = TALLY_UNTAGGED;
		if (type == TYPE_VLAN || type == TYPE_SERVICE_VLAN) {
			key.known = caplen >= TAGGED_HEADER_BYTES;
			if (key.known)
				key.vlan = (data[HEADER_BYTES] & 0xfu) << 8 | data[HEADER_BYTES + 1];
		}
	}
	return key;
}

void tally_clear(struct tally *tally)
{
	memset(tally, 0, sizeof(*tally));
}

static bool is_same(const struct tally_key *a, const struct tally_key *b)
{
	return a->src == b->src && a->dst == b->dst && a->vlan == b->vlan;
}

static unsigned int slot_of(const struct tally_key *key)
{
	uint64_t mixed = key->src * 0x9e3779b97f4a7c15u;

	mixed = (mixed ^ mixed >> 32 ^ key->dst) * 0xc2b2ae3d27d4eb4fu;
	mixed = (mixed ^ mixed >> 32 ^ key->vlan) * 0x9e3779b97f4a7c15u;
	return (unsigned int)(mixed >> 40) % SLOTS;
}

/* Half of the slots are always free, so that looking for one ends. */
static struct tally_count *count_of(struct tally *tally, const struct tally_key *key)
{
	unsigned int slot = slot_of(key);
	struct tally_entry *entry;

	for (; tally->slots[slot]; slot = (slot + 1) % SLOTS) {
		entry = &tally->entries[tally->slots[slot] - 1];
		if (is_same(&entry->key, key))
			return &entry->count;
	}
	if (tally->used == TALLY_KEYS_MAX)
		return &tally->other;
	entry = &tally->entries[tally->used++];
	entry->key = *key;
	tally->slots[slot] = (uint16_t)tally->used;
	return &entry->count;
}

void tally_add(struct tally *tally, const struct tally_key *key, uint64_t bytes)
{
	struct tally_count *count = key->known ? count_of(tally, key) : &tally->other;

	count->frames++;
	count->bytes += bytes;
}

static int order(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int most_frames_first(const void *one, const void *two)
{
	const struct tally_entry *a = one, *b = two;
	int result = order(b->count.frames, a->count.frames);

	if (!result)
		result = order(a->key.src, b->key.src);
	if (!result)
		result = order(a->key.dst, b->key.dst);
	return result ? result : order(a->key.vlan, b->key.vlan);
}

void tally_sort(struct tally *tally)
{
	qsort(tally->entries, tally->used, sizeof(tally->entries[0]), most_frames_first);
}
