/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HPCAPDD_OPTIONS_H
#define HPCAPDD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct options {
	const char *device;
	const char *directory;	/* NULL: "null" was given */
	const char *label;	/* NULL: the interface name that the module gives */
	const char *status_path;
	uint64_t file_bytes;
	uint64_t block_bytes;
	uint32_t file_seconds;
	unsigned int guard_high;	/* per cent; 0: no guard */
	unsigned int guard_low;
	int cpu;		/* -1: any */
	bool json;
	bool help;
	bool version;
};

extern const char options_usage[];

/* 0, or -1 with the reason in message. */
int options_parse(int argc, char **argv, struct options *options, char *message, unsigned long message_size);

#endif /* HPCAPDD_OPTIONS_H */
