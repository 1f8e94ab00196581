// SPDX-License-Identifier: GPL-2.0-or-later
/* The clock against a simulated counter and a simulated real clock, whose errors are therefore known exactly. */
#include <math.h>
#include <stdlib.h>

#include "core/clock.h"
#include "tests/check.h"

#define TICKS_PER_NS 2.45
#define MS 1000000.0
#define EPOCH_NS 1700000000000000000ull

/* The true time since the start, and what the real clock makes of it. */
static double true_ns;
static double fast_ppm;
static __s64 offset_ns;
static double reading_ns;	/* that long each reading of the real clock takes, and up to as long again */

static __u64 ticks_now(void)
{
	return 123456789u + (__u64)(true_ns * TICKS_PER_NS);
}

static __u64 real_now(void)
{
	__u64 now;

	true_ns += reading_ns / 2;
	now = EPOCH_NS + (__u64)(__s64)(true_ns * (1 + fast_ppm * 1e-6)) + (__u64)offset_ns;
	true_ns += reading_ns / 2 + reading_ns * rand() / RAND_MAX;
	return now;
}

static void start(struct hpcap_clock *clock, double ppm)
{
	srand(1);
	true_ns = 0;
	fast_ppm = ppm;
	offset_ns = 0;
	reading_ns = 50;
	hpcap_clock_begin(clock, ticks_now, real_now);
	true_ns += 20 * MS;
	hpcap_clock_start(clock);
}

/* An anchor bends the line, it does not break it backwards. */
static void anchor(struct hpcap_clock *clock)
{
	__u64 before = hpcap_clock_ns(clock, ticks_now());

	hpcap_clock_sync(clock);
	CHECK(hpcap_clock_ns(clock, ticks_now()) >= before);
}

/* Lets ms pass, anchoring every 10 ms and looking at the clock 10 times between: it never goes back. */
static double run(struct hpcap_clock *clock, double ms)
{
	__u64 last = hpcap_clock_ns(clock, ticks_now());
	double worst = 0, until = true_ns + ms * MS;
	unsigned int i;

	while (true_ns < until) {
		for (i = 0; i < 10; i++) {
			__u64 now, real;
			double error;

			true_ns += MS;
			now = hpcap_clock_ns(clock, ticks_now());
			real = EPOCH_NS + (__u64)(__s64)(true_ns * (1 + fast_ppm * 1e-6)) + (__u64)offset_ns;
			error = fabs((double)(__s64)(now - real));
			CHECK(now >= last);
			last = now;
			worst = error > worst ? error : worst;
		}
		anchor(clock);
	}
	return worst;
}

static void follows_a_clock_of_any_rate(void)
{
	static const double ppm[] = { 0, 37, -37, 480, -480 };
	unsigned int i;

	for (i = 0; i < sizeof(ppm) / sizeof(ppm[0]); i++) {
		struct hpcap_clock clock;

		start(&clock, ppm[i]);
		run(&clock, 5000);
		CHECK(run(&clock, 60000) < 100);
		CHECK_EQUAL(clock.steps_back + clock.steps_forward, 0);
	}
}

static void a_change_of_rate_is_met(void)
{
	struct hpcap_clock clock;

	start(&clock, 0);
	run(&clock, 5000);
	offset_ns = (__s64)(true_ns * (0 - 500) * 1e-6);
	fast_ppm = 500;		/* as fast as a kernel slews */
	CHECK(run(&clock, 2000) < 20000);
	run(&clock, 2000);
	CHECK(run(&clock, 10000) < 100);
	CHECK_EQUAL(clock.steps_back + clock.steps_forward, 0);
}

static void a_step_forwards_is_followed_at_once(void)
{
	struct hpcap_clock clock;

	start(&clock, 10);
	run(&clock, 5000);
	offset_ns += 3000000000ll;
	hpcap_clock_sync(&clock);
	CHECK(run(&clock, 1000) < 100);
	CHECK_EQUAL(clock.steps_forward, 1);
	CHECK_EQUAL(clock.steps_back, 0);
}

static void a_step_back_is_counted_and_not_followed(void)
{
	struct hpcap_clock clock;
	__u64 begin;
	double true_begin;

	start(&clock, 10);
	run(&clock, 5000);
	offset_ns -= 200000000;
	anchor(&clock);
	begin = hpcap_clock_ns(&clock, ticks_now());
	true_begin = true_ns;
	run(&clock, 10000);	/* looks that it never goes back */
	CHECK_EQUAL(clock.steps_back, 1);
	CHECK(clock.stepped_back_ns > 199990000 && clock.stepped_back_ns < 200010000);
	/* the gaps between frames are still true, to 1/1000 */
	CHECK(fabs((double)(hpcap_clock_ns(&clock, ticks_now()) - begin) / (true_ns - true_begin) - 1) < 0.0011);
	run(&clock, 220000);
	CHECK(run(&clock, 1000) < 100);	/* met again */
	CHECK_EQUAL(clock.steps_back, 1);
}

static void interrupted_readings_do_no_harm(void)
{
	struct hpcap_clock clock;
	unsigned int i;

	start(&clock, -20);
	run(&clock, 5000);
	for (i = 0; i < 1000; i++) {
		reading_ns = i % 3 ? 50 : 30000;
		CHECK(run(&clock, 10) < 200);
	}
	reading_ns = 400000;	/* an emulated machine: always slow, so it is taken as it is */
	CHECK(run(&clock, 3000) < 500000);
	CHECK(real_now() - clock.anchor_ns < 1000000000u);
	CHECK_EQUAL(clock.steps_back + clock.steps_forward, 0);
}

static void a_long_sleep_is_no_step(void)
{
	struct hpcap_clock clock;

	start(&clock, 3);
	run(&clock, 5000);
	true_ns += 3600e9;
	hpcap_clock_sync(&clock);
	run(&clock, 1000);
	CHECK(run(&clock, 1000) < 200);
	CHECK_EQUAL(clock.steps_back + clock.steps_forward, 0);
}

int main(void)
{
	RUN(follows_a_clock_of_any_rate);
	RUN(a_change_of_rate_is_met);
	RUN(a_step_forwards_is_followed_at_once);
	RUN(a_step_back_is_counted_and_not_followed);
	RUN(interrupted_readings_do_no_harm);
	RUN(a_long_sleep_is_no_step);
	return 0;
}
