// SPDX-License-Identifier: GPL-2.0-or-later
/* Descriptors and frames in the guest's memory. Everything that comes from there may be nonsense. */
#include <string.h>

#include "tests/model/rss.h"

struct ring {
	unsigned int queue;
	uint64_t base;
	uint32_t count;
	uint32_t head;
	uint32_t tail;
	bool enabled;
};

static struct ring ring_of(const struct vf *vf, uint32_t bank, unsigned int queue)
{
	const uint32_t *registers = &vf->registers[(bank + queue * QUEUE_STRIDE) / 4];

	return (struct ring){
		.queue = queue,
		.base = registers[QUEUE_BAL / 4] | (uint64_t)registers[QUEUE_BAH / 4] << 32,
		.count = registers[QUEUE_LEN / 4] / DESCRIPTOR_BYTES,
		.head = registers[QUEUE_HEAD / 4],
		.tail = registers[QUEUE_TAIL / 4],
		.enabled = registers[QUEUE_XDCTL / 4] & XDCTL_ENABLE,
	};
}

static uint32_t free_descriptors(const struct ring *ring)
{
	if (!ring->count || ring->head >= ring->count || ring->tail >= ring->count)
		return 0;
	return (ring->tail + ring->count - ring->head) % ring->count;
}

static uint32_t *descriptor_at(struct vf *vf, const struct ring *ring, uint32_t index)
{
	const uint64_t address = ring->base + (uint64_t)index * DESCRIPTOR_BYTES;

	return guest_memory_at(vf->memory, address, DESCRIPTOR_BYTES, true);
}

static bool receives(const struct vf *vf, const struct ring *ring)
{
	return !vf->gone && vf->bus_master && ring->enabled && vf->pf.receive_on && !vf->pf.in_reset;
}

bool vf_has_room(const struct vf *vf)
{
	unsigned int queue;

	for (queue = 0; queue < VF_QUEUES; queue++) {
		const struct ring ring = ring_of(vf, VFRX, queue);

		/* who cannot receive at all shall not hold up the wire */
		if (receives(vf, &ring) && !free_descriptors(&ring))
			return false;
	}
	return true;
}

static bool too_long(struct vf *vf, const struct ring *ring, size_t bytes, bool tagged)
{
	const uint32_t control = *vf_queue_register(vf, VFRX, ring->queue, QUEUE_XDCTL);
	const size_t plain = vf->pf.manner.mtu + 18;
	const size_t allowed = vf->pf.frame_bytes > plain ? vf->pf.frame_bytes : plain;
	const size_t with_crc = bytes + 4 - (tagged ? 4 : 0);

	return with_crc > allowed || (control & RXDCTL_RLPML_ENABLE && with_crc > (control & RXDCTL_RLPML));
}

/* What the frame's last descriptor says of it. */
struct about {
	uint32_t status;
	uint32_t vlan;
	struct rss_choice choice;
};

/* One piece of a frame into one descriptor. DD is written last: the guest may be looking on another CPU. */
static bool deliver_piece(struct vf *vf, const struct ring *ring, uint32_t index, const uint8_t *data, uint32_t bytes,
			  const struct about *about)
{
	uint32_t *words = descriptor_at(vf, ring, index);
	uint64_t address;
	uint8_t *buffer;

	if (!words)
		return false;
	memcpy(&address, words, sizeof(address));
	buffer = guest_memory_at(vf->memory, address, bytes, true);
	if (!buffer)
		return false;
	memcpy(buffer, data, bytes);
	words[0] = about->choice.type;
	words[1] = about->choice.hash;
	words[3] = bytes | about->vlan << 16;
	__atomic_store_n(&words[2], about->status | RX_DD, __ATOMIC_RELEASE);
	return true;
}

static uint32_t buffer_bytes(struct vf *vf, const struct ring *ring)
{
	const uint32_t kib = *vf_queue_register(vf, VFRX, ring->queue, QUEUE_SRRCTL) & SRRCTL_PACKET_KIB;

	return kib ? kib * 1024 : 2048;
}

static void deliver(struct vf *vf, struct ring *ring, const uint8_t *frame, uint32_t bytes,
		    const struct about *about)
{
	static const struct about nothing;
	const struct about last_says = { .status = about->status | RX_EOP, .vlan = about->vlan, .choice = about->choice };
	const uint32_t piece = buffer_bytes(vf, ring);
	uint32_t done = 0;

	if ((bytes + piece - 1) / piece > free_descriptors(ring)) {
		vf->counts.no_descriptors++;
		return;
	}
	while (done < bytes) {
		const uint32_t now = bytes - done < piece ? bytes - done : piece;
		const bool last = done + now == bytes;

		if (!deliver_piece(vf, ring, ring->head, frame + done, now, last ? &last_says : &nothing)) {
			vf->counts.bad_addresses++;
			return;
		}
		done += now;
		ring->head = ring->head + 1 == ring->count ? 0 : ring->head + 1;
		*vf_queue_register(vf, VFRX, ring->queue, QUEUE_HEAD) = ring->head;
		if (!last && vf->cut_next) {
			vf->cut_next--;
			vf->counts.cut++;
			return;
		}
	}
	vf->counts.delivered++;
	vf->rx_packets++;
	vf->rx_bytes += bytes + 4;
	vf->rx_multicast += frame[0] & 1;
	vf_queue_interrupt(vf, ring->queue, false);
}

void vf_receive(struct vf *vf, const uint8_t *frame, size_t bytes)
{
	const bool tagged = bytes >= 18 && frame[12] == 0x81 && frame[13] == 0x00;
	struct about about = { .choice = rss_choose(vf, frame, bytes) };
	struct ring ring = ring_of(vf, VFRX, about.choice.queue);
	uint8_t stripped[16384];

	vf->counts.offered++;
	if (!vf->link_up)
		vf->counts.link_down++;
	else if (!receives(vf, &ring))
		vf->counts.receive_off++;
	else if (!pf_takes(&vf->pf, frame, bytes))
		vf->counts.filtered++;
	else if (bytes > sizeof(stripped) || too_long(vf, &ring, bytes, tagged))
		vf->counts.too_long++;
	else if (tagged && *vf_queue_register(vf, VFRX, ring.queue, QUEUE_XDCTL) & RXDCTL_VME) {
		memcpy(stripped, frame, 12);
		memcpy(stripped + 12, frame + 16, bytes - 16);
		about.status = RX_VP;
		about.vlan = (uint32_t)frame[14] << 8 | frame[15];
		deliver(vf, &ring, stripped, (uint32_t)bytes - 4, &about);
	} else {
		deliver(vf, &ring, frame, (uint32_t)bytes, &about);
	}
}

void vf_transmit(struct vf *vf, unsigned int queue)
{
	struct ring ring = ring_of(vf, VFTX, queue);
	uint32_t left = free_descriptors(&ring);
	bool report = false;

	if (!vf->bus_master || !ring.enabled || vf->pf.in_reset)
		return;
	for (; left; left--) {
		uint32_t *words = descriptor_at(vf, &ring, ring.head);
		uint32_t command;

		if (!words) {
			vf->counts.bad_addresses++;
			return;
		}
		command = words[2];
		if ((command & TX_TYPE) != TX_TYPE_CONTEXT) {
			vf->tx_bytes += command & 0xffff;
			if (command & TX_END) {
				vf->counts.transmitted++;
				vf->tx_packets++;
			}
		}
		if (command & TX_REPORT) {
			__atomic_store_n(&words[3], TX_DD, __ATOMIC_RELEASE);
			report = true;
		}
		ring.head = ring.head + 1 == ring.count ? 0 : ring.head + 1;
		*vf_queue_register(vf, VFTX, queue, QUEUE_HEAD) = ring.head;
	}
	if (report)
		vf_queue_interrupt(vf, queue, true);
}
