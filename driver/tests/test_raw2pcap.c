// SPDX-License-Identifier: GPL-2.0-or-later
/* raw2pcap as a program: every kind of file a reader must accept, and those it must refuse. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/raw.h"
#include "tests/check.h"
#include "tests/frames.h"
#include "tests/sandbox.h"

#define PROGRAM "build/tests/raw2pcap"
#define SECOND 1700000000u
#define PCAP_HEADER_BYTES 24u
#define NO_OUTPUT UINT64_MAX

static uint8_t file[4u << 20];
static size_t file_size;

static void begin(void)
{
	file_size = 0;
}

static void add_frame_at(uint64_t number, uint32_t second)
{
	uint8_t data[FRAME_BYTES_MAX];
	struct hpcap_frame frame = { .data = data, .length = frame_length(number), .seconds = second,
				     .nanoseconds = (__u32)number };

	frame_fill(data, number);
	hpcap_record_build(file + file_size, &frame, frame.length);
	file_size += HPCAPVF_RECORD_BYTES + frame.length;
}

static void add_frames(uint64_t first, uint64_t count)
{
	for (; count; count--)
		add_frame_at(first++, SECOND);
}

static void add_padding(uint64_t gap)
{
	while (gap) {
		__u32 zeros = hpcap_raw_padding(file + file_size, gap);

		memset(file + file_size + HPCAPVF_RECORD_BYTES, 0, zeros);
		file_size += HPCAPVF_RECORD_BYTES + zeros;
		gap -= HPCAPVF_RECORD_BYTES + zeros;
	}
}

static uint32_t le32_at(const uint8_t *data)
{
	return data[0] | data[1] << 8 | data[2] << 16 | (uint32_t)data[3] << 24;
}

/* Frames first, first + 1 ... and nothing else? Returns how many. */
static uint64_t check_pcap(const char *path, uint64_t first)
{
	size_t size, at = PCAP_HEADER_BYTES;
	uint8_t *data = sandbox_read(path, &size);
	uint64_t number = first;

	CHECK(size >= PCAP_HEADER_BYTES);
	CHECK_EQUAL(le32_at(data), 0xa1b23c4d);
	CHECK_EQUAL(le32_at(data + 16), 65535);
	CHECK_EQUAL(le32_at(data + 20), 1);
	while (at < size) {
		uint32_t caplen;

		CHECK(size - at >= 16);
		caplen = le32_at(data + at + 8);
		CHECK_EQUAL(le32_at(data + at + 4), number);
		CHECK_EQUAL(caplen, frame_length(number));
		CHECK_EQUAL(le32_at(data + at + 12), frame_length(number));
		CHECK(size - at - 16 >= caplen && frame_matches(data + at + 16, caplen, number));
		at += 16 + caplen;
		number++;
	}
	free(data);
	return number - first;
}

/* Converts the file as built; the pcap must hold exactly the frames first .. first + frames - 1. */
static void expect(int exit_code, uint64_t first, uint64_t frames)
{
	const char *arguments[] = { PROGRAM, sandbox_path("in.raw"), "-o", sandbox_path("out.pcap"), NULL };

	sandbox_write(arguments[1], file, file_size);
	unlink(arguments[3]);
	CHECK_EQUAL(sandbox_run(arguments), exit_code);
	if (frames == NO_OUTPUT)
		CHECK_EQUAL(access(arguments[3], F_OK), -1);
	else
		CHECK_EQUAL(check_pcap(arguments[3], first), frames);
}

static void whole_files(void)
{
	begin();
	add_frames(0, 1000);
	add_padding(4096 - file_size % 4096 + 4096);
	expect(0, 0, 1000);
	begin();
	add_frames(0, 7);
	add_padding(HPCAPVF_RECORD_BYTES);	/* exactly one header */
	expect(0, 0, 7);
	begin();
	add_frames(0, 7);
	expect(0, 0, 7);
	CHECK(sandbox_complained_of("no padding"));
	begin();
	add_padding(5000);
	expect(0, 0, 0);
	begin();
	add_frames(0, 3);
	add_padding(150000);	/* several padding records */
	expect(0, 0, 3);
}

static void padding_at_the_start_is_skipped(void)
{
	begin();
	add_padding(700);
	add_frames(0, 50);
	add_padding(100);
	expect(0, 0, 50);
	begin();
	add_frames(0, 20);	/* two files put together */
	add_padding(400);
	add_frames(20, 20);
	expect(0, 0, 40);
}

static void short_rest_at_the_end_is_accepted(void)
{
	size_t rest;

	for (rest = 1; rest < HPCAPVF_RECORD_BYTES; rest++) {
		begin();
		add_frames(0, 5);
		memset(file + file_size, 0xa5, rest);
		file_size += rest;
		expect(0, 0, 5);
	}
}

static void cut_last_frame_is_a_fault(void)
{
	size_t cut;

	for (cut = 1; cut <= frame_length(9); cut += 17) {
		begin();
		add_frames(0, 10);
		file_size -= cut;
		expect(1, 0, 9);
		CHECK(sandbox_complained_of("is cut"));
	}
	begin();
	add_frames(0, 10);
	add_padding(1000);
	file_size -= 10;
	expect(1, 0, 10);
	CHECK(sandbox_complained_of("padding"));
}

/* Every offset within the first frame but 0: nothing that comes out may be garbage, so nothing comes out. */
static void beginning_in_the_middle_of_a_frame_is_refused(void)
{
	size_t whole, skip;

	begin();
	add_frames(0, 40);
	whole = file_size;
	for (skip = 1; skip < HPCAPVF_RECORD_BYTES + frame_length(0); skip += 1 + skip / 8) {
		begin();
		add_frames(0, 40);
		memmove(file, file + skip, whole - skip);
		file_size = whole - skip;
		expect(2, 0, NO_OUTPUT);
		CHECK(sandbox_complained_of("unusable"));
	}
}

static void other_formats_are_refused(void)
{
	size_t i;

	begin();
	expect(2, 0, NO_OUTPUT);
	CHECK(sandbox_complained_of("empty"));
	memcpy(file, "\x4d\x3c\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\xff\xff\0\0\x01\0\0\0", 24);
	file_size = 24;
	expect(2, 0, NO_OUTPUT);
	for (i = 0; i < 4096; i++)
		file[i] = "A frame is a frame. "[i % 20];
	file_size = 4096;
	expect(2, 0, NO_OUTPUT);
	memset(file, ' ', 65536);
	file_size = 65536;
	expect(2, 0, NO_OUTPUT);
	memcpy(file, "short", 5);
	file_size = 5;
	expect(2, 0, NO_OUTPUT);
}

/* A byte of the header of frame 30 is wrong. Frame 29 was followed by garbage, so it is not trusted either. */
static void fault_in_the_middle_stops_there(void)
{
	size_t at;

	begin();
	add_frames(0, 30);
	at = file_size;
	add_frames(30, 30);
	file[at + 7] = 0xff;	/* nanoseconds */
	expect(1, 0, 29);
	CHECK(sandbox_complained_of("no record at offset"));
	file[at + 7] = 0;
	file[at + 3] ^= 0x40;	/* seconds: 34 years away, for one frame only */
	expect(1, 0, 29);
}

static void set_clock_is_no_fault(void)
{
	uint64_t i;

	begin();
	for (i = 0; i < 20; i++)
		add_frame_at(i, 5000);	/* before the clock was set: 1970 */
	add_frames(20, 20);
	add_padding(200);
	expect(0, 0, 40);
	CHECK(sandbox_complained_of("clock"));
}

static int run(const char *a, const char *b, const char *c, const char *d)
{
	const char *arguments[] = { PROGRAM, a, b, c, d, NULL };

	return sandbox_run(arguments);
}

static void several_files_and_wrong_use(void)
{
	begin();
	add_frames(0, 10);
	sandbox_write(sandbox_path("1.raw"), file, file_size);
	begin();
	add_frames(10, 10);
	sandbox_write(sandbox_path("2.raw"), file, file_size);
	sandbox_write(sandbox_path("bad.raw"), "bad", 3);
	CHECK_EQUAL(run(sandbox_path("1.raw"), sandbox_path("2.raw"), NULL, NULL), 0);
	CHECK_EQUAL(check_pcap(sandbox_path("stdout"), 0), 20);
	CHECK_EQUAL(run(sandbox_path("1.raw"), sandbox_path("bad.raw"), sandbox_path("2.raw"), "-o-"), 2);
	CHECK_EQUAL(check_pcap(sandbox_path("stdout"), 0), 20);	/* the good ones all the same */
	CHECK_EQUAL(run(sandbox_path("missing.raw"), NULL, NULL, NULL), 2);
	CHECK(sandbox_complained_of("No such file"));
	CHECK_EQUAL(run("/dev/zero", NULL, NULL, NULL), 2);
	CHECK_EQUAL(run(NULL, NULL, NULL, NULL), 2);
	CHECK_EQUAL(run(sandbox_path("1.raw"), "-o", sandbox_path("no/such/folder"), NULL), 3);
	CHECK_EQUAL(run(sandbox_path("1.raw"), "-o", "/dev/full", NULL), 3);
}

int main(void)
{
	sandbox_create();
	RUN(whole_files);
	RUN(padding_at_the_start_is_skipped);
	RUN(short_rest_at_the_end_is_accepted);
	RUN(cut_last_frame_is_a_fault);
	RUN(beginning_in_the_middle_of_a_frame_is_refused);
	RUN(other_formats_are_refused);
	RUN(fault_in_the_middle_stops_there);
	RUN(set_clock_is_no_fault);
	RUN(several_files_and_wrong_use);
	sandbox_remove();
	return 0;
}
