/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The wire: frames of a capture file at a rate. */
#ifndef MODEL_FEED_H
#define MODEL_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/pcap_reader.h"
#include "tests/model/vf.h"

struct feed {
	struct pcap_reader reader;
	int fd;				/* -1: nothing is being sent */
	bool waits;			/* a frame that would find no descriptor stays on the wire until there is one */
	bool has_frame;
	struct pcap_frame frame;
	uint64_t frames_per_second;
	uint64_t begun_ns;
	uint64_t sent;
	const char *fault;		/* why it ended, NULL: at the file's end */
};

void feed_init(struct feed *feed);

/* 0 or negative errno; -EBUSY while another file is being sent. */
int feed_start(struct feed *feed, const char *path, uint64_t frames_per_second, bool waits);

/* Sends what is due, not more than a few hundred frames at once. Milliseconds until it is due again, -1: nothing is. */
int feed_tick(struct feed *feed, struct vf *vf, uint64_t now_ns);

#endif /* MODEL_FEED_H */
