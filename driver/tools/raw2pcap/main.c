// SPDX-License-Identifier: GPL-2.0-or-later
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "convert.h"
#include "lib/output_file.h"
#include "time_point.h"
#include "version.h"

static const char usage[] =
	"usage: raw2pcap [options] FILE...\n"
	"Converts RAW capture files to one pcap file with nanoseconds, in the order given. - is standard input.\n"
	"\n"
	"  -o, --output OUT     write to OUT; - or nothing: standard output, unless it is a terminal\n"
	"  -f, --format FORMAT  pcap (the default) or pcapng\n"
	"      --from TIME      only frames of this time and later\n"
	"      --to TIME        only frames before this time\n"
	"      --filter EXPR    only frames that match, in the language of pcap-filter(7); needs libpcap\n"
	"  -h, --help\n"
	"  -V, --version\n"
	"\n"
	"TIME is seconds since 1970, or YYYY-MM-DDTHH:MM:SS in UTC, both with a fraction if you like.\n"
	"For example:\n"
	"  raw2pcap -o all.pcapng --format pcapng capture/*.raw\n"
	"  raw2pcap --from 2026-11-23T10:00:00 --filter 'udp port 53' capture/*.raw | wireshark -k -i -\n"
	"Exit code: 0 converted; 1 converted, with faults; 2 a file is unusable, or wrong usage; 3 cannot write.\n";

enum { OPT_FROM = 256, OPT_TO, OPT_FILTER };

static int parse_time(const char *option, uint64_t *ns)
{
	int error = time_point_parse(optarg, ns);

	if (error)
		fprintf(stderr, "raw2pcap: %s %s: no such time\n", option, optarg);
	return error;
}

static int parse_option(int option, struct conversion *conversion, const char **filter)
{
	switch (option) {
	case 'o':
		conversion->output_name = optarg;
		return 0;
	case 'f':
		conversion->format = strcmp(optarg, "pcapng") == 0 ? PCAP_NG : PCAP_CLASSIC;
		return conversion->format == PCAP_NG || strcmp(optarg, "pcap") == 0 ? 0 : -1;
	case OPT_FROM:
		return parse_time("--from", &conversion->from_ns);
	case OPT_TO:
		return parse_time("--to", &conversion->to_ns);
	case OPT_FILTER:
		*filter = optarg;
		return 0;
	default:
		return -1;
	}
}

/* 0; 1 if all is done; -1 for wrong usage. */
static int parse(int argc, char **argv, struct conversion *conversion, const char **filter)
{
	static const struct option long_options[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "format", required_argument, NULL, 'f' },
		{ "from", required_argument, NULL, OPT_FROM },
		{ "to", required_argument, NULL, OPT_TO },
		{ "filter", required_argument, NULL, OPT_FILTER },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "o:f:hV", long_options, NULL)) != -1) {
		if (option == 'h' || option == 'V') {
			printf("%s", option == 'h' ? usage : "raw2pcap " HPCAPVF_RELEASE "\n");
			return 1;
		}
		if (parse_option(option, conversion, filter))
			return -1;
	}
	if (conversion->from_ns >= conversion->to_ns) {
		fprintf(stderr, "raw2pcap: --to must be later than --from\n");
		return -1;
	}
	return optind == argc ? -1 : 0;
}

/* Nothing is read and no output is made if the expression is none. */
static bool has_filter(struct conversion *conversion, const char *expression)
{
	char message[512];

	if (!expression || !filter_compile(expression, &conversion->filter, message, sizeof(message)))
		return true;
	fprintf(stderr, "raw2pcap: %s\n", message);
	return false;
}

static enum convert_result worse(enum convert_result a, enum convert_result b)
{
	return a > b ? a : b;
}

int main(int argc, char **argv)
{
	struct conversion conversion = { .output_name = "-", .to_ns = UINT64_MAX };
	enum convert_result result = CONVERT_OK;
	const char *filter = NULL;
	int parsed = parse(argc, argv, &conversion, &filter);

	if (parsed > 0)
		return CONVERT_OK;
	if (parsed < 0 || (output_file_is_stdout(conversion.output_name) && isatty(STDOUT_FILENO))) {
		fprintf(stderr, "%s", usage);
		return CONVERT_UNUSABLE;
	}
	if (output_file_is_input(conversion.output_name, argv + optind, argc - optind)) {
		fprintf(stderr, "raw2pcap: %s is a file to read: write to another one\n", conversion.output_name);
		return CONVERT_UNUSABLE;
	}
	if (!has_filter(&conversion, filter))
		return CONVERT_UNUSABLE;
	/* who reads less than all is told apart from success */
	signal(SIGPIPE, SIG_IGN);
	for (; optind < argc && result != CONVERT_OUTPUT; optind++)
		result = worse(result, convert_file(&conversion, argv[optind]));
	result = worse(result, convert_end(&conversion));
	filter_free(conversion.filter);
	if (result == CONVERT_OUTPUT)
		fprintf(stderr, "raw2pcap: cannot write %s: %s\n", conversion.output_name,
			strerror(-conversion.output.error));
	return result;
}
