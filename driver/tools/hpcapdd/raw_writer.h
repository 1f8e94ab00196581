/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes RAW files in blocks, with O_DIRECT where the file system has it.
 *
 * A file that a frame no longer fits into is padded to exactly limit_bytes; one that is closed earlier is
 * padded to RAW_WRITER_ALIGNMENT. When a write fails, the file is cut behind its last whole record on the
 * disk, and the frames that did not get there are counted as unsaved. What the disk then says to a sync is in the report.
 */
#ifndef HPCAPDD_RAW_WRITER_H
#define HPCAPDD_RAW_WRITER_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "libhpcapvf.h"

#define RAW_WRITER_ALIGNMENT 4096u

struct raw_writer_config {
	const char *directory;	/* NULL: everything is done but keeping the bytes */
	const char *label;
	unsigned int queue;
	uint64_t limit_bytes;	/* multiple of block_bytes */
	uint64_t block_bytes;	/* multiple of RAW_WRITER_ALIGNMENT */
	uint32_t file_seconds;	/* time after which a file is closed; 0: never */
};

/* A place between two records of a file, and what the records before it add up to. */
struct raw_mark {
	uint64_t offset;
	uint64_t frames;
	uint64_t frame_bytes;	/* as stored, without headers */
	uint64_t last_ns;	/* since 1970-01-01 */
};

/* What is known of a file once it is closed. */
struct raw_file_report {
	const char *path;
	const char *reason;	/* "full", "time", "flush", "stop" or "error" */
	struct raw_mark stored;
	uint64_t first_ns;	/* since 1970-01-01; 0 if there is no frame */
	uint64_t file_bytes;
	uint64_t unsaved_frames;
	bool synced;		/* else nobody knows how much of it is on the disk */
};

struct raw_writer {
	struct raw_writer_config config;
	void (*closed)(void *context, const struct raw_file_report *report);
	void *context;

	int fd;			/* -1: no file is open */
	bool direct;		/* the open file's */
	char path[PATH_MAX];
	unsigned char *block;
	uint64_t buffered;	/* bytes in block */
	uint64_t written;	/* bytes of the file in blocks written whole */
	uint64_t durable;	/* bytes of the file that the kernel took; more than written after a partial write */
	struct raw_mark end;	/* behind the last record put */
	struct raw_mark safe;	/* behind a record that is whole in the blocks written */
	struct raw_mark first;	/* before the first record that begins in block or, if none does yet, later */
	uint64_t first_ns;
	uint32_t first_second;
	uint64_t opened_s;	/* on the monotonic clock */
	const char *failed;	/* what was being done when an error came up */
};

/* 0 or -ENOMEM. closed is told of every file that is closed, also after an error. */
int raw_writer_init(struct raw_writer *writer, const struct raw_writer_config *config,
		    void (*closed)(void *context, const struct raw_file_report *report), void *context);

/*
 * Stores one record, opening and closing files as needed. 0 or negative errno, with writer->failed and
 * writer->path saying what; then no file is open any more.
 */
int raw_writer_put(struct raw_writer *writer, const struct hpcapvf_frame *frame);

/* Pads, syncs and closes the open file, if there is one. Same result as above. */
int raw_writer_close(struct raw_writer *writer, const char *reason);

/* To be called now and then: closes a file that is old enough though no frame comes. Same result as above. */
int raw_writer_tick(struct raw_writer *writer);

void raw_writer_free(struct raw_writer *writer);

#endif /* HPCAPDD_RAW_WRITER_H */
