/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeps room on a capture disk: once it is as full as `high`, the oldest capture files of this interface and queue go
 * until it is less full than `low`. Whatever is not named as hpcapdd names its files is never touched.
 */
#ifndef HPCAPDD_GUARD_H
#define HPCAPDD_GUARD_H

#include <stdint.h>

struct guard {
	unsigned int high_percent;	/* 0: no guard */
	unsigned int low_percent;
	const char *directory;
	const char *label;
	unsigned int queue;
	uint64_t in_vain_below;		/* nothing could be removed: do not look again before so much is used */
	uint64_t removed_files;
	uint64_t removed_bytes;		/* as they lay on the disk */
	void (*removed)(void *context, const char *path, uint64_t bytes);
	void *context;
};

/* Looks, and removes if it must; never the file at `current` ("" if none is open). 0 or negative errno. */
int guard_check(struct guard *guard, const char *current);

#endif /* HPCAPDD_GUARD_H */
