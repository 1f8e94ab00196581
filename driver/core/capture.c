// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/capture.h"

/* Of a burst, before its first frame is stored; of the rest each arrival says which. */
#define FRAMES_AT_ONCE 8u
/* So far ahead frames' places in the table of duplicates; a power of two. */
#define PLACES_AHEAD 4u

static __u32 wire_bytes(const struct hpcap_arrival *arrival)
{
	return arrival->length + (arrival->flags & HPCAP_ARRIVAL_VLAN_STRIPPED ? 4 : 0);
}

/* Frames that are errors have a share of the link as well. */
static __u64 burst_bytes(const struct hpcap_arrival *arrivals, unsigned int count)
{
	__u64 total = 0;
	unsigned int i;

	for (i = 0; i < count; i++)
		total += wire_bytes(&arrivals[i]);
	return total;
}

/* Is its time to be shared out among its frames? */
static bool begin_burst(struct hpcap_capture *capture, unsigned int count, __u64 bytes, bool full)
{
	struct hpcap_stamper *stamper = &capture->stamper;

	if (!hpcap_stamp_shares(stamper, full))
		return false;
	hpcap_stamp_begin(stamper, hpcap_clock_ns(&capture->clock, core_ticks()),
			  hpcap_weigh_all(hpcap_stamp_weighing(stamper), count, bytes));
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

/* Frames in a row of which there is nothing to say: whole, untagged, and there is room. */
struct run {
	unsigned int count;
	__u64 record_bytes;
	__u64 wire_bytes;
};

static __u32 most_kept(const struct hpcap_ring *ring)
{
	return ring->caplen ? ring->caplen : HPCAPVF_CAPLEN_MAX;
}

static struct run find_run(const struct hpcap_ring *ring, const struct hpcap_arrival *arrivals, unsigned int count)
{
	const __u64 claimed = ring->write_limit - ring->write_offset;
	const __u64 room = claimed < ring->size ? claimed : ring->size;
	const __u32 caplen = most_kept(ring);
	struct run run = { 0 };

	if (!hpcap_ring_has_listener(ring))
		return run;
	for (; run.count < count; run.count++) {
		const __u32 length = arrivals[run.count].length;
		const __u64 bytes = run.record_bytes + HPCAPVF_RECORD_BYTES + (length < caplen ? length : caplen);

		if (core_unlikely(arrivals[run.count].flags & ~HPCAP_ARRIVAL_HASH || bytes > room ||
				  length > HPCAPVF_CAPLEN_MAX))
			break;
		run.record_bytes = bytes;
		run.wire_bytes += length;
	}
	return run;
}

/*
 * What changes with each frame is kept in variables of this function: stores to the ring could be stores to anything
 * else, for all that the compiler knows. It is compiled twice, since for what is decided once a burst there are no
 * registers left. The ring's end is no end here: its memory goes on with its begin.
 */
static core_always_inline void store_run_so(struct hpcap_capture *capture, const struct hpcap_arrival *arrivals,
					    const struct run *run, bool shared)
{
	struct hpcap_ring *ring = &capture->ring;
	struct hpcap_stamper stamper = capture->stamper;
	const struct hpcap_clock clock = capture->clock;
	const struct hpcap_arrival *const end = arrivals + run->count;
	const struct hpcap_weighing weighing = hpcap_stamp_weighing(&stamper);
	const __u32 caplen = most_kept(ring);
	__u8 *out = ring->data + ring->write_position;
	__u32 nanoseconds = ring->last_nanoseconds;

	for (; arrivals != end; arrivals++) {
		const __u32 length = arrivals->length, kept = length < caplen ? length : caplen;

		core_prefetch(arrivals->ahead);
		if (shared)
			nanoseconds = hpcap_stamp_share_plainly(&stamper, hpcap_weigh(weighing, length));
		else
			nanoseconds = hpcap_stamp_take(&stamper, hpcap_clock_ns(&clock, core_ticks()));
		hpcap_header_build(out, stamper.second ? stamper.second : 1, nanoseconds, kept, length);
		core_copy(out + HPCAPVF_RECORD_BYTES, arrivals->data, kept);
		out += HPCAPVF_RECORD_BYTES + kept;
	}
	if (shared)
		stamper.last_ns = stamper.second_begin_ns + nanoseconds;
	capture->stamper = stamper;
	hpcap_ring_moved(ring, run->record_bytes, run->count, run->wire_bytes);
	ring->last_seconds = stamper.second;
	ring->last_nanoseconds = nanoseconds;
}

static void store_run(struct hpcap_capture *capture, const struct hpcap_arrival *arrivals, const struct run *run,
		      bool shared)
{
	if (shared)
		store_run_so(capture, arrivals, run, true);
	else
		store_run_so(capture, arrivals, run, false);
}

static void store_any(struct hpcap_capture *capture, const struct hpcap_arrival *arrival, bool shared, __u32 hash)
{
	__u64 ns;

	if (shared)
		ns = hpcap_stamp_share(&capture->stamper,
				       hpcap_weigh(hpcap_stamp_weighing(&capture->stamper), wire_bytes(arrival)));
	else
		ns = hpcap_clock_ns(&capture->clock, core_ticks());
	if (capture->dedup)
		store_once(capture, arrival, ns, hash);
	else
		store(capture, arrival, ns);
}

static void store_burst(struct hpcap_capture *capture, const struct hpcap_arrival *arrivals, unsigned int count,
			bool full)
{
	struct run run = find_run(&capture->ring, arrivals, count);
	const __u64 bytes = run.count == count ? run.wire_bytes : burst_bytes(arrivals, count);
	const bool shared = begin_burst(capture, count, bytes, full);
	const bool in_runs = !shared || hpcap_stamp_is_plain(&capture->stamper);
	unsigned int i = 0;

	for (;;) {
		if (run.count && in_runs) {
			store_run(capture, arrivals + i, &run, shared);
			i += run.count;
		}
		if (i == count)
			break;
		store_any(capture, &arrivals[i++], shared, 0);
		run = find_run(&capture->ring, arrivals + i, count - i);
	}
}

static void store_burst_once(struct hpcap_capture *capture, const struct hpcap_arrival *arrivals, unsigned int count,
			     bool full)
{
	const bool shared = begin_burst(capture, count, burst_bytes(arrivals, count), full);
	const struct hpcap_dedup *dedup = capture->dedup;
	__u32 hashes[PLACES_AHEAD] = { 0 };
	unsigned int i;

	for (i = 0; i < count && i < PLACES_AHEAD; i++)
		hashes[i] = hash_ahead(dedup, &arrivals[i]);
	for (i = 0; i < count; i++) {
		core_prefetch(arrivals[i].ahead);
		store_any(capture, &arrivals[i], shared, hashes[i % PLACES_AHEAD]);
		if (i + PLACES_AHEAD < count)
			hashes[i % PLACES_AHEAD] = hash_ahead(dedup, &arrivals[i + PLACES_AHEAD]);
	}
}

void hpcap_capture_burst(struct hpcap_capture *capture, const struct hpcap_arrival *arrivals, unsigned int count,
			 bool full)
{
	unsigned int i;

	if (!count) {
		capture->stamper.was_full = false;
		return;
	}
	/* they are near already, unless the thread comes from a rest */
	for (i = 0; i < count && i < FRAMES_AT_ONCE; i++)
		core_prefetch(arrivals[i].data);
	if (capture->dedup)
		store_burst_once(capture, arrivals, count, full);
	else
		store_burst(capture, arrivals, count, full);
	hpcap_ring_publish(&capture->ring);
}

void hpcap_capture_sync(struct hpcap_capture *capture)
{
	struct hpcapvf_stats *counters = &capture->ring.counters;

	hpcap_clock_sync(&capture->clock);
	counters->clock_steps_back = capture->clock.steps_back + capture->stamper.went_back;
	counters->clock_stepped_back_ns = capture->clock.stepped_back_ns;
}
