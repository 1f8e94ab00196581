/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RAW files to one pcap output, which is created with the first of them that can be used. */
#ifndef RAW2PCAP_CONVERT_H
#define RAW2PCAP_CONVERT_H

#include <stdbool.h>

#include "lib/frame_filter.h"
#include "lib/pcap_writer.h"

enum convert_result {
	CONVERT_OK = 0,
	CONVERT_FAULTS = 1,	/* something is wrong with a file; what could be told apart was written */
	CONVERT_UNUSABLE = 2,	/* a file gave nothing */
	CONVERT_OUTPUT = 3,	/* the output cannot be written */
};

struct conversion {
	const char *output_name;	/* "-": standard output */
	enum pcap_format format;
	uint64_t from_ns;		/* frames of this time and later ... */
	uint64_t to_ns;			/* ... and before this one */
	struct filter *filter;		/* NULL: everything */
	bool opened;
	struct byte_output output;
};

/* Appends a file's frames; says on standard error what is wrong with it. */
enum convert_result convert_file(struct conversion *conversion, const char *name);

/* Ends the output. CONVERT_OK or CONVERT_OUTPUT, then with the reason in conversion->output.error. */
enum convert_result convert_end(struct conversion *conversion);

#endif /* RAW2PCAP_CONVERT_H */
