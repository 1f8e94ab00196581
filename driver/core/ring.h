/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The record ring: one producer (the polling thread), up to HPCAPVF_LISTENERS_MAX lossless listeners.
 *
 * Who may call what:
 *  - append, count_error, count_reset, publish: the producer only;
 *  - attach, detach: anyone, one at a time (the caller holds a lock);
 *  - available, view, advance: the owner of that listener, one at a time;
 *  - stats, listeners: anyone, any time.
 *
 * The memory at data is mapped twice back to back (2 * size bytes of addresses), so that a record or a span
 * of records is contiguous wherever it starts.
 */
#ifndef HPCAP_CORE_RING_H
#define HPCAP_CORE_RING_H

#include "core/raw.h"

enum hpcap_verdict {
	HPCAP_PUBLISHED,
	HPCAP_RING_FULL,
	HPCAP_NO_LISTENER,
	HPCAP_ERROR,
};

struct hpcap_listener {
	__u64 read_offset;
} __attribute__((aligned(CORE_CACHE_LINE)));

/* A snapshot of the counters that readers take without stopping the producer. Odd sequence: being written. */
struct hpcap_stats_box {
	__u32 sequence;
	struct hpcapvf_stats stats;
};

struct hpcap_ring {
	/* set once */
	__u8 *data;
	__u64 size;
	struct hpcapvf_control *control;
	__u32 caplen;

	/* the producer's own */
	__u64 write_offset __attribute__((aligned(CORE_CACHE_LINE)));
	__u64 write_position;	/* write_offset % size */
	__u64 write_limit;	/* nothing at or beyond this offset may be written before looking at the listeners */
	struct hpcapvf_stats counters;

	/* shared */
	__u32 active __attribute__((aligned(CORE_CACHE_LINE)));	/* bit n: listener n is in use */
	struct hpcap_listener listeners[HPCAPVF_LISTENERS_MAX];
	struct hpcap_stats_box box;
};

/*
 * data: 2 * size bytes of addresses, the second half the same memory as the first. start: the first offset
 * (0, except in tests of large offsets). -EINVAL if the largest record does not fit.
 */
int hpcap_ring_init(struct hpcap_ring *ring, void *data, __u64 size, struct hpcapvf_control *control,
		    __u32 caplen, __u64 start);

/* Takes one frame: counts it as received, and as exactly one of the verdicts. Readers see it after publish. */
enum hpcap_verdict hpcap_ring_append(struct hpcap_ring *ring, const struct hpcap_frame *frame);

/* A frame that the NIC delivered broken: received, and an error. */
void hpcap_ring_count_error(struct hpcap_ring *ring, __u32 wire_bytes);

void hpcap_ring_count_reset(struct hpcap_ring *ring);

/* Makes everything appended so far visible: records first, then the counters. */
void hpcap_ring_publish(struct hpcap_ring *ring);

/* A new listener at the write offset: its number, or -EBUSY when all places are taken. */
int hpcap_ring_attach(struct hpcap_ring *ring);
void hpcap_ring_detach(struct hpcap_ring *ring, unsigned int listener);

__u64 hpcap_ring_read_offset(const struct hpcap_ring *ring, unsigned int listener);
__u64 hpcap_ring_published_offset(const struct hpcap_ring *ring);
__u64 hpcap_ring_available(const struct hpcap_ring *ring, unsigned int listener);

/* Where the unread bytes start; *length of them are contiguous and stay until advance. */
const __u8 *hpcap_ring_view(const struct hpcap_ring *ring, unsigned int listener, __u64 *length);

/* Frees everything below offset. -EINVAL if that goes back or beyond what is published. */
int hpcap_ring_advance(struct hpcap_ring *ring, unsigned int listener, __u64 offset);

unsigned int hpcap_ring_listeners(const struct hpcap_ring *ring);

/* A consistent snapshot, as of the last publish. */
void hpcap_ring_stats(const struct hpcap_ring *ring, struct hpcapvf_stats *out);

#endif /* HPCAP_CORE_RING_H */
