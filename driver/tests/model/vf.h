/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtual function of the 82599 family at the level of its registers: queues, interrupts, link, counters. Frames
 * are shared out among eight receive queues (rss.h). Transmitted frames are consumed and counted.
 */
#ifndef MODEL_VF_H
#define MODEL_VF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/model/guest_memory.h"
#include "tests/model/pf.h"
#include "tests/model/vf_registers.h"

#define VF_82599 0x10edu
#define VF_X540 0x1515u
#define VF_QUEUES 8u
#define VF_VECTORS 3u

/* What became of the frames that came from the wire, and of what the guest sent. */
struct vf_counts {
	uint64_t offered;
	uint64_t delivered;
	uint64_t filtered;		/* no filter of the pool takes them */
	uint64_t link_down;
	uint64_t receive_off;		/* by the PF, by RXDCTL, or the function may not master the bus */
	uint64_t too_long;
	uint64_t no_descriptors;
	uint64_t cut;			/* only the first piece was delivered */
	uint64_t bad_addresses;		/* that the guest gave */
	uint64_t transmitted;
	uint64_t resets;		/* of this function */
	uint64_t interrupts;
	uint64_t unknown_writes;	/* to registers that this model does not have */
};

struct vf {
	uint16_t device_id;
	struct pf pf;
	const struct guest_memory *memory;
	void (*interrupt)(void *owner, unsigned int vector);
	void *owner;
	bool bus_master;

	bool gone;			/* from the bus: registers read as all ones, writes are lost */
	bool link_up;
	unsigned int cut_next;		/* so many frames that span descriptors end after the first */
	unsigned int glitch_every;	/* while the link is down, each such read of VFLINKS says up; 0: none */
	unsigned int link_reads;
	uint32_t registers[VF_BAR_BYTES / 4];	/* those that simply keep what was written */
	uint32_t causes;		/* VTEICR */
	uint32_t enabled;		/* VTEIMS */
	uint64_t rx_packets, rx_bytes, rx_multicast, tx_packets, tx_bytes;
	struct vf_counts counts;
};

void vf_init(struct vf *vf, uint16_t device_id);

/* All behaviours as after vf_init; what the drivers did and what was counted stays. */
void vf_defaults(struct vf *vf);

/* Function-level reset, the register's reset bit, or a client that left. */
void vf_reset(struct vf *vf);

uint32_t vf_read(struct vf *vf, uint32_t offset);
void vf_write(struct vf *vf, uint32_t offset, uint32_t value);

/* Due whenever time has passed: what the PF does by itself. Milliseconds until it is due again, -1: nothing is. */
int vf_tick(struct vf *vf, uint64_t now_ns);

/* The PF's reset takes the functions with it. */
void vf_pf_reset(struct vf *vf, unsigned int ms);
void vf_set_link(struct vf *vf, bool up);

/* A frame from the wire, without CRC. */
void vf_receive(struct vf *vf, const uint8_t *frame, size_t bytes);

/* Would the next frame find a descriptor, whatever queue it goes to? */
bool vf_has_room(const struct vf *vf);

/* vf_dma.c: sends what lies between head and tail. */
void vf_transmit(struct vf *vf, unsigned int queue);

/* For vf_dma.c: a cause of that queue. */
void vf_queue_interrupt(struct vf *vf, unsigned int queue, bool transmit);

static inline uint32_t *vf_queue_register(struct vf *vf, uint32_t bank, unsigned int queue, uint32_t offset)
{
	return &vf->registers[(bank + queue * QUEUE_STRIDE + offset) / 4];
}

#endif /* MODEL_VF_H */
