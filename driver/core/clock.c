// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/clock.h"

#define READINGS 4

/*
 * A clock that is only slewed moves by less than this against the counter: 100 us, 1/1024 of the time, and what the
 * readings took.
 */
#define STEP_NS 100000
#define SLEW_SHIFT 10

#define WINDOW_NS_MIN 20000000u
#define WINDOW_NS_MAX 1000000000u

/* An error is taken out over that many anchors. */
#define ANCHORS_TO_MEET 4

struct reading {
	__u64 ticks;
	__u64 ns;
	__u64 width;	/* ticks it took */
};

static struct reading read_once(const struct hpcap_clock *clock)
{
	__u64 before = clock->read_ticks();
	struct reading reading = { .ns = clock->read_ns() };

	reading.width = clock->read_ticks() - before;
	reading.ticks = before + reading.width / 2;
	return reading;
}

/* The one of a few readings that took least. */
static struct reading read_both(const struct hpcap_clock *clock)
{
	struct reading best = read_once(clock);
	unsigned int i;

	for (i = 1; i < READINGS; i++) {
		struct reading other = read_once(clock);

		if (other.width < best.width)
			best = other;
	}
	return best;
}

static __u32 rate_of(__u64 ns, __u64 ticks)
{
	for (; ns >> 32; ns >>= 1)
		ticks >>= 1;
	return ticks ? (__u32)core_div64(ns << HPCAP_CLOCK_SHIFT, ticks) : 0;
}

static void set_anchor(struct hpcap_clock *clock, const struct reading *reading)
{
	clock->anchor_ticks = reading->ticks;
	clock->anchor_ns = reading->ns;
	clock->anchor_width = reading->width;
	clock->patience = 2 * reading->width;
}

static void begin_window(struct hpcap_clock *clock, const struct reading *reading)
{
	clock->window_ticks = reading->ticks;
	clock->window_ns = reading->ns;
}

void hpcap_clock_begin(struct hpcap_clock *clock, __u64 (*read_ticks)(void), __u64 (*read_ns)(void))
{
	struct reading reading;

	memset(clock, 0, sizeof(*clock));
	clock->read_ticks = read_ticks;
	clock->read_ns = read_ns;
	reading = read_both(clock);
	begin_window(clock, &reading);
}

void hpcap_clock_start(struct hpcap_clock *clock)
{
	struct reading reading = read_both(clock);

	clock->rate = rate_of(reading.ns - clock->window_ns, reading.ticks - clock->window_ticks);
	clock->slope = clock->rate;
	clock->base_ticks = reading.ticks;
	clock->base_ns = reading.ns;
	clock->window_length_ns = WINDOW_NS_MIN;
	set_anchor(clock, &reading);
	begin_window(clock, &reading);
}

/* Longer and longer windows: the first ones are there soon, the last ones hardly feel how a reading scatters. */
static void measure_rate(struct hpcap_clock *clock, const struct reading *reading)
{
	__u64 ns = reading->ns - clock->window_ns;

	if (ns < clock->window_length_ns)
		return;
	clock->rate = rate_of(ns, reading->ticks - clock->window_ticks);
	begin_window(clock, reading);
	if (clock->window_length_ns < WINDOW_NS_MAX)
		clock->window_length_ns *= 2;
}

/* Was the real clock set since the last anchor? Counts it. */
static bool was_stepped(struct hpcap_clock *clock, const struct reading *reading, __s64 elapsed_ns)
{
	__s64 moved = (__s64)(reading->ns - clock->anchor_ns) - elapsed_ns;
	__u64 width_ns = core_mul_shift(reading->width + clock->anchor_width, clock->rate, HPCAP_CLOCK_SHIFT);
	__s64 slewed = STEP_NS + (elapsed_ns >> SLEW_SHIFT) + (__s64)width_ns;

	if (moved < -slewed) {
		clock->steps_back++;
		clock->stepped_back_ns += (__u64)-moved;
		return true;
	}
	if (moved > slewed) {
		clock->steps_forward++;
		return true;
	}
	return false;
}

/* The slope that meets the real clock soon, within what a slew may be. */
static __u32 bent(const struct hpcap_clock *clock, __s64 elapsed_ns)
{
	__s64 most = elapsed_ns >> SLEW_SHIFT, error = clock->error_ns / ANCHORS_TO_MEET;

	if (error > most)
		error = most;
	if (error < -most)
		error = -most;
	return (__u32)((__s64)clock->rate + core_div_s64((__s64)clock->rate * error, elapsed_ns));
}

void hpcap_clock_sync(struct hpcap_clock *clock)
{
	struct reading reading = read_both(clock);
	__s64 elapsed_ns = (__s64)core_mul_shift(reading.ticks - clock->anchor_ticks, clock->rate, HPCAP_CLOCK_SHIFT);
	__u64 now = hpcap_clock_ns(clock, reading.ticks);

	if (reading.width > clock->patience || elapsed_ns <= 0) {
		/* interrupted; where readings always take long, that is soon enough */
		clock->patience = 2 * clock->patience + 1;
		return;
	}
	clock->error_ns = (__s64)(reading.ns - now);
	if (was_stepped(clock, &reading, elapsed_ns)) {
		begin_window(clock, &reading);
		if (clock->error_ns > 0) {
			now = reading.ns;
			clock->error_ns = 0;
		}
	} else {
		measure_rate(clock, &reading);
	}
	clock->base_ticks = reading.ticks;
	clock->base_ns = now;
	clock->slope = bent(clock, elapsed_ns);
	set_anchor(clock, &reading);
}
