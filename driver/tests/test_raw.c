// SPDX-License-Identifier: GPL-2.0-or-later
/* Records and padding: the arithmetic at the end of a file, byte by byte. */
#include "core/raw.h"

#include <stdlib.h>

#include "core/raw_scan.h"
#include "libhpcapvf.h"
#include "tests/check.h"

static void build(uint8_t *out, uint32_t length, uint32_t caplen, bool stripped, const uint8_t *data)
{
	struct hpcap_frame frame = {
		.data = data, .length = length, .seconds = 0x01020304, .nanoseconds = 0x0a0b0c0d,
		.vlan_tci = 0x6123, .vlan_stripped = stripped,
	};

	hpcap_record_build(out, &frame, hpcap_frame_kept_bytes(&frame, caplen));
}

static void record_layout_is_little_endian(void)
{
	const uint8_t data[60] = { 1, 2, 3 };
	const uint8_t expected[14] = { 4, 3, 2, 1, 0x0d, 0x0c, 0x0b, 0x0a, 60, 0, 60, 0, 1, 2 };
	uint8_t out[128];

	build(out, 60, 0, false, data);
	CHECK(memcmp(out, expected, sizeof(expected)) == 0);
	build(out, 60, 20, false, data);
	CHECK_EQUAL(out[8], 20);
	CHECK_EQUAL(out[10], 60);
}

static void stripped_tag_is_put_back(void)
{
	uint8_t data[60], out[128];
	unsigned int i, caplen;

	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i + 1);
	build(out, 60, 0, true, data);
	CHECK_EQUAL(out[8], 64);
	CHECK_EQUAL(out[10], 64);
	CHECK(memcmp(out + 12, data, 12) == 0);
	CHECK(memcmp(out + 24, "\x81\x00\x61\x23", 4) == 0);
	CHECK(memcmp(out + 28, data + 12, 48) == 0);
	for (caplen = 1; caplen < 64; caplen++) {	/* never a byte beyond what is kept */
		uint8_t cut[128];

		memset(cut, 0xee, sizeof(cut));
		build(cut, 60, caplen, true, data);
		CHECK(memcmp(cut + 12, out + 12, caplen) == 0);
		CHECK_EQUAL(cut[12 + caplen], 0xee);
	}
}

static void clock_that_was_never_set_makes_no_padding(void)
{
	const uint8_t data[60] = { 0 };
	struct hpcap_frame frame = { .data = data, .length = 60 };
	uint8_t out[72];

	hpcap_record_build(out, &frame, 60);
	CHECK_EQUAL(hpcap_raw_scan(out, sizeof(out), 0).kind, HPCAP_RAW_FRAME);
}

/* Fills a file of every size up to a limit and reads the padding back. */
static void every_gap_is_filled_exactly(void)
{
	static uint8_t file[300000];
	uint64_t gap;

	for (gap = HPCAPVF_RECORD_BYTES; gap < sizeof(file); gap += gap < 66000 || gap % 65547 < 40 ? 1 : 13) {
		uint64_t at = 0;

		while (at < gap) {
			__u32 zeros = hpcap_raw_padding(file + at, gap - at);

			CHECK(zeros <= HPCAPVF_CAPLEN_MAX);
			CHECK_EQUAL(hpcap_raw_scan(file, gap, at).kind, HPCAP_RAW_PADDING);
			at += HPCAPVF_RECORD_BYTES + zeros;
			CHECK(at == gap || gap - at >= HPCAPVF_RECORD_BYTES);
		}
		CHECK_EQUAL(at, gap);
	}
}

static void exactly_one_header_left_is_a_full_file(void)
{
	const uint64_t limit = 4096;
	const uint64_t size = limit - HPCAPVF_RECORD_BYTES;
	__u8 header[HPCAPVF_RECORD_BYTES];

	/* the record that leaves exactly one header still fits, one byte more does not */
	CHECK(hpcap_raw_fits(size - 12 - 100, 100, limit));
	CHECK(!hpcap_raw_fits(size - 12 - 100, 101, limit));
	CHECK(!hpcap_raw_fits(size, 0, limit));
	CHECK_EQUAL(hpcap_raw_padding(header, limit - size), 0);
	CHECK_EQUAL(hpcap_raw_padded_size(size, 4096), limit);
	CHECK_EQUAL(hpcap_raw_padded_size(size + 1, 4096), limit + 4096);
	CHECK_EQUAL(hpcap_raw_padded_size(0, 4096), 4096);
}

static void scan_tells_what_is_there(void)
{
	const uint8_t data[60] = { 9 };
	uint8_t file[200];

	memset(file, 0, sizeof(file));
	build(file, 60, 0, false, data);
	file[7] = 0;	/* nanoseconds below 1e9 */
	CHECK_EQUAL(hpcap_raw_scan(file, 72, 0).kind, HPCAP_RAW_FRAME);
	CHECK_EQUAL(hpcap_raw_scan(file, 72, 0).next_offset, 72);
	CHECK_EQUAL(hpcap_raw_scan(file, 72, 72).kind, HPCAP_RAW_END);
	CHECK_EQUAL(hpcap_raw_scan(file, 71, 0).kind, HPCAP_RAW_CUT_FRAME);
	CHECK_EQUAL(hpcap_raw_scan(file, 83, 72).kind, HPCAP_RAW_SHORT_END);
	CHECK_EQUAL(hpcap_raw_scan(file, 84, 72).kind, HPCAP_RAW_PADDING);
	file[80] = file[82] = 5;
	CHECK_EQUAL(hpcap_raw_scan(file, 84, 72).kind, HPCAP_RAW_CUT_PADDING);
	CHECK_EQUAL(hpcap_raw_scan(file, 89, 72).kind, HPCAP_RAW_PADDING);
	file[7] = 0xff;
	CHECK_EQUAL(hpcap_raw_scan(file, 72, 0).kind, HPCAP_RAW_IMPLAUSIBLE);
	memset(file, ' ', sizeof(file));
	CHECK_EQUAL(hpcap_raw_scan(file, sizeof(file), 0).kind, HPCAP_RAW_IMPLAUSIBLE);
}

static void library_iterator_stays_inside(void)
{
	const uint8_t data[60] = { 9 };
	uint8_t records[144];
	struct hpcapvf_frame frame;
	uint64_t position = 0, bytes;

	build(records, 60, 0, false, data);
	build(records + 72, 60, 0, false, data);
	CHECK_EQUAL(hpcapvf_next(records, sizeof(records), &position, &frame), 1);
	CHECK_EQUAL(frame.caplen, 60);
	CHECK_EQUAL(hpcapvf_next(records, sizeof(records), &position, &frame), 1);
	CHECK_EQUAL(hpcapvf_next(records, sizeof(records), &position, &frame), 0);
	position = sizeof(records) + 1;
	CHECK_EQUAL(-hpcapvf_next(records, sizeof(records), &position, &frame), EBADMSG);
	for (bytes = 73; bytes < sizeof(records); bytes++) {
		uint8_t *exact = malloc(bytes);	/* so that a byte too far is seen by the sanitizer */

		CHECK(exact);
		memcpy(exact, records, bytes);
		position = 72;
		CHECK_EQUAL(-hpcapvf_next(exact, bytes, &position, &frame), EBADMSG);
		CHECK_EQUAL(position, 72);
		free(exact);
	}
}

int main(void)
{
	RUN(record_layout_is_little_endian);
	RUN(stripped_tag_is_put_back);
	RUN(clock_that_was_never_set_makes_no_padding);
	RUN(every_gap_is_filled_exactly);
	RUN(exactly_one_header_left_is_a_full_file);
	RUN(scan_tells_what_is_there);
	RUN(library_iterator_stays_inside);
	return 0;
}
