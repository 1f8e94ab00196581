// SPDX-License-Identifier: GPL-2.0-or-later
/* The whole capture path, burst by burst: times, duplicates and accounts, with listeners that come and go. */
#include <stdlib.h>

#include "core/capture.h"
#include "libhpcapvf.h"
#include "tests/check.h"
#include "tests/frames.h"
#include "tests/ring_memory.h"

#define RING_BYTES (256u * 1024)
#define BURST 64u
#define POOL 256u

static struct hpcapvf_control control;
static struct hpcap_capture capture;
static __u8 frames[POOL][FRAME_BYTES_MAX];
static __u8 buffer[2 * RING_BYTES];
static struct test_ring *memory;

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

static int copy(void *to, const void *from, __u64 bytes)
{
	memcpy(to, from, bytes);
	return 0;
}

static void start(enum hpcap_stamp_method method)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	__u64 i;

	memset(&capture, 0, sizeof(capture));
	memory = test_ring_create(RING_BYTES, 0, 0);
	CHECK_EQUAL(hpcap_ring_init(&capture.ring, memory->ring.data, RING_BYTES, &control, 0, 0), 0);
	hpcap_clock_begin(&capture.clock, ticks_now, real_now);
	nanosleep(&pause, NULL);
	hpcap_clock_start(&capture.clock);
	capture.stamper.method = method;
	for (i = 0; i < POOL; i++)
		frame_fill(frames[i], i);
}

static struct hpcap_arrival arrival(__u32 number)
{
	return (struct hpcap_arrival){ .data = frames[number % POOL], .length = frame_length(number % POOL) };
}

/* Everything read must be whole and in order of time; returns how many frames. */
static __u64 read_all(unsigned int listener)
{
	__s64 bytes = hpcap_ring_read(&capture.ring, listener, buffer, sizeof(buffer), copy);
	uint64_t position = 0, count = 0, last = 0;
	struct hpcapvf_frame frame;

	CHECK(bytes >= 0);
	while (hpcapvf_next(buffer, (uint64_t)bytes, &position, &frame) == 1) {
		uint64_t ns = frame.seconds * 1000000000ull + frame.nanoseconds;

		if (!frame.seconds)
			continue;
		CHECK(frame.nanoseconds < 1000000000u && ns >= last);
		last = ns;
		count++;
	}
	CHECK(!last || llabs((long long)(last - real_now())) < 1000000000ll);
	return count;
}

static void times_are_now_and_in_order_with_every_method(void)
{
	enum hpcap_stamp_method method;

	for (method = HPCAP_STAMP_FRAME; method <= HPCAP_STAMP_AUTO; method++) {
		struct hpcap_arrival burst[BURST];
		unsigned int listener, round;
		__u32 i;

		start(method);
		listener = (unsigned int)hpcap_ring_attach(&capture.ring);
		for (round = 0; round < 20; round++) {
			__u32 count = round % 4 ? BURST : round + 1;

			for (i = 0; i < count; i++)
				burst[i] = arrival(i);
			hpcap_capture_burst(&capture, burst, count, count == BURST);
			CHECK_EQUAL(read_all(listener), count);
			hpcap_capture_sync(&capture);
		}
		CHECK_EQUAL(capture.ring.counters.clock_steps_back, 0);
		test_ring_free(memory);
	}
}

static struct hpcap_dedup dedup;

static void *dedup_on(void)
{
	const struct hpcap_dedup_config config = { 4096, 1, 10000000, 70 };
	void *table = aligned_alloc(CORE_CACHE_LINE, hpcap_dedup_memory(&config));

	CHECK(table);
	memset(table, 0, hpcap_dedup_memory(&config));
	hpcap_dedup_init(&dedup, &config, table);
	capture.dedup = &dedup;
	return table;
}

static void duplicates_are_counted_and_not_stored(void)
{
	struct hpcap_arrival burst[BURST];
	struct hpcapvf_stats stats;
	unsigned int listener, i;
	void *table;

	start(HPCAP_STAMP_FRAME);
	table = dedup_on();
	for (i = 0; i < BURST; i++)
		burst[i] = arrival(i / 2);
	hpcap_capture_burst(&capture, burst, BURST, true);	/* nobody listens: nothing is remembered */
	listener = (unsigned int)hpcap_ring_attach(&capture.ring);
	hpcap_capture_burst(&capture, burst, BURST, true);
	CHECK_EQUAL(read_all(listener), BURST / 2);
	burst[0].flags = HPCAP_ARRIVAL_ERROR;
	hpcap_capture_burst(&capture, burst, BURST, true);
	CHECK_EQUAL(read_all(listener), 0);
	burst[0].flags = 0;
	hpcap_ring_detach(&capture.ring, listener);
	hpcap_capture_burst(&capture, burst, BURST, true);
	test_ring_check_accounts(&capture.ring, &stats);
	CHECK_EQUAL(stats.duplicates, BURST / 2 + BURST - 1);
	CHECK_EQUAL(stats.errors, 1);
	CHECK_EQUAL(stats.no_listener_drops, 2 * BURST);
	free(table);
	test_ring_free(memory);
}

/* What found no room is not gone for good: its duplicate is stored. */
static void a_dropped_frame_is_not_remembered(void)
{
	struct hpcapvf_stats stats = { 0 };
	struct hpcap_arrival one;
	unsigned int listener;
	__u32 i;
	void *table;

	start(HPCAP_STAMP_FRAME);
	table = dedup_on();
	listener = (unsigned int)hpcap_ring_attach(&capture.ring);
	for (i = 0; !stats.ring_full_drops; i++) {
		one = arrival(i);
		memcpy(frames[i % POOL] + 16, &i, sizeof(i));
		hpcap_capture_burst(&capture, &one, 1, false);
		hpcap_ring_stats(&capture.ring, &stats);
	}
	read_all(listener);
	hpcap_capture_burst(&capture, &one, 1, false);
	CHECK_EQUAL(read_all(listener), 1);
	free(table);
	test_ring_free(memory);
}

static void the_nics_hash_is_used_if_there_is_one(void)
{
	struct hpcap_arrival twice[2];
	struct hpcapvf_stats stats;
	void *table;

	start(HPCAP_STAMP_WDTS);
	table = dedup_on();
	hpcap_ring_attach(&capture.ring);
	twice[0] = twice[1] = arrival(5);
	twice[0].flags = twice[1].flags = HPCAP_ARRIVAL_HASH;
	twice[0].hash = 1;
	twice[1].hash = 2;	/* what no NIC would say of the same frame */
	hpcap_capture_burst(&capture, twice, 2, false);
	hpcap_ring_stats(&capture.ring, &stats);
	CHECK_EQUAL(stats.published, 2);
	free(table);
	test_ring_free(memory);
}

static void accounts_hold_under_overload_churn_and_resets(void)
{
	struct hpcap_arrival burst[BURST];
	struct hpcapvf_stats stats;
	__u64 sent = 0;
	unsigned int step, open = 0, i;
	void *table;

	start(HPCAP_STAMP_AUTO);
	table = dedup_on();
	srand(11);
	for (step = 0; step < 20000; step++) {
		unsigned int listener = (unsigned int)rand() % HPCAPVF_LISTENERS_MAX, count = (unsigned int)rand() % 65;

		for (i = 0; i < count; i++) {
			burst[i] = arrival((__u32)rand());
			burst[i].flags = rand() % 50 ? 0 : HPCAP_ARRIVAL_ERROR;
			frames[rand() % POOL][20]++;	/* else all would be duplicates before long */
		}
		hpcap_capture_burst(&capture, burst, count, count == BURST);
		sent += count;
		if (step % 500 == 499) {
			hpcap_ring_count_reset(&capture.ring);
			hpcap_ring_publish(&capture.ring);
		}
		capture.dedup = step % 3000 < 2000 ? &dedup : NULL;	/* as when it is switched at run time */
		if (!(open & 1u << listener))
			open |= 1u << hpcap_ring_attach(&capture.ring);
		else if (rand() % 3)
			read_all(listener);
		else
			hpcap_ring_detach(&capture.ring, listener), open &= ~(1u << listener);
		test_ring_check_accounts(&capture.ring, &stats);
		CHECK_EQUAL(stats.received, sent);
	}
	printf("    of %llu: stored %llu, duplicates %llu, ring full %llu, no listener %llu, errors %llu, resets %llu\n",
	       stats.received, stats.published, stats.duplicates, stats.ring_full_drops, stats.no_listener_drops,
	       stats.errors, stats.resets);
	CHECK(stats.published && stats.duplicates && stats.ring_full_drops && stats.errors && stats.resets);
	free(table);
	test_ring_free(memory);
}

int main(void)
{
	RUN(times_are_now_and_in_order_with_every_method);
	RUN(duplicates_are_counted_and_not_stored);
	RUN(a_dropped_frame_is_not_remembered);
	RUN(the_nics_hash_is_used_if_there_is_one);
	RUN(accounts_hold_under_overload_churn_and_resets);
	return 0;
}
