// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mmap of a device file, for reading only: the control page, and the ring twice in a row. The mapping holds
 * the pages, so it stays valid memory whatever becomes of the device.
 */
#include <linux/mm.h>

#include "compat.h"
#include "device.h"

static int map_data(struct ring_memory *memory, struct vm_area_struct *area, unsigned long first, unsigned long pages)
{
	unsigned long left = pages;
	int error;

	if (first > 2 * memory->page_count || pages > 2 * memory->page_count - first)
		return -EINVAL;
	error = vm_insert_pages(area, area->vm_start, memory->pages + first, &left);
	return error;
}

int chardev_map(struct capture_device *device, struct vm_area_struct *area)
{
	const unsigned long data_page = MAPPING_DATA_OFFSET >> PAGE_SHIFT;
	unsigned long pages = vma_pages(area);

	if (area->vm_flags & VM_WRITE)
		return -EACCES;
	compat_forbid_writing(area);
	if (area->vm_pgoff == MAPPING_CONTROL_OFFSET >> PAGE_SHIFT)
		return pages == 1 ? vm_insert_page(area, area->vm_start, device->memory.control) : -EINVAL;
	if (area->vm_pgoff < data_page)
		return -EINVAL;
	return map_data(&device->memory, area, area->vm_pgoff - data_page, pages);
}
