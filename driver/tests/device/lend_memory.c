// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Huge pages as the ring: lend_memory DEVICE MIB. Tries what must be refused, then lends; says "lent", and for each line
 * of its standard input what it has read since. Ends with its input.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "libhpcapvf.h"
#include "tests/check.h"

#define HUGE_BYTES (2ull << 20)

static void *map(uint64_t bytes, int flags)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	CHECK(memory != MAP_FAILED);
	return memory;
}

static void wrong_memory_is_refused(struct hpcapvf *capture, const char *device, uint8_t *huge, uint64_t bytes)
{
	uint8_t *small = map(4 * HUGE_BYTES, 0);
	uint8_t *aligned = (uint8_t *)(((uintptr_t)small + HUGE_BYTES - 1) / HUGE_BYTES * HUGE_BYTES);
	struct hpcapvf_ring_memory wish = { .address = (uintptr_t)huge, .bytes = bytes, .reserved = { 1 } };
	struct hpcapvf *other;

	/* a kernel without transparent huge pages does not know the wish, and grants it */
	CHECK(madvise(small, 4 * HUGE_BYTES, MADV_NOHUGEPAGE) == 0 || errno == EINVAL);
	CHECK_EQUAL(-hpcapvf_lend_memory(capture, aligned, HUGE_BYTES), EINVAL);
	CHECK_EQUAL(-hpcapvf_lend_memory(capture, huge + 4096, HUGE_BYTES), EINVAL);
	CHECK_EQUAL(-hpcapvf_lend_memory(capture, huge, HUGE_BYTES + 4096), EINVAL);
	CHECK_EQUAL(-hpcapvf_lend_memory(capture, huge, 0), EINVAL);
	CHECK_EQUAL(-hpcapvf_lend_memory(capture, huge, 1ull << 40), EINVAL);
	CHECK_EQUAL(-hpcapvf_lend_memory(capture, (void *)-HUGE_BYTES, HUGE_BYTES), EINVAL);	/* wraps */
	CHECK_EQUAL(-hpcapvf_lend_memory(capture, (void *)(1ull << 40), HUGE_BYTES), EFAULT);	/* nothing there */
	CHECK_EQUAL(-hpcapvf_lend_memory(capture, huge + bytes - HUGE_BYTES, 2 * HUGE_BYTES), EFAULT);	/* ends before */
	CHECK_EQUAL(-ioctl(hpcapvf_fd(capture), HPCAPVF_IOC_RING_MEMORY, &wish), 1);
	CHECK_EQUAL(errno, EINVAL);
	CHECK_EQUAL(hpcapvf_open(device, &other), 0);
	CHECK_EQUAL(-hpcapvf_lend_memory(capture, huge, bytes), EBUSY);
	hpcapvf_close(other);
	munmap(small, 4 * HUGE_BYTES);
}

/* What this process has pinned, as the kernel counts it. */
static uint64_t pinned_bytes(void)
{
	FILE *status = fopen("/proc/self/status", "r");
	unsigned long long kib = 0;
	bool found = false;
	char line[128];

	CHECK(status != NULL);
	while (!found && fgets(line, sizeof(line), status))
		found = sscanf(line, "VmPin: %llu kB", &kib) == 1;
	CHECK(found);
	fclose(status);
	return kib << 10;
}

/* All records that are unread; they must lie in the memory that was lent. */
static unsigned int read_all(struct hpcapvf *capture, const uint8_t *memory, uint64_t memory_bytes)
{
	uint64_t bytes, at = 0;
	const uint8_t *records = hpcapvf_unread(capture, &bytes);
	uint64_t position = hpcapvf_read_offset(capture) % memory_bytes;
	uint64_t end = bytes < memory_bytes - position ? bytes : memory_bytes - position;
	struct hpcapvf_frame frame;
	unsigned int frames = 0;

	CHECK(memcmp(memory + position, records, end) == 0);
	while (hpcapvf_next(records, bytes, &at, &frame) == 1)
		frames++;
	CHECK_EQUAL(at, bytes);
	CHECK_EQUAL(hpcapvf_release(capture, bytes), 0);
	return frames;
}

int main(int argc, char **argv)
{
	struct hpcapvf_info info;
	struct hpcapvf *capture;
	uint64_t bytes;
	uint8_t *huge;
	char line[16];

	CHECK_EQUAL(argc, 3);
	bytes = strtoull(argv[2], NULL, 0) << 20;
	/* a hole behind it */
	huge = map(bytes + HUGE_BYTES, MAP_HUGETLB);
	CHECK_EQUAL(munmap(huge + bytes, HUGE_BYTES), 0);
	CHECK_EQUAL(-hpcapvf_open(argv[1], &capture), 0);
	wrong_memory_is_refused(capture, argv[1], huge, bytes);
	CHECK_EQUAL(pinned_bytes(), 0);
	CHECK_EQUAL(-hpcapvf_lend_memory(capture, huge, bytes), 0);
	CHECK_EQUAL(-hpcapvf_lend_memory(capture, huge, bytes), EBUSY);
	CHECK_EQUAL(hpcapvf_info(capture, &info), 0);
	CHECK_EQUAL(info.ring_bytes, bytes);
	CHECK_EQUAL(pinned_bytes(), bytes);
	printf("lent\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		printf("read %u\n", read_all(capture, huge, bytes));
		fflush(stdout);
	}
	hpcapvf_close(capture);
	CHECK_EQUAL(pinned_bytes(), 0);
	return 0;
}
