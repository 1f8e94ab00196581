// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/capture.h"

/* So far ahead the frames are asked for: they lie in memory that the NIC wrote. */
#define FRAMES_AHEAD 8u

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

static void store(struct hpcap_capture *capture, const struct hpcap_arrival *arrival, __u64 ns)
{
	struct hpcap_frame frame = {
		.data = arrival->data,
		.length = arrival->length,
		.nanoseconds = hpcap_stamp_take(&capture->stamper, ns),
		.vlan_tci = arrival->vlan_tci,
		.vlan_stripped = arrival->flags & HPCAP_ARRIVAL_VLAN_STRIPPED,
	};

	frame.seconds = capture->stamper.second;
	if (arrival->flags & HPCAP_ARRIVAL_ERROR)
		hpcap_ring_count_error(&capture->ring, arrival->length);
	else
		hpcap_ring_append(&capture->ring, &frame);
}

void hpcap_capture_burst(struct hpcap_capture *capture, const struct hpcap_arrival *arrivals, unsigned int count,
			 bool full)
{
	bool shared;
	unsigned int i;

	if (!count) {
		capture->stamper.was_full = false;
		return;
	}
	for (i = 0; i < count && i < FRAMES_AHEAD; i++)
		core_prefetch(arrivals[i].data);
	shared = begin_burst(capture, arrivals, count, full);
	for (i = 0; i < count; i++) {
		const struct hpcap_arrival *arrival = &arrivals[i];
		__u64 ns;

		if (i + FRAMES_AHEAD < count)
			core_prefetch(arrivals[i + FRAMES_AHEAD].data);
		if (shared)
			ns = hpcap_stamp_share(&capture->stamper,
					       hpcap_stamp_weight(&capture->stamper, wire_bytes(arrival)));
		else
			ns = hpcap_clock_ns(&capture->clock, core_ticks());
		store(capture, arrival, ns);
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
