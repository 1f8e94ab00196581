/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HPCAPDUMP_DUMP_H
#define HPCAPDUMP_DUMP_H

#include <signal.h>

#include "lib/frame_filter.h"
#include "lib/pcap_writer.h"
#include "libhpcapvf.h"

/* Exit codes, as in the man page. */
enum dump_exit {
	DUMP_OK = 0,
	DUMP_BAD_STREAM = 1,	/* the device gave bytes that are no records */
	DUMP_USAGE = 2,
	DUMP_NO_DEVICE = 3,
	DUMP_OUTPUT = 4,
	DUMP_DEVICE_GONE = 5,
};

struct dump {
	struct hpcapvf *device;
	struct filter *filter;		/* NULL: everything */
	struct byte_output output;
	enum pcap_format format;
	uint64_t ring_bytes;
	uint64_t count;			/* frames to write; 0: no limit */
	uint32_t snaplen;
	uint64_t written;
	uint64_t filtered;
	uint64_t given_up;		/* bytes that the reader was too slow for */
};

/*
 * Until *stop, the count, or the reader's end. A reader that is too slow never holds up the capture of others: what it
 * does not take in time is given up and counted.
 */
enum dump_exit dump_run(struct dump *dump, const volatile sig_atomic_t *stop);

#endif /* HPCAPDUMP_DUMP_H */
