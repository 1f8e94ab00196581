// SPDX-License-Identifier: GPL-2.0-or-later
/* Counting by header fields: keys, what is too short, and what does not fit. */
#include <string.h>

#include "tests/check.h"
#include "tools/hpcapstat/tally.h"

#define ALL (TALLY_SRC | TALLY_DST | TALLY_VLAN)

static struct tally tally;

static const uint8_t plain[] = { 0x02, 1, 2, 3, 4, 5, 0x02, 0x99, 8, 7, 6, 0xf5, 0x08, 0x00, 0x45, 0x00 };

static struct tally_key key_of_type(uint8_t high, uint8_t low, uint8_t tci_high, uint8_t tci_low, size_t caplen)
{
	uint8_t data[sizeof(plain)];

	memcpy(data, plain, sizeof(data));
	data[12] = high;
	data[13] = low;
	data[14] = tci_high;
	data[15] = tci_low;
	return tally_key_of(ALL, data, caplen);
}

static void fields_are_read(void)
{
	CHECK_EQUAL(tally_fields("src"), TALLY_SRC);
	CHECK_EQUAL(tally_fields("vlan,src"), TALLY_SRC | TALLY_VLAN);
	CHECK_EQUAL(tally_fields("src,dst,vlan"), ALL);
	CHECK_EQUAL(tally_fields(""), 0);
	CHECK_EQUAL(tally_fields("src,"), 0);
	CHECK_EQUAL(tally_fields("src,src"), 0);
	CHECK_EQUAL(tally_fields("srcdst"), 0);
	CHECK_EQUAL(tally_fields("sr"), 0);
}

static void a_frame_gives_a_key(void)
{
	struct tally_key key = tally_key_of(ALL, plain, sizeof(plain));

	CHECK(key.known);
	CHECK_EQUAL(key.dst, 0x020102030405);
	CHECK_EQUAL(key.src, 0x0299080706f5);
	CHECK_EQUAL(key.vlan, TALLY_UNTAGGED);
	key = tally_key_of(TALLY_VLAN, plain, sizeof(plain));
	CHECK_EQUAL(key.dst + key.src, 0);
	CHECK_EQUAL(key_of_type(0x81, 0x00, 0xef, 0xfe, 16).vlan, 0xffe);	/* without priority */
	CHECK_EQUAL(key_of_type(0x88, 0xa8, 0x00, 0x07, 16).vlan, 7);
	CHECK_EQUAL(key_of_type(0x81, 0x00, 0xe0, 0x00, 16).vlan, 0);	/* a priority only is a tag, too */
	CHECK_EQUAL(key_of_type(0x91, 0x00, 0x00, 0x07, 16).vlan, TALLY_UNTAGGED);
}

static void what_is_too_short_is_known_in_sum_only(void)
{
	const struct tally_key cut = tally_key_of(TALLY_SRC, plain, 13);

	CHECK(!cut.known);
	CHECK(tally_key_of(ALL, plain, 14).known);
	CHECK(!key_of_type(0x81, 0x00, 0x00, 0x07, 15).known);
	tally_clear(&tally);
	tally_add(&tally, &cut, 60);
	CHECK_EQUAL(tally.used, 0);
	CHECK_EQUAL(tally.other.frames, 1);
	CHECK_EQUAL(tally.other.bytes, 60);
}

/* Twice as many keys as there is room for, each three times. */
static void what_does_not_fit_is_known_in_sum_only(void)
{
	struct tally_key key = { .known = true };
	unsigned int round, i;

	tally_clear(&tally);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < 2 * TALLY_KEYS_MAX; i++) {
			key.src = i / 2;
			key.dst = i % 2 ? UINT64_MAX >> 16 : 0;
			tally_add(&tally, &key, 100);
		}
	}
	CHECK_EQUAL(tally.used, TALLY_KEYS_MAX);
	for (i = 0; i < TALLY_KEYS_MAX; i++) {
		CHECK_EQUAL(tally.entries[i].key.src, i / 2);
		CHECK_EQUAL(tally.entries[i].count.frames, 3);
		CHECK_EQUAL(tally.entries[i].count.bytes, 300);
	}
	CHECK_EQUAL(tally.other.frames, 3 * TALLY_KEYS_MAX);
	CHECK_EQUAL(tally.other.bytes, 300 * TALLY_KEYS_MAX);
	tally_clear(&tally);
	tally_add(&tally, &key, 1);
	CHECK_EQUAL(tally.used, 1);
	CHECK_EQUAL(tally.other.frames, 0);
}

static void most_frames_come_first(void)
{
	const struct tally_key one = { .src = 9, .vlan = 5, .known = true }, two = { .src = 3, .known = true };
	const struct tally_key three = { .src = 9, .vlan = 4, .known = true };

	tally_clear(&tally);
	tally_add(&tally, &one, 60);
	tally_add(&tally, &two, 60);
	tally_add(&tally, &three, 60);
	tally_add(&tally, &two, 40);
	tally_sort(&tally);
	CHECK_EQUAL(tally.entries[0].key.src, 3);
	CHECK_EQUAL(tally.entries[0].count.frames, 2);
	CHECK_EQUAL(tally.entries[0].count.bytes, 100);
	CHECK_EQUAL(tally.entries[1].key.vlan, 4);
	CHECK_EQUAL(tally.entries[2].key.vlan, 5);
}

int main(void)
{
	RUN(fields_are_read);
	RUN(a_frame_gives_a_key);
	RUN(what_is_too_short_is_known_in_sum_only);
	RUN(what_does_not_fit_is_known_in_sum_only);
	RUN(most_frames_come_first);
	return 0;
}
