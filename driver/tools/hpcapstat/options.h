/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HPCAPSTAT_OPTIONS_H
#define HPCAPSTAT_OPTIONS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

/* Exit codes, as in the man page. */
enum stat_exit {
	STAT_OK = 0,
	STAT_OUTPUT = 1,
	STAT_USAGE = 2,
	STAT_NO_DEVICE = 3,
	STAT_FAULTS = 4,
	STAT_DEVICE_GONE = 5,
};

struct options {
	long interval_ms;	/* 0: not given */
	long count;	/* 0: no limit */
	bool json;
	const char *data;	/* NULL: standard output */
	bool cpus;
	unsigned int by;	/* enum tally_field; 0: rates of the device */
	char *const *names;	/* devices or files, up to NULL */
	char name[NAME_MAX + 1];	/* of the device's file below data */
};

extern const char options_usage[];

/* 0; 1 if all is done; -1 for wrong usage. */
int options_parse(int argc, char **argv, struct options *options);

#endif /* HPCAPSTAT_OPTIONS_H */
