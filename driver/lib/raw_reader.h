/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads a RAW file or stream frame by frame and says what is wrong with it and where.
 *
 * A frame is given out only where records follow each other, so that garbage never comes out as a frame; after a
 * fault, reading goes on where a chain of records begins again. What no reader can see is damage inside a frame's
 * bytes: RAW has no checksum.
 */
#ifndef LIB_RAW_READER_H
#define LIB_RAW_READER_H

#include "lib/byte_input.h"

enum raw_finding {
	RAW_EMPTY,
	RAW_PADDING_AT_START,
	RAW_NO_RECORD_AT_START,
	RAW_NO_RECORD,
	RAW_DOUBTFUL_FRAME,
	RAW_BAD_LENGTH,
	RAW_BAD_PADDING,
	RAW_ZEROS,
	RAW_FRAMES_AFTER_PADDING,
	RAW_CUT_FRAME,
	RAW_CUT_HEADER,
	RAW_NO_PADDING,
	RAW_CLOCK_JUMP,		/* worth knowing, no fault */
	RAW_FINDINGS,
};

struct raw_event {
	bool is_frame;
	uint64_t offset;	/* in the file */

	/* a frame; data stays until the next call */
	const uint8_t *data;
	uint32_t seconds;
	uint32_t nanoseconds;
	uint16_t caplen;
	uint16_t len;

	/* else a finding */
	enum raw_finding finding;
	uint64_t skipped;	/* bytes from offset on that were not read as records */
};

struct raw_totals {
	uint64_t frames;
	uint64_t frame_bytes;
	uint64_t padding_bytes;
	uint64_t skipped_bytes;
	uint64_t faults;
	uint64_t notes;
	uint64_t file_bytes;	/* set at the end */
};

struct raw_reader {
	struct byte_input input;
	struct raw_totals totals;
	uint64_t offset;
	uint64_t trusted;	/* a record at this offset was confirmed */
	uint32_t last_seconds;	/* 0: no frame yet */
	uint32_t longest;
	bool padded;		/* padding was the last thing */
	bool done;
};

/* The caller keeps and closes fd. 0 or -ENOMEM. */
int raw_reader_open(struct raw_reader *reader, int fd);
void raw_reader_memory(struct raw_reader *reader, const void *data, uint64_t size);
void raw_reader_close(struct raw_reader *reader);

/* 1: a frame or a finding. 0: the end. Negative errno: what read(2) said; all before it was given out. */
int raw_reader_next(struct raw_reader *reader, struct raw_event *event);

/* At the end: nothing in it could be read as RAW. */
bool raw_reader_is_unusable(const struct raw_reader *reader);

/* For programs, and for people. */
const char *raw_finding_name(enum raw_finding finding);
const char *raw_finding_text(enum raw_finding finding);
bool raw_finding_is_fault(enum raw_finding finding);

#endif /* LIB_RAW_READER_H */
