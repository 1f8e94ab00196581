/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's memory as its VMM hands it to a device: ranges of bus addresses, each with a file behind it. */
#ifndef MODEL_GUEST_MEMORY_H
#define MODEL_GUEST_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#define GUEST_RANGES_MAX 64u

struct guest_range {
	uint64_t address;
	uint64_t bytes;
	uint8_t *data;		/* NULL: a range without a file, which a device here cannot reach */
	bool writable;
};

struct guest_memory {
	struct guest_range ranges[GUEST_RANGES_MAX];
	unsigned int count;
};

/* fd -1: no file. The caller keeps fd. 0, -EINVAL, -EEXIST (overlaps another range), -ENOSPC or mmap's error. */
int guest_memory_map(struct guest_memory *memory, uint64_t address, uint64_t bytes, bool writable, int fd,
		     uint64_t offset);

/* 0, or -ENOENT unless exactly such a range was mapped. */
int guest_memory_unmap(struct guest_memory *memory, uint64_t address, uint64_t bytes);
void guest_memory_unmap_all(struct guest_memory *memory);

/*
 * The guest chooses these addresses and is not trusted: NULL unless all bytes lie in one range that a device may read
 * (or write).
 */
void *guest_memory_at(const struct guest_memory *memory, uint64_t address, uint64_t bytes, bool write);

#endif /* MODEL_GUEST_MEMORY_H */
