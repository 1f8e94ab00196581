// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "device.h"

#define PAGE_FLAGS (GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN | __GFP_RETRY_MAYFAIL)

static int allocate_pages(struct ring_memory *memory, int numa_node)
{
	unsigned long i;

	for (i = 0; i < memory->page_count; i++) {
		struct page *page = alloc_pages_node(numa_node, PAGE_FLAGS, 0);

		if (!page)
			return -ENOMEM;
		memory->pages[i] = page;
		memory->pages[i + memory->page_count] = page;
		cond_resched();
	}
	return 0;
}

int ring_memory_allocate(struct ring_memory *memory, u64 bytes, int numa_node)
{
	memory->page_count = bytes >> PAGE_SHIFT;
	memory->pages = kvcalloc(2 * memory->page_count, sizeof(*memory->pages), GFP_KERNEL);
	memory->control = alloc_pages_node(numa_node, PAGE_FLAGS, 0);
	if (!memory->pages || !memory->control || allocate_pages(memory, numa_node))
		return -ENOMEM;
	memory->data = vmap(memory->pages, 2 * memory->page_count, VM_MAP, PAGE_KERNEL);
	return memory->data ? 0 : -ENOMEM;
}

/* A page that a program still maps lives on until it is unmapped. */
void ring_memory_free(struct ring_memory *memory)
{
	unsigned long i;

	vunmap(memory->data);
	for (i = 0; memory->pages && i < memory->page_count; i++) {
		if (memory->pages[i])
			__free_page(memory->pages[i]);
		cond_resched();
	}
	if (memory->control)
		__free_page(memory->control);
	kvfree(memory->pages);
}
