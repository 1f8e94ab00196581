// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/capture.h"

/* So far ahead the frames are asked for: they lie in memory that the NIC wrote. */
#define FRAMES_AHEAD 8u
/* And so far ahead their places in the table of duplicates; a power of two. */
#define PLACES_AHEAD 4u

static __u32 wire_bytes(const struct hpcap_arrival *arrival)
{
	return arrival->length + (arrival->flags & HPCAP_ARRIVAL_VLAN_STRIPPED ? 4 : 0);
}

/* Frames that are errors have a share of the link as well. */
static bool begin_burst(struct hpcap_capture *capture, const struct hpcap_arrival *arrivals, unsigned int count,
			bool full)
{
	struct hpcap_stamper *stamper = &capture->stamper;
	__u64 total = 0;
	unsigned int i;

	if (!hpcap_stamp_shares(stamper, full))
		return false;
	for (i = 0; i < count; i++)
		total += hpcap_stamp_weight(stamper, wire_bytes(&arrivals[i]));
	hpcap_stamp_begin(stamper, hpcap_clock_ns(&capture->clock, core_ticks()), total);
	return true;
}

static bool is_error(const struct hpcap_arrival *arrival)
{
	return arrival->flags & HPCAP_ARRIVAL_ERROR;
}

static __u32 hash_ahead(const struct hpcap_dedup *dedup, const struct hpcap_arrival *arrival)
{
	__u32 hash = 0;

	if (arrival->flags & HPCAP_ARRIVAL_HASH)
		hash = arrival->hash;
	else if (!is_error(arrival))
		hash = hpcap_flow_hash(arrival->data, arrival->length);
	core_prefetch(hpcap_dedup_place(dedup, hash));
	return hash;
}

static enum hpcap_verdict store(struct hpcap_capture *capture, const struct hpcap_arrival *arrival, __u64 ns)
{
	struct hpcap_frame frame = {
		.data = arrival->data,
		.length = arrival->length,
		.nanoseconds = hpcap_stamp_take(&capture->stamper, ns),
		.vlan_tci = arrival->vlan_tci,
		.vlan_stripped = arrival->flags & HPCAP_ARRIVAL_VLAN_STRIPPED,
	};

	frame.seconds = capture->stamper.second;
	if (!is_error(arrival))
		return hpcap_ring_append(&capture->ring, &frame);
	hpcap_ring_count_error(&capture->ring, arrival->length);
	return HPCAP_ERROR;
}

/* A frame for which there is no room, or nobody, is not remembered: its duplicate shall be stored. */
static void store_once(struct hpcap_capture *capture, const struct hpcap_arrival *arrival, __u64 ns, __u32 hash)
{
	const struct hpcap_dedup *dedup = capture->dedup;
	struct hpcap_dedup_key key = {
		.data = arrival->data,
		.length = arrival->length,
		.hash = hash,
		.vlan_tci = arrival->flags & HPCAP_ARRIVAL_VLAN_STRIPPED ? arrival->vlan_tci : 0,
		.ns = ns,
	};
	struct hpcap_dedup_entry *entry;

	if (is_error(arrival) || !hpcap_ring_has_listener(&capture->ring)) {
		store(capture, arrival, ns);
		return;
	}
	if (hpcap_dedup_seen(dedup, &key, &entry))
		hpcap_ring_count_duplicate(&capture->ring, wire_bytes(arrival));
	else if (store(capture, arrival, ns) != HPCAP_PUBLISHED)
		return;
	hpcap_dedup_remember(dedup, &key, entry);
}

/*
 * The frames of which there is nothing to say: whole, untagged, and there is room. Ends at the first other one;
 * returns how many. What changes with each frame is kept in variables of this function: stores to the ring could
 * be stores to anything else, for all that the compiler knows.
 */
static unsigned int store_plain(struct hpcap_capture *capture, const struct hpcap_arrival *arrivals,
				unsigned int count, bool shared)
{
	struct hpcap_ring *ring = &capture->ring;
	struct hpcap_stamper stamper = capture->stamper;
	const struct hpcap_clock clock = capture->clock;
	const __u64 size = ring->size, limit = ring->write_limit;
	const __u32 caplen = ring->caplen ? ring->caplen : HPCAPVF_CAPLEN_MAX;
	__u64 position = ring->write_position, offset = ring->write_offset, wire = 0;
	__u8 *const data = ring->data;
	__u32 nanoseconds = ring->last_nanoseconds;
	unsigned int i;

	if (!hpcap_ring_has_listener(ring))
		return 0;
	for (i = 0; i < count; i++) {
		const __u32 length = arrivals[i].length, kept = length < caplen ? length : caplen;
		const __u32 bytes = HPCAPVF_RECORD_BYTES + kept;
		__u8 *out = data + position;

		if (core_unlikely(arrivals[i].flags & ~HPCAP_ARRIVAL_HASH || offset + bytes > limit ||
				  length > HPCAPVF_CAPLEN_MAX))
			break;
		if (i + FRAMES_AHEAD < count)
			core_prefetch(arrivals[i + FRAMES_AHEAD].data);
		nanoseconds = hpcap_stamp_take(&stamper,
			shared ? hpcap_stamp_share(&stamper, hpcap_stamp_weight(&stamper, length)) :
				 hpcap_clock_ns(&clock, core_ticks()));
		hpcap_header_build(out, stamper.second ? stamper.second : 1, nanoseconds, kept, length);
		core_copy(out + HPCAPVF_RECORD_BYTES, arrivals[i].data, kept);
		wire += length;
		offset += bytes;
		position += bytes;
		if (position >= size)
			position -= size;
	}
	capture->stamper = stamper;
	hpcap_ring_moved(ring, offset, position, i, wire);
	if (i) {
		ring->last_seconds = stamper.second;
		ring->last_nanoseconds = nanoseconds;
	}
	return i;
}

static void store_any(struct hpcap_capture *capture, const struct hpcap_arrival *arrival, bool shared, __u32 hash)
{
	__u64 ns;

	if (shared)
		ns = hpcap_stamp_share(&capture->stamper, hpcap_stamp_weight(&capture->stamper, wire_bytes(arrival)));
	else
		ns = hpcap_clock_ns(&capture->clock, core_ticks());
	if (capture->dedup)
		store_once(capture, arrival, ns, hash);
	else
		store(capture, arrival, ns);
}

void hpcap_capture_burst(struct hpcap_capture *capture, const struct hpcap_arrival *arrivals, unsigned int count,
			 bool full)
{
	const struct hpcap_dedup *dedup = capture->dedup;
	__u32 hashes[PLACES_AHEAD] = { 0 };
	bool shared;
	unsigned int i;

	if (!count) {
		capture->stamper.was_full = false;
		return;
	}
	for (i = 0; i < count && i < FRAMES_AHEAD; i++)
		core_prefetch(arrivals[i].data);
	for (i = 0; dedup && i < count && i < PLACES_AHEAD; i++)
		hashes[i] = hash_ahead(dedup, &arrivals[i]);
	shared = begin_burst(capture, arrivals, count, full);
	for (i = 0; i < count; i++) {
		if (!dedup)
			i += store_plain(capture, arrivals + i, count - i, shared);
		if (i == count)
			break;
		if (i + FRAMES_AHEAD < count)
			core_prefetch(arrivals[i + FRAMES_AHEAD].data);
		store_any(capture, &arrivals[i], shared, hashes[i % PLACES_AHEAD]);
		if (dedup && i + PLACES_AHEAD < count)
			hashes[i % PLACES_AHEAD] = hash_ahead(dedup, &arrivals[i + PLACES_AHEAD]);
	}
	hpcap_ring_publish(&capture->ring);
}

void hpcap_capture_sync(struct hpcap_capture *capture)
{
	struct hpcapvf_stats *counters = &capture->ring.counters;

	hpcap_clock_sync(&capture->clock);
	counters->clock_steps_back = capture->clock.steps_back + capture->stamper.went_back;
	counters->clock_stepped_back_ns = capture->clock.stepped_back_ns;
}
