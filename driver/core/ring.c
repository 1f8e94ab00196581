// SPDX-License-Identifier: GPL-2.0-or-later
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
	ring->counters.write_offset = start;
	control->abi_version = HPCAPVF_ABI_VERSION;
	control->ring_bytes = size;
	hpcap_ring_publish(ring);
	return 0;
}

/*
 * Looks at all listeners and sets how far may be written. The barrier pairs with the one in attach: either
 * this call sees the new listener, or that listener starts at or after all that is published now.
 */
static void look_at_listeners(struct hpcap_ring *ring, __u32 active)
{
	/* not write_offset: a listener that attaches next starts at what is published */
	__u64 slowest = core_load(&ring->control->write_offset);
	unsigned int i;

	for (i = 0; i < HPCAPVF_LISTENERS_MAX; i++) {
		__u64 read_offset;

		if (!(active & (1u << i)))
			continue;
		/* acquire: what the listener read before it advanced is not overwritten earlier */
		read_offset = core_load_acquire(&ring->listeners[i].read_offset);
		if (read_offset < slowest)
			slowest = read_offset;
	}
	ring->write_limit = slowest + ring->size;
}

static bool has_room(struct hpcap_ring *ring, __u64 end)
{
	if (end <= ring->write_limit)
		return true;
	core_full_barrier();
	look_at_listeners(ring, core_load_acquire(&ring->active));
	return end <= ring->write_limit;
}

void hpcap_ring_count_error(struct hpcap_ring *ring, __u32 wire_bytes)
{
	ring->counters.received++;
	ring->counters.received_bytes += wire_bytes;
	ring->counters.errors++;
	ring->counters.error_bytes += wire_bytes;
}

void hpcap_ring_count_reset(struct hpcap_ring *ring)
{
	ring->counters.resets++;
}

static void move_write_offset(struct hpcap_ring *ring, __u32 bytes)
{
	ring->write_offset += bytes;
	ring->write_position += bytes;
	if (ring->write_position >= ring->size)
		ring->write_position -= ring->size;
}

enum hpcap_verdict hpcap_ring_append(struct hpcap_ring *ring, const struct hpcap_frame *frame)
{
	struct hpcapvf_stats *counters = &ring->counters;
	__u32 wire = hpcap_frame_wire_bytes(frame);
	__u32 kept = hpcap_frame_kept_bytes(frame, ring->caplen);
	__u32 bytes = HPCAPVF_RECORD_BYTES + kept;

	if (wire > HPCAPVF_CAPLEN_MAX) {
		hpcap_ring_count_error(ring, wire);
		return HPCAP_ERROR;
	}
	counters->received++;
	counters->received_bytes += wire;
	if (!core_load(&ring->active)) {
		counters->no_listener_drops++;
		counters->no_listener_bytes += wire;
		return HPCAP_NO_LISTENER;
	}
	if (!has_room(ring, ring->write_offset + bytes)) {
		counters->ring_full_drops++;
		counters->ring_full_bytes += wire;
		return HPCAP_RING_FULL;
	}
	hpcap_record_build(ring->data + ring->write_position, frame, kept);
	move_write_offset(ring, bytes);
	counters->published++;
	counters->published_bytes += wire;
	counters->vlan_reinserted += frame->vlan_stripped;
	return HPCAP_PUBLISHED;
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
	core_store_release(&ring->box.sequence, sequence + 2);
}

void hpcap_ring_publish(struct hpcap_ring *ring)
{
	ring->counters.write_offset = ring->write_offset;
	core_store_release(&ring->control->write_offset, ring->write_offset);
	put_stats(ring);
}

/*
 * In two steps. As soon as the listener is active it holds the producer at the offset seen first. The producer
 * may already have been further, so the listener then moves up to what is published by now: all records from
 * there on are whole, and stay.
 */
int hpcap_ring_attach(struct hpcap_ring *ring)
{
	__u32 active = core_load(&ring->active);
	struct hpcap_listener *listener;
	unsigned int i;

	for (i = 0; i < HPCAPVF_LISTENERS_MAX; i++)
		if (!(active & (1u << i)))
			break;
	if (i == HPCAPVF_LISTENERS_MAX)
		return -EBUSY;
	listener = &ring->listeners[i];
	core_store_release(&listener->read_offset, hpcap_ring_published_offset(ring));
	core_store_release(&ring->active, active | 1u << i);
	core_full_barrier();
	core_store_release(&listener->read_offset, hpcap_ring_published_offset(ring));
	return (int)i;
}

void hpcap_ring_detach(struct hpcap_ring *ring, unsigned int listener)
{
	core_store_release(&ring->active, core_load(&ring->active) & ~(1u << listener));
}

__u64 hpcap_ring_read_offset(const struct hpcap_ring *ring, unsigned int listener)
{
	return core_load(&ring->listeners[listener].read_offset);
}

__u64 hpcap_ring_published_offset(const struct hpcap_ring *ring)
{
	return core_load_acquire(&ring->control->write_offset);
}

__u64 hpcap_ring_available(const struct hpcap_ring *ring, unsigned int listener)
{
	return hpcap_ring_published_offset(ring) - hpcap_ring_read_offset(ring, listener);
}

const __u8 *hpcap_ring_view(const struct hpcap_ring *ring, unsigned int listener, __u64 *length)
{
	*length = hpcap_ring_available(ring, listener);
	return ring->data + hpcap_ring_read_offset(ring, listener) % ring->size;
}

int hpcap_ring_advance(struct hpcap_ring *ring, unsigned int listener, __u64 offset)
{
	struct hpcap_listener *self = &ring->listeners[listener];

	if (offset < core_load(&self->read_offset) || offset > hpcap_ring_published_offset(ring))
		return -EINVAL;
	core_store_release(&self->read_offset, offset);
	return 0;
}

unsigned int hpcap_ring_listeners(const struct hpcap_ring *ring)
{
	__u32 active = core_load(&ring->active);
	unsigned int count = 0;

	for (; active; active &= active - 1)
		count++;
	return count;
}

void hpcap_ring_stats(const struct hpcap_ring *ring, struct hpcapvf_stats *out)
{
	const __u64 *from = (const __u64 *)&ring->box.stats;
	__u64 *to = (__u64 *)out;
	__u32 before, after;
	unsigned int i;

	do {
		before = core_load_acquire(&ring->box.sequence);
		for (i = 0; i < STATS_WORDS; i++)
			to[i] = core_load(&from[i]);
		core_read_barrier();
		after = core_load(&ring->box.sequence);
		if (before != after || before & 1)
			core_relax();
	} while (before != after || before & 1);
}
