/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events as JSON lines, appended to a file: each one write(2), so a reader never sees half a line of a
 * regular file that only this program writes.
 */
#ifndef HPCAPDD_STATUS_H
#define HPCAPDD_STATUS_H

#include <stdint.h>

#include "libhpcapvf.h"
#include "raw_writer.h"

struct status {
	int fd;		/* -1: nobody wants events */
	int error;	/* first negative errno of a write, 0: none */
};

struct capture_totals {
	uint64_t frames;
	uint64_t bytes;
	uint64_t files;
	uint64_t file_bytes;
	uint64_t unsaved_frames;
	uint64_t flushes;
	uint64_t removed_files;
};

/* path NULL: no events. 0 or negative errno. */
int status_open(struct status *status, const char *path);
void status_close(struct status *status);

void status_started(struct status *status, const char *device, const struct hpcapvf_info *info, const char *label);
void status_file_closed(struct status *status, const struct raw_file_report *report);
void status_file_removed(struct status *status, const char *path, uint64_t bytes);
void status_flushed(struct status *status, const struct capture_totals *totals);
void status_stopped(struct status *status, const struct capture_totals *totals, int exit_code, const char *message);

/* The totals as one JSON object without line end. Returns what snprintf returns. */
int status_format_totals(char *out, size_t size, const struct capture_totals *totals,
			 const struct hpcapvf_stats *stats, int exit_code);

#endif /* HPCAPDD_STATUS_H */
