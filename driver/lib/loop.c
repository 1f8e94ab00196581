// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>

#include "libhpcapvf.h"

/* So much is looked at before its place is given back. */
#define BATCH_BYTES (1u << 20)
#define RECORD_BYTES_MAX (HPCAPVF_RECORD_BYTES + HPCAPVF_CAPLEN_MAX)

struct loop {
	struct hpcapvf *capture;
	uint64_t left;		/* frames to give */
	int (*each)(void *context, const struct hpcapvf_frame *frame);
	void *context;
};

static int give(struct loop *loop, const struct hpcapvf_frame *frame)
{
	if (!frame->seconds)	/* no frame */
		return 0;
	loop->left--;
	return loop->each(loop->context, frame);
}

/* A lossless listener's records stay as they are. */
static int give_batch(struct loop *loop, const void *records, uint64_t bytes)
{
	struct hpcapvf_frame frame;
	uint64_t position = 0;
	int got = 1, result = 0, error;

	while (!result && loop->left && position < bytes && position < BATCH_BYTES) {
		got = hpcapvf_next(records, bytes, &position, &frame);
		if (got != 1)
			break;
		result = give(loop, &frame);
	}
	error = hpcapvf_release(loop->capture, position);
	if (!result && got < 0)
		result = got;
	return result ? result : error;
}

/* A lossy one's may be overwritten meanwhile: a copy is given, once release says that it is whole. */
static int give_copy(struct loop *loop, const void *records, uint64_t bytes)
{
	unsigned char copy[RECORD_BYTES_MAX];
	struct hpcapvf_frame frame;
	uint64_t length = 0, position = 0;
	int got = hpcapvf_next(records, bytes, &length, &frame);
	int error;

	if (got == 1)
		memcpy(copy, records, length);
	error = hpcapvf_release(loop->capture, length);
	if (error == -ESTALE)
		return 0;
	if (error || got != 1)
		return error ? error : got;
	got = hpcapvf_next(copy, length, &position, &frame);
	return got == 1 ? give(loop, &frame) : -EBADMSG;
}

int hpcapvf_loop(struct hpcapvf *capture, uint64_t count, int timeout_ms,
		 int (*each)(void *context, const struct hpcapvf_frame *frame), void *context)
{
	struct loop loop = { .capture = capture, .left = count ? count : UINT64_MAX, .each = each, .context = context };
	struct hpcapvf_listener_stats stats;
	int result = hpcapvf_listener_stats(capture, &stats);

	while (!result && loop.left) {
		const void *records;
		uint64_t bytes;

		result = hpcapvf_wait(capture, 1, timeout_ms);
		if (result)
			break;
		records = hpcapvf_unread(capture, &bytes);
		result = stats.policy == HPCAPVF_POLICY_LOSSY ? give_copy(&loop, records, bytes) :
								give_batch(&loop, records, bytes);
	}
	return result;
}
