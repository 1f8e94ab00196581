// SPDX-License-Identifier: GPL-2.0-or-later
/* hpcapdump as a program, with a ring device. */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/frames.h"
#include "tests/hpcapdd_program.h"
#include "tests/ring_device.h"
#include "tests/sandbox.h"

#define DUMP "build/tests/hpcapdump"
#define DEVICE "/dev/hpcap_t0_3"

static uint32_t le32_at(const uint8_t *data)
{
	return data[0] | data[1] << 8 | data[2] << 16 | (uint32_t)data[3] << 24;
}

/* Reads "stdout" as pcap: frames in rising order, each as it was captured. Returns how many. */
static uint64_t check_pcap(uint32_t shortest, uint32_t snaplen)
{
	size_t size, at = 24;
	uint8_t *data = sandbox_read(sandbox_path("stdout"), &size);
	uint64_t frames = 0, next = 0;

	CHECK(size >= 24);
	CHECK_EQUAL(le32_at(data), 0xa1b23c4d);
	for (; at < size; frames++) {
		const uint32_t number = le32_at(data + at + 4), caplen = le32_at(data + at + 8);

		while (next < number)
			CHECK(frame_length(next++) < shortest);
		CHECK_EQUAL(number, next);
		next++;
		CHECK_EQUAL(le32_at(data + at + 12), frame_length(number));
		CHECK_EQUAL(caplen, frame_length(number) < snaplen ? frame_length(number) : snaplen);
		CHECK(frame_matches(data + at + 16, caplen, number));
		at += 16 + caplen;
	}
	CHECK_EQUAL(at, size);
	free(data);
	return frames;
}

static void dump_writes_what_comes(void)
{
	size_t bytes = 24;
	uint64_t i;

	sandbox_create();
	device_program_start((const char *const[]){ DUMP, DEVICE, NULL });
	sandbox_wait_for_output(24);	/* before the first frame */
	hpcapdd_tell(RING_DEVICE_APPEND, 0, 100);
	for (i = 0; i < 100; i++)
		bytes += 16 + frame_length(i);
	sandbox_wait_for_output(bytes);	/* while it runs: nothing waits in a buffer */
	CHECK_EQUAL(hpcapdd_finish(SIGTERM), 0);
	CHECK_EQUAL(check_pcap(0, 65535), 100);
	sandbox_remove();
}

static void dump_ends_after_a_count(void)
{
	sandbox_create();
	device_program_start((const char *const[]){ DUMP, "-c", "7", "--snaplen", "64", DEVICE, NULL });
	hpcapdd_ask(RING_DEVICE_APPEND, 0, 100);
	CHECK_EQUAL(hpcapdd_finish(0), 0);
	CHECK_EQUAL(check_pcap(0, 64), 7);
	sandbox_remove();
	sandbox_create();
	device_program_start((const char *const[]){ DUMP, DEVICE, NULL });
	sandbox_wait_for_output(24);
	hpcapdd_tell(RING_DEVICE_APPEND, 0, 5);
	hpcapdd_tell(RING_DEVICE_VANISH, 0, 0);
	CHECK_EQUAL(hpcapdd_finish(0), 5);
	CHECK_EQUAL(check_pcap(0, 65535), 5);
	sandbox_remove();
}

static void dump_filters(void)
{
	uint64_t i, long_ones = 0, bytes = 24;
	void *library = dlopen("libpcap.so.0.8", RTLD_LAZY);

	sandbox_create();
	if (!library) {
		printf("    skipped: no libpcap here\n");
		CHECK_EQUAL(sandbox_run((const char *const[]){ DUMP, DEVICE, "greater 1000", NULL }), 2);
		CHECK(sandbox_complained_of("a filter needs libpcap"));
		sandbox_remove();
		return;
	}
	for (i = 0; i < 300; i++) {
		long_ones += frame_length(i) >= 1000;
		bytes += frame_length(i) >= 1000 ? 16 + frame_length(i) : 0;
	}
	device_program_start((const char *const[]){ DUMP, DEVICE, "greater", "1000", NULL });
	sandbox_wait_for_output(24);
	hpcapdd_tell(RING_DEVICE_APPEND, 0, 300);
	sandbox_wait_for_output(bytes);
	CHECK_EQUAL(hpcapdd_finish(SIGINT), 0);
	CHECK_EQUAL(check_pcap(1000, 65535), long_ones);
	CHECK_EQUAL(sandbox_run((const char *const[]){ DUMP, DEVICE, "no", "filter", "at", "all", NULL }), 2);
	CHECK(sandbox_complained_of("filter \"no filter at all\": "));
	sandbox_remove();
}

/* Four times the ring is captured while nobody reads the pipe: the device must not be held up. */
static void slow_reader_holds_nobody_up(void)
{
	char path[4096];
	int fd;

	sandbox_create();
	snprintf(path, sizeof(path), "%s", sandbox_path("stdout"));
	CHECK_EQUAL(mkfifo(path, 0600), 0);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	CHECK(fd >= 0);
	device_program_start((const char *const[]){ DUMP, DEVICE, NULL });
	alarm(SANDBOX_DEADLINE_S);
	hpcapdd_tell(RING_DEVICE_APPEND, 0, 5000);
	alarm(0);
	CHECK_EQUAL(hpcapdd_finish(SIGTERM), 0);
	CHECK(!sandbox_complained_of(" 0 bytes given up") && sandbox_complained_of("bytes given up"));
	close(fd);
	sandbox_remove();
}

/* Ended while the pipe is full: what was begun is still written, if it is read within a second. */
static void a_signal_cuts_no_frame(void)
{
	const struct timespec pause = { .tv_nsec = 300000000 };
	static uint8_t data[1 << 20];
	size_t size = 0, at = 24;
	int ends[2];
	ssize_t got;

	sandbox_create();
	CHECK_EQUAL(pipe2(ends, O_CLOEXEC), 0);
	sandbox_stdout = ends[1];
	device_program_start((const char *const[]){ DUMP, DEVICE, NULL });
	sandbox_stdout = -1;
	close(ends[1]);
	hpcapdd_tell(RING_DEVICE_APPEND, 0, 500);
	nanosleep(&pause, NULL);
	CHECK_EQUAL(kill(hpcapdd_pid, SIGTERM), 0);
	nanosleep(&pause, NULL);
	while ((got = read(ends[0], data + size, sizeof(data) - size)) > 0)
		size += (size_t)got;
	CHECK_EQUAL(hpcapdd_finish(0), 0);
	while (at < size)
		at += 16 + le32_at(data + at + 8);
	CHECK(size >= 65536);
	CHECK_EQUAL(at, size);
	close(ends[0]);
	sandbox_remove();
}

/* A socket cannot be opened anew without blocking, and is not made so: others may have it. */
static void slow_socket_holds_nobody_up(void)
{
	int ends[2];

	sandbox_create();
	CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	sandbox_stdout = ends[1];
	device_program_start((const char *const[]){ DUMP, DEVICE, NULL });
	sandbox_stdout = -1;
	close(ends[1]);
	alarm(SANDBOX_DEADLINE_S);
	hpcapdd_tell(RING_DEVICE_APPEND, 0, 5000);
	alarm(0);
	CHECK_EQUAL(hpcapdd_finish(SIGTERM), 0);
	CHECK(!sandbox_complained_of(" 0 bytes given up") && sandbox_complained_of("bytes given up"));
	close(ends[0]);
	sandbox_remove();
}

static void wrong_use_is_explained(void)
{
	static char long_filter[5000];

	sandbox_create();
	CHECK_EQUAL(sandbox_run((const char *const[]){ DUMP, NULL }), 2);
	CHECK_EQUAL(sandbox_run((const char *const[]){ DUMP, "-c", "0", DEVICE, NULL }), 2);
	memset(long_filter, ' ', sizeof(long_filter) - 1);
	memcpy(long_filter, "udp", 3);
	memcpy(long_filter + sizeof(long_filter) - 12, "and port 53", 11);
	CHECK_EQUAL(sandbox_run((const char *const[]){ DUMP, RING_DEVICE_MISSING, long_filter, NULL }), 2);
	CHECK(sandbox_complained_of("longer than 4095 bytes"));
	CHECK_EQUAL(sandbox_run((const char *const[]){ DUMP, RING_DEVICE_MISSING, NULL }), 3);
	CHECK(sandbox_complained_of("No such file"));
	sandbox_remove();
}

int main(void)
{
	RUN(dump_writes_what_comes);
	RUN(dump_ends_after_a_count);
	RUN(dump_filters);
	RUN(slow_reader_holds_nobody_up);
	RUN(slow_socket_holds_nobody_up);
	RUN(a_signal_cuts_no_frame);
	RUN(wrong_use_is_explained);
	return 0;
}
