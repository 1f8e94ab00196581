// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A ring of 5 GiB with all of its memory: filled until it is full, read whole, and filled again across its end. The
 * test of positions beyond 32 bits on sparse memory (test_listeners.c) touches a few places only.
 */
#include <sys/sysinfo.h>

#include "libhpcapvf.h"
#include "tests/check.h"
#include "tests/frames.h"
#include "tests/ring_memory.h"

#define GIB (1ull << 30)
#define RING_BYTES (5 * GIB)
#define BURST 64u

/* Appends frames from number on until limit bytes are written or the ring is full. Returns the number after the last. */
static uint64_t fill(struct test_ring *ring, uint64_t number, uint64_t limit)
{
	const uint64_t end = ring->ring.write_offset + limit;
	uint64_t first = number;

	while (ring->ring.write_offset < end && test_ring_append(ring, number) == HPCAP_PUBLISHED)
		if ((++number - first) % BURST == 0)
			hpcap_ring_publish(&ring->ring);
	hpcap_ring_publish(&ring->ring);
	return number;
}

static void read_all(struct test_ring *ring, unsigned int listener, uint64_t number, uint64_t end)
{
	uint64_t position = 0;
	__u64 length;
	const uint8_t *records = hpcap_ring_view(&ring->ring, listener, &length);
	const uint64_t begin = hpcap_ring_read_offset(&ring->ring, listener);
	struct hpcapvf_frame frame;

	for (; number < end; number++) {
		CHECK_EQUAL(hpcapvf_next(records, length, &position, &frame), 1);
		CHECK(frame.caplen == frame_length(number) && frame_matches(frame.data, frame.caplen, number));
	}
	CHECK_EQUAL(position, length);
	CHECK_EQUAL(hpcap_ring_advance(&ring->ring, listener, begin + length), 0);
}

int main(void)
{
	struct test_ring *ring;
	unsigned int listener;
	struct hpcapvf_stats stats;
	uint64_t full, end;
	struct sysinfo machine;

	CHECK_EQUAL(sysinfo(&machine), 0);
	if ((machine.freeram + machine.bufferram) * (uint64_t)machine.mem_unit < RING_BYTES + GIB) {
		printf("skipped: less than 6 GiB of free memory\n");
		return 0;
	}
	ring = test_ring_create(RING_BYTES, 0, 0);
	listener = (unsigned int)hpcap_ring_attach(&ring->ring);
	full = fill(ring, 0, 2 * RING_BYTES);
	test_ring_check_accounts(&ring->ring, &stats);
	CHECK(stats.ring_full_drops == 1 && RING_BYTES - stats.write_offset < 2 * FRAME_BYTES_MAX);
	read_all(ring, listener, 0, full);
	end = fill(ring, full, GIB);
	read_all(ring, listener, full, end);
	test_ring_check_accounts(&ring->ring, &stats);
	CHECK(stats.published == end && stats.write_offset > RING_BYTES + GIB);
	printf("%llu frames, %llu bytes through a ring of %llu bytes\n", (unsigned long long)end,
	       (unsigned long long)stats.write_offset, RING_BYTES);
	test_ring_free(ring);
	return 0;
}
