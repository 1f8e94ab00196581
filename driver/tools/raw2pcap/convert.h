/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One RAW file to pcap records.
 *
 * A frame is written only when what follows it is a plausible record, padding or the end of the file: RAW has
 * no checksum, so the last frame before a fault cannot be told from garbage.
 */
#ifndef RAW2PCAP_CONVERT_H
#define RAW2PCAP_CONVERT_H

#include <stdint.h>
#include <stdio.h>

enum convert_result {
	CONVERT_OK = 0,
	CONVERT_FAULTS = 1,	/* frames were written, and something is wrong with the file */
	CONVERT_UNUSABLE = 2,	/* nothing was written */
	CONVERT_OUTPUT = 3,	/* the output cannot be written */
};

struct convert_report {
	uint64_t frames;
	uint64_t bytes;
	char fault[256];	/* what and where; empty if there is none */
	char note[256];		/* worth knowing, no fault; empty if there is none */
};

/* Does data look like the beginning of a RAW file? 0, or -1 with the reason in report->fault. */
int convert_check_start(const uint8_t *data, uint64_t size, struct convert_report *report);

/* data has passed convert_check_start. */
enum convert_result convert_frames(const uint8_t *data, uint64_t size, FILE *out, struct convert_report *report);

#endif /* RAW2PCAP_CONVERT_H */
