// SPDX-License-Identifier: GPL-2.0-or-later
/* The RAW reader: sound files, and files with padding, an end or a beginning where none should be. */
#include <string.h>

#include "tests/check.h"
#include "tests/frames.h"
#include "tests/raw_file.h"
#include "tests/raw_seen.h"

static void sound_files(void)
{
	uint64_t frames;
	size_t rest;

	for (frames = 1; frames < 6; frames++) {
		raw_file_begin();
		raw_file_add_frames(0, frames);
		raw_file_add_padding(12);	/* exactly one header left */
		expect_sound(frames);
		raw_file_begin();
		raw_file_add_frames(0, frames);
		raw_file_add_padding(150000);	/* several records of padding */
		expect_sound(frames);
		CHECK_EQUAL(seen.totals.padding_bytes, 150000);
	}
	for (rest = 1; rest < 12; rest++) {
		raw_file_begin();
		raw_file_add_frames(0, 20);
		raw_file_add_padding(100);
		raw_file_add_fill(0, rest);
		expect_sound(20);
	}
	raw_file_begin();
	raw_file_add_padding(5000);
	expect_sound(0);
	raw_file_begin();
	raw_file_add_frames(0, 5000);	/* longer than any window */
	raw_file_add_padding(4096);
	expect_sound(5000);
}

static void padding_where_it_should_not_be(void)
{
	size_t at;

	raw_file_begin();
	raw_file_add_padding(700);
	raw_file_add_frames(0, 50);
	raw_file_add_padding(100);
	expect(0, 50, RAW_PADDING_AT_START, 0, 0);
	raw_file_begin();
	raw_file_add_padding(12);
	raw_file_add_frames(0, 50);
	raw_file_add_padding(100);
	expect(0, 50, RAW_PADDING_AT_START, 0, 0);
	raw_file_begin();
	raw_file_add_frames(0, 20);	/* two files put together */
	raw_file_add_padding(400);
	at = raw_file_size;
	raw_file_add_frames(20, 20);
	raw_file_add_padding(400);
	expect(0, 40, RAW_FRAMES_AFTER_PADDING, at, 0);
	raw_file_begin();
	raw_file_add_frames(0, 7);
	expect(0, 7, RAW_NO_PADDING, position_of(7), 0);
	raw_file_begin();
	raw_file_add_frames(0, 7);
	raw_file_add_padding(500);
	raw_file_size -= 100;
	expect(0, 7, RAW_BAD_PADDING, position_of(7), 400);
	raw_file_begin();
	raw_file_add_frames(0, 7);
	raw_file_add_padding(500);
	raw_file[position_of(7) + 8]++;	/* caplen is not len */
	expect(0, 7, RAW_BAD_PADDING, position_of(7), 500);
}

/* Cut anywhere: every frame that is whole comes out, and nothing else. */
static void truncated_anywhere(void)
{
	size_t cut;

	for (cut = 1; cut < 12 + frame_length(9); cut++) {
		const size_t left = 12 + frame_length(9) - cut;

		raw_file_begin();
		raw_file_add_frames(0, 10);
		raw_file_size -= cut;
		if (left == 1)	/* the second's lowest byte, and that is 0 */
			expect(0, 9, RAW_NO_PADDING, position_of(9), 0);
		else
			expect(0, 9, left < 12 ? RAW_CUT_HEADER : RAW_CUT_FRAME, position_of(9), left);
	}
}

static void begins_in_the_middle_of_a_frame(void)
{
	const size_t first = 12 + frame_length(0);
	size_t skip;

	for (skip = 1; skip < first; skip++) {
		raw_file_begin();
		raw_file_add_frames(0, 60);
		raw_file_add_padding(100);
		raw_file_behead(skip);
		expect(1, 59, RAW_NO_RECORD_AT_START, 0, first - skip);
	}
}

/* One byte of one header wrong: that frame is lost, no other, and what is behind it comes. */
static void damaged_header_in_the_middle(void)
{
	static const struct {
		unsigned int byte;
		uint8_t flip;
	} damage[] = { { 7, 0xff }, { 3, 0x40 }, { 9, 0x08 }, { 2, 0x80 } };
	unsigned int i;

	for (i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
		raw_file_begin();
		raw_file_add_frames(0, 100);
		raw_file_add_padding(100);
		raw_file[position_of(30) + damage[i].byte] ^= damage[i].flip;
		raw_read_file();
		CHECK_EQUAL(seen.frames, 99);
		CHECK_EQUAL(seen.number_sum, 99 * 100 / 2 - 30);
		CHECK_EQUAL(seen.count, 1);
		CHECK_EQUAL(seen.findings[0].offset, position_of(30));
		CHECK_EQUAL(seen.findings[0].skipped, 12 + frame_length(30));
	}
}

int main(void)
{
	RUN(sound_files);
	RUN(padding_where_it_should_not_be);
	RUN(truncated_anywhere);
	RUN(begins_in_the_middle_of_a_frame);
	RUN(damaged_header_in_the_middle);
	return 0;
}
