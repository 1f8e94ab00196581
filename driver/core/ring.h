/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The record ring: one producer (the polling thread), up to HPCAPVF_LISTENERS_MAX listeners. Lossless ones hold the
 * producer back; lossy ones are overtaken.
 *
 * Who may call what:
 *  - append, count_error, count_reset, publish: the producer only; at least one publish in each ring's length;
 *  - attach, detach, set_policy: anyone, one at a time (the caller holds a lock);
 *  - the other functions of a listener: its owner, one at a time (set_policy as well);
 *  - stats, listeners, held: anyone, any time.
 *
 * The memory at data is mapped twice back to back (2 * size bytes of addresses), so that a record or a span
 * of records is contiguous wherever it starts.
 *
 * The producer claims what it is about to overwrite before it writes (control->claim_offset). Who reads without
 * holding the producer first copies, then looks at the claim: the bytes from claim - size on were whole.
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

/* A boundary between records, and what was published before it. */
struct hpcap_mark {
	__u64 offset;
	__u64 frames;
	__u64 bytes;
	__u32 seconds;	/* of the last frame before */
	__u32 nanoseconds;
};

/* One mark for each HPCAP_RING_PART of the ring; twice as many places, so that one is not reused while it counts. */
#define HPCAP_RING_PARTS 64u
#define HPCAP_MARKS (2 * HPCAP_RING_PARTS)

struct hpcap_listener {
	__u64 read_offset;		/* the producer looks at it */
	/* the owner's own */
	struct hpcap_mark record;	/* begin of the first record that is not wholly read */
	__u64 start_frames;		/* published before it attached */
	__u64 start_bytes;
	__u64 lost_frames;
	__u64 lost_bytes;
	__u64 overtaken;
	struct hpcap_loss untold;	/* what read has not said yet */
	bool lossy;
} __attribute__((aligned(CORE_CACHE_LINE)));

/* A snapshot of the counters that readers take without stopping the producer. Odd sequence: being written. */
struct hpcap_stats_box {
	__u32 sequence;
	struct hpcapvf_stats stats;
	__u64 last_time;
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
	__u64 write_limit;	/* nothing at or beyond this offset may be written before a look at the listeners */
	__u64 mark_due;
	__u32 last_seconds;
	__u32 last_nanoseconds;
	struct hpcapvf_stats counters;

	/* shared */
	__u32 active __attribute__((aligned(CORE_CACHE_LINE)));	/* bit n: listener n is in use */
	__u32 lossless;		/* bit n: it holds the producer */
	struct hpcap_listener listeners[HPCAPVF_LISTENERS_MAX];
	struct hpcap_stats_box box;
	__u64 mark_count;
	struct hpcap_mark marks[HPCAP_MARKS];
};

/*
 * data: 2 * size bytes of addresses, the second half the same memory as the first. start: the first offset
 * (0, except in tests of large offsets). -EINVAL if the largest record does not fit.
 */
int hpcap_ring_init(struct hpcap_ring *ring, void *data, __u64 size, struct hpcapvf_control *control,
		    __u32 caplen, __u64 start);

/*
 * Other memory of another size from now on; offsets and counters go on, and listeners begin anew at the write offset:
 * what they had not read counts as lost. The producer rests, all is published, and nobody calls anything else
 * meanwhile. -EINVAL as above.
 */
int hpcap_ring_move(struct hpcap_ring *ring, void *data, __u64 size);

static inline bool hpcap_ring_has_listener(const struct hpcap_ring *ring)
{
	return core_load(&ring->active) != 0;
}

/* A frame that the NIC delivered broken: received, and an error. */
void hpcap_ring_count_error(struct hpcap_ring *ring, __u32 wire_bytes);

/* Claims room for a record up to end, beyond write_limit; false: the ring is full. */
bool hpcap_ring_claim(struct hpcap_ring *ring, __u64 end);

static inline void hpcap_ring_put(struct hpcap_ring *ring, const struct hpcap_frame *frame, __u32 kept)
{
	__u32 bytes = HPCAPVF_RECORD_BYTES + kept;

	hpcap_record_build(ring->data + ring->write_position, frame, kept);
	ring->write_offset += bytes;
	ring->write_position += bytes;
	if (ring->write_position >= ring->size)
		ring->write_position -= ring->size;
	ring->last_seconds = frame->seconds;
	ring->last_nanoseconds = frame->nanoseconds;
	ring->counters.vlan_reinserted += frame->vlan_stripped;
}

/* Records of that many frames, of wire bytes on the wire, were written from write_position on. */
static inline void hpcap_ring_moved(struct hpcap_ring *ring, __u64 bytes, __u64 frames, __u64 wire)
{
	ring->write_offset += bytes;
	ring->write_position += bytes;
	if (ring->write_position >= ring->size)
		ring->write_position -= ring->size;
	ring->counters.received += frames;
	ring->counters.received_bytes += wire;
	ring->counters.published += frames;
	ring->counters.published_bytes += wire;
}

/*
 * Takes one frame: counts it as received, and as exactly one of the verdicts. Readers see it after publish. Inline:
 * this is what every frame goes through.
 */
static inline enum hpcap_verdict hpcap_ring_append(struct hpcap_ring *ring, const struct hpcap_frame *frame)
{
	struct hpcapvf_stats *counters = &ring->counters;
	__u32 wire = hpcap_frame_wire_bytes(frame);
	__u32 kept = hpcap_frame_kept_bytes(frame, ring->caplen);
	__u64 end = ring->write_offset + HPCAPVF_RECORD_BYTES + kept;

	if (core_unlikely(wire > HPCAPVF_CAPLEN_MAX)) {
		hpcap_ring_count_error(ring, wire);
		return HPCAP_ERROR;
	}
	counters->received++;
	counters->received_bytes += wire;
	if (core_unlikely(!hpcap_ring_has_listener(ring))) {
		counters->no_listener_drops++;
		counters->no_listener_bytes += wire;
		return HPCAP_NO_LISTENER;
	}
	if (core_unlikely(end > ring->write_limit) && !hpcap_ring_claim(ring, end)) {
		counters->ring_full_drops++;
		counters->ring_full_bytes += wire;
		return HPCAP_RING_FULL;
	}
	hpcap_ring_put(ring, frame, kept);
	counters->published++;
	counters->published_bytes += wire;
	return HPCAP_PUBLISHED;
}

/* A frame that was there before: received, and a duplicate. */
void hpcap_ring_count_duplicate(struct hpcap_ring *ring, __u32 wire_bytes);

/* Lost on the way from the device's own driver to the producer, in sum; not received. */
void hpcap_ring_count_queue_full(struct hpcap_ring *ring, __u64 frames, __u64 bytes);

void hpcap_ring_count_reset(struct hpcap_ring *ring);

/* Makes everything appended so far visible: records first, then the counters. */
void hpcap_ring_publish(struct hpcap_ring *ring);

/* A new lossless listener at the write offset: its number, or -EBUSY when all places are taken. */
int hpcap_ring_attach(struct hpcap_ring *ring);
void hpcap_ring_detach(struct hpcap_ring *ring, unsigned int listener);

/* From lossy to lossless it begins anew at the write offset; what was unread is lost. -EBUSY: within a record. */
int hpcap_ring_set_policy(struct hpcap_ring *ring, unsigned int listener, bool lossy);

/* Moves all listeners to the newest record, as if they had lost what is unread; the producer rests. */
void hpcap_ring_begin_anew(struct hpcap_ring *ring);

__u64 hpcap_ring_read_offset(const struct hpcap_ring *ring, unsigned int listener);
__u64 hpcap_ring_published_offset(const struct hpcap_ring *ring);
__u64 hpcap_ring_available(const struct hpcap_ring *ring, unsigned int listener);

/* If a lossy listener was overtaken: counts what it lost, and moves it half a ring behind the producer. */
void hpcap_ring_catch_up(struct hpcap_ring *ring, unsigned int listener);

/*
 * Where the unread bytes start; *length of them are contiguous. A lossless listener's stay until advance; a lossy
 * one's may change under it, and only an advance that returns 0 says that they did not.
 */
const __u8 *hpcap_ring_view(const struct hpcap_ring *ring, unsigned int listener, __u64 *length);

/*
 * Frees everything below offset. -EINVAL if that goes back or beyond what is published, or if a lossy listener's
 * lies within a record. -ESTALE: the listener was overtaken; what is gone is counted as lost, and its read offset
 * has moved on.
 */
int hpcap_ring_advance(struct hpcap_ring *ring, unsigned int listener, __u64 offset);

/*
 * Gives the next unread bytes, count at most, to copy (0, or a negative errno that is passed on) and frees them.
 * Returns how many; 0: nothing is unread. A lossy listener gets whole records only, and a loss record where it was
 * overtaken; -EMSGSIZE if count is too small for the next one. What copy was given may be torn until this returns.
 */
__s64 hpcap_ring_read(struct hpcap_ring *ring, unsigned int listener, void *to, __u64 count,
		      int (*copy)(void *to, const void *from, __u64 bytes));

void hpcap_ring_listener_stats(const struct hpcap_ring *ring, unsigned int listener,
			       struct hpcapvf_listener_stats *out);

unsigned int hpcap_ring_listeners(const struct hpcap_ring *ring);

/* Bytes of the ring that the slowest lossless listener has not freed; 0 if there is none. At most the ring's size. */
__u64 hpcap_ring_held(const struct hpcap_ring *ring);

/* A consistent snapshot, as of the last publish. */
void hpcap_ring_stats(const struct hpcap_ring *ring, struct hpcapvf_stats *out);

/* The same as a mark: what was published by then, and the time of its last frame. */
void hpcap_ring_newest(const struct hpcap_ring *ring, struct hpcap_mark *out);

#endif /* HPCAP_CORE_RING_H */
