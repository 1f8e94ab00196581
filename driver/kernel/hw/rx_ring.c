// SPDX-License-Identifier: GPL-2.0-or-later
#include "hw/rx_ring.h"

#include <linux/dma-mapping.h>
#include <linux/highmem.h>
#include <linux/if_ether.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

/* Status and error bits of the write-back; e.g. DPDK's e1000_defines.h and the X550 datasheet agree on them. */
#define STATUS_DD BIT(0)	/* written back */
#define STATUS_EOP BIT(1)	/* end of the frame */
#define STATUS_VP BIT(3)	/* carries a VLAN tag */
#define STATUS_RXE BIT(31)	/* the frame was damaged */
#define INFO_RSS_TYPE 15u	/* 0: no hash */

static struct rx_page *page_of(struct rx_ring *ring, unsigned int index)
{
	return &ring->pages[index / RX_BUFFERS_PER_PAGE];
}

static unsigned int offset_of(unsigned int index)
{
	return index % RX_BUFFERS_PER_PAGE * RX_BUFFER_BYTES;
}

static int allocate_page(struct rx_ring *ring, struct rx_page *page)
{
	page->page = alloc_pages_node(dev_to_node(ring->device), GFP_KERNEL | __GFP_ZERO, 0);
	if (!page->page)
		return -ENOMEM;
	page->address = dma_map_page(ring->device, page->page, 0, PAGE_SIZE, DMA_FROM_DEVICE);
	if (!dma_mapping_error(ring->device, page->address))
		return 0;
	__free_page(page->page);
	page->page = NULL;
	return -ENOMEM;
}

/* Only long frames are read through these addresses: the kernel's own need fewer entries of the TLB. */
static int map_in_a_row(struct rx_ring *ring)
{
	const unsigned int count = ring->count / RX_BUFFERS_PER_PAGE;
	struct page **pages = kvcalloc(2 * count, sizeof(*pages), GFP_KERNEL);
	unsigned int i;

	if (!pages)
		return -ENOMEM;
	for (i = 0; i < 2 * count; i++)
		pages[i] = ring->pages[i % count].page;
	ring->in_a_row = vmap(pages, 2 * count, VM_MAP, PAGE_KERNEL);
	kvfree(pages);
	return ring->in_a_row ? 0 : -ENOMEM;
}

int rx_ring_allocate(struct rx_ring *ring, struct device *device, unsigned int count)
{
	unsigned int i;
	int error = 0;

	ring->device = device;
	ring->count = count;
	ring->pages = kvcalloc(DIV_ROUND_UP(count, RX_BUFFERS_PER_PAGE), sizeof(*ring->pages), GFP_KERNEL);
	ring->descriptors = dma_alloc_coherent(device, count * sizeof(*ring->descriptors), &ring->address, GFP_KERNEL);
	if (!ring->pages || !ring->descriptors)
		return -ENOMEM;
	for (i = 0; i < count && !error; i += RX_BUFFERS_PER_PAGE)
		error = allocate_page(ring, page_of(ring, i));
	return error ? error : map_in_a_row(ring);
}

void rx_ring_free(struct rx_ring *ring)
{
	unsigned int i;

	vunmap(ring->in_a_row);
	ring->in_a_row = NULL;
	for (i = 0; ring->pages && i < ring->count; i += RX_BUFFERS_PER_PAGE) {
		struct rx_page *page = page_of(ring, i);

		if (!page->page)
			continue;
		dma_unmap_page(ring->device, page->address, PAGE_SIZE, DMA_FROM_DEVICE);
		__free_page(page->page);
	}
	kvfree(ring->pages);
	if (ring->descriptors)
		dma_free_coherent(ring->device, ring->count * sizeof(*ring->descriptors), ring->descriptors,
				  ring->address);
	ring->pages = NULL;
	ring->descriptors = NULL;
}

/* Writing the read format also clears DD, which is in the half that the header address takes. */
static void prepare(struct rx_ring *ring, unsigned int index)
{
	union rx_descriptor *descriptor = &ring->descriptors[index];
	dma_addr_t address = page_of(ring, index)->address + offset_of(index);

	dma_sync_single_range_for_device(ring->device, page_of(ring, index)->address, offset_of(index),
					 RX_BUFFER_BYTES, DMA_FROM_DEVICE);
	descriptor->read.packet = cpu_to_le64(address);
	descriptor->read.header = 0;
}

void rx_ring_reset(struct rx_ring *ring)
{
	unsigned int i;

	for (i = 0; i < ring->count; i++)
		prepare(ring, i);
	ring->next = 0;
	ring->unreleased = 0;
	hpcap_pieces_cut(&ring->pieces);
}

/*
 * VP says "tagged"; whether the tag was taken out depends on how the PF set up the pool. If the frame still
 * shows the very tag that the descriptor reports, it is in place.
 */
static bool tag_was_stripped(const u8 *data, u32 length, u16 tci)
{
	const u8 *type = data + 2 * ETH_ALEN;

	if (length < ETH_HLEN + 2)
		return true;
	return (type[0] << 8 | type[1]) != ETH_P_8021Q || (type[2] << 8 | type[3]) != tci;
}

static const u8 *buffer_of(struct rx_ring *ring, unsigned int index)
{
	return (const u8 *)page_address(page_of(ring, index)->page) + offset_of(index);
}

static const u8 *look_at(struct rx_ring *ring, unsigned int index)
{
	struct rx_page *page = page_of(ring, index);

	dma_sync_single_range_for_cpu(ring->device, page->address, offset_of(index), RX_BUFFER_BYTES,
				      DMA_FROM_DEVICE);
	return buffer_of(ring, index);
}

static const u8 *look_at_all(struct rx_ring *ring, unsigned int last, unsigned int before)
{
	unsigned int first = (last + ring->count - before) % ring->count, i;
	u8 *data = ring->in_a_row + first * RX_BUFFER_BYTES;

	for (i = 0; i <= before; i++)
		look_at(ring, (first + i) % ring->count);
	invalidate_kernel_vmap_range(data, (int)((before + 1) * RX_BUFFER_BYTES));
	return data;
}

/* There are more descriptors than that. Of frames of several buffers it is the wrong one, which only costs time. */
static unsigned int ahead_of(const struct rx_ring *ring, unsigned int index)
{
	const unsigned int ahead = index + HPCAP_FRAMES_AHEAD;

	return ahead < ring->count ? ahead : ahead - ring->count;
}

/* index: of the frame's last descriptor, in which everything about it stands. */
static void describe(struct rx_ring *ring, unsigned int index, u32 status, u32 length, struct hpcap_arrival *frame)
{
	const union rx_descriptor *descriptor = &ring->descriptors[index];
	unsigned int before = hpcap_pieces_held(&ring->pieces);
	bool whole = true;

	frame->data = before ? look_at_all(ring, index, before) : look_at(ring, index);
	frame->ahead = buffer_of(ring, ahead_of(ring, index));
	frame->length = length;
	if (ring->pieces.count)
		whole = hpcap_pieces_end(&ring->pieces, length, RX_BUFFER_BYTES, &frame->length);
	frame->hash = le32_to_cpu(descriptor->done.rss_hash);
	frame->vlan_tci = le16_to_cpu(descriptor->done.vlan);
	frame->flags = le16_to_cpu(descriptor->done.info) & INFO_RSS_TYPE ? HPCAP_ARRIVAL_HASH : 0;
	/* a device answer: never believe a length that the buffer does not have */
	if (!whole || status & STATUS_RXE || length > RX_BUFFER_BYTES || frame->length < ETH_HLEN)
		frame->flags |= HPCAP_ARRIVAL_ERROR;
	else if (status & STATUS_VP && tag_was_stripped(frame->data, frame->length, frame->vlan_tci))
		frame->flags |= HPCAP_ARRIVAL_VLAN_STRIPPED;
}

unsigned int rx_ring_receive(struct rx_ring *ring, struct hpcap_arrival *frames, unsigned int max)
{
	unsigned int got = hpcap_pieces_take_cut(&ring->pieces, frames);

	/* one descriptor always stays with us, or the NIC could not tell a full ring from an empty one */
	while (got < max && ring->unreleased < ring->count - 1) {
		union rx_descriptor *descriptor = &ring->descriptors[ring->next];
		u32 status = le32_to_cpu(READ_ONCE(descriptor->done.status));
		u32 length;

		if (!(status & STATUS_DD))
			break;
		dma_rmb();	/* nothing else of the descriptor before DD is seen */
		length = le16_to_cpu(descriptor->done.length);
		if (likely(status & STATUS_EOP))
			describe(ring, ring->next, status, length, &frames[got++]);
		else
			hpcap_pieces_add(&ring->pieces, length, RX_BUFFER_BYTES);
		ring->next = ring->next + 1 == ring->count ? 0 : ring->next + 1;
		ring->unreleased++;
	}
	return got;
}

int rx_ring_release(struct rx_ring *ring, unsigned int minimum)
{
	const unsigned int held = hpcap_pieces_held(&ring->pieces);
	unsigned int index;

	if (ring->unreleased <= held || ring->unreleased - held < minimum)
		return -1;
	index = (ring->next + ring->count - ring->unreleased) % ring->count;
	for (; ring->unreleased > held; ring->unreleased--) {
		prepare(ring, index);
		index = index + 1 == ring->count ? 0 : index + 1;
	}
	return (int)((index + ring->count - 1) % ring->count);
}
