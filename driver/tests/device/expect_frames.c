// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Says "ready", then takes frames from a device until all that send_frames sends were there, whole and in order.
 * Frames of others are skipped. expect_frames DEVICE FIRST COUNT [BYTES [TCI [CAPLEN]]]
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libhpcapvf.h"
#include "tests/check.h"
#include "tests/device/numbered.h"

/* On a starved host more than 10 s of the machine's clock passed before the sender's first frame. */
#define QUIET_MS 60000

struct seen {
	const struct numbered_kind *kind;
	uint32_t caplen;
	uint64_t next;
	uint64_t foreign;
	uint64_t last_ns;
};

static int is_numbered(const struct hpcapvf_frame *frame)
{
	static const uint8_t source[6] = { 2, 0x48, 0x50, 0x56, 0, 1 };

	return frame->caplen >= NUMBERED_BYTES_MIN && memcmp(frame->data + 6, source, sizeof(source)) == 0;
}

static void look_at(struct seen *seen, const struct hpcapvf_frame *frame)
{
	static uint8_t expected[NUMBERED_BYTES_MAX];
	uint64_t ns = frame->seconds * 1000000000ull + frame->nanoseconds;
	uint32_t bytes;

	CHECK(ns >= seen->last_ns);
	seen->last_ns = ns;
	if (!is_numbered(frame)) {
		seen->foreign++;
		return;
	}
	bytes = numbered_build(expected, seen->kind, seen->next);
	CHECK_EQUAL(numbered_number(frame->data), seen->next);	/* none lost, none out of order */
	CHECK_EQUAL(frame->len, bytes);
	CHECK_EQUAL(frame->caplen, seen->caplen && seen->caplen < bytes ? seen->caplen : bytes);
	CHECK(memcmp(frame->data, expected, frame->caplen) == 0);
	seen->next++;
}

static void check_account(const struct hpcapvf *capture)
{
	struct hpcapvf_listener_stats mine;
	struct hpcapvf_stats all;

	CHECK_EQUAL(hpcapvf_stats(capture, &all), 0);
	CHECK_EQUAL(all.received, all.published + all.duplicates + all.ring_full_drops + all.no_listener_drops + all.errors);
	CHECK_EQUAL(hpcapvf_listener_stats(capture, &mine), 0);
	CHECK_EQUAL(mine.offered, mine.read + mine.lost + mine.unread);
}

int main(int argc, char **argv)
{
	struct hpcapvf *capture;
	struct numbered_kind kind;
	struct seen seen = { .kind = &kind };

	CHECK(argc >= 4);
	kind = numbered_kind_of(argc - 2, argv + 2);
	seen.next = kind.first;
	seen.caplen = argc > 6 ? (uint32_t)strtoul(argv[6], NULL, 0) : 0;
	CHECK_EQUAL(-hpcapvf_open(argv[1], &capture), 0);
	printf("ready\n");
	fflush(stdout);
	while (seen.next < kind.first + kind.count) {
		int result = hpcapvf_wait(capture, 1, QUIET_MS);
		uint64_t bytes, at = 0;
		const void *records = hpcapvf_unread(capture, &bytes);
		struct hpcapvf_frame frame;

		while (hpcapvf_next(records, bytes, &at, &frame) == 1)
			look_at(&seen, &frame);
		CHECK_EQUAL(hpcapvf_release(capture, bytes), 0);
		check_account(capture);
		if (result && !bytes) {
			fprintf(stderr, "%s after %llu of %llu frames\n", strerror(-result),
				(unsigned long long)(seen.next - kind.first), (unsigned long long)kind.count);
			return 1;
		}
	}
	printf("all %llu frames, %llu others\n", (unsigned long long)kind.count, (unsigned long long)seen.foreign);
	hpcapvf_close(capture);
	return 0;
}
