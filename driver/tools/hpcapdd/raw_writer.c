// SPDX-License-Identifier: GPL-2.0-or-later
#include "raw_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/raw.h"
#include "raw_path.h"

#define NANOSECONDS_PER_SECOND 1000000000ull

int raw_writer_init(struct raw_writer *writer, const struct raw_writer_config *config,
		    void (*closed)(void *context, const struct raw_file_report *report), void *context)
{
	void *block;

	memset(writer, 0, sizeof(*writer));
	writer->config = *config;
	writer->closed = closed;
	writer->context = context;
	writer->fd = -1;
	if (posix_memalign(&block, RAW_WRITER_ALIGNMENT, config->block_bytes))
		return -ENOMEM;
	writer->block = block;
	return 0;
}

void raw_writer_free(struct raw_writer *writer)
{
	free(writer->block);
	writer->block = NULL;
}

/* Writes the first bytes of the block; durable keeps count also when it fails half way. */
static int write_block(struct raw_writer *writer, uint64_t bytes)
{
	uint64_t done = 0;

	writer->failed = "write";
	while (done < bytes) {
		ssize_t n = pwrite(writer->fd, writer->block + done, bytes - done, (off_t)(writer->written + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		done += (uint64_t)n;
		writer->durable += (uint64_t)n;
	}
	writer->written += bytes;
	writer->buffered = 0;
	return 0;
}

/* The record that begins at `start` is being put: once a block is written, everything before it is safe. */
static int put_bytes(struct raw_writer *writer, const void *data, uint64_t bytes, const struct raw_mark *start)
{
	const unsigned char *from = data;

	while (bytes) {
		uint64_t room = writer->config.block_bytes - writer->buffered;
		uint64_t part = bytes < room ? bytes : room;

		if (from) {
			memcpy(writer->block + writer->buffered, from, part);
			from += part;
		} else {
			memset(writer->block + writer->buffered, 0, part);
		}
		writer->buffered += part;
		bytes -= part;
		if (writer->buffered == writer->config.block_bytes) {
			int error = write_block(writer, writer->buffered);

			if (error)
				return error;
			writer->safe = *start;
		}
	}
	return 0;
}

static uint64_t frame_ns(const struct hpcapvf_frame *frame)
{
	return frame->seconds * NANOSECONDS_PER_SECOND + frame->nanoseconds;
}

static void mark_frame(struct raw_mark *mark, const struct hpcapvf_frame *frame)
{
	mark->offset += HPCAPVF_RECORD_BYTES + frame->caplen;
	mark->frames++;
	mark->frame_bytes += frame->caplen;
	mark->last_ns = frame_ns(frame);
}

/*
 * Behind the last record that is whole on the disk. Records that begin in a block are still in memory when its
 * write fails, so they can be walked; of one that began earlier it is only known where it starts or ends.
 */
static struct raw_mark last_whole_record(const struct raw_writer *writer)
{
	struct raw_mark mark = writer->first;
	uint64_t known = writer->end.offset < writer->durable ? writer->end.offset : writer->durable;

	/* before written: a record or padding longer than a block is under way, and nothing begins in this one */
	if (mark.offset < writer->written || mark.offset > known)
		return writer->safe;
	while (mark.offset < known) {
		uint64_t position = 0;
		struct hpcapvf_frame frame;

		if (hpcapvf_next(writer->block + (mark.offset - writer->written), known - mark.offset, &position,
				 &frame) != 1)
			break;
		mark_frame(&mark, &frame);
	}
	return mark;
}

static void finish(struct raw_writer *writer, const char *reason, const struct raw_mark *stored,
		   uint64_t file_bytes, uint64_t unsaved_frames, bool synced)
{
	struct raw_file_report report = {
		.path = writer->path,
		.reason = reason,
		.stored = *stored,
		.first_ns = stored->frames ? writer->first_ns : 0,
		.file_bytes = file_bytes,
		.unsaved_frames = unsaved_frames,
		.synced = synced,
	};

	close(writer->fd);
	writer->fd = -1;
	writer->closed(writer->context, &report);
}

/* The file, and the folder that names it. */
static int sync_file(const struct raw_writer *writer)
{
	if (!writer->config.directory)
		return 0;
	return fdatasync(writer->fd) ? -errno : raw_path_sync_folder(writer->path);
}

/* Keeps what is whole. put_frames: frames given to the writer for this file, the last one perhaps in vain. */
static int give_up(struct raw_writer *writer, int error, uint64_t put_frames)
{
	struct raw_mark mark = last_whole_record(writer);
	uint64_t file_bytes = mark.offset;
	bool synced;

	/* Cutting frees space, it needs none. If even that fails, a reader finds the last frame cut short. */
	if (ftruncate(writer->fd, (off_t)mark.offset))
		file_bytes = writer->durable;
	synced = sync_file(writer) == 0;
	if (!synced)
		writer->failed = "write and sync";
	finish(writer, "error", &mark, file_bytes, put_frames - mark.frames, synced);
	return error;
}

static uint64_t monotonic_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec;
}

static int open_file(struct raw_writer *writer, uint32_t second)
{
	const struct raw_writer_config *config = &writer->config;
	int fd;

	if (config->directory)
		return raw_path_create(config->directory, config->label, config->queue, second, writer->path,
				       sizeof(writer->path), &writer->direct);
	strcpy(writer->path, "null");
	fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int start_file(struct raw_writer *writer, const struct hpcapvf_frame *frame)
{
	int fd = open_file(writer, frame->seconds);

	if (fd < 0) {
		writer->failed = "create";
		return fd;
	}
	writer->fd = fd;
	writer->buffered = 0;
	writer->written = 0;
	writer->durable = 0;
	memset(&writer->end, 0, sizeof(writer->end));
	writer->safe = writer->end;
	writer->first = writer->end;
	writer->first_ns = frame_ns(frame);
	writer->first_second = frame->seconds;
	writer->opened_s = monotonic_seconds();
	return 0;
}

int raw_writer_put(struct raw_writer *writer, const struct hpcapvf_frame *frame)
{
	const uint64_t bytes = HPCAPVF_RECORD_BYTES + frame->caplen;
	struct raw_mark start;
	int error = 0;

	if (writer->fd >= 0 && !hpcap_raw_fits(writer->end.offset, frame->caplen, writer->config.limit_bytes))
		error = raw_writer_close(writer, "full");
	else if (writer->fd >= 0 && writer->config.file_seconds &&
		 frame->seconds >= (uint64_t)writer->first_second + writer->config.file_seconds)
		error = raw_writer_close(writer, "time");
	if (!error && writer->fd < 0)
		error = start_file(writer, frame);
	if (error)
		return error;
	start = writer->end;
	/* the header stands right before the frame in the ring */
	error = put_bytes(writer, frame->data - HPCAPVF_RECORD_BYTES, bytes, &start);
	if (error)
		return give_up(writer, error, start.frames + 1);
	mark_frame(&writer->end, frame);
	if (start.offset < writer->written)
		writer->first = writer->end;
	return 0;
}

static int put_padding(struct raw_writer *writer, uint64_t file_bytes)
{
	uint64_t gap = file_bytes - writer->end.offset;
	int error = 0;

	while (gap && !error) {
		__u8 header[HPCAPVF_RECORD_BYTES];
		__u32 zeros = hpcap_raw_padding(header, gap);

		error = put_bytes(writer, header, sizeof(header), &writer->end);
		if (!error)
			error = put_bytes(writer, NULL, zeros, &writer->end);
		gap -= sizeof(header) + zeros;
	}
	if (!error && writer->buffered)
		error = write_block(writer, writer->buffered);
	return error;
}

int raw_writer_close(struct raw_writer *writer, const char *reason)
{
	const bool full = strcmp(reason, "full") == 0;
	uint64_t file_bytes;
	int error;

	if (writer->fd < 0)
		return 0;
	file_bytes = full ? writer->config.limit_bytes :
			    hpcap_raw_padded_size(writer->end.offset, RAW_WRITER_ALIGNMENT);
	error = put_padding(writer, file_bytes);
	if (error)
		return give_up(writer, error, writer->end.frames);
	writer->failed = "sync";
	error = sync_file(writer);
	/* After a failed sync nobody knows what is on the disk: cutting could only lose more. */
	finish(writer, error ? "error" : reason, &writer->end, file_bytes, 0, !error);
	return error;
}

int raw_writer_tick(struct raw_writer *writer)
{
	if (writer->fd < 0 || !writer->config.file_seconds ||
	    monotonic_seconds() - writer->opened_s <= writer->config.file_seconds)
		return 0;
	return raw_writer_close(writer, "time");
}
