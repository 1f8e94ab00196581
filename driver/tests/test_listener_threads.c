// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One producer that nobody holds, and lossy readers of several speeds: whatever is read is whole, and what is
 * missing in between is what the loss records say, frame by frame. Run under ThreadSanitizer.
 */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "libhpcapvf.h"
#include "tests/check.h"
#include "tests/frames.h"
#include "tests/ring_memory.h"

#define RING_BYTES (256u * 1024)
#define FRAMES 120000u
#define READERS 4u
#define BURST 16u

static struct test_ring *ring;
static pthread_mutex_t attach_lock = PTHREAD_MUTEX_INITIALIZER;
static int producer_done;

struct reader {
	pthread_t thread;
	unsigned int number;
	uint64_t read;
	uint64_t lost;
	uint64_t overtaken;
	uint8_t buffer[RING_BYTES];
};

static struct reader readers[READERS];

/* Racing with the producer is the point; volatile keeps the compiler from calling memcpy, which is watched. */
core_unwatched static int copy_while_it_changes(void *to, const void *from, __u64 bytes)
{
	const volatile uint8_t *source = from;
	uint8_t *target = to;
	uint64_t i;

	for (i = 0; i < bytes; i++)
		target[i] = source[i];
	return 0;
}

static void check_records(struct reader *self, uint64_t bytes, uint64_t *next, bool *known)
{
	uint64_t position = 0;
	struct hpcapvf_frame frame;
	struct hpcapvf_loss loss;

	while (hpcapvf_next(self->buffer, bytes, &position, &frame) == 1) {
		if (!frame.seconds) {
			memcpy(&loss, frame.data, sizeof(loss));
			*next += loss.frames;
			self->lost += loss.frames;
			CHECK(!*known || loss.nanoseconds == *next - 1);
			continue;
		}
		if (*known)
			CHECK_EQUAL(frame.nanoseconds, *next);
		CHECK(frame_matches(frame.data, frame.caplen, frame.nanoseconds));
		*next = frame.nanoseconds + 1u;
		*known = true;
		self->read++;
	}
	CHECK_EQUAL(position, bytes);
}

static void *read_on(void *argument)
{
	struct reader *self = argument;
	struct hpcapvf_listener_stats stats;
	uint64_t next = 0;
	bool known = false, done = false;
	unsigned int listener;

	pthread_mutex_lock(&attach_lock);
	listener = (unsigned int)hpcap_ring_attach(&ring->ring);
	CHECK_EQUAL(hpcap_ring_set_policy(&ring->ring, listener, true), 0);
	pthread_mutex_unlock(&attach_lock);
	while (!done) {
		int64_t bytes;

		done = __atomic_load_n(&producer_done, __ATOMIC_ACQUIRE);
		while ((bytes = hpcap_ring_read(&ring->ring, listener, self->buffer, 65536, copy_while_it_changes)) > 0)
			check_records(self, (uint64_t)bytes, &next, &known);
		CHECK_EQUAL(bytes, 0);
		usleep(200 * self->number);
		hpcap_ring_listener_stats(&ring->ring, listener, &stats);
		CHECK_EQUAL(stats.offered, stats.read + stats.lost + stats.unread);
		CHECK_EQUAL(stats.offered_bytes, stats.read_bytes + stats.lost_bytes + stats.unread_bytes);
	}
	CHECK_EQUAL(stats.read, self->read);
	CHECK_EQUAL(stats.lost, self->lost);
	CHECK_EQUAL(stats.unread, 0);
	CHECK_EQUAL(next, FRAMES);
	self->overtaken = stats.overtaken;
	return NULL;
}

int main(void)
{
	uint64_t number, overtaken = 0;
	struct hpcapvf_stats stats;
	unsigned int i;

	ring = test_ring_create(RING_BYTES, 0, (1ull << 32) - 5 * RING_BYTES);
	for (i = 0; i < READERS; i++) {
		readers[i].number = i;
		CHECK_EQUAL(pthread_create(&readers[i].thread, NULL, read_on, &readers[i]), 0);
	}
	while (hpcap_ring_listeners(&ring->ring) < READERS)
		usleep(100);
	pthread_mutex_lock(&attach_lock);	/* the last one is lossy by now, too */
	pthread_mutex_unlock(&attach_lock);
	for (number = 0; number < FRAMES; number++) {
		CHECK_EQUAL(test_ring_append(ring, number), HPCAP_PUBLISHED);
		if (number % BURST == BURST - 1)
			hpcap_ring_publish(&ring->ring);
		if (number % 2048 == 0)
			usleep(50);
	}
	hpcap_ring_publish(&ring->ring);
	__atomic_store_n(&producer_done, 1, __ATOMIC_RELEASE);
	for (i = 0; i < READERS; i++) {
		CHECK_EQUAL(pthread_join(readers[i].thread, NULL), 0);
		overtaken += readers[i].overtaken;
		printf("  read %llu, lost %llu, overtaken %llu times\n", (unsigned long long)readers[i].read,
		       (unsigned long long)readers[i].lost, (unsigned long long)readers[i].overtaken);
	}
	CHECK(overtaken > READERS);
	test_ring_check_accounts(&ring->ring, &stats);
	CHECK_EQUAL(stats.published, FRAMES);
	CHECK_EQUAL(stats.ring_full_drops, 0);
	test_ring_free(ring);
	return 0;
}
