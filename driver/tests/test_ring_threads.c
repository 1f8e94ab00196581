// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The ring with one producer and listeners that come, read and go at their own pace. Every listener must see
 * consecutive frames, unaltered, from where it attached on. Run under ThreadSanitizer.
 */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "libhpcapvf.h"
#include "tests/check.h"
#include "tests/frames.h"
#include "tests/ring_memory.h"

#define RING_BYTES (256u * 1024)
#define FRAMES 150000u
#define READERS 4u
#define BURST 16u

static struct test_ring *ring;
static pthread_mutex_t attach_lock = PTHREAD_MUTEX_INITIALIZER;
static int producer_done;
static uint64_t frames_read[READERS];

static unsigned int attach(void)
{
	int listener;

	pthread_mutex_lock(&attach_lock);
	listener = hpcap_ring_attach(&ring->ring);
	pthread_mutex_unlock(&attach_lock);
	CHECK(listener >= 0);
	return (unsigned int)listener;
}

static void detach(unsigned int listener)
{
	pthread_mutex_lock(&attach_lock);
	hpcap_ring_detach(&ring->ring, listener);
	pthread_mutex_unlock(&attach_lock);
}

/* The time of a frame is its number, so a reader knows what to expect wherever it begins. */
static uint64_t check_records(const uint8_t *records, uint64_t bytes, uint64_t *next, bool *known)
{
	uint64_t position = 0, count = 0;
	struct hpcapvf_frame frame;

	while (hpcapvf_next(records, bytes, &position, &frame) == 1) {
		if (*known && frame.nanoseconds < *next)
			CHECK_EQUAL(frame.nanoseconds, *next);
		CHECK(frame_matches(frame.data, frame.caplen, frame.nanoseconds));
		*next = frame.nanoseconds + 1;
		*known = true;
		count++;
	}
	CHECK_EQUAL(position, bytes);
	return count;
}

static void *read_in_rounds(void *argument)
{
	uint64_t reader = (uint64_t)(uintptr_t)argument;
	bool done = false;

	while (!done) {
		unsigned int listener = attach(), rounds = 200 + 100 * (unsigned int)reader;
		uint64_t next = 0;
		bool known = false;

		while (rounds-- && !done) {
			uint64_t bytes;
			const uint8_t *records;

			done = __atomic_load_n(&producer_done, __ATOMIC_ACQUIRE);
			records = hpcap_ring_view(&ring->ring, listener, (__u64 *)&bytes);
			frames_read[reader] += check_records(records, bytes, &next, &known);
			CHECK_EQUAL(hpcap_ring_advance(&ring->ring, listener,
						       hpcap_ring_read_offset(&ring->ring, listener) + bytes), 0);
			if (!bytes)
				usleep(20);
		}
		detach(listener);
	}
	return NULL;
}

static void *watch_accounts(void *unused)
{
	uint64_t last = 0;

	while (!__atomic_load_n(&producer_done, __ATOMIC_ACQUIRE)) {
		struct hpcapvf_stats stats;

		test_ring_check_accounts(&ring->ring, &stats);
		CHECK(stats.received >= last);
		last = stats.received;
	}
	return unused;
}

static void produce(void)
{
	uint64_t number;

	for (number = 0; number < FRAMES; number++) {
		test_ring_append(ring, number);
		if (number % BURST == BURST - 1)
			hpcap_ring_publish(&ring->ring);
		if (number % 2048 == 0)
			usleep(50);
	}
	hpcap_ring_publish(&ring->ring);
}

int main(void)
{
	pthread_t readers[READERS], accountant;
	struct hpcapvf_stats stats;
	uintptr_t i;

	ring = test_ring_create(RING_BYTES, 0, (1ull << 32) - 5 * RING_BYTES);
	for (i = 0; i < READERS; i++)
		CHECK_EQUAL(pthread_create(&readers[i], NULL, read_in_rounds, (void *)i), 0);
	CHECK_EQUAL(pthread_create(&accountant, NULL, watch_accounts, NULL), 0);
	produce();
	__atomic_store_n(&producer_done, 1, __ATOMIC_RELEASE);
	for (i = 0; i < READERS; i++)
		CHECK_EQUAL(pthread_join(readers[i], NULL), 0);
	CHECK_EQUAL(pthread_join(accountant, NULL), 0);
	test_ring_check_accounts(&ring->ring, &stats);
	CHECK_EQUAL(stats.received, FRAMES);
	CHECK(stats.published > 0);
	for (i = 0; i < READERS; i++)
		CHECK(frames_read[i] > 0);
	printf("  published %llu, ring full %llu, no listener %llu; read %llu %llu %llu %llu\n",
	       (unsigned long long)stats.published, (unsigned long long)stats.ring_full_drops,
	       (unsigned long long)stats.no_listener_drops, (unsigned long long)frames_read[0],
	       (unsigned long long)frames_read[1], (unsigned long long)frames_read[2],
	       (unsigned long long)frames_read[3]);
	test_ring_free(ring);
	return 0;
}
