// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libhpcapvf.h"
#include "tools/hpcapstat/by.h"
#include "tools/hpcapstat/data_files.h"
#include "tools/hpcapstat/machine_load.h"
#include "tools/hpcapstat/options.h"

#define INTERVAL_MS 1000

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

/* Counters that begin anew, since the module was loaded again, count from 0. */
static double per_second(uint64_t now, uint64_t before, double seconds)
{
	return (double)(now < before ? now : now - before) / seconds;
}

static uint64_t lost_frames(const struct hpcapvf_stats *stats)
{
	return stats->ring_full_drops + stats->no_listener_drops + stats->queue_full_drops;
}

static uint64_t lost_bytes(const struct hpcapvf_stats *stats)
{
	return stats->ring_full_bytes + stats->no_listener_bytes + stats->queue_full_bytes;
}

/* What happened in one interval. */
struct rates {
	double time, rx_bps, rx_pps, lost_bps, lost_pps, errors_pps;
};

static struct rates rates_of(const struct hpcapvf_stats *now, const struct hpcapvf_stats *before, double seconds)
{
	return (struct rates){
		.time = (double)now_ns(CLOCK_REALTIME) / 1e9,
		.rx_bps = 8 * per_second(now->received_bytes, before->received_bytes, seconds),
		.rx_pps = per_second(now->received, before->received, seconds),
		.lost_bps = 8 * per_second(lost_bytes(now), lost_bytes(before), seconds),
		.lost_pps = per_second(lost_frames(now), lost_frames(before), seconds),
		.errors_pps = per_second(now->errors, before->errors, seconds),
	};
}

static enum stat_exit print_rates(const struct options *options, const struct rates *r, const struct hpcapvf_stats *now)
{
	printf(options->json ? "{\"time\":%.3f,\"rx_bps\":%.0f,\"rx_pps\":%.0f,\"lost_bps\":%.0f,\"lost_pps\":%.0f,"
			       "\"errors_pps\":%.0f,\"received\":%llu,\"lost\":%llu}\n" :
			       "%.3f %.0f %.0f %.0f %.0f %.0f %llu %llu\n",
	       r->time, r->rx_bps, r->rx_pps, r->lost_bps, r->lost_pps, r->errors_pps,
	       (unsigned long long)now->received, (unsigned long long)lost_frames(now));
	if (!fflush(stdout))
		return STAT_OK;
	fprintf(stderr, "hpcapstat: cannot write: %s\n", strerror(errno));
	return STAT_OUTPUT;
}

static enum stat_exit append(const struct options *options, double time, const char *name, const char *line)
{
	char path[PATH_MAX];
	int error = data_files_append(options->data, (time_t)time, name, line, path);

	if (!error)
		return STAT_OK;
	fprintf(stderr, "hpcapstat: cannot write %s: %s\n", path, strerror(-error));
	return STAT_OUTPUT;
}

static enum stat_exit append_load(const struct options *options, double time)
{
	static struct machine_load before, now;
	static char text[16384], line[sizeof(text) + 32];
	int error = machine_load_read(&now);

	if (!error)
		error = machine_load_text(&now, &before, text, sizeof(text));
	if (error) {
		fprintf(stderr, "hpcapstat: cannot tell the load: %s\n", strerror(-error));
		return STAT_OUTPUT;
	}
	before = now;
	snprintf(line, sizeof(line), "%.3f%s\n", time, text);
	return append(options, time, "cpus", line);
}

/* One line to each file of the week (the thesis' appendix B.1.4). */
static enum stat_exit append_rates(const struct options *options, const struct rates *r)
{
	char line[256];
	enum stat_exit result;

	snprintf(line, sizeof(line), "%.3f %.0f %.0f %.0f %.0f\n", r->time, r->rx_bps, r->rx_pps, r->lost_bps,
		 r->lost_pps);
	result = append(options, r->time, options->name, line);
	return result == STAT_OK && options->cpus ? append_load(options, r->time) : result;
}

static void sleep_until(uint64_t deadline_ns)
{
	const struct timespec when = { .tv_sec = (time_t)(deadline_ns / 1000000000),
				       .tv_nsec = (long)(deadline_ns % 1000000000) };

	while (!stop && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL) == EINTR)
		continue;
}

static enum stat_exit watch(const char *path, const struct options *options, struct hpcapvf_stats before)
{
	enum stat_exit result = STAT_OK;
	struct hpcapvf_stats now;
	uint64_t start, last;
	long lines = 0;

	if (!options->json && !options->data)
		printf("# time rx_bps rx_pps lost_bps lost_pps errors_pps received lost\n");
	start = last = now_ns(CLOCK_MONOTONIC);
	while (!stop && result == STAT_OK && (!options->count || lines < options->count)) {
		const uint64_t interval_ns = (uint64_t)(options->interval_ms ? options->interval_ms : INTERVAL_MS) * 1000000;
		struct rates rates;
		uint64_t time;
		int error;

		sleep_until(start + (uint64_t)++lines * interval_ns);
		if (stop)
			break;
		error = hpcapvf_counters(path, &now);
		if (error) {
			fprintf(stderr, "hpcapstat: the device is gone: %s\n", strerror(-error));
			return STAT_DEVICE_GONE;
		}
		time = now_ns(CLOCK_MONOTONIC);
		rates = rates_of(&now, &before, (double)(time - last) / 1e9);
		result = options->data ? append_rates(options, &rates) : print_rates(options, &rates, &now);
		before = now;
		last = time;
	}
	return result;
}

int main(int argc, char **argv)
{
	struct options options = { 0 };
	const struct sigaction action = { .sa_handler = on_signal };
	int parsed = options_parse(argc, argv, &options);
	struct hpcapvf_stats first;
	int error;

	if (parsed > 0)
		return STAT_OK;
	if (parsed < 0) {
		fprintf(stderr, "%s", options_usage);
		return STAT_USAGE;
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (options.by)
		return by_run(&options, &stop);
	error = hpcapvf_counters(options.names[0], &first);
	if (!error && options.data)
		error = data_files_name(options.names[0], options.name);
	if (error) {
		fprintf(stderr, "hpcapstat: %s has no counters of hpcapvf: %s\n", options.names[0], strerror(-error));
		return STAT_NO_DEVICE;
	}
	return watch(options.names[0], &options, first);
}
