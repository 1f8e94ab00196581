// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libhpcapvf.h"
#include "version.h"

#define INTERVAL_MS_MAX 3600000

static const char usage[] =
	"usage: hpcapstat [options] DEVICE\n"
	"Prints the rates of an hpcapvf device, one line an interval. Takes one of its 8 places for listeners meanwhile.\n"
	"\n"
	"  -i, --interval MS  length of an interval in milliseconds (1000)\n"
	"  -c, --count N      end after N intervals\n"
	"  -j, --json         one JSON object a line\n"
	"  -h, --help\n"
	"  -V, --version\n";

/* Exit codes, as in the man page. */
enum stat_exit { STAT_OK = 0, STAT_OUTPUT = 1, STAT_USAGE = 2, STAT_NO_DEVICE = 3, STAT_DEVICE_GONE = 5 };

struct options {
	long interval_ms;
	long count;	/* 0: no limit */
	bool json;
};

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static double per_second(uint64_t now, uint64_t before, double seconds)
{
	return (double)(now - before) / seconds;
}

static int print_rates(const struct options *options, const struct hpcapvf_stats *now,
		       const struct hpcapvf_stats *before, double seconds)
{
	const double lost_bps = 8 * per_second(now->ring_full_bytes + now->no_listener_bytes,
					       before->ring_full_bytes + before->no_listener_bytes, seconds);
	const double lost_pps = per_second(now->ring_full_drops + now->no_listener_drops,
					   before->ring_full_drops + before->no_listener_drops, seconds);

	printf(options->json ? "{\"time\":%.3f,\"rx_bps\":%.0f,\"rx_pps\":%.0f,\"lost_bps\":%.0f,\"lost_pps\":%.0f,"
			       "\"errors_pps\":%.0f,\"received\":%llu,\"lost\":%llu}\n" :
			       "%.3f %.0f %.0f %.0f %.0f %.0f %llu %llu\n",
	       (double)now_ns(CLOCK_REALTIME) / 1e9, 8 * per_second(now->received_bytes, before->received_bytes, seconds),
	       per_second(now->received, before->received, seconds), lost_bps, lost_pps,
	       per_second(now->errors, before->errors, seconds), (unsigned long long)now->received,
	       (unsigned long long)(now->ring_full_drops + now->no_listener_drops));
	return fflush(stdout);
}

/* Waits, and gives back at once what comes: an open device is a listener, and must not hold up the others. */
static int wait_until(struct hpcapvf *device, uint64_t ring_bytes, uint64_t deadline_ns)
{
	for (;;) {
		const uint64_t now = now_ns(CLOCK_MONOTONIC);
		uint64_t bytes;
		int waited;

		if (stop || now >= deadline_ns)
			return 0;
		waited = hpcapvf_wait(device, ring_bytes / 8, (int)((deadline_ns - now) / 1000000 + 1));
		if (waited && waited != -ETIMEDOUT && waited != -EINTR)
			return waited;
		(void)hpcapvf_unread(device, &bytes);
		if (bytes && (waited = hpcapvf_release(device, bytes)))
			return waited;
	}
}

static enum stat_exit watch(struct hpcapvf *device, const struct options *options)
{
	struct hpcapvf_stats now, before;
	struct hpcapvf_info info;
	uint64_t start, last;
	long lines = 0;

	if (hpcapvf_info(device, &info) || hpcapvf_stats(device, &before))
		return STAT_NO_DEVICE;
	if (!options->json)
		printf("# time rx_bps rx_pps lost_bps lost_pps errors_pps received lost\n");
	start = last = now_ns(CLOCK_MONOTONIC);
	while (!stop && (!options->count || lines < options->count)) {
		const uint64_t interval_ns = (uint64_t)options->interval_ms * 1000000;
		uint64_t time;

		if (wait_until(device, info.ring_bytes, start + (uint64_t)++lines * interval_ns) ||
		    hpcapvf_stats(device, &now)) {
			fprintf(stderr, "hpcapstat: the device is gone\n");
			return STAT_DEVICE_GONE;
		}
		if (stop)
			break;
		time = now_ns(CLOCK_MONOTONIC);
		if (print_rates(options, &now, &before, (double)(time - last) / 1e9)) {
			fprintf(stderr, "hpcapstat: cannot write: %s\n", strerror(errno));
			return STAT_OUTPUT;
		}
		before = now;
		last = time;
	}
	return STAT_OK;
}

static int parse_number(const char *text, long maximum, long *out)
{
	char *end;

	errno = 0;
	*out = strtol(text, &end, 10);
	return errno || end == text || *end || *out < 1 || *out > maximum ? -1 : 0;
}

/* 0; 1 if all is done; -1 for wrong usage. */
static int parse(int argc, char **argv, struct options *options)
{
	static const struct option long_options[] = {
		{ "interval", required_argument, NULL, 'i' },
		{ "count", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int option, error = 0;

	while (!error && (option = getopt_long(argc, argv, "i:c:jhV", long_options, NULL)) != -1) {
		switch (option) {
		case 'i':
			error = parse_number(optarg, INTERVAL_MS_MAX, &options->interval_ms);
			break;
		case 'c':
			error = parse_number(optarg, INT32_MAX, &options->count);
			break;
		case 'j':
			options->json = true;
			break;
		case 'h':
		case 'V':
			printf("%s", option == 'h' ? usage : "hpcapstat " HPCAPVF_RELEASE "\n");
			return 1;
		default:
			error = -1;
		}
	}
	return error || argc - optind != 1 ? -1 : 0;
}

int main(int argc, char **argv)
{
	struct options options = { .interval_ms = 1000 };
	const struct sigaction action = { .sa_handler = on_signal };
	int parsed = parse(argc, argv, &options);
	struct hpcapvf *device;
	enum stat_exit result;
	int error;

	if (parsed > 0)
		return STAT_OK;
	if (parsed < 0) {
		fprintf(stderr, "%s", usage);
		return STAT_USAGE;
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	error = hpcapvf_open(argv[optind], &device);
	if (error) {
		fprintf(stderr, "hpcapstat: %s: %s%s\n", argv[optind], strerror(-error),
			error == -EBUSY ? ": all places for listeners are taken, and hpcapstat needs one; the same counters "
					  "are in sysfs" : "");
		return STAT_NO_DEVICE;
	}
	result = watch(device, &options);
	hpcapvf_close(device);
	return result;
}
