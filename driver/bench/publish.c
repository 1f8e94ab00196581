// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What publishing a 60-byte frame costs (account, build the record, copy, publish each 64), beside a loop that
 * copies the same bytes from the same buffers to the same memory. No NIC, no clock, no reader that reads: the ring
 * is emptied by moving the read offset. Prints JSON. Best of several rounds: the machine may be shared.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/check.h"
#include "tests/ring_memory.h"

#define FRAME_BYTES 60u
#define RECORD_BYTES (HPCAPVF_RECORD_BYTES + FRAME_BYTES)
#define BUFFER_BYTES 2048u
#define BUFFERS 65536u	/* 128 MiB: more than the caches hold */
#define RING_BYTES (64u << 20)
#define BURST 64u
#define FRAMES (BUFFERS * 32u)
#define ROUNDS 7

static uint8_t *buffers;

static double ns_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double publish_ns(struct test_ring *ring, unsigned int listener)
{
	double start = ns_now();
	uint32_t i;

	for (i = 0; i < FRAMES; i++) {
		struct hpcap_frame frame = { .data = buffers + (uint64_t)(i % BUFFERS) * BUFFER_BYTES,
					     .length = FRAME_BYTES, .seconds = 1700000000, .nanoseconds = i };

		hpcap_ring_append(&ring->ring, &frame);
		if (i % BURST == BURST - 1) {
			hpcap_ring_publish(&ring->ring);
			hpcap_ring_advance(&ring->ring, listener, hpcap_ring_published_offset(&ring->ring));
		}
	}
	return (ns_now() - start) / FRAMES;
}

static double copy_ns(uint8_t *to)
{
	double start = ns_now();
	uint64_t position = 0;
	uint32_t i;

	for (i = 0; i < FRAMES; i++) {
		memcpy(to + position, buffers + (uint64_t)(i % BUFFERS) * BUFFER_BYTES, FRAME_BYTES);
		__asm__ volatile("" ::: "memory");
		position += RECORD_BYTES;
		if (position > RING_BYTES - RECORD_BYTES)
			position = 0;
	}
	return (ns_now() - start) / FRAMES;
}

int main(void)
{
	struct test_ring *ring = test_ring_create(RING_BYTES, 0, 0);
	unsigned int listener = (unsigned int)hpcap_ring_attach(&ring->ring);
	double publish = 1e9, copy = 1e9;
	struct hpcapvf_stats stats;
	int round;

	buffers = malloc((size_t)BUFFERS * BUFFER_BYTES);
	CHECK(buffers);
	memset(buffers, 0x5a, (size_t)BUFFERS * BUFFER_BYTES);
	for (round = 0; round < ROUNDS; round++) {
		double p = publish_ns(ring, listener), c = copy_ns(ring->ring.data);

		publish = p < publish ? p : publish;
		copy = c < copy ? c : copy;
	}
	test_ring_check_accounts(&ring->ring, &stats);
	CHECK_EQUAL(stats.published, (uint64_t)FRAMES * ROUNDS);
	printf("{\"frame_bytes\":%u,\"frames_per_round\":%u,\"rounds\":%d,\"publish_ns_per_frame\":%.2f,"
	       "\"copy_ns_per_frame\":%.2f,\"ratio\":%.2f}\n",
	       FRAME_BYTES, FRAMES, ROUNDS, publish, copy, publish / copy);
	free(buffers);
	test_ring_free(ring);
	return 0;
}
