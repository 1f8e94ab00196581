// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/hpcapstat/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/hpcapstat/tally.h"
#include "version.h"

#define INTERVAL_MS_MAX 3600000

const char options_usage[] =
	"usage: hpcapstat [options] DEVICE|FOLDER\n"
	"       hpcapstat --by FIELDS [options] DEVICE\n"
	"       hpcapstat --by FIELDS [--json] FILE...\n"
	"Prints the rates of an hpcapvf device, one line an interval. It does not listen, so it changes nothing.\n"
	"With --by: frames and bytes of a device, or of RAW files (- is standard input), by what stands in their headers.\n"
	"\n"
	"  -i, --interval MS  length of an interval in milliseconds (1000)\n"
	"  -c, --count N      end after N intervals\n"
	"  -j, --json         one JSON object a line\n"
	"  -d, --data FOLDER  print nothing; append to FOLDER/<year>-<week>/<device> instead\n"
	"  -C, --cpus         with --data: the use of CPUs and memory, to FOLDER/<year>-<week>/cpus\n"
	"  -b, --by FIELDS    one or more of src (MAC), dst (MAC) and vlan, with commas between, such as src,vlan\n"
	"  -h, --help\n"
	"  -V, --version\n";

static int parse_number(const char *text, long maximum, long *out)
{
	char *end;

	errno = 0;
	*out = strtol(text, &end, 10);
	return errno || end == text || *end || *out < 1 || *out > maximum ? -1 : 0;
}

static int parse_option(int option, struct options *options)
{
	switch (option) {
	case 'i':
		return parse_number(optarg, INTERVAL_MS_MAX, &options->interval_ms);
	case 'c':
		return parse_number(optarg, INT32_MAX, &options->count);
	case 'j':
		options->json = true;
		return 0;
	case 'd':
		options->data = optarg;
		return 0;
	case 'C':
		options->cpus = true;
		return 0;
	case 'b':
		options->by = tally_fields(optarg);
		return options->by ? 0 : -1;
	default:
		return -1;
	}
}

int options_parse(int argc, char **argv, struct options *options)
{
	static const struct option long_options[] = {
		{ "interval", required_argument, NULL, 'i' },
		{ "count", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ "data", required_argument, NULL, 'd' },
		{ "cpus", no_argument, NULL, 'C' },
		{ "by", required_argument, NULL, 'b' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int option, error = 0;

	while (!error && (option = getopt_long(argc, argv, "i:c:jd:Cb:hV", long_options, NULL)) != -1) {
		if (option == 'h' || option == 'V') {
			printf("%s", option == 'h' ? options_usage : "hpcapstat " HPCAPVF_RELEASE "\n");
			return 1;
		}
		error = parse_option(option, options);
	}
	if (options->data ? options->json || options->by || !*options->data : options->cpus)
		error = -1;
	if (optind >= argc || (!options->by && argc - optind != 1))
		error = -1;
	options->names = argv + optind;
	return error;
}
