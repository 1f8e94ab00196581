// SPDX-License-Identifier: GPL-2.0-or-later
/* The RAW reader against damage in the middle, other formats, and content made to mislead it. */
#include <string.h>
#include <time.h>

#include "core/port.h"
#include "hpcapvf.h"
#include "tests/check.h"
#include "tests/frames.h"
#include "tests/raw_file.h"
#include "tests/raw_seen.h"

static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return *state >> 33;
}

/* A length with any value, in files with whole and with shortened frames: what comes out is still what went in. */
static void damaged_lengths(void)
{
	const uint32_t caplens[] = { 0, 64, 900 };
	uint64_t random = 1;
	unsigned int round;

	for (round = 0; round < 600; round++) {
		const uint32_t caplen = caplens[round % 3];
		uint64_t i, number = next_random(&random) % 200;
		static uint8_t is_record[1 << 20];
		size_t at = 0, leads_to;

		raw_file_begin();
		memset(is_record, 0, sizeof(is_record));
		for (i = 0; i < 200; i++) {
			is_record[raw_file_size] = 1;
			if (i == number)
				at = raw_file_size;
			raw_file_add(i, RAW_FILE_SECOND, caplen);
		}
		is_record[raw_file_size] = 1;
		raw_file_add_padding(100);
		raw_file[at + 8] = (uint8_t)next_random(&random);
		raw_file[at + 9] = (uint8_t)(next_random(&random) % 16 ? next_random(&random) % 8 : next_random(&random));
		leads_to = at + 12 + raw_file[at + 8] + raw_file[at + 9] * 256u;
		if (leads_to < sizeof(is_record) && is_record[leads_to])
			continue;	/* nobody can see that */
		raw_read_file();	/* checks each frame's bytes */
		/* a shortened frame before the fault goes too, and all before it if that is the file's beginning */
		CHECK(seen.frames >= (number < 3 ? 197 : 198) && seen.frames <= 200);
	}
}

static void garbage_in_the_middle(void)
{
	uint64_t random = 7;
	size_t i, at;

	raw_file_begin();
	raw_file_add_frames(0, 100);
	at = raw_file_size;
	for (i = 0; i < 3000000; i++)	/* more than one search */
		raw_file[raw_file_size++] = (uint8_t)next_random(&random);
	raw_file_add_frames(100, 100);
	raw_file_add_padding(100);
	expect(0, 200, RAW_NO_RECORD, at, 3000000);
	raw_file_begin();
	raw_file_add_frames(0, 100);
	raw_file_add_fill(0, 1000000);	/* a hole */
	raw_file_add_frames(100, 100);
	raw_file_add_padding(100);
	expect(0, 200, RAW_ZEROS, at, 1000000);
	raw_file_begin();
	raw_file_add_frames(0, 100);
	raw_file_add_fill(0, 4096);	/* never written */
	expect(0, 100, RAW_ZEROS, at, 4096);
}

static void length_beyond_the_file(void)
{
	const size_t at = position_of(95);

	raw_file_begin();
	raw_file_add_frames(0, 100);
	raw_file_add_padding(12);
	memset(raw_file + at + 8, 0xff, 4);
	raw_read_file();
	CHECK_EQUAL(seen.frames, 99);
	CHECK_EQUAL(seen.number_sum, 99 * 100 / 2 - 95);
	CHECK_EQUAL(seen.count, 1);
	CHECK_EQUAL(seen.findings[0].finding, RAW_BAD_LENGTH);
	CHECK_EQUAL(seen.findings[0].offset, at);
}

/* The capture of a RAW file being copied over the network: what a frame carries is not what was captured. */
static void records_inside_frames_are_not_frames(void)
{
	static uint8_t carried[1 << 16];
	size_t size, i, at = 0;

	raw_file_begin();
	for (i = 0; raw_file_size < 60000; i++)
		raw_file_add(i, RAW_FILE_SECOND, 64);
	size = raw_file_size;
	memcpy(carried, raw_file, size);
	raw_file_begin();
	for (i = 0; i < 200; i++) {
		struct hpcapvf_record header = { .seconds = core_to_le32(RAW_FILE_SECOND + 100),
						 .nanoseconds = core_to_le32((__u32)i) };
		uint8_t addresses[54] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0 };

		header.caplen = header.len = core_to_le16(sizeof(addresses) + 1460);
		raw_file_add_bytes(&header, sizeof(header));
		raw_file_add_bytes(addresses, sizeof(addresses));
		raw_file_add_bytes(carried + at, 1460);
		at = (at + 1460) % (size - 1460);
	}
	raw_file_add_padding(12);
	for (i = 13; i < 1500; i += 76) {
		struct raw_reader reader;
		struct raw_event event;

		raw_file_behead(i == 13 ? 13 : 76);
		raw_reader_memory(&reader, raw_file, raw_file_size);
		while (raw_reader_next(&reader, &event) == 1)
			CHECK(!event.is_frame || event.caplen == 54 + 1460);
		CHECK_EQUAL(reader.totals.frames, 199);
	}
}

static void other_formats_are_unusable(void)
{
	uint64_t random = 99;
	size_t i, period;

	raw_file_begin();
	raw_read_file();
	CHECK(seen.unusable);
	CHECK_EQUAL(seen.findings[0].finding, RAW_EMPTY);
	raw_file_add_bytes("\x4d\x3c\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\xff\xff\0\0\x01\0\0\0", 24);
	raw_read_file();
	CHECK(seen.unusable);
	for (period = 1; period < 90; period++) {	/* text that repeats itself */
		raw_file_begin();
		for (i = 0; i < 100000; i++)
			raw_file[raw_file_size++] = (uint8_t)(" A frame is a frame is a frame; "
							      "pages & pages of it, line by line, over and over again.\n"[i % period]);
		raw_read_file();
		CHECK(seen.unusable);
		CHECK_EQUAL(seen.totals.skipped_bytes, 100000);
	}
	raw_file_begin();
	for (i = 0; i < 2000000; i++)
		raw_file[raw_file_size++] = (uint8_t)next_random(&random);
	raw_read_file();
	CHECK(seen.unusable);
	raw_file_begin();
	raw_file_add_frames(0, 1);
	raw_file_size -= 5;
	raw_read_file();
	CHECK(seen.unusable);
}

static void set_clock_is_no_fault(void)
{
	uint64_t i;

	raw_file_begin();
	for (i = 0; i < 20; i++)
		raw_file_add(i, 5000, 0);	/* before the clock was set: 1970 */
	raw_file_add_frames(20, 20);
	raw_file_add_padding(200);
	expect(0, 40, RAW_CLOCK_JUMP, position_of(20), 0);
	CHECK_EQUAL(seen.totals.faults, 0);
}

/* A shortened frame whose damaged length ends inside the padding behind it. */
static void length_that_ends_in_padding(void)
{
	size_t at = 0;
	uint64_t i;

	raw_file_begin();
	for (i = 180; i < 200; i++) {
		at = raw_file_size;
		raw_file_add(i, RAW_FILE_SECOND, 900);
	}
	CHECK(frame_length(199) > 958 && raw_file_size - at == 12 + 900);
	raw_file_add_padding(100);
	raw_file[at + 8] = 958 & 0xff;
	raw_file[at + 9] = 958 >> 8;
	expect(180, 19, RAW_DOUBTFUL_FRAME, at, 12 + 900 + 100);
}

/* Chains of a thousand records, each broken before it proves anything: the search must stay linear. */
static void nothing_takes_long(void)
{
	struct hpcapvf_record header = { .seconds = core_to_le32(RAW_FILE_SECOND), .caplen = core_to_le16(1),
					 .len = core_to_le16(14) };
	struct raw_reader reader;
	struct raw_event event;
	clock_t before;
	size_t i;

	raw_file_begin();
	raw_file_add_fill(0xff, 13);
	for (i = 0; raw_file_size + 64 < 6000000; i++) {
		header.nanoseconds = core_to_le32((__u32)i);
		raw_file_add_bytes(&header, sizeof(header));
		raw_file_add_fill(0xff, i % 1200 == 1199 ? 24 : 1);
	}
	raw_file_add_fill(0xff, 24);
	before = clock();
	raw_reader_memory(&reader, raw_file, raw_file_size);
	while (raw_reader_next(&reader, &event) == 1)
		;
	CHECK_EQUAL(reader.totals.file_bytes, raw_file_size);
	CHECK((clock() - before) / CLOCKS_PER_SEC < 5);
}

int main(void)
{
	RUN(damaged_lengths);
	RUN(garbage_in_the_middle);
	RUN(length_beyond_the_file);
	RUN(records_inside_frames_are_not_frames);
	RUN(other_formats_are_unusable);
	RUN(set_clock_is_no_fault);
	RUN(length_that_ends_in_padding);
	RUN(nothing_takes_long);
	return 0;
}
