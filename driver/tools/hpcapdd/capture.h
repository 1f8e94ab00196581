/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The loop of hpcapdd: from the device to the writer, with what signals ask for in between. */
#ifndef HPCAPDD_CAPTURE_H
#define HPCAPDD_CAPTURE_H

#include <signal.h>

#include "guard.h"
#include "libhpcapvf.h"
#include "raw_writer.h"
#include "status.h"

/* Exit codes, as in the man page. */
enum capture_exit {
	CAPTURE_OK = 0,
	CAPTURE_BAD_STREAM = 1,		/* the device gave bytes that are no records */
	CAPTURE_USAGE = 2,
	CAPTURE_NO_DEVICE = 3,		/* cannot be opened, or is of another ABI */
	CAPTURE_STORAGE = 4,		/* cannot create, write or sync a file */
	CAPTURE_DEVICE_GONE = 5,	/* while capturing; everything captured is stored */
};

/* Set by signal handlers. */
struct capture_signals {
	volatile sig_atomic_t flush;
	volatile sig_atomic_t stop;
};

struct capture {
	struct hpcapvf *device;
	struct raw_writer writer;
	struct status status;
	struct capture_totals totals;
	struct guard guard;
	uint64_t block_bytes;
	char label[HPCAPVF_INTERFACE_BYTES];
	char message[PATH_MAX + 256];	/* why it ended, if not because of a signal */
};

/* Runs until a signal stops it or something fails. All that was captured by then is stored if it can be. */
enum capture_exit capture_run(struct capture *capture, struct capture_signals *signals);

/* For a guard: context is a struct capture. */
void capture_file_removed(void *context, const char *path, uint64_t bytes);

/* For raw_writer_init: context is a struct capture. */
void capture_file_closed(void *context, const struct raw_file_report *report);

#endif /* HPCAPDD_CAPTURE_H */
