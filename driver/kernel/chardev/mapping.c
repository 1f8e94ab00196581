// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mmap of a device file, for reading only: the control page, and the ring twice in a row. The mapping holds
 * the pages, so it stays valid memory whatever becomes of the device or its ring.
 */
#include <linux/mm.h>

#include "compat.h"
#include "device.h"

static void mapping_open(struct vm_area_struct *area)
{
	struct ring_memory *memory = area->vm_private_data;

	kref_get(&memory->references);
}

static void mapping_close(struct vm_area_struct *area)
{
	ring_memory_put(area->vm_private_data);
}

static const struct vm_operations_struct pinned_operations = {
	.open = mapping_open,
	.close = mapping_close,
};

/* Huge pages are not inserted page by page; the mapping holds the pin instead. */
static int map_pinned(struct ring_memory *memory, struct vm_area_struct *area, unsigned long first,
		      unsigned long pages)
{
	unsigned long i;

	for (i = 0; i < pages; ) {
		unsigned long begin = page_to_pfn(memory->pages[first + i]), count = 1;
		int error;

		while (i + count < pages && page_to_pfn(memory->pages[first + i + count]) == begin + count)
			count++;
		error = remap_pfn_range(area, area->vm_start + (i << PAGE_SHIFT), begin, count << PAGE_SHIFT,
					area->vm_page_prot);
		if (error)
			return error;
		i += count;
	}
	area->vm_private_data = memory;
	area->vm_ops = &pinned_operations;
	mapping_open(area);
	return 0;
}

static int map_data(struct ring_memory *memory, struct vm_area_struct *area, unsigned long first, unsigned long pages)
{
	unsigned long left = pages;

	if (first > 2 * memory->page_count || pages > 2 * memory->page_count - first)
		return -EINVAL;
	if (memory->pinned)
		return map_pinned(memory, area, first, pages);
	return vm_insert_pages(area, area->vm_start, memory->pages + first, &left);
}

int chardev_map(struct capture_device *device, struct vm_area_struct *area)
{
	const unsigned long data_page = MAPPING_DATA_OFFSET >> PAGE_SHIFT;
	unsigned long pages = vma_pages(area);
	int error;

	if (area->vm_flags & VM_WRITE)
		return -EACCES;
	compat_forbid_writing(area);
	if (area->vm_pgoff == MAPPING_CONTROL_OFFSET >> PAGE_SHIFT)
		return pages == 1 ? vm_insert_page(area, area->vm_start, device->control) : -EINVAL;
	if (area->vm_pgoff < data_page)
		return -EINVAL;
	mutex_lock(&device->listeners_lock);
	error = map_data(device->memory, area, area->vm_pgoff - data_page, pages);
	mutex_unlock(&device->listeners_lock);
	return error;
}
