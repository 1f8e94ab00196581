/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the reader sees in the file of tests/raw_file.h. It is read from memory and from a pipe, and both must see the
 * same; a frame that comes out must be one that was put in: number and content tell.
 */
#ifndef TESTS_RAW_SEEN_H
#define TESTS_RAW_SEEN_H

#include <stddef.h>

#include "lib/raw_reader.h"

#define FINDINGS_MAX 64u

struct seen {
	uint64_t frames;
	uint64_t number_sum;	/* of frame numbers: which ones came */
	uint64_t first;
	uint64_t last;
	struct raw_event findings[FINDINGS_MAX];
	unsigned int count;
	struct raw_totals totals;
	bool unusable;
};

extern struct seen seen;

void raw_read_file(void);

/* Reads; frames first, first + 1 ... must come, and exactly one finding. */
void expect(uint64_t first, uint64_t frames, enum raw_finding finding, uint64_t offset, uint64_t skipped);
void expect_sound(uint64_t frames);

/* Where frame `number` begins in a file of whole frames 0, 1 ... */
size_t position_of(uint64_t number);

#endif /* TESTS_RAW_SEEN_H */
