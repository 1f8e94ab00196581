// SPDX-License-Identifier: GPL-2.0-or-later
/* The file writer alone: every way a file can end. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/raw.h"
#include "core/raw_scan.h"
#include "tests/check.h"
#include "tests/sandbox.h"
#include "tools/hpcapdd/raw_writer.h"

#define LIMIT 16384u
#define BLOCK 4096u
#define SECOND 1700000000u

static struct raw_file_report last;
static char last_path[PATH_MAX];
static unsigned int files;
static int sync_error;	/* what the disk answers to a sync, 0: what it really does */

/* In the place of the C library's: no disk here fails at will. */
int fdatasync(int fd)
{
	if (!sync_error)
		return (int)syscall(SYS_fdatasync, fd);
	errno = sync_error;
	return -1;
}

static void on_closed(void *context, const struct raw_file_report *report)
{
	(void)context;
	last = *report;
	snprintf(last_path, sizeof(last_path), "%s", report->path);
	files++;
}

static void writer_start(struct raw_writer *writer, uint64_t limit, uint64_t block)
{
	static char directory[PATH_MAX];
	struct raw_writer_config config = { .label = "t0", .queue = 1, .limit_bytes = limit, .block_bytes = block };

	snprintf(directory, sizeof(directory), "%s", sandbox_path(""));
	config.directory = directory;
	files = 0;
	CHECK_EQUAL(raw_writer_init(writer, &config, on_closed, NULL), 0);
}

/* A frame of caplen bytes, all of them `fill`. */
static int put(struct raw_writer *writer, uint32_t caplen, uint8_t fill)
{
	static uint8_t record[HPCAPVF_RECORD_BYTES + HPCAPVF_CAPLEN_MAX];
	struct hpcap_frame frame = { .data = record + HPCAPVF_RECORD_BYTES, .length = caplen, .seconds = SECOND,
				     .nanoseconds = fill };
	struct hpcapvf_frame view;
	uint64_t position = 0;

	memset(record + HPCAPVF_RECORD_BYTES, fill, caplen);
	hpcap_record_build(record, &frame, caplen);
	CHECK_EQUAL(hpcapvf_next(record, sizeof(record), &position, &view), 1);
	return raw_writer_put(writer, &view);
}

/* Reads a closed file strictly: frames, then padding to the end. Returns the number of frames. */
static uint64_t check_file(const char *path, uint64_t expected_bytes, bool padded)
{
	size_t size;
	uint8_t *data = sandbox_read(path, &size);
	struct hpcap_raw_item item = hpcap_raw_scan(data, size, 0);
	uint64_t frames = 0;

	CHECK_EQUAL(size, expected_bytes);
	for (; item.kind == HPCAP_RAW_FRAME; item = hpcap_raw_scan(data, size, item.next_offset)) {
		CHECK_EQUAL(data[item.offset + 12], item.nanoseconds);
		CHECK_EQUAL(data[item.next_offset - 1], item.nanoseconds);
		frames++;
	}
	CHECK_EQUAL(item.kind, padded ? HPCAP_RAW_PADDING : HPCAP_RAW_END);
	while (item.kind == HPCAP_RAW_PADDING)
		item = hpcap_raw_scan(data, size, item.next_offset);
	CHECK_EQUAL(item.kind, HPCAP_RAW_END);
	free(data);
	return frames;
}

/* The last record ends `left` bytes before the limit: from exactly one header left upwards. */
static void full_files_have_exactly_the_limit(void)
{
	uint32_t left;

	for (left = HPCAPVF_RECORD_BYTES; left < 140; left++) {
		struct raw_writer writer;
		uint32_t rest = LIMIT - left - 4 * (12 + 3000) - 12;

		writer_start(&writer, LIMIT, BLOCK);
		CHECK_EQUAL(put(&writer, 3000, 1), 0);
		CHECK_EQUAL(put(&writer, 3000, 2), 0);
		CHECK_EQUAL(put(&writer, 3000, 3), 0);
		CHECK_EQUAL(put(&writer, 3000, 4), 0);
		CHECK_EQUAL(put(&writer, rest, 5), 0);
		CHECK_EQUAL(files, 0);
		CHECK_EQUAL(put(&writer, 1000, 6), 0);	/* does not fit any more: begins the next file */
		CHECK_EQUAL(files, 1);
		CHECK_EQUAL(last.stored.frames, 5);
		CHECK_EQUAL(last.file_bytes, LIMIT);
		CHECK_EQUAL(check_file(last_path, LIMIT, true), 5);
		CHECK_EQUAL(raw_writer_close(&writer, "stop"), 0);
		CHECK_EQUAL(files, 2);
		CHECK_EQUAL(check_file(last_path, 4096, true), 1);
		raw_writer_free(&writer);
	}
}

static void early_files_end_at_the_alignment(void)
{
	uint32_t caplen;

	/* around the place where record and padding header fill 4096 bytes exactly */
	for (caplen = 4096 - 24 - 20; caplen < 4096 - 24 + 20; caplen++) {
		struct raw_writer writer;

		writer_start(&writer, LIMIT, BLOCK);
		CHECK_EQUAL(put(&writer, caplen, 7), 0);
		CHECK_EQUAL(raw_writer_close(&writer, "flush"), 0);
		CHECK_EQUAL(last.file_bytes, caplen <= 4096 - 24 ? 4096 : 8192);
		CHECK_EQUAL(check_file(last_path, last.file_bytes, true), 1);
		raw_writer_free(&writer);
	}
}

/* With the largest records more than 65535 bytes can be left: that takes two padding records. */
static void padding_beyond_16_bits_is_chained(void)
{
	struct raw_writer writer;
	uint32_t first = 65535, i;

	writer_start(&writer, 131072, 65536);
	CHECK_EQUAL(put(&writer, first - 12, 1), 0);
	CHECK_EQUAL(put(&writer, 65535, 2), 0);
	CHECK_EQUAL(files, 1);
	CHECK_EQUAL(check_file(last_path, 131072, true), 1);
	for (i = 0; i < 3; i++)	/* and records longer than a block */
		CHECK_EQUAL(put(&writer, 60000, (uint8_t)(3 + i)), 0);
	CHECK_EQUAL(raw_writer_close(&writer, "stop"), 0);
	CHECK_EQUAL(files, 3);
	raw_writer_free(&writer);
}

static void set_file_size_limit(rlim_t bytes)
{
	struct rlimit limit = { .rlim_cur = bytes, .rlim_max = RLIM_INFINITY };

	CHECK_EQUAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* A file system that ends after so many bytes, with and without records longer than a block. */
static void failed_write_leaves_whole_records_only(void)
{
	static const uint32_t sizes[] = { 60, 1514, 4084, 9000, 30000 };
	unsigned int s;

	for (s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		uint64_t full_at;

		for (full_at = 0; full_at <= 40960; full_at += 4096) {
			struct raw_writer writer;
			uint64_t frames = 0;
			int error = 0;

			writer_start(&writer, 1u << 20, 8192);
			set_file_size_limit(full_at);
			while (!error && frames < 10000)
				error = put(&writer, sizes[s], (uint8_t)(1 + frames++ % 200));
			set_file_size_limit(RLIM_INFINITY);
			CHECK_EQUAL(-error, EFBIG);
			CHECK_EQUAL(files, 1);
			CHECK(strcmp(last.reason, "error") == 0);
			CHECK_EQUAL(last.stored.frames + last.unsaved_frames, frames);
			CHECK_EQUAL(last.stored.frames, full_at / (12 + sizes[s]));
			CHECK_EQUAL(check_file(last_path, last.stored.frames * (12 + sizes[s]), false),
				    last.stored.frames);
			raw_writer_free(&writer);
		}
	}
}

static void failed_padding_keeps_all_whole_records(void)
{
	struct raw_writer writer;

	writer_start(&writer, 1u << 20, 8192);
	CHECK_EQUAL(put(&writer, 5000, 1), 0);
	CHECK_EQUAL(put(&writer, 5000, 2), 0);
	set_file_size_limit(8192);
	CHECK_EQUAL(-raw_writer_close(&writer, "stop"), EFBIG);
	set_file_size_limit(RLIM_INFINITY);
	CHECK_EQUAL(last.stored.frames, 1);
	CHECK_EQUAL(last.unsaved_frames, 1);
	CHECK_EQUAL(check_file(last_path, 5012, false), 1);
	CHECK(last.synced && strcmp(writer.failed, "write") == 0);
	raw_writer_free(&writer);
}

/* A disk that is broken altogether: what was written before is not sure to be there. */
static void failed_sync_is_told(bool write_fails)
{
	struct raw_writer writer;

	writer_start(&writer, 1u << 20, 8192);
	CHECK_EQUAL(put(&writer, 5000, 1), 0);
	CHECK_EQUAL(put(&writer, 5000, 2), 0);
	set_file_size_limit(write_fails ? 8192 : RLIM_INFINITY);
	sync_error = EIO;
	CHECK_EQUAL(-raw_writer_close(&writer, "stop"), write_fails ? EFBIG : EIO);
	sync_error = 0;
	set_file_size_limit(RLIM_INFINITY);
	CHECK(strcmp(last.reason, "error") == 0 && !last.synced);
	CHECK(strcmp(writer.failed, write_fails ? "write and sync" : "sync") == 0);
	CHECK_EQUAL(last.stored.frames, write_fails ? 1 : 2);
	raw_writer_free(&writer);
}

static void a_failed_sync_is_told_after_a_write_that_failed_too(void)
{
	failed_sync_is_told(true);
	failed_sync_is_told(false);
}

int main(void)
{
	signal(SIGXFSZ, SIG_IGN);
	sandbox_create();
	RUN(full_files_have_exactly_the_limit);
	RUN(early_files_end_at_the_alignment);
	RUN(padding_beyond_16_bits_is_chained);
	RUN(failed_write_leaves_whole_records_only);
	RUN(failed_padding_keeps_all_whole_records);
	RUN(a_failed_sync_is_told_after_a_write_that_failed_too);
	sandbox_remove();
	return 0;
}
