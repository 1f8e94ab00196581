// SPDX-License-Identifier: GPL-2.0-or-later
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "raw_writer.h"

#define MIB (1024ull * 1024)
#define KIB 1024ull
#define FILE_MIB_MAX (1024 * 1024)
#define BLOCK_KIB_MAX (64 * 1024)
#define CPU_MAX 65535
#define SECONDS_MAX (7 * 86400)
#define LABEL_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-"

const char options_usage[] =
	"usage: hpcapdd DEVICE DIRECTORY [options]\n"
	"Stores what an hpcapvf device captures into RAW files below DIRECTORY; \"null\" keeps nothing.\n"
	"\n"
	"  --file-mib N         size of a full file (2048)\n"
	"  --file-seconds N     close a file after so much time, too (never)\n"
	"  --guard HIGH:LOW     remove the oldest own files when HIGH per cent of the disk are used, until LOW (no)\n"
	"  --block-kib N        size of one write (1024)\n"
	"  --iface-label NAME   interface name in file names (the device's own)\n"
	"  --cpu N              run on this CPU only\n"
	"  --status FILE        append events to FILE, one JSON object a line\n"
	"  --json               totals as JSON on standard output at the end\n"
	"  --help, --version\n"
	"\n"
	"SIGHUP closes the current file now, SIGINT and SIGTERM also end the program.\n"
	"For example:\n"
	"  hpcapdd /dev/hpcap_p7s0_0 /srv/capture --guard 90:70 --cpu 2\n";

enum { OPT_FILE = 256, OPT_BLOCK, OPT_LABEL, OPT_CPU, OPT_STATUS, OPT_JSON, OPT_HELP, OPT_VERSION, OPT_SECONDS, OPT_GUARD };

static const struct option long_options[] = {
	{ "file-mib", required_argument, NULL, OPT_FILE },
	{ "file-seconds", required_argument, NULL, OPT_SECONDS },
	{ "guard", required_argument, NULL, OPT_GUARD },
	{ "block-kib", required_argument, NULL, OPT_BLOCK },
	{ "iface-label", required_argument, NULL, OPT_LABEL },
	{ "cpu", required_argument, NULL, OPT_CPU },
	{ "status", required_argument, NULL, OPT_STATUS },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 },
};

static int parse_number(const char *text, const char *option, long minimum, long maximum, long *out, char *message,
			unsigned long size)
{
	char *end;

	errno = 0;
	*out = strtol(text, &end, 10);
	if (errno || end == text || *end || *out < minimum || *out > maximum) {
		snprintf(message, size, "--%s %s: give a number from %ld to %ld", option, text, minimum, maximum);
		return -1;
	}
	return 0;
}

static int parse_guard(const char *text, struct options *options, char *message, unsigned long size)
{
	char rest;

	if (sscanf(text, "%3u:%3u%c", &options->guard_high, &options->guard_low, &rest) == 2 &&
	    options->guard_low < options->guard_high && options->guard_high <= 100)
		return 0;
	snprintf(message, size, "--guard %s: give two percentages such as 90:70", text);
	return -1;
}

static int parse_option(int option, const char *argument, struct options *options, char *message, unsigned long size)
{
	long number = 0;
	int error = 0;

	switch (option) {
	case OPT_FILE:
		error = parse_number(argument, "file-mib", 1, FILE_MIB_MAX, &number, message, size);
		options->file_bytes = (uint64_t)number * MIB;
		break;
	case OPT_BLOCK:
		error = parse_number(argument, "block-kib", 4, BLOCK_KIB_MAX, &number, message, size);
		options->block_bytes = (uint64_t)number * KIB;
		break;
	case OPT_SECONDS:
		error = parse_number(argument, "file-seconds", 1, SECONDS_MAX, &number, message, size);
		options->file_seconds = (uint32_t)number;
		break;
	case OPT_GUARD:
		error = parse_guard(argument, options, message, size);
		break;
	case OPT_CPU:
		error = parse_number(argument, "cpu", 0, CPU_MAX, &number, message, size);
		options->cpu = (int)number;
		break;
	case OPT_LABEL:
		options->label = argument;
		break;
	case OPT_STATUS:
		options->status_path = argument;
		break;
	case OPT_JSON:
		options->json = true;
		break;
	case OPT_HELP:
		options->help = true;
		break;
	case OPT_VERSION:
		options->version = true;
		break;
	default:
		snprintf(message, size, "unknown option or missing value");
		error = -1;
	}
	return error;
}

static int check(const struct options *options, char *message, unsigned long size)
{
	if (options->block_bytes % RAW_WRITER_ALIGNMENT || options->file_bytes % options->block_bytes) {
		snprintf(message, size, "--block-kib must be a multiple of %u and divide --file-mib without rest",
			 (unsigned int)(RAW_WRITER_ALIGNMENT / KIB));
		return -1;
	}
	if (options->label && (!*options->label || strlen(options->label) >= HPCAPVF_INTERFACE_BYTES ||
			       options->label[strspn(options->label, LABEL_CHARACTERS)])) {
		snprintf(message, size, "--iface-label: 1 to %u letters, digits, '.' or '-'",
			 HPCAPVF_INTERFACE_BYTES - 1);
		return -1;
	}
	return 0;
}

int options_parse(int argc, char **argv, struct options *options, char *message, unsigned long message_size)
{
	int option;

	memset(options, 0, sizeof(*options));
	options->file_bytes = 2048 * MIB;
	options->block_bytes = 1024 * KIB;
	options->cpu = -1;
	opterr = 0;
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		if (parse_option(option, optarg, options, message, message_size))
			return -1;
	if (options->help || options->version)
		return 0;
	if (argc - optind != 2) {
		snprintf(message, message_size, "give a device and a directory");
		return -1;
	}
	options->device = argv[optind];
	options->directory = strcmp(argv[optind + 1], "null") == 0 ? NULL : argv[optind + 1];
	return check(options, message, message_size);
}
