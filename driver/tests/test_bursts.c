// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Bursts of frames of every kind: plain ones are stored in runs, the others one by one, and a reader cannot tell. Each
 * burst is compared with what was put in: content, lengths, order, accounts, and times shared out by length.
 */
#include <stdlib.h>

#include "core/capture.h"
#include "libhpcapvf.h"
#include "tests/check.h"
#include "tests/ring_memory.h"

#define RING_BYTES (256u * 1024)
#define BURST 64u
#define NS_PER_SECOND 1000000000ull
#define VLAN_TCI 0x0123u

static struct hpcapvf_control control;
static struct hpcap_capture capture;
static __u8 data[1u << 17], buffer[2 * RING_BYTES];
static struct test_ring *memory;
static unsigned int listener;

static __u64 ticks_now(void)
{
	return core_ticks();
}

static __u64 real_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (__u64)now.tv_sec * NS_PER_SECOND + (__u64)now.tv_nsec;
}

static int copy(void *to, const void *from, __u64 bytes)
{
	memcpy(to, from, bytes);
	return 0;
}

static void start(enum hpcap_stamp_method method, __u32 caplen)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	__u32 i;

	memset(&capture, 0, sizeof(capture));
	memory = test_ring_create(RING_BYTES, 0, 0);
	CHECK_EQUAL(hpcap_ring_init(&capture.ring, memory->ring.data, RING_BYTES, &control, caplen, 0), 0);
	hpcap_clock_begin(&capture.clock, ticks_now, real_now);
	nanosleep(&pause, NULL);
	hpcap_clock_start(&capture.clock);
	capture.stamper.method = method;
	listener = (unsigned int)hpcap_ring_attach(&capture.ring);
	for (i = 0; i < sizeof(data); i++)
		data[i] = (__u8)(i * 2654435761u >> 24);
}

static struct hpcap_arrival arrival(__u32 length, __u16 flags)
{
	return (struct hpcap_arrival){ .data = data + rand() % 4096, .length = length, .flags = flags,
				       .vlan_tci = VLAN_TCI };
}

static __u32 smaller(__u32 a, __u32 b)
{
	return a < b ? a : b;
}

/* Is this what such a frame is stored as? */
static void check_frame(const struct hpcapvf_frame *frame, const struct hpcap_arrival *sent)
{
	static const __u8 tag[4] = { 0x81, 0x00, VLAN_TCI >> 8, VLAN_TCI & 0xff };
	const bool stripped = sent->flags & HPCAP_ARRIVAL_VLAN_STRIPPED;
	const __u32 wire = sent->length + (stripped ? 4 : 0);
	const __u32 caplen = capture.ring.caplen ? smaller(capture.ring.caplen, wire) : wire;

	CHECK_EQUAL(frame->len, wire);
	CHECK_EQUAL(frame->caplen, caplen);
	if (!stripped) {
		CHECK(memcmp(frame->data, sent->data, caplen) == 0);
		return;
	}
	CHECK(memcmp(frame->data, sent->data, 12) == 0 && memcmp(frame->data + 12, tag, 4) == 0);
	CHECK(memcmp(frame->data + 16, sent->data + 12, caplen - 16) == 0);
}

static bool is_stored(const struct hpcap_arrival *sent)
{
	return !(sent->flags & HPCAP_ARRIVAL_ERROR) && sent->length <= HPCAPVF_CAPLEN_MAX;
}

/* Stores a burst, reads it back; times (or NULL): of each frame that was stored. Returns how many were. */
static unsigned int pass(const struct hpcap_arrival *burst, unsigned int count, __u64 *times)
{
	uint64_t position = 0, last = 0;
	struct hpcapvf_frame frame;
	unsigned int i, stored = 0;
	__s64 bytes;

	hpcap_capture_burst(&capture, burst, count, count == BURST);
	bytes = hpcap_ring_read(&capture.ring, listener, buffer, sizeof(buffer), copy);
	CHECK(bytes >= 0);
	for (i = 0; i < count; i++) {
		if (!is_stored(&burst[i]))
			continue;
		CHECK_EQUAL(hpcapvf_next(buffer, (uint64_t)bytes, &position, &frame), 1);
		check_frame(&frame, &burst[i]);
		CHECK(frame.nanoseconds < NS_PER_SECOND);
		CHECK(frame.seconds * NS_PER_SECOND + frame.nanoseconds >= last);
		last = frame.seconds * NS_PER_SECOND + frame.nanoseconds;
		if (times)
			times[stored] = last;
		stored++;
	}
	CHECK_EQUAL(position, (uint64_t)bytes);
	return stored;
}

static void every_length_is_copied_whole(void)
{
	struct hpcap_arrival one;
	__u32 length;

	start(HPCAP_STAMP_FRAME, 0);
	for (length = 0; length <= 1600; length++) {
		one = arrival(length, 0);
		CHECK_EQUAL(pass(&one, 1, NULL), 1);
	}
	one = arrival(HPCAPVF_CAPLEN_MAX, 0);
	CHECK_EQUAL(pass(&one, 1, NULL), 1);
	one = arrival(HPCAPVF_CAPLEN_MAX + 1, 0);
	CHECK_EQUAL(pass(&one, 1, NULL), 0);
	test_ring_free(memory);
}

static __u16 any_flags(void)
{
	static const __u16 flags[] = { HPCAP_ARRIVAL_ERROR, HPCAP_ARRIVAL_VLAN_STRIPPED, HPCAP_ARRIVAL_HASH };
	const int choice = rand() % 16;

	return choice < 3 ? flags[choice] : 0;
}

/* Around the ring's end many times, with and without caplen. */
static void bursts_of_all_kinds_are_stored_as_they_came(void)
{
	static const __u32 caplens[] = { 0, 64, 70 };
	struct hpcapvf_stats stats;
	unsigned int round, i;

	srand(3);
	for (round = 0; round < 3 * 4; round++) {
		__u64 stored = 0, sent = 0;
		unsigned int step;

		start(round % 4, caplens[round / 4]);
		for (step = 0; step < 400; step++) {
			const unsigned int count = rand() % 3 ? BURST : (unsigned int)rand() % BURST + 1;
			struct hpcap_arrival burst[BURST];

			for (i = 0; i < count; i++)
				burst[i] = arrival(60 + (__u32)rand() % (rand() % 2 ? 8 : 1455), any_flags());
			if (rand() % 8 == 0)
				burst[rand() % (int)count].length = HPCAPVF_CAPLEN_MAX + 1;
			stored += pass(burst, count, NULL);
			sent += count;
		}
		test_ring_check_accounts(&capture.ring, &stats);
		CHECK_EQUAL(stats.received, sent);
		CHECK_EQUAL(stats.published, stored);
		CHECK_EQUAL(stats.errors, sent - stored);
		CHECK_EQUAL(stats.clock_steps_back, 0);
		test_ring_free(memory);
	}
}

/* Without a reader: what fits is whole, the rest is counted. */
static void a_run_ends_where_the_ring_is_full(void)
{
	struct hpcap_arrival burst[BURST];
	struct hpcapvf_stats stats;
	uint64_t position = 0;
	struct hpcapvf_frame frame;
	unsigned int i, bursts, count = 0;
	__s64 bytes;

	start(HPCAP_STAMP_WDTS, 0);
	for (i = 0; i < BURST; i++)
		burst[i] = arrival(100 + i, 0);
	for (bursts = 0; bursts < RING_BYTES / 5000; bursts++)
		hpcap_capture_burst(&capture, burst, BURST, true);
	test_ring_check_accounts(&capture.ring, &stats);
	bytes = hpcap_ring_read(&capture.ring, listener, buffer, sizeof(buffer), copy);
	for (; hpcapvf_next(buffer, (uint64_t)bytes, &position, &frame) == 1; count++)
		CHECK(frame.len >= 100 && frame.len < 100 + BURST && frame.caplen == frame.len);
	CHECK_EQUAL(position, (uint64_t)bytes);
	CHECK(bytes > RING_BYTES - 200);
	CHECK_EQUAL(stats.published, count);
	CHECK_EQUAL(stats.ring_full_drops, (__u64)bursts * BURST - count);
	test_ring_free(memory);
}

/* A burst that took that long is shared out by what frames take of the link, also where a second ends in it. */
static void times_are_shared_out_by_length(__u64 gap_ns)
{
	struct hpcap_arrival burst[BURST];
	__u64 times[BURST], weight = 0, total = 0, begin;
	unsigned int i;

	start(HPCAP_STAMP_WDTS, 0);
	burst[0] = arrival(60, 0);
	pass(burst, 1, times);
	for (i = 0; i < BURST; i++) {
		burst[i] = arrival(60 + 20 * i, 0);
		total += 60 + 20 * i + HPCAP_LINK_OVERHEAD_BYTES;
	}
	begin = capture.stamper.last_ns -= gap_ns;
	capture.stamper.second = (__u32)(begin / NS_PER_SECOND);
	capture.stamper.second_begin_ns = begin - begin % NS_PER_SECOND;
	CHECK_EQUAL(pass(burst, BURST, times), BURST);
	for (i = 0; i < BURST; i++) {
		const __u64 took = times[BURST - 1] - begin;

		weight += 60 + 20 * i + HPCAP_LINK_OVERHEAD_BYTES;
		CHECK(llabs((long long)(times[i] - begin - took * weight / total)) <= 2);
	}
	test_ring_free(memory);
}

static void times_within_a_second_are_shared_out_by_length(void)
{
	times_are_shared_out_by_length(0);
}

static void times_across_seconds_are_shared_out_by_length(void)
{
	times_are_shared_out_by_length(5 * NS_PER_SECOND / 2);
}

int main(void)
{
	RUN(every_length_is_copied_whole);
	RUN(bursts_of_all_kinds_are_stored_as_they_came);
	RUN(a_run_ends_where_the_ring_is_full);
	RUN(times_within_a_second_are_shared_out_by_length);
	RUN(times_across_seconds_are_shared_out_by_length);
	return 0;
}
