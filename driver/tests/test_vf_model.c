// SPDX-License-Identifier: GPL-2.0-or-later
/* The model of a virtual function against what datasheets say, and against a guest that gives it nonsense. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/model/rss.h"

#define MEMORY_AT 0x100000ull
#define MEMORY_BYTES 0x40000ull
#define RING_AT MEMORY_AT
#define BUFFERS_AT (MEMORY_AT + 0x10000)
#define DESCRIPTORS 8u
#define MS 1000000ull

struct bench {
	struct vf vf;
	struct guest_memory memory;
	uint8_t *bytes;		/* the guest's view of its memory */
	uint64_t now;
	unsigned int interrupts;
};

static void count_interrupt(void *owner, unsigned int vector)
{
	(void)vector;
	((struct bench *)owner)->interrupts++;
}

static void set_up(struct bench *bench, uint16_t device_id)
{
	const int fd = memfd_create("guest", MFD_CLOEXEC);

	memset(bench, 0, sizeof(*bench));
	CHECK(fd >= 0 && !ftruncate(fd, MEMORY_BYTES));
	CHECK(!guest_memory_map(&bench->memory, MEMORY_AT, MEMORY_BYTES, true, fd, 0));
	bench->bytes = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(bench->bytes != MAP_FAILED);
	close(fd);
	vf_init(&bench->vf, device_id);
	bench->vf.memory = &bench->memory;
	bench->vf.interrupt = count_interrupt;
	bench->vf.owner = bench;
	bench->vf.bus_master = true;
	bench->now = MS;
}

static void tear_down(struct bench *bench)
{
	munmap(bench->bytes, MEMORY_BYTES);
	guest_memory_unmap_all(&bench->memory);
}

static void pass_ms(struct bench *bench, unsigned int ms)
{
	unsigned int i;

	for (i = 0; i < ms; i++, bench->now += MS)
		vf_tick(&bench->vf, bench->now);
}

/* Asks as a VF driver does. Returns the first word of the answer, 0 if none came. */
static uint32_t ask(struct bench *bench, uint32_t type, uint32_t argument)
{
	struct vf *vf = &bench->vf;

	vf_write(vf, VFMAILBOX, MAILBOX_VFU);
	CHECK(vf_read(vf, VFMAILBOX) & MAILBOX_VFU);
	vf_write(vf, VFMBMEM, type);
	vf_write(vf, VFMBMEM + 4, argument);
	vf_write(vf, VFMAILBOX, MAILBOX_REQ);
	pass_ms(bench, 5);
	if (!(vf_read(vf, VFMAILBOX) & MAILBOX_PFSTS))
		return 0;
	CHECK(!(vf_read(vf, VFMAILBOX) & MAILBOX_PFSTS));	/* reading cleared it */
	vf_write(vf, VFMAILBOX, MAILBOX_ACK);
	return vf_read(vf, VFMBMEM);
}

static void introduce(struct bench *bench)
{
	CHECK_EQUAL(ask(bench, PF_RESET, 0), 0x80000001u);
	CHECK_EQUAL(ask(bench, PF_API_NEGOTIATE, PF_API_13), 0xa0000008u);
}

static void put64(struct bench *bench, uint64_t address, uint64_t value)
{
	memcpy(bench->bytes + (address - MEMORY_AT), &value, sizeof(value));
}

static void start_queue(struct bench *bench, uint64_t ring, uint32_t bytes, uint32_t kib)
{
	struct vf *vf = &bench->vf;
	uint32_t i;

	for (i = 0; i < DESCRIPTORS; i++) {
		put64(bench, RING_AT + i * DESCRIPTOR_BYTES, BUFFERS_AT + i * 2048);
		put64(bench, RING_AT + i * DESCRIPTOR_BYTES + 8, 0);
	}
	vf_write(vf, VFRX + QUEUE_BAL, (uint32_t)ring);
	vf_write(vf, VFRX + QUEUE_BAH, (uint32_t)(ring >> 32));
	vf_write(vf, VFRX + QUEUE_LEN, bytes);
	vf_write(vf, VFRX + QUEUE_SRRCTL, kib | 0x02000000u);
	vf_write(vf, VFRX + QUEUE_HEAD, 0);
	vf_write(vf, VFRX + QUEUE_XDCTL, XDCTL_ENABLE);
	vf_write(vf, VFRX + QUEUE_TAIL, DESCRIPTORS - 1);
}

static void receive(struct bench *bench, uint32_t bytes, bool tagged)
{
	uint8_t frame[4096];

	memset(frame, 0x5a, sizeof(frame));
	frame[0] = 2;
	if (tagged)
		memcpy(frame + 12, "\x81\x00\x60\x07", 4);
	vf_receive(&bench->vf, frame, bytes);
}

static uint32_t word(const struct bench *bench, unsigned int descriptor, unsigned int index)
{
	uint32_t value;

	memcpy(&value, bench->bytes + descriptor * DESCRIPTOR_BYTES + 4 * index, sizeof(value));
	return value;
}

static void test_delivery(void)
{
	struct bench bench;
	unsigned int i;

	set_up(&bench, 0x1565);
	introduce(&bench);
	start_queue(&bench, RING_AT, DESCRIPTORS * DESCRIPTOR_BYTES, 1);
	vf_write(&bench.vf, VTIVAR, 0x80);
	vf_write(&bench.vf, VTEIMS, 1);
	receive(&bench, 60, false);
	CHECK_EQUAL(word(&bench, 0, 2), RX_DD | RX_EOP);
	CHECK_EQUAL(word(&bench, 0, 3), 60u);
	CHECK_EQUAL(bench.interrupts, 1u);
	receive(&bench, 1514, false);	/* two buffers of 1 KiB */
	CHECK_EQUAL(word(&bench, 1, 2), RX_DD);
	CHECK_EQUAL(word(&bench, 1, 3), 1024u);
	CHECK_EQUAL(word(&bench, 2, 2), RX_DD | RX_EOP);
	CHECK_EQUAL(word(&bench, 2, 3), 490u);
	vf_write(&bench.vf, VFRX + QUEUE_XDCTL, XDCTL_ENABLE | RXDCTL_VME);
	receive(&bench, 64, true);
	CHECK_EQUAL(word(&bench, 3, 2), RX_DD | RX_EOP | RX_VP);
	CHECK_EQUAL(word(&bench, 3, 3), 60u | 0x6007u << 16);
	receive(&bench, 3000, false);
	CHECK_EQUAL(bench.vf.counts.too_long, 1u);
	for (i = 0; i < 10; i++)
		receive(&bench, 60, false);
	CHECK_EQUAL(bench.vf.counts.no_descriptors, 7u);	/* one of eight always stays with the driver */
	CHECK_EQUAL(bench.vf.counts.delivered, 6u);
	CHECK_EQUAL(vf_read(&bench.vf, VFGPRC), 6u);
	tear_down(&bench);
}

static void expect_bad(struct bench *bench, const char *what)
{
	const uint64_t before = bench->vf.counts.bad_addresses;

	receive(bench, 1514, false);
	if (bench->vf.counts.bad_addresses != before + 1)
		fprintf(stderr, "%s: not refused\n", what);
	CHECK_EQUAL(bench->vf.counts.bad_addresses, before + 1);
}

static void test_hostile_addresses(void)
{
	struct bench bench;

	set_up(&bench, 0x10ed);
	introduce(&bench);
	start_queue(&bench, 0, DESCRIPTORS * DESCRIPTOR_BYTES, 2);
	expect_bad(&bench, "a ring below memory");
	start_queue(&bench, ~0ull, DESCRIPTORS * DESCRIPTOR_BYTES, 2);
	expect_bad(&bench, "a ring at the end of all addresses");
	start_queue(&bench, MEMORY_AT + MEMORY_BYTES, DESCRIPTORS * DESCRIPTOR_BYTES, 2);
	expect_bad(&bench, "a ring right behind memory");
	start_queue(&bench, RING_AT, DESCRIPTORS * DESCRIPTOR_BYTES, 2);
	put64(&bench, RING_AT, MEMORY_AT + MEMORY_BYTES - 1000);
	expect_bad(&bench, "a buffer that memory ends in");
	put64(&bench, RING_AT, ~0ull - 100);
	expect_bad(&bench, "a buffer around the end of all addresses");
	vf_write(&bench.vf, VFRX + QUEUE_HEAD, 0xfffffffeu);
	receive(&bench, 60, false);
	vf_write(&bench.vf, VFRX + QUEUE_HEAD, 0);
	vf_write(&bench.vf, VFRX + QUEUE_TAIL, 0xffffffffu);
	receive(&bench, 60, false);
	CHECK_EQUAL(bench.vf.counts.no_descriptors, 2u);
	vf_write(&bench.vf, VFRX + QUEUE_LEN, 0xffffffffu);
	vf_write(&bench.vf, VFRX + QUEUE_HEAD, 0x0ffffff0u);
	vf_write(&bench.vf, VFRX + QUEUE_TAIL, 0x0fffffe0u);
	expect_bad(&bench, "a head far behind memory");
	CHECK_EQUAL(bench.vf.counts.delivered, 0u);
	tear_down(&bench);
}

static void test_read_only_memory(void)
{
	struct guest_memory memory = { .count = 0 };
	const int fd = memfd_create("guest", MFD_CLOEXEC);

	CHECK(fd >= 0 && !ftruncate(fd, 8192));
	CHECK(!guest_memory_map(&memory, 0x1000, 4096, false, fd, 0));
	CHECK(!guest_memory_map(&memory, 0x2000, 4096, true, -1, 0));
	CHECK_EQUAL(guest_memory_map(&memory, 0x1800, 4096, true, fd, 0), -EEXIST);
	CHECK_EQUAL(guest_memory_map(&memory, ~0ull - 10, 4096, true, fd, 0), -EINVAL);
	CHECK(guest_memory_at(&memory, 0x1ff0, 16, false));
	CHECK(!guest_memory_at(&memory, 0x1ff0, 17, false));
	CHECK(!guest_memory_at(&memory, 0x1ff0, 16, true));
	CHECK(!guest_memory_at(&memory, 0x2000, 16, false));	/* no file behind it */
	CHECK_EQUAL(guest_memory_unmap(&memory, 0x1000, 2048), -ENOENT);
	CHECK(!guest_memory_unmap(&memory, 0x1000, 4096));
	CHECK(!guest_memory_at(&memory, 0x1000, 1, false));
	guest_memory_unmap_all(&memory);
	close(fd);
}

static void test_transmit_ends(void)
{
	struct bench bench;

	set_up(&bench, 0x10ed);
	vf_write(&bench.vf, VFTX + QUEUE_BAL, (uint32_t)RING_AT);
	vf_write(&bench.vf, VFTX + QUEUE_LEN, 0xffffffffu);
	vf_write(&bench.vf, VFTX + QUEUE_XDCTL, XDCTL_ENABLE);
	vf_write(&bench.vf, VFTX + QUEUE_TAIL, 0x0ffffff0u);
	CHECK_EQUAL(bench.vf.counts.bad_addresses, 1u);
	CHECK_EQUAL(vf_read(&bench.vf, VFTX + QUEUE_HEAD), (uint32_t)(MEMORY_BYTES / DESCRIPTOR_BYTES));
	tear_down(&bench);
}

static void test_manners(void)
{
	struct bench bench;
	struct pf_manner *manner = &bench.vf.pf.manner;

	set_up(&bench, 0x10ed);
	CHECK_EQUAL(ask(&bench, PF_SET_LPE, 1518), 0x40000005u);	/* not introduced */
	introduce(&bench);
	CHECK_EQUAL(ask(&bench, PF_UPDATE_XCAST, PF_XCAST_ALLMULTI), 0xa000000cu);
	CHECK_EQUAL(vf_read(&bench.vf, VFMBMEM + 4), (uint32_t)PF_XCAST_MULTI);	/* an ACK, and yet less */
	CHECK_EQUAL(ask(&bench, PF_SET_LPE, 2048), 0x60000005u);
	CHECK(!bench.vf.pf.receive_on);
	CHECK_EQUAL(ask(&bench, PF_SET_LPE, 1518), 0xa0000005u);
	CHECK(bench.vf.pf.receive_on);
	manner->trusts = true;
	CHECK_EQUAL(ask(&bench, PF_UPDATE_XCAST, PF_XCAST_PROMISC), 0x6000000cu);
	CHECK_EQUAL(ask(&bench, PF_UPDATE_XCAST, PF_XCAST_ALLMULTI), 0xa000000cu);
	CHECK_EQUAL(vf_read(&bench.vf, VFMBMEM + 4), (uint32_t)PF_XCAST_ALLMULTI);
	manner->mtu = 9000;
	introduce(&bench);
	CHECK(!bench.vf.pf.receive_on);
	manner->silent = true;
	CHECK_EQUAL(ask(&bench, PF_SET_LPE, 1518), 0u);
	manner->silent = false;
	vf_pf_reset(&bench.vf, 20);
	pass_ms(&bench, 15);
	CHECK(vf_read(&bench.vf, VFMAILBOX) & MAILBOX_RSTI);
	pass_ms(&bench, 15);
	CHECK(vf_read(&bench.vf, VFMAILBOX) & MAILBOX_RSTD);
	CHECK(!(vf_read(&bench.vf, VFMAILBOX) & (MAILBOX_RSTD | MAILBOX_RSTI)));
	tear_down(&bench);
}

/* The values that Microsoft publishes ("Verifying the RSS Hash Calculation"), for the first of its IPv4 flows. */
static void test_shares_out_as_published(void)
{
	static const uint8_t key[40] = { 0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
					 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
					 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa };
	uint8_t frame[60] = { [12] = 0x08, [14] = 0x45, [23] = 6, [26] = 66, 9, 149, 187, 161, 142, 100, 80, 0x0a, 0xea, 0x06,
			      0xe6 };
	struct rss_choice choice;
	struct bench bench;
	uint32_t word;
	unsigned int i;

	set_up(&bench, 0x1565);
	CHECK_EQUAL(rss_choose(&bench.vf, frame, sizeof(frame)).type, 0);	/* not switched on */
	for (i = 0; i < sizeof(key); i += 4) {
		memcpy(&word, key + i, sizeof(word));
		vf_write(&bench.vf, VFRSSRK + i, word);
	}
	vf_write(&bench.vf, VFRETA + 56, 3);	/* entry 56: of the TCP flow's hash */
	vf_write(&bench.vf, VFPSRTYPE, 2u << VFPSRTYPE_QUEUES_SHIFT);
	vf_write(&bench.vf, VFMRQC, VFMRQC_ENABLE | VFMRQC_TCP_IPV4 | VFMRQC_IPV4);
	choice = rss_choose(&bench.vf, frame, sizeof(frame));
	CHECK(choice.hash == 0x51ccc178 && choice.type == 1 && choice.queue == 3);
	frame[23] = 17;
	choice = rss_choose(&bench.vf, frame, sizeof(frame));
	CHECK(choice.hash == 0x323e8fc2 && choice.type == 2 && choice.queue == 0);
	frame[12] = 0x88;	/* no IP */
	choice = rss_choose(&bench.vf, frame, sizeof(frame));
	CHECK(choice.type == 0 && choice.queue == 0);
	tear_down(&bench);
}

int main(void)
{
	RUN(test_delivery);
	RUN(test_hostile_addresses);
	RUN(test_read_only_memory);
	RUN(test_transmit_ends);
	RUN(test_manners);
	RUN(test_shares_out_as_published);
	return 0;
}
