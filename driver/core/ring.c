// SPDX-License-Identifier: GPL-2.0-or-later
/* The producer's side of the record ring, and its counters. */
#include "core/ring.h"

#define STATS_WORDS (sizeof(struct hpcapvf_stats) / sizeof(__u64))

int hpcap_ring_init(struct hpcap_ring *ring, void *data, __u64 size, struct hpcapvf_control *control,
		    __u32 caplen, __u64 start)
{
	if (size < 2 * (HPCAPVF_RECORD_BYTES + HPCAPVF_CAPLEN_MAX))
		return -EINVAL;
	memset(ring, 0, sizeof(*ring));
	ring->data = data;
	ring->size = size;
	ring->control = control;
	ring->caplen = caplen;
	ring->write_offset = start;
	ring->write_position = start % size;
	ring->write_limit = start;
	ring->mark_due = start;
	ring->counters.write_offset = start;
	control->abi_version = HPCAPVF_ABI_VERSION;
	control->ring_bytes = size;
	control->claim_offset = start;
	hpcap_ring_publish(ring);
	return 0;
}

int hpcap_ring_move(struct hpcap_ring *ring, void *data, __u64 size)
{
	if (size < 2 * (HPCAPVF_RECORD_BYTES + HPCAPVF_CAPLEN_MAX))
		return -EINVAL;
	hpcap_ring_begin_anew(ring);
	ring->data = data;
	ring->size = size;
	ring->write_position = ring->write_offset % size;
	ring->write_limit = ring->write_offset;
	ring->mark_due = ring->write_offset;
	ring->mark_count = 0;
	core_store(&ring->control->ring_bytes, size);
	core_store(&ring->control->claim_offset, ring->write_offset);
	return 0;
}

/*
 * How far may be written for all that lossless listeners still need. The barrier pairs with those in attach and
 * set_policy: either this call sees the new listener, or that one starts at or after all that is published now.
 */
static __u64 limit_of_listeners(struct hpcap_ring *ring)
{
	/* not write_offset: a listener that attaches next starts at what is published */
	__u64 slowest = core_load(&ring->control->write_offset);
	__u32 lossless;
	unsigned int i;

	core_full_barrier();
	lossless = core_load_acquire(&ring->lossless);
	for (i = 0; i < HPCAPVF_LISTENERS_MAX; i++) {
		__u64 read_offset;

		if (!(lossless & (1u << i)))
			continue;
		/* acquire: what the listener read before it advanced is not overwritten earlier */
		read_offset = core_load_acquire(&ring->listeners[i].read_offset);
		if (read_offset < slowest)
			slowest = read_offset;
	}
	return slowest + ring->size;
}

static void take_mark(struct hpcap_ring *ring)
{
	struct hpcap_mark *mark = &ring->marks[ring->mark_count % HPCAP_MARKS];

	core_store(&mark->offset, ring->write_offset);
	core_store(&mark->frames, ring->counters.published);
	core_store(&mark->bytes, ring->counters.published_bytes);
	core_store(&mark->seconds, ring->last_seconds);
	core_store(&mark->nanoseconds, ring->last_nanoseconds);
	core_store_release(&ring->mark_count, ring->mark_count + 1);
	ring->mark_due = ring->write_offset + ring->size / HPCAP_RING_PARTS;
}

/* Claims as much again as a part of the ring, so that the next records need not ask. */
bool hpcap_ring_claim(struct hpcap_ring *ring, __u64 end)
{
	__u64 limit = limit_of_listeners(ring);
	__u64 wish = end + ring->size / HPCAP_RING_PARTS;

	if (end > limit)
		return false;
	ring->write_limit = wish < limit ? wish : limit;
	core_store(&ring->control->claim_offset, ring->write_limit);
	core_write_barrier();	/* whoever sees a byte or a mark overwritten sees the claim too */
	if (ring->write_offset >= ring->mark_due)
		take_mark(ring);
	return true;
}

void hpcap_ring_count_error(struct hpcap_ring *ring, __u32 wire_bytes)
{
	ring->counters.received++;
	ring->counters.received_bytes += wire_bytes;
	ring->counters.errors++;
	ring->counters.error_bytes += wire_bytes;
}

void hpcap_ring_count_duplicate(struct hpcap_ring *ring, __u32 wire_bytes)
{
	ring->counters.received++;
	ring->counters.received_bytes += wire_bytes;
	ring->counters.duplicates++;
	ring->counters.duplicate_bytes += wire_bytes;
}

void hpcap_ring_count_queue_full(struct hpcap_ring *ring, __u64 frames, __u64 bytes)
{
	ring->counters.queue_full_drops = frames;
	ring->counters.queue_full_bytes = bytes;
}

void hpcap_ring_count_reset(struct hpcap_ring *ring)
{
	ring->counters.resets++;
}

static void put_stats(struct hpcap_ring *ring)
{
	const __u64 *from = (const __u64 *)&ring->counters;
	__u64 *to = (__u64 *)&ring->box.stats;
	__u32 sequence = ring->box.sequence;
	unsigned int i;

	core_store(&ring->box.sequence, sequence + 1);
	core_write_barrier();
	for (i = 0; i < STATS_WORDS; i++)
		core_store(&to[i], from[i]);
	core_store(&ring->box.last_time, (__u64)ring->last_seconds << 32 | ring->last_nanoseconds);
	core_store_release(&ring->box.sequence, sequence + 2);
}

void hpcap_ring_publish(struct hpcap_ring *ring)
{
	ring->counters.write_offset = ring->write_offset;
	core_store_release(&ring->control->write_offset, ring->write_offset);
	put_stats(ring);
}

static void take_snapshot(const struct hpcap_ring *ring, struct hpcapvf_stats *stats, __u64 *last_time)
{
	const __u64 *from = (const __u64 *)&ring->box.stats;
	__u64 *to = (__u64 *)stats;
	__u32 before, after;
	unsigned int i;

	do {
		before = core_load_acquire(&ring->box.sequence);
		for (i = 0; i < STATS_WORDS; i++)
			to[i] = core_load(&from[i]);
		*last_time = core_load(&ring->box.last_time);
		core_read_barrier();
		after = core_load(&ring->box.sequence);
		if (before != after || before & 1)
			core_relax();
	} while (before != after || before & 1);
}

void hpcap_ring_stats(const struct hpcap_ring *ring, struct hpcapvf_stats *out)
{
	__u64 last_time;

	take_snapshot(ring, out, &last_time);
}

void hpcap_ring_newest(const struct hpcap_ring *ring, struct hpcap_mark *out)
{
	struct hpcapvf_stats stats;
	__u64 last_time;

	take_snapshot(ring, &stats, &last_time);
	out->offset = stats.write_offset;
	out->frames = stats.published;
	out->bytes = stats.published_bytes;
	out->seconds = (__u32)(last_time >> 32);
	out->nanoseconds = (__u32)last_time;
}

unsigned int hpcap_ring_listeners(const struct hpcap_ring *ring)
{
	__u32 active = core_load(&ring->active);
	unsigned int count = 0;

	for (; active; active &= active - 1)
		count++;
	return count;
}

__u64 hpcap_ring_held(const struct hpcap_ring *ring)
{
	const __u32 lossless = core_load(&ring->lossless);
	__u64 most = 0;
	unsigned int i;

	for (i = 0; i < HPCAPVF_LISTENERS_MAX; i++) {
		/* in this order: a listener never reads beyond what is published later */
		const __u64 read = hpcap_ring_read_offset(ring, i);
		const __u64 published = hpcap_ring_published_offset(ring);

		if (lossless & (1u << i) && published > read && published - read > most)
			most = published - read;
	}
	return most < ring->size ? most : ring->size;
}
