// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How far the module's clock (core/clock.c) is from the real-time clock: anchored every 10 ms as by the polling
 * thread, compared every 1 ms in between. clock_error SECONDS; prints JSON. A comparison whose two readings were
 * interrupted (more than 1 us apart) is left out and counted.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"

#define COMPARISONS_PER_ANCHOR 10
#define INTERRUPTED_NS 1000u
#define LOOKS 4

static __u64 ticks_now(void)
{
	return core_ticks();
}

static __u64 real_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (__u64)now.tv_sec * 1000000000u + (__u64)now.tv_nsec;
}

static void sleep_ms(long ms)
{
	const struct timespec pause = { .tv_nsec = ms * 1000000 };

	nanosleep(&pause, NULL);
}

struct errors {
	unsigned long long count;
	unsigned long long interrupted;
	double sum;
	double squares;
	double worst;
};

/* The narrowest of a few looks: the first one after a sleep waits for memory. */
static void compare(const struct hpcap_clock *clock, struct errors *errors)
{
	__u64 width = ~0ull;
	double error = 0;
	int i;

	for (i = 0; i < LOOKS; i++) {
		__u64 before = hpcap_clock_ns(clock, core_ticks());
		__u64 real = real_now();
		__u64 after = hpcap_clock_ns(clock, core_ticks());

		if (after - before >= width)
			continue;
		width = after - before;
		error = (double)(__s64)(before + width / 2 - real);
	}
	if (width > INTERRUPTED_NS) {
		errors->interrupted++;
		return;
	}
	errors->count++;
	errors->sum += error;
	errors->squares += error * error;
	errors->worst = fabs(error) > errors->worst ? fabs(error) : errors->worst;
}

int main(int argc, char **argv)
{
	__u64 end = real_now() + strtoull(argc > 1 ? argv[1] : "10", NULL, 10) * 1000000000u;
	struct errors errors = { 0 };
	struct hpcap_clock clock;
	double mean;
	int i;

	hpcap_clock_begin(&clock, ticks_now, real_now);
	sleep_ms(20);
	hpcap_clock_start(&clock);
	while (real_now() < end) {
		for (i = 0; i < COMPARISONS_PER_ANCHOR; i++) {
			sleep_ms(1);
			compare(&clock, &errors);
		}
		hpcap_clock_sync(&clock);
	}
	if (!errors.count)
		return 1;
	mean = errors.sum / (double)errors.count;
	printf("{\"seconds\":%s,\"comparisons\":%llu,\"interrupted\":%llu,\"mean_ns\":%.1f,\"deviation_ns\":%.1f,"
	       "\"worst_ns\":%.0f,\"steps_back\":%llu,\"steps_forward\":%llu}\n",
	       argc > 1 ? argv[1] : "10", errors.count, errors.interrupted, mean,
	       sqrt(errors.squares / (double)errors.count - mean * mean), errors.worst,
	       (unsigned long long)clock.steps_back, (unsigned long long)clock.steps_forward);
	return 0;
}
