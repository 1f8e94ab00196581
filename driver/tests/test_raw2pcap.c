// SPDX-License-Identifier: GPL-2.0-or-later
/* raw2pcap as a program: every kind of file a reader must accept, and those it must refuse. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hpcapvf.h"
#include "tests/check.h"
#include "tests/frames.h"
#include "tests/raw_file.h"
#include "tests/sandbox.h"

#define PROGRAM "build/tests/raw2pcap"
#define PCAP_HEADER_BYTES 24u
#define NO_OUTPUT UINT64_MAX

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

	sandbox_write(arguments[1], raw_file, raw_file_size);
	unlink(arguments[3]);
	CHECK_EQUAL(sandbox_run(arguments), exit_code);
	if (frames == NO_OUTPUT)
		CHECK_EQUAL(access(arguments[3], F_OK), -1);
	else
		CHECK_EQUAL(check_pcap(arguments[3], first), frames);
}

static void whole_files(void)
{
	raw_file_begin();
	raw_file_add_frames(0, 1000);
	raw_file_add_padding(4096);
	expect(0, 0, 1000);
	raw_file_begin();
	raw_file_add_padding(5000);
	expect(0, 0, 0);
}

/* What the reader finds is said with its place, and all that can be told apart comes out. */
static void faults_are_named(void)
{
	raw_file_begin();
	raw_file_add_frames(0, 7);
	expect(1, 0, 7);
	CHECK(sandbox_complained_of("no padding at the end"));
	raw_file_begin();
	raw_file_add_padding(700);
	raw_file_add_frames(0, 50);
	raw_file_add_padding(100);
	expect(1, 0, 50);
	CHECK(sandbox_complained_of("byte 0: the file begins with padding"));
	raw_file_begin();
	raw_file_add_frames(0, 10);
	raw_file_size -= 7;
	expect(1, 0, 9);
	CHECK(sandbox_complained_of("the last frame is cut"));
	raw_file_begin();
	raw_file_add_frames(0, 40);
	raw_file_add_padding(100);
	raw_file_behead(5);
	expect(1, 1, 39);
	CHECK(sandbox_complained_of("byte 0: the file does not begin with a record"));
	raw_file_begin();
	raw_file_add(0, 5000, 0);
	raw_file_add(1, 5000, 0);
	raw_file_add(2, 5000, 0);
	raw_file_add_frames(3, 10);
	raw_file_add_padding(100);
	expect(0, 0, 13);
	CHECK(sandbox_complained_of("note: byte"));
}

static void what_is_behind_a_fault_is_converted(void)
{
	size_t size, at;
	uint8_t *data;

	raw_file_begin();
	raw_file_add_frames(0, 30);
	at = raw_file_size;
	raw_file_add_frames(30, 30);
	raw_file_add_padding(100);
	raw_file[at + 7] = 0xff;	/* nanoseconds */
	sandbox_write(sandbox_path("in.raw"), raw_file, raw_file_size);
	CHECK_EQUAL(sandbox_run((const char *const[]){ PROGRAM, sandbox_path("in.raw"), NULL }), 1);
	CHECK(sandbox_complained_of("no record where one should be"));
	data = sandbox_read(sandbox_path("stdout"), &size);
	CHECK_EQUAL(size, PCAP_HEADER_BYTES + raw_file_size - 100 + 59 * 4 - 12 - frame_length(30));
	free(data);
}

static void other_formats_are_refused(void)
{
	raw_file_begin();
	expect(2, 0, NO_OUTPUT);
	CHECK(sandbox_complained_of("empty"));
	raw_file_add_fill(' ', 65536);
	expect(2, 0, NO_OUTPUT);
	CHECK(sandbox_complained_of("unusable"));
	raw_file_begin();
	raw_file_add_frames(0, 1);
	raw_file_size -= 3;
	expect(2, 0, NO_OUTPUT);
}

static int run(const char *a, const char *b, const char *c, const char *d)
{
	const char *arguments[] = { PROGRAM, a, b, c, d, NULL };

	return sandbox_run(arguments);
}

static void several_files_and_wrong_use(void)
{
	raw_file_begin();
	raw_file_add_frames(0, 10);
	raw_file_add_padding(100);
	sandbox_write(sandbox_path("1.raw"), raw_file, raw_file_size);
	raw_file_begin();
	raw_file_add_frames(10, 10);
	raw_file_add_padding(100);
	sandbox_write(sandbox_path("2.raw"), raw_file, raw_file_size);
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

static void standard_input_is_read(void)
{
	const char *arguments[] = { "/bin/sh", "-c", "", NULL };
	char command[1024];

	snprintf(command, sizeof(command), "cat %s | " PROGRAM " - %s", sandbox_path("1.raw"), sandbox_path("2.raw"));
	arguments[2] = command;
	CHECK_EQUAL(sandbox_run(arguments), 0);
	CHECK_EQUAL(check_pcap(sandbox_path("stdout"), 0), 20);
}

/* By another name too. */
static void no_file_is_written_over_itself(void)
{
	const char *file = sandbox_path("itself.raw"), *other = sandbox_path("other.raw");
	size_t size, i;
	uint8_t *data;

	raw_file_begin();
	raw_file_add_frames(0, 10);
	raw_file_add_padding(100);
	sandbox_write(file, raw_file, raw_file_size);
	CHECK_EQUAL(symlink("itself.raw", other), 0);
	for (i = 0; i < 2; i++) {
		CHECK_EQUAL(run(sandbox_path("1.raw"), file, "-o", i ? other : file), 2);
		CHECK(sandbox_complained_of("is a file to read"));
		data = sandbox_read(file, &size);
		CHECK(size == raw_file_size && memcmp(data, raw_file, size) == 0);
		free(data);
	}
}

static void time_range_is_kept(void)
{
	const char *file = sandbox_path("1.raw");

	CHECK_EQUAL(run("--from", "1700000000.000000003", file, NULL), 0);
	CHECK_EQUAL(check_pcap(sandbox_path("stdout"), 3), 7);
	CHECK_EQUAL(run("--to", "2023-11-14T22:13:20.000000004Z", file, NULL), 0);
	CHECK_EQUAL(check_pcap(sandbox_path("stdout"), 0), 4);
	CHECK_EQUAL(run("--from", "2023-11-14T22:13:21", file, NULL), 0);
	CHECK_EQUAL(check_pcap(sandbox_path("stdout"), 0), 0);
	CHECK_EQUAL(run("--from", "yesterday", file, NULL), 2);
	CHECK(sandbox_complained_of("--from yesterday: no such time"));
	CHECK_EQUAL(run("--from", "2023-02-30T00:00:00", file, NULL), 2);
	CHECK_EQUAL(run("--from", "2023-11-14T22:13:20trash", file, NULL), 2);
	CHECK_EQUAL(run("--to", "0", file, NULL), 2);
	CHECK(sandbox_complained_of("--to must be later than --from"));
}

static void filters_are_applied(void)
{
	const char *const file = sandbox_path("1.raw"), *const none = sandbox_path("none.pcap");

	if (run("--filter", "greater 1", file, NULL) != 0) {
		CHECK(sandbox_complained_of("a filter needs libpcap"));
		return;
	}
	CHECK_EQUAL(check_pcap(sandbox_path("stdout"), 0), 10);
	CHECK_EQUAL(run("--filter", "greater 20000", file, NULL), 0);
	CHECK_EQUAL(check_pcap(sandbox_path("stdout"), 0), 0);
	CHECK(sandbox_complained_of("0 of 10 frames"));
	CHECK_EQUAL(run("--filter", "no filter at all", file, "-o-"), 2);
	CHECK(sandbox_complained_of("filter \"no filter at all\": "));
	CHECK_EQUAL(sandbox_run((const char *const[]){ PROGRAM, "--filter", "nonsense (", file, "-o", none, NULL }), 2);
	CHECK_EQUAL(access(none, F_OK), -1);
}

/* Blocks as the draft says: section, interface with 10^-9 s, one enhanced packet per frame. */
static void pcapng_is_written(void)
{
	size_t size, at = 60;
	uint64_t number = 0;
	uint8_t *data;

	CHECK_EQUAL(run("--format", "pcapng", sandbox_path("1.raw"), NULL), 0);
	data = sandbox_read(sandbox_path("stdout"), &size);
	CHECK(size > 60);
	CHECK_EQUAL(le32_at(data), 0x0a0d0d0a);
	CHECK_EQUAL(le32_at(data + 8), 0x1a2b3c4d);
	CHECK_EQUAL(le32_at(data + 28), 1);
	CHECK_EQUAL(le32_at(data + 44), 9 | 1 << 16);
	CHECK_EQUAL(data[48], 9);
	for (; at < size; number++) {
		const uint64_t ns = (uint64_t)le32_at(data + at + 12) << 32 | le32_at(data + at + 16);
		const uint32_t block = le32_at(data + at + 4);

		CHECK_EQUAL(le32_at(data + at), 6);
		CHECK_EQUAL(block, 32 + (frame_length(number) + 3) / 4 * 4);
		CHECK_EQUAL(ns, 1700000000000000000ull + number);
		CHECK_EQUAL(le32_at(data + at + 20), frame_length(number));
		CHECK_EQUAL(le32_at(data + at + 24), frame_length(number));
		CHECK(frame_matches(data + at + 28, frame_length(number), number));
		CHECK_EQUAL(le32_at(data + at + block - 4), block);
		at += block;
	}
	CHECK_EQUAL(number, 10);
	free(data);
	CHECK_EQUAL(run("--format", "pcapx", sandbox_path("1.raw"), NULL), 2);
}

int main(void)
{
	sandbox_create();
	RUN(whole_files);
	RUN(faults_are_named);
	RUN(what_is_behind_a_fault_is_converted);
	RUN(other_formats_are_refused);
	RUN(several_files_and_wrong_use);
	RUN(standard_input_is_read);
	RUN(no_file_is_written_over_itself);
	RUN(time_range_is_kept);
	RUN(filters_are_applied);
	RUN(pcapng_is_written);
	sandbox_remove();
	return 0;
}
