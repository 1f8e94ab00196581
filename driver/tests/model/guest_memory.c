// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/model/guest_memory.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

static bool overlap(const struct guest_range *range, uint64_t address, uint64_t bytes)
{
	return address < range->address + range->bytes && range->address < address + bytes;
}

int guest_memory_map(struct guest_memory *memory, uint64_t address, uint64_t bytes, bool writable, int fd,
		     uint64_t offset)
{
	struct guest_range *range = &memory->ranges[memory->count];
	void *data = NULL;
	unsigned int i;

	if (!bytes || address + bytes < address || bytes > SIZE_MAX)
		return -EINVAL;
	for (i = 0; i < memory->count; i++)
		if (overlap(&memory->ranges[i], address, bytes))
			return -EEXIST;
	if (memory->count == GUEST_RANGES_MAX)
		return -ENOSPC;
	if (fd >= 0)
		data = mmap(NULL, bytes, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, fd, (off_t)offset);
	if (data == MAP_FAILED)
		return -errno;
	*range = (struct guest_range){ .address = address, .bytes = bytes, .data = data, .writable = writable };
	memory->count++;
	return 0;
}

static void forget(struct guest_memory *memory, unsigned int index)
{
	struct guest_range *range = &memory->ranges[index];

	if (range->data)
		munmap(range->data, range->bytes);
	*range = memory->ranges[--memory->count];
}

int guest_memory_unmap(struct guest_memory *memory, uint64_t address, uint64_t bytes)
{
	unsigned int i;

	for (i = 0; i < memory->count; i++) {
		if (memory->ranges[i].address != address || memory->ranges[i].bytes != bytes)
			continue;
		forget(memory, i);
		return 0;
	}
	return -ENOENT;
}

void guest_memory_unmap_all(struct guest_memory *memory)
{
	while (memory->count)
		forget(memory, memory->count - 1);
}

void *guest_memory_at(const struct guest_memory *memory, uint64_t address, uint64_t bytes, bool write)
{
	unsigned int i;

	for (i = 0; i < memory->count; i++) {
		const struct guest_range *range = &memory->ranges[i];

		if (address < range->address || address - range->address >= range->bytes)
			continue;
		if (!range->data || bytes > range->bytes - (address - range->address) || (write && !range->writable))
			return NULL;
		return range->data + (address - range->address);
	}
	return NULL;
}
