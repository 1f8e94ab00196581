// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/model/feed.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define AT_ONCE 256u
#define NS_PER_S 1000000000ull

void feed_init(struct feed *feed)
{
	memset(feed, 0, sizeof(*feed));
	feed->fd = -1;
}

static void stop(struct feed *feed, const char *fault)
{
	feed->fault = fault;
	pcap_reader_close(&feed->reader);
	close(feed->fd);
	feed->fd = -1;
}

static void next_frame(struct feed *feed)
{
	enum pcap_got got;

	do {
		got = pcap_reader_next(&feed->reader, &feed->frame);
	} while (got == PCAP_LEFT_OUT);
	feed->has_frame = got == PCAP_FRAME;
	if (!feed->has_frame)
		stop(feed, got == PCAP_END ? NULL : feed->reader.fault);
}

int feed_start(struct feed *feed, const char *path, uint64_t frames_per_second, bool waits)
{
	int error;

	if (feed->fd >= 0)
		return -EBUSY;
	if (!frames_per_second)
		return -EINVAL;
	feed_init(feed);
	feed->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (feed->fd < 0)
		return -errno;
	error = pcap_reader_open(&feed->reader, feed->fd);
	if (error) {
		close(feed->fd);
		feed->fd = -1;
		return error;
	}
	if (pcap_reader_start(&feed->reader) != PCAP_FRAME) {
		stop(feed, feed->reader.fault);
		return -EINVAL;
	}
	feed->frames_per_second = frames_per_second;
	feed->waits = waits;
	next_frame(feed);
	return 0;
}

int feed_tick(struct feed *feed, struct vf *vf, uint64_t now_ns)
{
	unsigned int budget = AT_ONCE;
	uint64_t due;

	if (feed->fd < 0)
		return -1;
	if (!feed->begun_ns)
		feed->begun_ns = now_ns;
	due = (uint64_t)((double)(now_ns - feed->begun_ns) * (double)feed->frames_per_second / NS_PER_S) + 1;
	for (; feed->fd >= 0 && feed->sent < due && budget; budget--) {
		if (feed->waits && !vf_has_room(vf))
			return 1;
		vf_receive(vf, feed->frame.data, feed->frame.caplen);
		feed->sent++;
		next_frame(feed);
	}
	return budget ? 1 : 0;
}
