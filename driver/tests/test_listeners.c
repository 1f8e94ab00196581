// SPDX-License-Identifier: GPL-2.0-or-later
/* Lossless and lossy listeners in one thread: who is held, who is overtaken, and that the accounts add up. */
#include <stdlib.h>

#include "libhpcapvf.h"
#include "tests/check.h"
#include "tests/frames.h"
#include "tests/ring_memory.h"

#define RING_BYTES (256u * 1024)

static uint8_t buffer[2 * RING_BYTES];

static int copy(void *to, const void *from, __u64 bytes)
{
	memcpy(to, from, bytes);
	return 0;
}

static struct hpcapvf_listener_stats account(struct test_ring *ring, unsigned int listener)
{
	struct hpcapvf_listener_stats stats;

	hpcap_ring_listener_stats(&ring->ring, listener, &stats);
	CHECK_EQUAL(stats.offered, stats.read + stats.lost + stats.unread);
	CHECK_EQUAL(stats.offered_bytes, stats.read_bytes + stats.lost_bytes + stats.unread_bytes);
	/* what the listener counted record by record is what the producer counted */
	if (stats.read_offset == hpcap_ring_published_offset(&ring->ring))
		CHECK_EQUAL(stats.unread | stats.unread_bytes, 0);
	return stats;
}

static unsigned int attach(struct test_ring *ring, bool lossy)
{
	int listener = hpcap_ring_attach(&ring->ring);

	CHECK(listener >= 0);
	CHECK_EQUAL(hpcap_ring_set_policy(&ring->ring, (unsigned int)listener, lossy), 0);
	return (unsigned int)listener;
}

/* Frames first .. first + count - 1, all taken by the ring. */
static void append(struct test_ring *ring, uint64_t first, uint64_t count)
{
	uint64_t number;

	for (number = first; number < first + count; number++) {
		CHECK_EQUAL(test_ring_append(ring, number), HPCAP_PUBLISHED);
		if (number % 16 == 15)
			hpcap_ring_publish(&ring->ring);
	}
	hpcap_ring_publish(&ring->ring);
}

struct reader {
	uint64_t next;	/* number expected next */
	uint64_t read;
	uint64_t read_bytes;
	uint64_t lost;
	uint64_t lost_bytes;
};

static void take_loss(struct reader *reader, const struct hpcapvf_frame *frame)
{
	struct hpcapvf_loss loss;
	uint64_t i, bytes = 0;

	CHECK_EQUAL(frame->nanoseconds, HPCAPVF_SPECIAL_LOSS);
	CHECK_EQUAL(frame->caplen, sizeof(loss));
	memcpy(&loss, frame->data, sizeof(loss));
	for (i = 0; i < loss.frames; i++)
		bytes += frame_length(reader->next + i);
	CHECK_EQUAL(loss.bytes, bytes);
	reader->next += loss.frames;
	CHECK_EQUAL(loss.seconds, 1700000000u);
	CHECK_EQUAL(loss.nanoseconds, reader->next - 1);	/* a frame's time is its number */
	reader->lost += loss.frames;
	reader->lost_bytes += loss.bytes;
}

/* Reads up to count bytes; every frame must be the next one or be told as lost. Returns what read returned. */
static int64_t read_some(struct test_ring *ring, unsigned int listener, uint64_t count, struct reader *reader)
{
	int64_t bytes = hpcap_ring_read(&ring->ring, listener, buffer, count, copy);
	uint64_t position = 0;
	struct hpcapvf_frame frame;

	while (bytes > 0 && hpcapvf_next(buffer, (uint64_t)bytes, &position, &frame) == 1) {
		if (!frame.seconds) {
			take_loss(reader, &frame);
			continue;
		}
		CHECK_EQUAL(frame.nanoseconds, reader->next);
		CHECK(frame_matches(frame.data, frame.caplen, reader->next));
		reader->next++;
		reader->read++;
		reader->read_bytes += frame.len;
	}
	CHECK(bytes <= 0 || position == (uint64_t)bytes);
	return bytes;
}

static void check_against_account(struct test_ring *ring, unsigned int listener, const struct reader *reader)
{
	struct hpcapvf_listener_stats stats = account(ring, listener);

	CHECK_EQUAL(stats.read, reader->read);
	CHECK_EQUAL(stats.read_bytes, reader->read_bytes);
	CHECK_EQUAL(stats.lost, reader->lost);
	CHECK_EQUAL(stats.lost_bytes, reader->lost_bytes);
}

static void lossy_is_overtaken_and_told(void)
{
	struct test_ring *ring = test_ring_create(RING_BYTES, 0, (1ull << 32) - 1000);
	unsigned int listener = attach(ring, true);
	struct reader reader = { 0 };
	struct hpcapvf_stats stats;

	append(ring, 0, 50);
	while (read_some(ring, listener, sizeof(buffer), &reader) > 0)
		;
	CHECK_EQUAL(reader.read, 50);
	append(ring, 50, 4000);
	while (read_some(ring, listener, sizeof(buffer), &reader) > 0)
		;
	CHECK_EQUAL(reader.read + reader.lost, 4050);
	CHECK(reader.lost > 3500);
	CHECK(reader.read > 50 + 100);	/* it goes on half a ring behind, not at the end */
	check_against_account(ring, listener, &reader);
	CHECK_EQUAL(account(ring, listener).overtaken, 1);
	CHECK_EQUAL(account(ring, listener).offered, 4050);
	hpcap_ring_stats(&ring->ring, &stats);
	CHECK_EQUAL(stats.ring_full_drops, 0);
	test_ring_free(ring);
}

static void lossless_beside_lossy_holds_the_ring(void)
{
	struct test_ring *ring = test_ring_create(RING_BYTES, 0, 0);
	unsigned int lossy = attach(ring, true), lossless = attach(ring, false);
	struct reader reader = { 0 };
	uint64_t number = 0;

	while (test_ring_append(ring, number) == HPCAP_PUBLISHED)
		number++;
	hpcap_ring_publish(&ring->ring);
	CHECK_EQUAL(account(ring, lossless).unread, number);
	while (read_some(ring, lossy, sizeof(buffer), &reader) > 0)
		;
	CHECK_EQUAL(reader.read, number);	/* as long as somebody holds the ring nobody loses */
	hpcap_ring_detach(&ring->ring, lossless);
	append(ring, number, 3000);
	while (read_some(ring, lossy, sizeof(buffer), &reader) > 0)
		;
	CHECK(reader.lost > 0);
	check_against_account(ring, lossy, &reader);
	test_ring_free(ring);
}

static void lossy_reads_whole_records_only(void)
{
	struct test_ring *ring = test_ring_create(RING_BYTES, 0, 0);
	unsigned int listener = attach(ring, true);
	const uint64_t first = HPCAPVF_RECORD_BYTES + frame_length(0);
	struct reader reader = { 0 };

	append(ring, 0, 3);
	CHECK_EQUAL(-read_some(ring, listener, first - 1, &reader), EMSGSIZE);
	CHECK_EQUAL(read_some(ring, listener, first + 5, &reader), first);
	CHECK_EQUAL(-hpcap_ring_advance(&ring->ring, listener, first + 1), EINVAL);
	append(ring, 3, 2000);
	CHECK_EQUAL(-read_some(ring, listener, HPCAP_LOSS_RECORD_BYTES - 1, &reader), EMSGSIZE);
	CHECK_EQUAL(read_some(ring, listener, HPCAP_LOSS_RECORD_BYTES, &reader), HPCAP_LOSS_RECORD_BYTES);
	while (read_some(ring, listener, 4096, &reader) > 0)
		;
	CHECK_EQUAL(reader.next, 2003);
	check_against_account(ring, listener, &reader);
	test_ring_free(ring);
}

/* As a program with the mapping does it: look, copy, advance; only then the copy counts. */
static void advance_says_whether_a_view_was_whole(void)
{
	struct test_ring *ring = test_ring_create(RING_BYTES, 0, 0);
	unsigned int listener = attach(ring, true);
	uint64_t bytes, offset;

	append(ring, 0, 10);
	hpcap_ring_view(&ring->ring, listener, (__u64 *)&bytes);
	offset = hpcap_ring_read_offset(&ring->ring, listener);
	append(ring, 10, 3000);
	CHECK_EQUAL(-hpcap_ring_advance(&ring->ring, listener, offset + bytes), ESTALE);
	CHECK(hpcap_ring_read_offset(&ring->ring, listener) > offset);
	CHECK_EQUAL(account(ring, listener).read, 0);
	CHECK(account(ring, listener).lost > 0);
	hpcap_ring_view(&ring->ring, listener, (__u64 *)&bytes);
	offset = hpcap_ring_read_offset(&ring->ring, listener);
	CHECK_EQUAL(hpcap_ring_advance(&ring->ring, listener, offset + bytes), 0);
	CHECK_EQUAL(account(ring, listener).unread, 0);
	test_ring_free(ring);
}

/* Each byte that the producer may have touched is claimed: nothing below the claim less a ring changed. */
static void the_claim_comes_before_the_bytes(void)
{
	struct test_ring *ring = test_ring_create(RING_BYTES, 0, 0);
	uint8_t *before = malloc(RING_BYTES);
	uint64_t number = 0, i;

	CHECK(before);
	attach(ring, true);
	for (; number < 3000; number++) {
		uint64_t claim, write_offset = ring->ring.write_offset, begin;

		memcpy(before, ring->ring.data, RING_BYTES);
		CHECK_EQUAL(test_ring_append(ring, number), HPCAP_PUBLISHED);
		claim = ring->control.claim_offset;
		CHECK(claim >= ring->ring.write_offset);
		begin = claim > RING_BYTES ? claim - RING_BYTES : 0;
		for (i = begin; i < write_offset; i++)
			if (before[i % RING_BYTES] != ring->ring.data[i % RING_BYTES])
				CHECK_EQUAL(i, UINT64_MAX);
		hpcap_ring_publish(&ring->ring);
	}
	free(before);
	test_ring_free(ring);
}

static void policy_can_change(void)
{
	struct test_ring *ring = test_ring_create(RING_BYTES, 0, 0);
	unsigned int listener = attach(ring, false);
	struct reader reader = { 0 };
	uint64_t number = 2000;

	append(ring, 0, 10);
	CHECK_EQUAL(hpcap_ring_read(&ring->ring, listener, buffer, 100, copy), 100);
	CHECK_EQUAL(-hpcap_ring_set_policy(&ring->ring, listener, true), EBUSY);	/* within a record */
	CHECK(hpcap_ring_read(&ring->ring, listener, buffer, sizeof(buffer), copy) > 0);
	reader.next = reader.read = account(ring, listener).read;
	reader.read_bytes = account(ring, listener).read_bytes;
	CHECK_EQUAL(reader.read, 10);
	CHECK_EQUAL(hpcap_ring_set_policy(&ring->ring, listener, true), 0);
	append(ring, 10, number - 10);
	CHECK_EQUAL(hpcap_ring_set_policy(&ring->ring, listener, false), 0);
	CHECK_EQUAL(account(ring, listener).lost, number - 10);
	CHECK_EQUAL(account(ring, listener).unread, 0);
	while (test_ring_append(ring, number) == HPCAP_PUBLISHED)	/* it holds the ring again */
		number++;
	hpcap_ring_publish(&ring->ring);
	while (read_some(ring, listener, sizeof(buffer), &reader) > 0)
		;
	CHECK_EQUAL(reader.next, number);
	check_against_account(ring, listener, &reader);
	test_ring_free(ring);
}

/* Random comings, goings, policies and reading speeds; after each step all accounts must add up. */
static void accounts_hold_under_churn(void)
{
	struct test_ring *ring = test_ring_create(RING_BYTES, 96, (1ull << 40) - 3 * RING_BYTES);
	struct hpcap_ring *core = &ring->ring;
	struct hpcapvf_stats stats;
	uint64_t number = 0;
	unsigned int step, open = 0, i;

	srand(20150612);
	for (step = 0; step < 40000; step++) {
		unsigned int listener = (unsigned int)rand() % HPCAPVF_LISTENERS_MAX;

		for (i = (unsigned int)rand() % 40; i > 0; i--)
			test_ring_append(ring, number++);
		if (step % 1000 == 999)
			hpcap_ring_count_reset(core);
		if (step % 17 == 0)
			hpcap_ring_count_error(core, 1600);
		hpcap_ring_publish(core);
		if (!(open & 1u << listener)) {
			open |= 1u << hpcap_ring_attach(core);
		} else if (rand() % 50 == 0) {
			hpcap_ring_detach(core, listener);
			open &= ~(1u << listener);
		} else if (rand() % 10 == 0) {
			hpcap_ring_set_policy(core, listener, rand() % 2);
		} else if (rand() % 3 == 0) {
			CHECK(hpcap_ring_read(core, listener, buffer, (uint64_t)(rand() % 9000), copy) >= -EMSGSIZE);
		}
		for (i = 0; i < HPCAPVF_LISTENERS_MAX; i++)
			if (open & 1u << i)
				account(ring, i);
		test_ring_check_accounts(core, &stats);
		CHECK_EQUAL(stats.received - stats.errors, number);
	}
	CHECK(stats.ring_full_drops > 0 && stats.errors > 0 && stats.resets == 40);
	test_ring_free(ring);
}

/* A ring of 6 GiB without the memory for it: positions in the ring, too, are beyond 32 bits. */
static void positions_beyond_4_gib(void)
{
	const uint64_t size = 6ull << 30, margin = 100000;
	struct test_ring *ring;
	uint64_t number = 0, round;

	for (round = 0; round < 2; round++) {
		struct reader lossless = { .next = number };
		unsigned int listener;

		ring = test_ring_create(size, 0, (round ? 13 * size : 4ull << 30) - margin);
		listener = attach(ring, false);
		for (; lossless.read < 1000; number += 100) {
			append(ring, number, 100);
			read_some(ring, listener, sizeof(buffer), &lossless);
			CHECK_EQUAL(lossless.next, number + 100);
		}
		CHECK(account(ring, listener).read_bytes > 2 * margin);
		test_ring_free(ring);
	}
}

int main(void)
{
	RUN(lossy_is_overtaken_and_told);
	RUN(lossless_beside_lossy_holds_the_ring);
	RUN(lossy_reads_whole_records_only);
	RUN(advance_says_whether_a_view_was_whole);
	RUN(the_claim_comes_before_the_bytes);
	RUN(policy_can_change);
	RUN(accounts_hold_under_churn);
	RUN(positions_beyond_4_gib);
	return 0;
}
