// SPDX-License-Identifier: GPL-2.0-or-later
/* Descriptors and frames in the guest's memory. Everything that comes from there may be nonsense. */
#include <string.h>

#include "tests/model/vf.h"


struct ring {
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
	const struct ring ring = ring_of(vf, VFRX, 0);

	/* who cannot receive at all shall not hold up the wire */
	return !receives(vf, &ring) || free_descriptors(&ring);
}

static bool too_long(const struct vf *vf, size_t bytes, bool tagged)
{
	const uint32_t control = vf->registers[(VFRX + QUEUE_XDCTL) / 4];
	const size_t plain = vf->pf.manner.mtu + 18;
	const size_t allowed = vf->pf.frame_bytes > plain ? vf->pf.frame_bytes : plain;
	const size_t with_crc = bytes + 4 - (tagged ? 4 : 0);

	return with_crc > allowed || (control & RXDCTL_RLPML_ENABLE && with_crc > (control & RXDCTL_RLPML));
}

/* One piece of a frame into one descriptor. DD is written last: the guest may be looking on another CPU. */
static bool deliver_piece(struct vf *vf, const struct ring *ring, uint32_t index, const uint8_t *data, uint32_t bytes,
			  uint32_t status, uint32_t vlan)
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
	words[0] = 0;
	words[1] = 0;
	words[3] = bytes | vlan << 16;
	__atomic_store_n(&words[2], status | RX_DD, __ATOMIC_RELEASE);
	return true;
}

static uint32_t buffer_bytes(const struct vf *vf)
{
	const uint32_t kib = vf->registers[(VFRX + QUEUE_SRRCTL) / 4] & SRRCTL_PACKET_KIB;

	return kib ? kib * 1024 : 2048;
}

static void deliver(struct vf *vf, struct ring *ring, const uint8_t *frame, uint32_t bytes, uint32_t status, uint32_t vlan)
{
	const uint32_t piece = buffer_bytes(vf);
	uint32_t done = 0;

	if ((bytes + piece - 1) / piece > free_descriptors(ring)) {
		vf->counts.no_descriptors++;
		return;
	}
	while (done < bytes) {
		const uint32_t now = bytes - done < piece ? bytes - done : piece;
		const bool last = done + now == bytes;

		if (!deliver_piece(vf, ring, ring->head, frame + done, now, last ? status | RX_EOP : 0, last ? vlan : 0)) {
			vf->counts.bad_addresses++;
			return;
		}
		done += now;
		ring->head = ring->head + 1 == ring->count ? 0 : ring->head + 1;
		*vf_queue_register(vf, VFRX, 0, QUEUE_HEAD) = ring->head;
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
	vf_queue_interrupt(vf, 0, false);
}

void vf_receive(struct vf *vf, const uint8_t *frame, size_t bytes)
{
	const bool tagged = bytes >= 18 && frame[12] == 0x81 && frame[13] == 0x00;
	struct ring ring = ring_of(vf, VFRX, 0);
	uint8_t stripped[16384];

	vf->counts.offered++;
	if (!vf->link_up)
		vf->counts.link_down++;
	else if (!receives(vf, &ring))
		vf->counts.receive_off++;
	else if (!pf_takes(&vf->pf, frame, bytes))
		vf->counts.filtered++;
	else if (bytes > sizeof(stripped) || too_long(vf, bytes, tagged))
		vf->counts.too_long++;
	else if (tagged && *vf_queue_register(vf, VFRX, 0, QUEUE_XDCTL) & RXDCTL_VME) {
		memcpy(stripped, frame, 12);
		memcpy(stripped + 12, frame + 16, bytes - 16);
		deliver(vf, &ring, stripped, (uint32_t)bytes - 4, RX_VP, (uint32_t)frame[14] << 8 | frame[15]);
	} else {
		deliver(vf, &ring, frame, (uint32_t)bytes, 0, 0);
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
