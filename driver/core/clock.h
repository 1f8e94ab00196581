/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A clock that is cheap to read: the processor's counter, turned into nanoseconds by one multiplication. Its line
 * is anchored at a real clock again and again and bent so that it meets it; it never goes back.
 *
 * A real clock that was stepped forwards is followed at once. One that was stepped back is counted, and this clock
 * runs on ahead of it, slower by 1/1024 at most, until both meet: the gaps between frames stay true.
 */
#ifndef HPCAP_CORE_CLOCK_H
#define HPCAP_CORE_CLOCK_H

#include "core/port.h"

#define HPCAP_CLOCK_SHIFT 31	/* slopes below 2 ns a tick fit into 32 bits */

struct hpcap_clock {
	__u64 base_ticks;
	__u64 base_ns;
	__u32 slope;		/* ns a tick, times 2^HPCAP_CLOCK_SHIFT: rate, bent towards the real clock */

	__u64 (*read_ticks)(void);
	__u64 (*read_ns)(void);
	__u32 rate;		/* of the real clock, as last measured */
	__u64 anchor_ticks;	/* the last anchor */
	__u64 anchor_ns;
	__u64 window_ticks;	/* where measuring the rate began */
	__u64 window_ns;
	__u64 window_length_ns;
	__u64 anchor_width;	/* ticks that reading both at the last anchor took */
	__u64 patience;		/* a reading that takes more ticks waits for a better one */

	__u64 steps_back;	/* of the real clock */
	__u64 stepped_back_ns;	/* their sum */
	__u64 steps_forward;
	__s64 error_ns;		/* real clock less this one, when last anchored */
};

static inline __u64 hpcap_clock_ns(const struct hpcap_clock *clock, __u64 ticks)
{
	return clock->base_ns + core_mul_shift(ticks - clock->base_ticks, clock->slope, HPCAP_CLOCK_SHIFT);
}

/*
 * Sets the line through two readings; call it with at least 10 ms between begin and start. read_ticks counts at
 * 500 MHz or more. Afterwards sync is due every 10 ms or so, and after every long sleep.
 */
void hpcap_clock_begin(struct hpcap_clock *clock, __u64 (*read_ticks)(void), __u64 (*read_ns)(void));
void hpcap_clock_start(struct hpcap_clock *clock);

/* Anchors the line at the real clock as it is now. */
void hpcap_clock_sync(struct hpcap_clock *clock);

#endif /* HPCAP_CORE_CLOCK_H */
