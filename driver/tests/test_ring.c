// SPDX-License-Identifier: GPL-2.0-or-later
/* The ring in one thread: wrapping, accounting, listeners, large offsets. */
#include <stdlib.h>

#include "libhpcapvf.h"
#include "tests/check.h"
#include "tests/frames.h"
#include "tests/ring_memory.h"

#define RING_BYTES (256u * 1024)

/* Reads all that is unread of one listener; the frames must be first, first + 1 ... Returns the next number. */
static uint64_t read_all(struct test_ring *ring, unsigned int listener, uint64_t first)
{
	uint64_t bytes, position = 0;
	const uint8_t *records = hpcap_ring_view(&ring->ring, listener, (__u64 *)&bytes);
	struct hpcapvf_frame frame;

	while (hpcapvf_next(records, bytes, &position, &frame) == 1) {
		CHECK_EQUAL(frame.len, frame_length(first));
		CHECK(frame_matches(frame.data, frame.caplen, first));
		first++;
	}
	CHECK_EQUAL(position, bytes);
	CHECK_EQUAL(hpcap_ring_advance(&ring->ring, listener, hpcap_ring_read_offset(&ring->ring, listener) + bytes), 0);
	return first;
}

static void frames_come_out_as_they_went_in_from(uint64_t start)
{
	struct test_ring *ring = test_ring_create(RING_BYTES, 0, start);
	int listener = hpcap_ring_attach(&ring->ring);
	uint64_t number, next = 0;
	struct hpcapvf_stats stats;

	CHECK_EQUAL(listener, 0);
	for (number = 0; number < 20000; number++) {
		CHECK_EQUAL(test_ring_append(ring, number), HPCAP_PUBLISHED);
		if (number % 64 == 63) {
			hpcap_ring_publish(&ring->ring);
			next = read_all(ring, (unsigned int)listener, next);
			CHECK_EQUAL(next, number + 1);
		}
	}
	test_ring_check_accounts(&ring->ring, &stats);
	CHECK_EQUAL(stats.published, 20000 - 20000 % 64);	/* the rest is not published yet */
	CHECK(stats.write_offset - start > 10ull * RING_BYTES);
	test_ring_free(ring);
}

static void wraps_from_offset_0(void)
{
	frames_come_out_as_they_went_in_from(0);
}

static void wraps_across_32_bits(void)
{
	frames_come_out_as_they_went_in_from((1ull << 32) - 3 * RING_BYTES - 77);
}

static void wraps_across_2_to_the_40(void)
{
	frames_come_out_as_they_went_in_from((1ull << 40) - 12345);
}

static void caplen_cuts_but_keeps_the_length(void)
{
	struct test_ring *ring = test_ring_create(RING_BYTES, 64, 0);
	int listener = hpcap_ring_attach(&ring->ring);
	uint64_t number;

	for (number = 0; number < 100; number++)
		CHECK_EQUAL(test_ring_append(ring, number), HPCAP_PUBLISHED);
	hpcap_ring_publish(&ring->ring);
	CHECK(hpcap_ring_available(&ring->ring, (unsigned int)listener) <= 100 * (12 + 64));
	CHECK_EQUAL(read_all(ring, (unsigned int)listener, 0), 100);
	test_ring_free(ring);
}

static void nothing_is_visible_before_publish(void)
{
	struct test_ring *ring = test_ring_create(RING_BYTES, 0, 0);
	unsigned int listener = (unsigned int)hpcap_ring_attach(&ring->ring);
	struct hpcapvf_stats stats;

	test_ring_append(ring, 0);
	CHECK_EQUAL(hpcap_ring_available(&ring->ring, listener), 0);
	test_ring_check_accounts(&ring->ring, &stats);
	CHECK_EQUAL(stats.received, 0);
	hpcap_ring_publish(&ring->ring);
	CHECK_EQUAL(hpcap_ring_available(&ring->ring, listener), 12 + frame_length(0));
	test_ring_free(ring);
}

static void full_ring_drops_counts_and_recovers(void)
{
	struct test_ring *ring = test_ring_create(RING_BYTES, 0, 0);
	unsigned int slow = (unsigned int)hpcap_ring_attach(&ring->ring);
	unsigned int fast = (unsigned int)hpcap_ring_attach(&ring->ring);
	struct hpcapvf_stats stats;
	uint64_t number = 0, stored, unread;

	while (test_ring_append(ring, number) == HPCAP_PUBLISHED)
		number++;
	stored = number;
	hpcap_ring_publish(&ring->ring);
	CHECK_EQUAL(read_all(ring, fast, 0), stored);	/* a fast reader does not help the slow one */
	CHECK_EQUAL(test_ring_append(ring, number), HPCAP_RING_FULL);
	hpcap_ring_publish(&ring->ring);
	unread = hpcap_ring_available(&ring->ring, slow);
	CHECK(unread <= RING_BYTES && unread > RING_BYTES - 2 * FRAME_BYTES_MAX);	/* full is not read as empty */
	CHECK_EQUAL(read_all(ring, slow, 0), stored);
	test_ring_check_accounts(&ring->ring, &stats);
	CHECK_EQUAL(stats.published, stored);
	CHECK_EQUAL(stats.ring_full_drops, 2);
	CHECK_EQUAL(test_ring_append(ring, 7), HPCAP_PUBLISHED);
	hpcap_ring_publish(&ring->ring);
	CHECK_EQUAL(read_all(ring, slow, 7), 8);
	test_ring_free(ring);
}

static void exactly_full_is_still_whole(void)
{
	struct test_ring *ring = test_ring_create(RING_BYTES, 0, 4096 - 12);
	unsigned int listener = (unsigned int)hpcap_ring_attach(&ring->ring);
	static const uint8_t data[2048 - 12];
	struct hpcap_frame frame = { .data = data, .length = sizeof(data), .seconds = 1 };
	unsigned int i;

	for (i = 0; i < RING_BYTES / 2048; i++)
		CHECK_EQUAL(hpcap_ring_append(&ring->ring, &frame), HPCAP_PUBLISHED);
	CHECK_EQUAL(hpcap_ring_append(&ring->ring, &frame), HPCAP_RING_FULL);
	hpcap_ring_publish(&ring->ring);
	CHECK_EQUAL(hpcap_ring_available(&ring->ring, listener), RING_BYTES);
	test_ring_free(ring);
}

static void no_listener_is_counted_apart(void)
{
	struct test_ring *ring = test_ring_create(RING_BYTES, 0, 0);
	struct hpcapvf_stats stats;
	unsigned int listener;

	CHECK_EQUAL(test_ring_append(ring, 0), HPCAP_NO_LISTENER);
	hpcap_ring_count_error(&ring->ring, 4000);
	listener = (unsigned int)hpcap_ring_attach(&ring->ring);
	CHECK_EQUAL(test_ring_append(ring, 1), HPCAP_PUBLISHED);
	hpcap_ring_detach(&ring->ring, listener);
	CHECK_EQUAL(test_ring_append(ring, 2), HPCAP_NO_LISTENER);
	hpcap_ring_publish(&ring->ring);
	test_ring_check_accounts(&ring->ring, &stats);
	CHECK_EQUAL(stats.received, 4);
	CHECK_EQUAL(stats.no_listener_drops, 2);
	CHECK_EQUAL(stats.errors, 1);
	CHECK_EQUAL(stats.error_bytes, 4000);
	test_ring_free(ring);
}

static void places_are_limited_and_reused(void)
{
	struct test_ring *ring = test_ring_create(RING_BYTES, 0, 0);
	uint64_t number;
	unsigned int i;

	for (i = 0; i < HPCAPVF_LISTENERS_MAX; i++)
		CHECK_EQUAL(hpcap_ring_attach(&ring->ring), i);
	CHECK_EQUAL(-hpcap_ring_attach(&ring->ring), EBUSY);
	hpcap_ring_detach(&ring->ring, 3);
	CHECK_EQUAL(hpcap_ring_listeners(&ring->ring), HPCAPVF_LISTENERS_MAX - 1);
	for (number = 0; number < 10; number++)
		test_ring_append(ring, number);
	hpcap_ring_publish(&ring->ring);
	CHECK_EQUAL(hpcap_ring_attach(&ring->ring), 3);
	/* the new one in the old place begins now, the others see all */
	CHECK_EQUAL(hpcap_ring_available(&ring->ring, 3), 0);
	CHECK_EQUAL(read_all(ring, 4, 0), 10);
	test_ring_free(ring);
}

/* What a reader has not freed is held, by the slowest lossless one, and never more than the ring. */
static void what_is_held_is_told(void)
{
	struct test_ring *ring = test_ring_create(RING_BYTES, 0, 0);
	unsigned int first, second;

	CHECK_EQUAL(hpcap_ring_held(&ring->ring), 0);
	first = (unsigned int)hpcap_ring_attach(&ring->ring);
	test_ring_append(ring, 0);
	CHECK_EQUAL(hpcap_ring_held(&ring->ring), 0);
	hpcap_ring_publish(&ring->ring);
	CHECK_EQUAL(hpcap_ring_held(&ring->ring), 12 + frame_length(0));
	second = (unsigned int)hpcap_ring_attach(&ring->ring);
	test_ring_append(ring, 1);
	hpcap_ring_publish(&ring->ring);
	CHECK_EQUAL(hpcap_ring_held(&ring->ring), 24 + frame_length(0) + frame_length(1));
	CHECK_EQUAL(hpcap_ring_set_policy(&ring->ring, first, true), 0);
	CHECK_EQUAL(hpcap_ring_held(&ring->ring), 12 + frame_length(1));
	CHECK_EQUAL(hpcap_ring_advance(&ring->ring, second, 24 + frame_length(0) + frame_length(1)), 0);
	CHECK_EQUAL(hpcap_ring_held(&ring->ring), 0);
	hpcap_ring_detach(&ring->ring, second);
	test_ring_append(ring, 2);
	hpcap_ring_publish(&ring->ring);
	CHECK_EQUAL(hpcap_ring_held(&ring->ring), 0);
	test_ring_free(ring);
}

static void advance_is_bounded(void)
{
	struct test_ring *ring = test_ring_create(RING_BYTES, 0, 1000);
	unsigned int listener = (unsigned int)hpcap_ring_attach(&ring->ring);

	test_ring_append(ring, 0);
	hpcap_ring_publish(&ring->ring);
	CHECK_EQUAL(-hpcap_ring_advance(&ring->ring, listener, 999), EINVAL);
	CHECK_EQUAL(-hpcap_ring_advance(&ring->ring, listener, 1000 + 12 + frame_length(0) + 1), EINVAL);
	CHECK_EQUAL(-hpcap_ring_advance(&ring->ring, listener, UINT64_MAX), EINVAL);
	CHECK_EQUAL(hpcap_ring_advance(&ring->ring, listener, 1000 + 12 + frame_length(0)), 0);
	CHECK_EQUAL(-hpcap_ring_advance(&ring->ring, listener, 1000), EINVAL);
	test_ring_free(ring);
}

static void append_and_read(struct test_ring *ring, unsigned int listener, uint64_t first, uint64_t count)
{
	uint64_t number;

	for (number = first; number < first + count; number++) {
		CHECK_EQUAL(test_ring_append(ring, number), HPCAP_PUBLISHED);
		hpcap_ring_publish(&ring->ring);
		CHECK_EQUAL(read_all(ring, listener, number), number + 1);
	}
}

/* From small memory to 6 GiB of addresses and back; offsets and counters go on. */
static void memory_can_be_exchanged(void)
{
	const uint64_t big = 6ull << 30;
	struct test_ring *ring = test_ring_create(RING_BYTES, 0, 11 * big - 100000), *other = test_ring_create(big, 0, 0);
	unsigned int listener = (unsigned int)hpcap_ring_attach(&ring->ring);
	uint8_t *small = ring->ring.data;
	struct hpcapvf_listener_stats account;
	struct hpcapvf_stats stats;

	append_and_read(ring, listener, 0, 1000);
	CHECK_EQUAL(test_ring_append(ring, 1000), HPCAP_PUBLISHED);
	hpcap_ring_publish(&ring->ring);
	CHECK_EQUAL(-hpcap_ring_move(&ring->ring, other->ring.data, 65536), EINVAL);
	CHECK_EQUAL(hpcap_ring_move(&ring->ring, other->ring.data, big), 0);
	append_and_read(ring, listener, 1001, 1000);
	CHECK_EQUAL(hpcap_ring_move(&ring->ring, small, RING_BYTES), 0);
	append_and_read(ring, listener, 2001, 1000);
	test_ring_check_accounts(&ring->ring, &stats);
	CHECK_EQUAL(stats.published, 3001);
	hpcap_ring_listener_stats(&ring->ring, listener, &account);
	CHECK_EQUAL(account.lost, 1);
	CHECK_EQUAL(account.read, 3000);
	CHECK_EQUAL(account.unread, 0);
	test_ring_free(other);
	test_ring_free(ring);
}

static void too_small_a_ring_is_refused(void)
{
	struct hpcapvf_control control;
	struct hpcap_ring ring;

	CHECK_EQUAL(-hpcap_ring_init(&ring, NULL, 65536, &control, 0, 0), EINVAL);
}

int main(void)
{
	RUN(wraps_from_offset_0);
	RUN(wraps_across_32_bits);
	RUN(wraps_across_2_to_the_40);
	RUN(caplen_cuts_but_keeps_the_length);
	RUN(nothing_is_visible_before_publish);
	RUN(full_ring_drops_counts_and_recovers);
	RUN(exactly_full_is_still_whole);
	RUN(no_listener_is_counted_apart);
	RUN(places_are_limited_and_reused);
	RUN(what_is_held_is_told);
	RUN(advance_is_bounded);
	RUN(memory_can_be_exchanged);
	RUN(too_small_a_ring_is_refused);
	return 0;
}
