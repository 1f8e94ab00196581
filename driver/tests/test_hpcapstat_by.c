// SPDX-License-Identifier: GPL-2.0-or-later
/* hpcapstat --by as a program: on RAW files, and on a ring device. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/raw.h"
#include "tests/check.h"
#include "tests/frames.h"
#include "tests/hpcapdd_program.h"
#include "tests/raw_file.h"
#include "tests/ring_device.h"
#include "tests/sandbox.h"

#define STAT "build/tests/hpcapstat"
#define DEVICE "/dev/hpcap_t0_3"
#define FRAMES 60u

static const uint8_t peer[] = { 0x02, 0x11, 0, 0, 0, 0x01 }, guest[] = { 0x02, 0x22, 0, 0, 0, 0x02 };

/* A frame of size bytes; vlan below 0: none. */
static void add_frame(const uint8_t *src, const uint8_t *dst, int vlan, uint32_t size, uint32_t number)
{
	uint8_t data[1514] = { 0 };
	const struct hpcap_frame frame = { .data = data, .length = size, .seconds = RAW_FILE_SECOND, .nanoseconds = number };
	uint8_t record[HPCAPVF_RECORD_BYTES + sizeof(data)];

	memcpy(data, dst, 6);
	memcpy(data + 6, src, 6);
	if (vlan >= 0) {
		data[12] = 0x81;
		data[14] = (uint8_t)(vlan >> 8);
		data[15] = (uint8_t)vlan;
	}
	hpcap_record_build(record, &frame, size);
	raw_file_add_bytes(record, HPCAPVF_RECORD_BYTES + size);
}

/* Of every three frames two go to the guest, one of these in VLAN 5; one comes from it. */
static const char *make_file(const char *name)
{
	uint32_t i;

	raw_file_begin();
	for (i = 0; i < FRAMES; i++)
		add_frame(i % 3 == 2 ? guest : peer, i % 3 == 2 ? peer : guest, i % 3 == 1 ? 5 : -1, 100 + i % 3, i);
	raw_file_add_padding(HPCAPVF_RECORD_BYTES);
	sandbox_write(sandbox_path(name), raw_file, raw_file_size);
	return sandbox_path(name);
}

static void check_output(const char *expected)
{
	size_t size;
	char *text = (char *)sandbox_read(sandbox_path("stdout"), &size);

	if (strcmp(text, expected)) {
		fprintf(stderr, "it says\n%s\ninstead of\n%s\n", text, expected);
		exit(1);
	}
	free(text);
}

static void files_are_counted(void)
{
	const char *file;

	sandbox_create();
	file = make_file("a.raw");
	CHECK_EQUAL(sandbox_run((const char *const[]){ STAT, "--by", "src,vlan", file, file, NULL }), 0);
	check_output("# time src vlan frames bytes\n"
		     "1700000000.000 02:11:00:00:00:01 5 40 4040\n"
		     "1700000000.000 02:11:00:00:00:01 - 40 4000\n"
		     "1700000000.000 02:22:00:00:00:02 - 40 4080\n");
	CHECK_EQUAL(sandbox_run((const char *const[]){ STAT, "-b", "dst", "--json", file, NULL }), 0);
	check_output("{\"time\":1700000000.000,\"groups\":[{\"dst\":\"02:22:00:00:00:02\",\"frames\":40,\"bytes\":4020},"
		     "{\"dst\":\"02:11:00:00:00:01\",\"frames\":20,\"bytes\":2040}],\"other\":{\"frames\":0,\"bytes\":0}}\n");
	CHECK_EQUAL(sandbox_run((const char *const[]){ STAT, "-b", "vlan", "--json", file, NULL }), 0);
	check_output("{\"time\":1700000000.000,\"groups\":[{\"vlan\":null,\"frames\":40,\"bytes\":4040},"
		     "{\"vlan\":5,\"frames\":20,\"bytes\":2020}],\"other\":{\"frames\":0,\"bytes\":0}}\n");
	sandbox_remove();
}

static void bad_files_are_told_of(void)
{
	const char *good, *bad;

	sandbox_create();
	good = make_file("good.raw");
	raw_file_size -= 20;	/* the padding, and some of the last frame */
	bad = sandbox_path("bad.raw");
	sandbox_write(bad, raw_file, raw_file_size);
	CHECK_EQUAL(sandbox_run((const char *const[]){ STAT, "-b", "dst", bad, NULL }), 4);
	CHECK(sandbox_complained_of("faults"));
	check_output("# time dst frames bytes\n"
		     "1700000000.000 02:22:00:00:00:02 40 4020\n"
		     "1700000000.000 02:11:00:00:00:01 19 1938\n");
	CHECK_EQUAL(sandbox_run((const char *const[]){ STAT, "-b", "dst", "build", good, NULL }), 3);
	CHECK(sandbox_complained_of("build: Is a directory"));
	check_output("# time dst frames bytes\n"
		     "1700000000.000 02:22:00:00:00:02 40 4020\n"
		     "1700000000.000 02:11:00:00:00:01 20 2040\n");
	sandbox_remove();
}

static uint64_t sum_after(const char *text, const char *key)
{
	uint64_t sum = 0;

	for (; (text = strstr(text, key)); text++)
		sum += number_after(text, key);
	return sum;
}

/*
 * Every frame is in a group, also those that come just before the signal; their address is their first word. On a busy
 * machine the listener may be overtaken: then the lost ones are told. Returns whether none was.
 */
static int check_device(uint64_t first, uint64_t frames)
{
	uint64_t bytes = 0, i;
	uint8_t data[FRAME_BYTES_MAX];
	char wanted[32];
	size_t size;
	char *text;
	int whole;

	sandbox_create();
	device_program_start((const char *const[]){ STAT, "-b", "dst", "-j", "-i", "20", DEVICE, NULL });
	sandbox_wait_for_output(1);	/* it listens */
	hpcapdd_tell(RING_DEVICE_APPEND, first, frames);
	CHECK_EQUAL(hpcapdd_finish(SIGTERM), 0);
	text = (char *)sandbox_read(sandbox_path("stdout"), &size);
	whole = sum_after(text, "\"lost\":{\"frames\":") == 0;
	for (i = first; i < first + frames; i++) {
		bytes += frame_length(i);
		frame_fill(data, i);
		snprintf(wanted, sizeof(wanted), "\"%02x:%02x:%02x:%02x:%02x:%02x\"", data[0], data[1], data[2], data[3], data[4],
			 data[5]);
		CHECK(strstr(text, wanted) || !whole);
	}
	CHECK_EQUAL(sum_after(text, "\"frames\":"), frames);	/* with the lost ones */
	CHECK_EQUAL(sum_after(text, "\"bytes\":"), bytes);
	free(text);
	sandbox_remove();
	return whole;
}

static void a_device_is_counted(void)
{
	uint64_t round, whole = 0;

	for (round = 0; round < 20; round++)
		whole += check_device(round * 1000, 1 + round * 10);
	CHECK(whole >= 10);
}

/* More than the ring comes while it is busy or not: what it was overtaken by is lost, none is counted twice. */
static void what_overtakes_it_is_lost(void)
{
	const uint64_t frames = 20000;
	size_t size;
	char *text;

	sandbox_create();
	device_program_start((const char *const[]){ STAT, "-b", "src", "-j", "-i", "50", DEVICE, NULL });
	sandbox_wait_for_output(1);
	hpcapdd_tell(RING_DEVICE_APPEND, 0, frames);
	hpcapdd_tell(RING_DEVICE_VANISH, 0, 0);
	CHECK_EQUAL(hpcapdd_finish(0), 5);
	CHECK(sandbox_complained_of("the device is gone"));
	text = (char *)sandbox_read(sandbox_path("stdout"), &size);
	printf("    %llu of %llu overtaken\n", (unsigned long long)sum_after(text, "\"lost\":{\"frames\":"),
	       (unsigned long long)frames);
	CHECK_EQUAL(sum_after(text, "\"frames\":"), frames);	/* counted and lost */
	free(text);
	sandbox_remove();
}

/* Nobody reads what it says, so that it stands still: the capture goes on, four times the ring. */
static void a_device_is_never_held_up(void)
{
	char path[4096];
	int fd;

	sandbox_create();
	snprintf(path, sizeof(path), "%s", sandbox_path("stdout"));
	CHECK_EQUAL(mkfifo(path, 0600), 0);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	CHECK(fd >= 0);
	device_program_start((const char *const[]){ STAT, "-b", "src", "-j", "-i", "20", DEVICE, NULL });
	alarm(SANDBOX_DEADLINE_S);
	hpcapdd_tell(RING_DEVICE_APPEND, 0, 1000);	/* more to say than a pipe holds */
	nanosleep(&(struct timespec){ .tv_nsec = 200000000 }, NULL);
	hpcapdd_tell(RING_DEVICE_APPEND, 1000, 5000);
	alarm(0);
	close(fd);
	CHECK_EQUAL(hpcapdd_finish(SIGTERM), 1);
	CHECK(sandbox_complained_of("cannot write"));
	sandbox_remove();
}

static void wrong_use_is_explained(void)
{
	const char *file;

	sandbox_create();
	file = make_file("a.raw");
	CHECK_EQUAL(sandbox_run((const char *const[]){ STAT, "--by", "port", file, NULL }), 2);
	CHECK_EQUAL(sandbox_run((const char *const[]){ STAT, "--by", "src", NULL }), 2);
	CHECK_EQUAL(sandbox_run((const char *const[]){ STAT, "--by", "src", "-d", "x", file, NULL }), 2);
	CHECK_EQUAL(sandbox_run((const char *const[]){ STAT, "--by", "src", "-i", "100", file, NULL }), 2);
	CHECK_EQUAL(sandbox_run((const char *const[]){ STAT, "--by", "src", DEVICE, file, NULL }), 2);
	CHECK_EQUAL(sandbox_run((const char *const[]){ STAT, "--by", "src", RING_DEVICE_MISSING, NULL }), 3);
	CHECK(sandbox_complained_of("No such file"));
	CHECK_EQUAL(sandbox_run((const char *const[]){ STAT, "--by", "src", "/dev/null", "/dev/null", NULL }), 2);
	sandbox_remove();
}

int main(void)
{
	RUN(files_are_counted);
	RUN(bad_files_are_told_of);
	RUN(a_device_is_counted);
	RUN(what_overtakes_it_is_lost);
	RUN(a_device_is_never_held_up);
	RUN(wrong_use_is_explained);
	return 0;
}
