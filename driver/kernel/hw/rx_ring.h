/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A receive ring of Intel's advanced descriptors: the same 16 bytes in the 82576 and the 82599 families, one
 * buffer each, no header split; a long frame takes several. Memory only; where its addresses go is up to the family.
 */
#ifndef HPCAPVF_RX_RING_H
#define HPCAPVF_RX_RING_H

#include "core/pieces.h"
#include "hw/hw.h"

#define RX_BUFFER_BYTES 2048u
#define RX_BUFFERS_PER_PAGE (PAGE_SIZE / RX_BUFFER_BYTES)

union rx_descriptor {
	struct {
		__le64 packet;
		__le64 header;
	} read;
	struct {
		__le16 info;
		__le16 header_info;
		__le32 rss_hash;
		__le32 status;
		__le16 length;
		__le16 vlan;
	} done;
};

struct rx_page {
	struct page *page;
	dma_addr_t address;
};

struct rx_ring {
	struct device *device;
	union rx_descriptor *descriptors;
	dma_addr_t address;
	struct rx_page *pages;	/* each holds RX_BUFFERS_PER_PAGE buffers */
	u8 *in_a_row;	/* all buffers in order, twice: the pieces of a frame are contiguous wherever they start */
	unsigned int count;	/* a multiple of RX_BUFFERS_PER_PAGE */
	unsigned int next;	/* the descriptor looked at next */
	unsigned int unreleased;	/* that many before next are still to be given back */
	struct hpcap_pieces pieces;	/* of a frame that goes on in the next descriptor */
};

/* 0 or -ENOMEM; rx_ring_free also after a failure. */
int rx_ring_allocate(struct rx_ring *ring, struct device *device, unsigned int count);
void rx_ring_free(struct rx_ring *ring);

/* All descriptors ready for the NIC, as after a reset. */
void rx_ring_reset(struct rx_ring *ring);

unsigned int rx_ring_receive(struct rx_ring *ring, struct hpcap_arrival *frames, unsigned int max);

/* Prepares what was received for the NIC again, but for an unfinished frame. Returns the new tail, or -1 if there is nothing to tell. */
int rx_ring_release(struct rx_ring *ring, unsigned int minimum);

#endif /* HPCAPVF_RX_RING_H */
