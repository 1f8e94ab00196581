// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The frames around a place of the ring, in a mapping that begins shortly before it: read_window DEVICE BYTES MIB.
 * The ring holds nothing but what send_frames sent from number 0 on, each of BYTES, since it began at offset 0.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hpcapvf.h"
#include "tests/check.h"
#include "tests/device/numbered.h"

#define MIB (1ull << 20)
#define WINDOW_BYTES (2 * MIB)

/* All frames that are whole in the window, which shows the ring from begin on. Returns the first one's number. */
static uint64_t check_frames(const uint8_t *window, uint64_t begin, const struct numbered_kind *kind, uint64_t *end)
{
	const uint64_t stride = sizeof(struct hpcapvf_record) + kind->bytes;
	const uint64_t first = (begin + stride - 1) / stride;
	static uint8_t expected[NUMBERED_BYTES_MAX];
	uint64_t number;

	for (number = first; (number + 1) * stride <= begin + WINDOW_BYTES; number++) {
		struct hpcapvf_record record;

		memcpy(&record, window + number * stride - begin, sizeof(record));
		CHECK_EQUAL(record.caplen, kind->bytes);
		CHECK_EQUAL(numbered_build(expected, kind, number), kind->bytes);
		CHECK(memcmp(window + number * stride - begin + sizeof(record), expected, kind->bytes) == 0);
	}
	*end = number;
	return first;
}

int main(int argc, char **argv)
{
	struct numbered_kind kind = { 0 };
	struct hpcapvf_info info;
	uint64_t begin, first, end;
	const uint8_t *window;
	int fd;

	CHECK_EQUAL(argc, 4);
	kind.bytes = (uint32_t)strtoul(argv[2], NULL, 0);
	begin = strtoull(argv[3], NULL, 0) * MIB - WINDOW_BYTES / 2;
	fd = open(argv[1], O_RDONLY);
	CHECK(fd >= 0);
	CHECK_EQUAL(ioctl(fd, HPCAPVF_IOC_INFO, &info), 0);
	CHECK(begin + WINDOW_BYTES <= info.ring_bytes);
	window = mmap(NULL, WINDOW_BYTES, PROT_READ, MAP_SHARED, fd, (off_t)(info.data_offset + begin));
	CHECK(window != MAP_FAILED);
	first = check_frames(window, begin, &kind, &end);
	CHECK(end > first + 1);
	printf("frames %llu to %llu\n", (unsigned long long)first, (unsigned long long)(end - 1));
	close(fd);
	return 0;
}
