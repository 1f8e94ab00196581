// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/ring_memory.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/frames.h"

#define FIRST_SECOND 1700000000u
#define NANOSECONDS_PER_SECOND 1000000000u

static void *map_twice(uint64_t bytes)
{
	int fd = memfd_create("ring", MFD_CLOEXEC);
	unsigned char *base;

	CHECK(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0);
	base = mmap(NULL, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(base != MAP_FAILED);
	CHECK(mmap(base, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == base);
	CHECK(mmap(base + bytes, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == base + bytes);
	close(fd);
	return base;
}

struct test_ring *test_ring_create(uint64_t bytes, uint32_t caplen, uint64_t start)
{
	struct test_ring *ring = aligned_alloc(CORE_CACHE_LINE, (sizeof(*ring) + 63) / 64 * 64);

	CHECK(ring);
	memset(ring, 0, sizeof(*ring));
	ring->bytes = bytes;
	CHECK_EQUAL(hpcap_ring_init(&ring->ring, map_twice(bytes), bytes, &ring->control, caplen, start), 0);
	return ring;
}

void test_ring_free(struct test_ring *ring)
{
	munmap(ring->ring.data, 2 * ring->bytes);
	free(ring);
}

enum hpcap_verdict test_ring_append(struct test_ring *ring, uint64_t number)
{
	uint8_t data[FRAME_BYTES_MAX];
	struct hpcap_frame frame = {
		.data = data,
		.length = frame_length(number),
		.seconds = FIRST_SECOND + (__u32)(number / NANOSECONDS_PER_SECOND),
		.nanoseconds = (__u32)(number % NANOSECONDS_PER_SECOND),
	};

	frame_fill(data, number);
	return hpcap_ring_append(&ring->ring, &frame);
}

void test_ring_check_accounts(const struct hpcap_ring *ring, struct hpcapvf_stats *out)
{
	hpcap_ring_stats(ring, out);
	CHECK_EQUAL(out->received, out->published + out->duplicates + out->ring_full_drops + out->no_listener_drops +
				   out->errors);
	CHECK_EQUAL(out->received_bytes,
		    out->published_bytes + out->duplicate_bytes + out->ring_full_bytes + out->no_listener_bytes + out->error_bytes);
}
