// SPDX-License-Identifier: GPL-2.0-or-later
/* Frames in several pieces, from devices that keep to the rules and from others. */
#include <string.h>

#include "core/pieces.h"
#include "tests/check.h"
#include "tests/ring_memory.h"

#define BUFFER 2048u
#define RING_BYTES (256u * 1024)

static struct hpcapvf_control control;
static __u8 buffers[8 * BUFFER];

static int copy(void *to, const void *from, __u64 bytes)
{
	memcpy(to, from, bytes);
	return 0;
}

static void a_whole_frame_has_the_sum_of_its_pieces(void)
{
	static const __u32 last[] = { 0, 1, 776, BUFFER };
	struct hpcap_pieces pieces = { 0 };
	unsigned int before, i;
	__u32 total;

	for (before = 1; before <= HPCAP_PIECES_MAX; before++) {
		for (i = 0; i < sizeof(last) / sizeof(*last); i++) {
			unsigned int piece;

			for (piece = 1; piece <= before; piece++) {
				hpcap_pieces_add(&pieces, BUFFER, BUFFER);
				CHECK_EQUAL(hpcap_pieces_held(&pieces), piece);
			}
			CHECK(hpcap_pieces_end(&pieces, last[i], BUFFER, &total));
			CHECK_EQUAL(total, before * BUFFER + last[i]);
			CHECK_EQUAL(hpcap_pieces_held(&pieces), 0u);
		}
	}
}

static void a_piece_that_does_not_fill_its_buffer_breaks_the_frame(void)
{
	static const __u32 wrong[] = { 0, 1, BUFFER - 1, BUFFER + 1, 65535 };
	struct hpcap_pieces pieces = { 0 };
	unsigned int i;
	__u32 total;

	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		hpcap_pieces_add(&pieces, BUFFER, BUFFER);
		hpcap_pieces_add(&pieces, wrong[i], BUFFER);
		CHECK_EQUAL(hpcap_pieces_held(&pieces), 0u);	/* its buffers may go back at once */
		hpcap_pieces_add(&pieces, BUFFER, BUFFER);
		CHECK_EQUAL(hpcap_pieces_held(&pieces), 0u);
		CHECK(!hpcap_pieces_end(&pieces, 10, BUFFER, &total));
		CHECK_EQUAL(total, 2 * BUFFER + wrong[i] + 10);
		hpcap_pieces_add(&pieces, BUFFER, BUFFER);	/* the next one is not to blame */
		CHECK(hpcap_pieces_end(&pieces, 10, BUFFER, &total));
	}
	hpcap_pieces_add(&pieces, BUFFER, BUFFER);
	CHECK(!hpcap_pieces_end(&pieces, BUFFER + 1, BUFFER, &total));
}

/* Else a device could keep all descriptors of a ring for itself, and nothing would ever arrive again. */
static void a_frame_without_end_holds_no_buffers(void)
{
	struct hpcap_pieces pieces = { 0 };
	unsigned int i;
	__u32 total;

	for (i = 0; i < 3000000; i++) {
		hpcap_pieces_add(&pieces, BUFFER, BUFFER);
		CHECK(hpcap_pieces_held(&pieces) <= HPCAP_PIECES_MAX);
	}
	CHECK_EQUAL(hpcap_pieces_held(&pieces), 0u);
	CHECK(!hpcap_pieces_end(&pieces, BUFFER, BUFFER, &total));
	CHECK_EQUAL(total, 0xffffffffu);
}

static void a_cut_frame_is_one_error_and_never_half_published(void)
{
	struct test_ring *memory = test_ring_create(RING_BYTES, 0, 0);
	struct hpcap_capture capture = { .stamper.method = HPCAP_STAMP_FRAME };
	struct hpcap_pieces pieces = { 0 };
	struct hpcap_arrival burst[2];
	struct hpcapvf_stats stats;
	int listener;

	CHECK_EQUAL(hpcap_ring_init(&capture.ring, memory->ring.data, RING_BYTES, &control, 0, 0), 0);
	listener = hpcap_ring_attach(&capture.ring);
	CHECK(listener >= 0);
	CHECK(!hpcap_pieces_take_cut(&pieces, &burst[0]));
	hpcap_pieces_cut(&pieces);	/* nothing was begun */
	CHECK(!hpcap_pieces_take_cut(&pieces, &burst[0]));
	hpcap_pieces_add(&pieces, BUFFER, BUFFER);
	hpcap_pieces_add(&pieces, BUFFER, BUFFER);
	hpcap_pieces_cut(&pieces);
	hpcap_pieces_cut(&pieces);	/* set up twice before anything is received */
	CHECK_EQUAL(hpcap_pieces_held(&pieces), 0u);
	CHECK(hpcap_pieces_take_cut(&pieces, &burst[0]));
	burst[1] = (struct hpcap_arrival){ .data = buffers };
	hpcap_pieces_add(&pieces, BUFFER, BUFFER);	/* a whole one right after it */
	CHECK(hpcap_pieces_end(&pieces, 100, BUFFER, &burst[1].length));
	hpcap_capture_burst(&capture, burst, 2, false);
	CHECK(!hpcap_pieces_take_cut(&pieces, &burst[0]));
	hpcap_ring_stats(&capture.ring, &stats);
	CHECK_EQUAL(stats.received, 2u);
	CHECK_EQUAL(stats.errors, 1u);
	CHECK_EQUAL(stats.published, 1u);
	CHECK_EQUAL(stats.received_bytes, 2 * BUFFER + BUFFER + 100);
	CHECK_EQUAL(stats.published_bytes, BUFFER + 100);
	CHECK_EQUAL(hpcap_ring_available(&capture.ring, (unsigned int)listener), HPCAPVF_RECORD_BYTES + BUFFER + 100);
	test_ring_free(memory);
}

static void a_long_frame_is_one_record_and_caplen_holds(void)
{
	static const __u32 caplens[] = { 0, 100, 3000 };
	static __u8 out[2 * sizeof(buffers)];
	unsigned int i;

	for (i = 0; i < sizeof(buffers); i++)
		buffers[i] = (__u8)(i * 7 + i / 251);
	for (i = 0; i < sizeof(caplens) / sizeof(*caplens); i++) {
		struct test_ring *memory = test_ring_create(RING_BYTES, 0, 0);
		struct hpcap_capture capture = { .stamper.method = HPCAP_STAMP_FRAME };
		struct hpcap_pieces pieces = { 0 };
		struct hpcap_arrival arrival = { .data = buffers };
		__u32 kept, piece;
		int listener;

		CHECK_EQUAL(hpcap_ring_init(&capture.ring, memory->ring.data, RING_BYTES, &control, caplens[i], 0), 0);
		listener = hpcap_ring_attach(&capture.ring);
		for (piece = 0; piece < 4; piece++)
			hpcap_pieces_add(&pieces, BUFFER, BUFFER);
		CHECK(hpcap_pieces_end(&pieces, 826, BUFFER, &arrival.length));
		hpcap_capture_burst(&capture, &arrival, 1, false);
		kept = caplens[i] ? caplens[i] : 9018;
		CHECK_EQUAL(hpcap_ring_read(&capture.ring, (unsigned int)listener, out, sizeof(out), copy),
			    (__s64)(HPCAPVF_RECORD_BYTES + kept));
		CHECK(!memcmp(out + HPCAPVF_RECORD_BYTES, buffers, kept));
		test_ring_free(memory);
	}
}

int main(void)
{
	RUN(a_whole_frame_has_the_sum_of_its_pieces);
	RUN(a_piece_that_does_not_fill_its_buffer_breaks_the_frame);
	RUN(a_frame_without_end_holds_no_buffers);
	RUN(a_cut_frame_is_one_error_and_never_half_published);
	RUN(a_long_frame_is_one_record_and_caplen_holds);
	return 0;
}
