// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A record waits at most this long for its block to fill before it is taken out of the ring. */
#define WAIT_MS 100

void capture_file_closed(void *context, const struct raw_file_report *report)
{
	struct capture *capture = context;

	capture->totals.frames += report->stored.frames;
	capture->totals.bytes += report->stored.frame_bytes;
	capture->totals.unsaved_frames += report->unsaved_frames;
	capture->totals.file_bytes += report->file_bytes;
	capture->totals.files++;
	status_file_closed(&capture->status, report);
}

void capture_file_removed(void *context, const char *path, uint64_t bytes)
{
	struct capture *capture = context;

	capture->totals.removed_files++;
	status_file_removed(&capture->status, path, bytes);
}

static enum capture_exit storage_failed(struct capture *capture, int error)
{
	snprintf(capture->message, sizeof(capture->message), "cannot %s %s: %s", capture->writer.failed,
		 capture->writer.path, strerror(-error));
	return CAPTURE_STORAGE;
}

static enum capture_exit close_file(struct capture *capture, const char *reason)
{
	int error = raw_writer_close(&capture->writer, reason);

	return error ? storage_failed(capture, error) : CAPTURE_OK;
}

static enum capture_exit keep_room(struct capture *capture)
{
	int error = guard_check(&capture->guard, capture->writer.fd >= 0 ? capture->writer.path : "");

	if (!error)
		return CAPTURE_OK;
	snprintf(capture->message, sizeof(capture->message), "cannot keep room in %s: %s", capture->guard.directory,
		 strerror(-error));
	return CAPTURE_STORAGE;
}

/* Stores the records up to the offset `until`, or a block of them if that is less. */
static enum capture_exit store_some(struct capture *capture, uint64_t until)
{
	uint64_t bytes, position = 0;
	const void *records = hpcapvf_unread(capture->device, &bytes);
	uint64_t wanted = until - hpcapvf_read_offset(capture->device);
	struct hpcapvf_frame frame;
	int error = 0, got = 1;

	if (wanted > capture->block_bytes)
		wanted = capture->block_bytes;
	while (!error && position < wanted) {
		got = hpcapvf_next(records, bytes, &position, &frame);
		if (got != 1)
			break;
		if (frame.seconds)
			error = raw_writer_put(&capture->writer, &frame);
	}
	if (error)
		return storage_failed(capture, error);
	if (got == 1)
		error = hpcapvf_release(capture->device, position);
	if (got != 1 || error) {
		snprintf(capture->message, sizeof(capture->message), "the ring does not hold whole records at offset %llu",
			 (unsigned long long)(hpcapvf_read_offset(capture->device) + position));
		return CAPTURE_BAD_STREAM;
	}
	return keep_room(capture);
}

/* Stores everything that is captured by now. */
static enum capture_exit drain(struct capture *capture)
{
	uint64_t until = hpcapvf_write_offset(capture->device);
	enum capture_exit result = CAPTURE_OK;

	while (result == CAPTURE_OK && hpcapvf_read_offset(capture->device) < until)
		result = store_some(capture, until);
	return result;
}

static enum capture_exit flush(struct capture *capture)
{
	enum capture_exit result = drain(capture);

	if (result == CAPTURE_OK)
		result = close_file(capture, "flush");
	if (result == CAPTURE_OK) {
		capture->totals.flushes++;
		status_flushed(&capture->status, &capture->totals);
	}
	return result;
}

static enum capture_exit device_gone(struct capture *capture)
{
	enum capture_exit result = drain(capture);

	if (result == CAPTURE_OK)
		result = close_file(capture, "stop");
	if (result == CAPTURE_OK) {
		snprintf(capture->message, sizeof(capture->message), "the device is gone");
		result = CAPTURE_DEVICE_GONE;
	}
	return result;
}

static enum capture_exit store_or_wait(struct capture *capture)
{
	int waited = hpcapvf_wait(capture->device, capture->block_bytes, WAIT_MS);

	if (waited == -ENODEV)
		return device_gone(capture);
	if (waited && waited != -ETIMEDOUT && waited != -EINTR) {
		snprintf(capture->message, sizeof(capture->message), "cannot wait for the device: %s",
			 strerror(-waited));
		return CAPTURE_NO_DEVICE;
	}
	if (hpcapvf_write_offset(capture->device) == hpcapvf_read_offset(capture->device)) {
		int error = raw_writer_tick(&capture->writer);

		return error ? storage_failed(capture, error) : CAPTURE_OK;
	}
	return store_some(capture, hpcapvf_write_offset(capture->device));
}

enum capture_exit capture_run(struct capture *capture, struct capture_signals *signals)
{
	enum capture_exit result = keep_room(capture);

	while (result == CAPTURE_OK && !signals->stop) {
		if (signals->flush) {
			/* cleared first: a signal that comes during the flush asks for one more */
			signals->flush = 0;
			result = flush(capture);
		} else {
			result = store_or_wait(capture);
		}
	}
	if (result == CAPTURE_OK)
		result = drain(capture);
	if (result == CAPTURE_OK)
		return close_file(capture, "stop");
	/* keep what came before the fault, if it was not closed with it; the first message is the one that counts */
	(void)raw_writer_close(&capture->writer, "error");
	return result;
}
