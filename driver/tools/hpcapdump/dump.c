// SPDX-License-Identifier: GPL-2.0-or-later
#include "dump.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define WAIT_MS 100
#define BLOCKED_MS 20
/* After a signal a reader has a second for what was begun, so that it sees no frame cut. */
#define LAST_TRIES 50
/* One batch; less than what byte_output writes by itself, which would block. */
#define BATCH_BYTES (128u << 10)

/* More than half a ring behind: the ring belongs to those who store. */
static void give_up_if_behind(struct dump *dump)
{
	uint64_t bytes;

	(void)hpcapvf_unread(dump->device, &bytes);
	if (bytes > dump->ring_bytes / 2 && hpcapvf_release(dump->device, bytes) == 0)
		dump->given_up += bytes;
}

/* -EAGAIN as well where standard output could not be opened anew and would block: a full page is free when it is ready. */
static ssize_t write_some(struct dump *dump, size_t done)
{
	const struct byte_output *output = &dump->output;
	struct pollfd waiting = { .fd = output->fd, .events = POLLOUT };
	size_t bytes = output->used - done;

	if (output->fd == STDOUT_FILENO) {
		if (poll(&waiting, 1, 0) == 0) {
			errno = EAGAIN;
			return -1;
		}
		bytes = bytes < PIPE_BUF ? bytes : PIPE_BUF;
	}
	return write(output->fd, output->buffer + done, bytes);
}

static enum dump_exit write_out(struct dump *dump, const volatile sig_atomic_t *stop)
{
	struct byte_output *output = &dump->output;
	unsigned int tries = LAST_TRIES;
	size_t done = 0;

	while (done < output->used && tries) {
		ssize_t n = write_some(dump, done);

		if (n > 0) {
			done += (size_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			struct pollfd waiting = { .fd = output->fd, .events = POLLOUT };

			tries -= *stop != 0;
			poll(&waiting, 1, BLOCKED_MS);
			give_up_if_behind(dump);
		} else if (n == 0 || errno != EINTR) {
			output->error = n < 0 ? -errno : -EIO;
			return DUMP_OUTPUT;
		}
	}
	output->used = 0;
	return DUMP_OK;
}

static void put(struct dump *dump, const struct hpcapvf_frame *frame)
{
	const struct pcap_frame record = {
		.data = frame->data, .seconds = frame->seconds, .nanoseconds = frame->nanoseconds,
		.caplen = frame->caplen < dump->snaplen ? frame->caplen : dump->snaplen, .len = frame->len,
	};

	if (!frame->seconds)	/* no frame */
		return;
	if (!filter_passes(dump->filter, frame->data, frame->caplen, frame->len)) {
		dump->filtered++;
		return;
	}
	pcap_write_frame(&dump->output, dump->format, &record);
	dump->written++;
}

static bool is_enough(const struct dump *dump)
{
	return dump->count && dump->written >= dump->count;
}

static enum dump_exit take_batch(struct dump *dump)
{
	uint64_t bytes, position = 0;
	const void *records = hpcapvf_unread(dump->device, &bytes);
	struct hpcapvf_frame frame;
	int got = 1;

	while (position < bytes && dump->output.used < BATCH_BYTES && !is_enough(dump)) {
		got = hpcapvf_next(records, bytes, &position, &frame);
		if (got != 1)
			return DUMP_BAD_STREAM;
		put(dump, &frame);
	}
	return hpcapvf_release(dump->device, position) ? DUMP_BAD_STREAM : DUMP_OK;
}

enum dump_exit dump_run(struct dump *dump, const volatile sig_atomic_t *stop)
{
	enum dump_exit result;

	pcap_write_header(&dump->output, dump->format);
	result = write_out(dump, stop);	/* a reader wants to see at once that it is pcap */
	while (result == DUMP_OK && !*stop && !is_enough(dump)) {
		int waited = hpcapvf_wait(dump->device, 1, WAIT_MS);

		if (waited == -ETIMEDOUT || waited == -EINTR)
			continue;
		if (waited && waited != -ENODEV)
			return DUMP_NO_DEVICE;
		give_up_if_behind(dump);
		result = take_batch(dump);
		if (result == DUMP_OK)
			result = write_out(dump, stop);
		if (waited == -ENODEV && result == DUMP_OK &&
		    hpcapvf_write_offset(dump->device) == hpcapvf_read_offset(dump->device))
			return DUMP_DEVICE_GONE;
	}
	/* whoever reads has seen enough: that is how head(1) and tcpdump -c end */
	if (result == DUMP_OUTPUT && dump->output.error == -EPIPE)
		return DUMP_OK;
	return result;
}
