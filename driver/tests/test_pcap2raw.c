// SPDX-License-Identifier: GPL-2.0-or-later
/* pcap2raw as a program: there and back with raw2pcap, every kind of pcap, and files that lie. */
#include <stdlib.h>
#include <string.h>

#include "tests/check.h"
#include "tests/frames.h"
#include "tests/raw_file.h"
#include "tests/sandbox.h"

#define PROGRAM "build/tests/pcap2raw"
#define RAW2PCAP "build/tests/raw2pcap"
#define CHECKRAW "build/tests/checkraw"
#define FRAMES 50u

static uint8_t capture[1 << 20];
static size_t capture_size;
static int swapped;

static void put(uint32_t value, unsigned int bytes)
{
	unsigned int i;

	for (i = 0; i < bytes; i++)
		capture[capture_size++] = (uint8_t)(value >> 8 * (swapped ? bytes - 1 - i : i));
}

static void put_words(const uint32_t *words, unsigned int count)
{
	while (count--)
		put(*words++, 4);
}

#define PUT(...) put_words((const uint32_t[]){ __VA_ARGS__ }, sizeof((const uint32_t[]){ __VA_ARGS__ }) / 4)

static void put_frame_bytes(uint64_t number)
{
	frame_fill(capture + capture_size, number);
	capture_size += frame_length(number);
}

static void begin_pcap(uint32_t magic, uint32_t link)
{
	capture_size = 0;
	put(magic, 4);
	put(2, 2);
	put(4, 2);
	PUT(0, 0, 65535, link);
}

static void put_packet(uint64_t number, uint32_t fraction)
{
	PUT(RAW_FILE_SECOND, fraction, frame_length(number), frame_length(number));
	put_frame_bytes(number);
}

static void begin_section(void)
{
	PUT(0x0a0d0d0a, 28, 0x1a2b3c4d);
	put(1, 2);
	put(0, 2);
	PUT(UINT32_MAX, UINT32_MAX, 28);
}

/* Time in units of 2^-30 s if the option is given, else of microseconds. */
static void put_interface(uint32_t link, int with_unit)
{
	const uint32_t bytes = with_unit ? 32 : 20;

	PUT(1, bytes);
	put(link, 2);
	put(0, 2);
	put(0, 4);
	if (with_unit) {
		put(9, 2);
		put(1, 2);
		capture[capture_size++] = 0x80 | 30;
		memset(capture + capture_size, 0, 7);
		capture_size += 7;
	}
	put(bytes, 4);
}

static void put_enhanced(uint64_t number, uint32_t interface, uint64_t time)
{
	const uint32_t length = frame_length(number), padded = (length + 3) & ~3u;

	PUT(6, 32 + padded, interface, (uint32_t)(time >> 32), (uint32_t)time, length, length);
	put_frame_bytes(number);
	memset(capture + capture_size, 0, padded - length);
	capture_size += padded - length;
	put(32 + padded, 4);
}

static int convert(void)
{
	sandbox_write(sandbox_path("in.pcap"), capture, capture_size);
	return sandbox_run((const char *const[]){ PROGRAM, sandbox_path("in.pcap"), "-o", sandbox_path("out.raw"), NULL });
}

/* Is out.raw the file as built, up to its padding? */
static void expect_raw(void)
{
	size_t size;
	uint8_t *data = sandbox_read(sandbox_path("out.raw"), &size);

	CHECK(size >= raw_file_size && size % 4096 == 0);
	CHECK(memcmp(data, raw_file, raw_file_size) == 0);
	free(data);
	CHECK_EQUAL(sandbox_run((const char *const[]){ CHECKRAW, sandbox_path("out.raw"), NULL }), 0);
}

static void there_and_back(void)
{
	const char *const formats[] = { "pcap", "pcapng" };
	unsigned int i;

	for (i = 0; i < 2; i++) {
		raw_file_begin();
		raw_file_add_frames(0, FRAMES);
		raw_file_add(FRAMES, RAW_FILE_SECOND + 5, 64);	/* shortened */
		sandbox_write(sandbox_path("in.raw"), raw_file, raw_file_size);
		CHECK_EQUAL(sandbox_run((const char *const[]){ RAW2PCAP, "-f", formats[i], "-o", sandbox_path("in.pcap"),
							       sandbox_path("in.raw"), NULL }), 1);
		CHECK_EQUAL(sandbox_run((const char *const[]){ PROGRAM, "-o", sandbox_path("out.raw"),
							       sandbox_path("in.pcap"), NULL }), 0);
		expect_raw();
	}
}

static void every_kind_of_pcap(void)
{
	const uint32_t magics[] = { 0xa1b2c3d4, 0xa1b23c4d };
	unsigned int kind;
	uint64_t i;

	for (kind = 0; kind < 4; kind++) {
		const uint32_t unit_ns = kind & 1 ? 1 : 1000;

		swapped = kind >> 1;
		begin_pcap(magics[kind & 1], kind == 3 ? 0x14000001 : 1);	/* bits about check sequences */
		raw_file_begin();
		for (i = 0; i < FRAMES; i++) {
			put_packet(i, (uint32_t)(i * 1000 / unit_ns));
			raw_file_add(i, RAW_FILE_SECOND, 0);
			memcpy(raw_file + raw_file_size - frame_length(i) - 8, &(uint32_t){ (uint32_t)i * 1000 }, 4);
		}
		CHECK_EQUAL(convert(), 0);
		expect_raw();
	}
	swapped = 0;
}

static void pcapng_of_both_orders(void)
{
	uint64_t i;

	for (swapped = 0; swapped < 2; swapped++) {
		capture_size = 0;
		raw_file_begin();
		begin_section();
		put_interface(1, 0);
		put_interface(113, 0);	/* not Ethernet */
		put_interface(1, 1);
		PUT(0x0bad, 16, 42, 16);	/* a block that nobody knows */
		for (i = 0; i < FRAMES; i++) {
			if (i % 2)
				put_enhanced(i, 2, ((uint64_t)RAW_FILE_SECOND << 30) + (1ull << 29));
			else
				put_enhanced(i, 0, RAW_FILE_SECOND * 1000000ull + 7);
			raw_file_add(i, RAW_FILE_SECOND, 0);
			memcpy(raw_file + raw_file_size - frame_length(i) - 8,
			       &(uint32_t){ i % 2 ? 500000000 : 7000 }, 4);
		}
		CHECK_EQUAL(convert(), 0);
		expect_raw();
		put_enhanced(0, 1, 0);	/* not Ethernet */
		put_enhanced(0, 3, 0);	/* no such interface */
		put_enhanced(0, 0, UINT64_MAX);	/* no such time */
		CHECK_EQUAL(convert(), 1);
		CHECK(sandbox_complained_of("not Ethernet") && sandbox_complained_of("not described"));
		CHECK(sandbox_complained_of("a time that") && sandbox_complained_of("50 frames, 3 left out"));
		expect_raw();
	}
	swapped = 0;
}

/* Cut at every byte: what is whole comes out, and the rest is said. */
static void truncated_anywhere(void)
{
	const size_t whole_size = 24 + 2 * 16 + frame_length(0) + frame_length(1);
	size_t size;

	for (size = 0; size < whole_size; size += size < 120 ? 1 : 13) {
		begin_pcap(0xa1b2c3d4, 1);
		put_packet(0, 1);
		put_packet(1, 2);
		capture_size = size;
		if (size == 24 || size == 40 + frame_length(0))
			CHECK_EQUAL(convert(), 0);
		else
			CHECK_EQUAL(convert(), size < 40 + frame_length(0) ? 2 : 1);
	}
}

static void files_that_lie(void)
{
	begin_pcap(0xa1b2c3d4, 1);
	put_packet(0, 1);
	put_packet(1, 1000000);
	CHECK_EQUAL(convert(), 1);
	CHECK(sandbox_complained_of("fraction of a second") && sandbox_complained_of("1 frames, 1 left out"));
	begin_pcap(0xa1b2c3d4, 1);
	put_packet(0, 1);
	PUT(RAW_FILE_SECOND, 1, 0xffffffff, 0xffffffff);
	CHECK_EQUAL(convert(), 1);
	CHECK(sandbox_complained_of("a length that no packet has"));
	begin_pcap(0xa1b2c3d4, 1);
	PUT(RAW_FILE_SECOND, 1, 0, 60, 0, 1, 0, 0, RAW_FILE_SECOND, 1, 4, 4, 0, RAW_FILE_SECOND, 1, 60, 59);
	capture_size += 60;
	CHECK_EQUAL(convert(), 1);
	CHECK(sandbox_complained_of("4 left out"));
	begin_pcap(0xa1b2c3d4, 113);
	CHECK_EQUAL(convert(), 2);
	CHECK(sandbox_complained_of("not Ethernet"));
	begin_pcap(0x12345678, 1);
	CHECK_EQUAL(convert(), 2);
	CHECK(sandbox_complained_of("neither pcap nor pcapng"));
	capture_size = 0;
	begin_section();
	put_interface(1, 0);
	put_enhanced(0, 0, RAW_FILE_SECOND * 1000000ull);
	PUT(2, 36, 0, 0, 0, 4, 4, 0, 36);
	CHECK_EQUAL(convert(), 1);
	CHECK(sandbox_complained_of("left out: a packet block of a kind that is obsolete"));
	capture_size = 0;
	begin_section();
	PUT(1, 0xfffffffc, 0, 0);
	CHECK_EQUAL(convert(), 2);
	CHECK(sandbox_complained_of("longer than any packet"));
}

static void wrong_use(void)
{
	begin_pcap(0xa1b2c3d4, 1);
	put_packet(0, 1);
	CHECK_EQUAL(convert(), 0);
	CHECK_EQUAL(sandbox_run((const char *const[]){ PROGRAM, sandbox_path("in.pcap"), NULL }), 2);
	CHECK_EQUAL(sandbox_run((const char *const[]){ PROGRAM, sandbox_path("missing"), "-o", "-", NULL }), 2);
	CHECK_EQUAL(sandbox_run((const char *const[]){ PROGRAM, sandbox_path("in.pcap"), "-o", "/dev/full", NULL }), 3);
	CHECK(sandbox_complained_of("No space left"));
	CHECK_EQUAL(sandbox_run((const char *const[]){ PROGRAM, sandbox_path("in.pcap"), "-o", sandbox_path("in.pcap"), NULL }),
		    2);
	CHECK(sandbox_complained_of("is a file to read"));
	CHECK_EQUAL(sandbox_run((const char *const[]){ PROGRAM, sandbox_path("in.pcap"), "-o", sandbox_path("again.raw"), NULL }),
		    0);	/* it is still what it was */
	CHECK_EQUAL(sandbox_run((const char *const[]){ PROGRAM, "--help", NULL }), 0);
}

int main(void)
{
	sandbox_create();
	RUN(there_and_back);
	RUN(every_kind_of_pcap);
	RUN(pcapng_of_both_orders);
	RUN(truncated_anywhere);
	RUN(files_that_lie);
	RUN(wrong_use);
	sandbox_remove();
	return 0;
}
