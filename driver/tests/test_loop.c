// SPDX-License-Identifier: GPL-2.0-or-later
/* hpcapvf_loop over a ring in this process. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libhpcapvf.h"
#include "tests/check.h"
#include "tests/frames.h"
#include "tests/ring_device.h"

#define ENOUGH 7

static struct hpcapvf *device;
static int control;

/* What was seen; stop_at: the number of frames after which the callback has enough. */
struct seen {
	uint64_t frames;
	uint64_t next;
	uint64_t stop_at;
};

static void open_device(void)
{
	char variable[16];
	int ends[2];

	CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	snprintf(variable, sizeof(variable), "%d", ends[1]);
	setenv(RING_DEVICE_VARIABLE, variable, 1);
	CHECK_EQUAL(hpcapvf_open("/dev/hpcap_t0_3", &device), 0);
	control = ends[0];
}

static void ask(uint64_t operation, uint64_t first, uint64_t count)
{
	struct ring_device_request request = { operation, first, count };

	CHECK_EQUAL(write(control, &request, sizeof(request)), sizeof(request));
}

static void answered(void)
{
	char answer;

	CHECK_EQUAL(read(control, &answer, 1), 1);
}

static void close_device(void)
{
	hpcapvf_close(device);
	close(control);
}

static int look(void *context, const struct hpcapvf_frame *frame)
{
	struct seen *seen = context;

	CHECK(frame->nanoseconds >= seen->next);
	seen->next = frame->nanoseconds + 1;
	CHECK_EQUAL(frame->caplen, frame_length(frame->nanoseconds));
	CHECK(frame_matches(frame->data, frame->caplen, frame->nanoseconds));
	return ++seen->frames == seen->stop_at ? ENOUGH : 0;
}

static void every_frame_is_given_once(void)
{
	struct seen seen = { 0 };

	open_device();
	ask(RING_DEVICE_APPEND, 0, 4000);	/* four rings: it waits for room */
	CHECK_EQUAL(hpcapvf_loop(device, 10, 5000, look, &seen), 0);
	CHECK_EQUAL(seen.frames, 10);
	seen.stop_at = 25;
	CHECK_EQUAL(hpcapvf_loop(device, 0, 5000, look, &seen), ENOUGH);
	CHECK_EQUAL(seen.frames, 25);
	seen.stop_at = 0;
	CHECK_EQUAL(-hpcapvf_loop(device, 0, 200, look, &seen), ETIMEDOUT);
	CHECK_EQUAL(seen.frames, 4000);
	CHECK_EQUAL(seen.next, 4000);
	answered();
	ask(RING_DEVICE_SPECIAL, 0, 0);	/* no frame */
	answered();
	CHECK_EQUAL(-hpcapvf_loop(device, 0, 0, look, &seen), ETIMEDOUT);
	ask(RING_DEVICE_APPEND, 4000, 3);
	answered();
	ask(RING_DEVICE_VANISH, 0, 0);
	answered();
	CHECK_EQUAL(-hpcapvf_loop(device, 0, 5000, look, &seen), ENODEV);
	CHECK_EQUAL(seen.frames, 4003);
	close_device();
}

static void a_lossy_listener_sees_whole_frames_and_its_loss_is_counted(void)
{
	struct hpcapvf_listener_stats stats;
	struct seen seen = { 0 };

	open_device();
	CHECK_EQUAL(hpcapvf_set_lossy(device, true), 0);
	ask(RING_DEVICE_APPEND, 0, 200000);
	while (seen.next < 200000)
		CHECK_EQUAL(hpcapvf_loop(device, 1, 5000, look, &seen), 0);
	answered();
	CHECK_EQUAL(hpcapvf_listener_stats(device, &stats), 0);
	CHECK(stats.lost > 0);
	CHECK_EQUAL(stats.read, seen.frames);
	CHECK_EQUAL(seen.frames + stats.lost, 200000);
	close_device();
}

int main(void)
{
	RUN(every_frame_is_given_once);
	RUN(a_lossy_listener_sees_whole_frames_and_its_loss_is_counted);
	return 0;
}
