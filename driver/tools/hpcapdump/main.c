// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dump.h"
#include "lib/pcap_format.h"
#include "version.h"

#define EXPRESSION_BYTES 4096

static const char usage[] =
	"usage: hpcapdump [options] DEVICE [FILTER...]\n"
	"Writes what an hpcapvf device captures to standard output as pcap with nanoseconds, as it comes.\n"
	"\n"
	"  -c, --count N        end after N frames\n"
	"  -s, --snaplen N      keep N bytes of a frame\n"
	"  -f, --format FORMAT  pcap (the default) or pcapng\n"
	"  -h, --help\n"
	"  -V, --version\n"
	"\n"
	"FILTER is in the language of pcap-filter(7) and needs libpcap. For example:\n"
	"  hpcapdump /dev/hpcap_p7s0_0 udp port 53 | tcpdump -nr -\n";

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

static int parse_number(const char *text, unsigned long maximum, unsigned long *out)
{
	char *end;

	errno = 0;
	*out = strtoul(text, &end, 10);
	return errno || end == text || *end || *text == '-' || *out == 0 || *out > maximum ? -1 : 0;
}

static int parse_option(int option, struct dump *dump)
{
	unsigned long number;

	switch (option) {
	case 'c':
		if (parse_number(optarg, UINT32_MAX, &number))
			return -1;
		dump->count = number;
		return 0;
	case 's':
		if (parse_number(optarg, PCAP_SNAPLEN, &number))
			return -1;
		dump->snaplen = (uint32_t)number;
		return 0;
	case 'f':
		dump->format = strcmp(optarg, "pcapng") == 0 ? PCAP_NG : PCAP_CLASSIC;
		return dump->format == PCAP_NG || strcmp(optarg, "pcap") == 0 ? 0 : -1;
	default:
		return -1;
	}
}

/* 0; 1 if all is done; -1 for wrong usage. */
static int parse(int argc, char **argv, struct dump *dump)
{
	static const struct option long_options[] = {
		{ "count", required_argument, NULL, 'c' },
		{ "snaplen", required_argument, NULL, 's' },
		{ "format", required_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	/* +: a filter may have words that look like options */
	while ((option = getopt_long(argc, argv, "+c:s:f:hV", long_options, NULL)) != -1) {
		if (option == 'h' || option == 'V') {
			printf("%s", option == 'h' ? usage : "hpcapdump " HPCAPVF_RELEASE "\n");
			return 1;
		}
		if (parse_option(option, dump))
			return -1;
	}
	return optind == argc || isatty(STDOUT_FILENO) ? -1 : 0;
}

/* The words as one expression. -1: too long; cut, it could mean something else. */
static int join(char **words, char out[EXPRESSION_BYTES])
{
	size_t used = 0;

	for (out[0] = 0; *words && used < EXPRESSION_BYTES; words++)
		used += (size_t)snprintf(out + used, EXPRESSION_BYTES - used, "%s%s", used ? " " : "", *words);
	return used < EXPRESSION_BYTES ? 0 : -1;
}

static enum dump_exit prepare(char **words, struct dump *dump)
{
	char expression[EXPRESSION_BYTES], message[EXPRESSION_BYTES + 256];
	const char *device = *words++;
	struct hpcapvf_info info;
	int error;

	if (join(words, expression)) {
		fprintf(stderr, "hpcapdump: the filter is longer than %d bytes\n", EXPRESSION_BYTES - 1);
		return DUMP_USAGE;
	}
	if (expression[0] && filter_compile(expression, &dump->filter, message, sizeof(message))) {
		fprintf(stderr, "hpcapdump: %s\n", message);
		return DUMP_USAGE;
	}
	error = hpcapvf_open(device, &dump->device);
	if (!error)
		error = hpcapvf_info(dump->device, &info);
	if (error) {
		fprintf(stderr, "hpcapdump: %s: %s\n", device, strerror(-error));
		return DUMP_NO_DEVICE;
	}
	dump->ring_bytes = info.ring_bytes;
	return DUMP_OK;
}

/* An own description of standard output that does not block, so that others who have it are not changed. */
static int open_output(void)
{
	int fd = open("/proc/self/fd/1", O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC);

	/* a socket cannot be opened so */
	return fd >= 0 ? fd : STDOUT_FILENO;
}

int main(int argc, char **argv)
{
	struct dump dump = { .snaplen = PCAP_SNAPLEN };
	const struct sigaction action = { .sa_handler = on_signal };
	enum dump_exit result;
	int parsed = parse(argc, argv, &dump);

	if (parsed > 0)
		return DUMP_OK;
	if (parsed < 0) {
		fprintf(stderr, "%s", usage);
		return DUMP_USAGE;
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	result = prepare(argv + optind, &dump);
	if (result == DUMP_OK && byte_output_open(&dump.output, open_output()))
		result = DUMP_OUTPUT;
	if (result == DUMP_OK) {
		result = dump_run(&dump, &stop);
		fprintf(stderr, "hpcapdump: %llu frames written, %llu filtered out, %llu bytes given up\n",
			(unsigned long long)dump.written, (unsigned long long)dump.filtered,
			(unsigned long long)dump.given_up);
	}
	if (result == DUMP_OUTPUT)
		fprintf(stderr, "hpcapdump: cannot write: %s\n", strerror(-dump.output.error));
	if (result == DUMP_DEVICE_GONE)
		fprintf(stderr, "hpcapdump: the device is gone\n");
	byte_output_free(&dump.output);
	filter_free(dump.filter);
	hpcapvf_close(dump.device);
	return result;
}
