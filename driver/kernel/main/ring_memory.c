// SPDX-License-Identifier: GPL-2.0-or-later
/* Memory of a record ring: our own pages, or huge pages that a program hands in. */
#include <linux/err.h>
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "device.h"
#include "main/parameters.h"

#define PAGE_FLAGS (GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN | __GFP_RETRY_MAYFAIL)
#define PIN_AT_ONCE (1l << 15)

static void destroy(struct kref *references)
{
	struct ring_memory *memory = container_of(references, struct ring_memory, references);
	unsigned long i;

	vunmap(memory->data);
	if (memory->pinned)
		unpin_user_pages_dirty_lock(memory->pages, memory->pinned, true);
	if (memory->owner) {
		atomic64_sub((s64)memory->page_count, &memory->owner->pinned_vm);
		mmdrop(memory->owner);
	}
	/* a page of ours that a program still maps lives on until it is unmapped */
	for (i = 0; !memory->pinned && memory->pages && i < memory->page_count; i++) {
		if (memory->pages[i])
			__free_page(memory->pages[i]);
		cond_resched();
	}
	kvfree(memory->pages);
	kfree(memory);
}

void ring_memory_put(struct ring_memory *memory)
{
	kref_put(&memory->references, destroy);
}

static struct ring_memory *create_empty(u64 bytes)
{
	struct ring_memory *memory = kzalloc(sizeof(*memory), GFP_KERNEL);

	if (!memory)
		return NULL;
	kref_init(&memory->references);
	memory->page_count = bytes >> PAGE_SHIFT;
	memory->pages = kvcalloc(2 * memory->page_count, sizeof(*memory->pages), GFP_KERNEL);
	if (memory->pages)
		return memory;
	kfree(memory);
	return NULL;
}

/* The second half, and the addresses; or lets go of it all. */
static struct ring_memory *finish(struct ring_memory *memory, int error)
{
	if (!error) {
		memcpy(memory->pages + memory->page_count, memory->pages, memory->page_count * sizeof(*memory->pages));
		memory->data = vmap(memory->pages, 2 * memory->page_count, VM_MAP, PAGE_KERNEL);
		error = memory->data ? 0 : -ENOMEM;
	}
	if (!error)
		return memory;
	ring_memory_put(memory);
	return ERR_PTR(error);
}

struct ring_memory *ring_memory_create(u64 bytes, int numa_node)
{
	struct ring_memory *memory;
	int error = 0;
	unsigned long i;

	/* taking the last page and then failing would cost others theirs */
	if (bytes >> PAGE_SHIFT > (u64)max(si_mem_available(), 0l))
		return ERR_PTR(-ENOMEM);
	memory = create_empty(bytes);
	if (!memory)
		return ERR_PTR(-ENOMEM);
	for (i = 0; !error && i < memory->page_count; i++) {
		memory->pages[i] = alloc_pages_node(numa_node, PAGE_FLAGS, 0);
		if (!memory->pages[i])
			error = -ENOMEM;
		cond_resched();
	}
	return finish(memory, error);
}

/*
 * All pages count for the program (VmPin) until destroy(), whoever holds them by then; against its RLIMIT_MEMLOCK, as
 * with other drivers that pin for long. Not account_locked_vm: destroy() may be called with the lock that it takes.
 */
static int account(struct ring_memory *memory)
{
	u64 pinned;

	memory->owner = current->mm;
	mmgrab(memory->owner);
	pinned = (u64)atomic64_add_return((s64)memory->page_count, &memory->owner->pinned_vm);
	return pinned <= rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT || capable(CAP_IPC_LOCK) ? 0 : -ENOMEM;
}

/* What a program names is believed only after each page was looked at. */
static int pin(struct ring_memory *memory, u64 address)
{
	while (memory->pinned < memory->page_count) {
		long wish = min_t(long, (long)(memory->page_count - memory->pinned), PIN_AT_ONCE), got, i;

		got = pin_user_pages_fast(address + ((u64)memory->pinned << PAGE_SHIFT), (int)wish,
					  FOLL_WRITE | FOLL_LONGTERM, memory->pages + memory->pinned);
		if (got <= 0)
			return got ? (int)got : -EFAULT;
		memory->pinned += got;
		for (i = (long)memory->pinned - got; i < (long)memory->pinned; i++)
			if (!PageHuge(compound_head(memory->pages[i])))
				return -EINVAL;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

bool ring_memory_can_be_lent(u64 address, u64 bytes)
{
	return bytes && bytes <= (u64)HPCAPVF_RING_MIB_MAX << 20 && (address | bytes) % PMD_SIZE == 0 &&
	       address + bytes > address;
}

struct ring_memory *ring_memory_pin(u64 address, u64 bytes)
{
	struct ring_memory *memory;
	int error;

	if (!ring_memory_can_be_lent(address, bytes))
		return ERR_PTR(-EINVAL);
	memory = create_empty(bytes);
	if (!memory)
		return ERR_PTR(-ENOMEM);
	error = account(memory);
	if (!error)
		error = pin(memory, address);
	return finish(memory, error);
}
