// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/hpcapstat/by.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/input_file.h"
#include "lib/raw_reader.h"
#include "libhpcapvf.h"
#include "tools/hpcapstat/tally.h"

#define WAIT_MS 100
#define INTERVAL_MS 1000
#define BATCH_FRAMES 1024u
#define NS_PER_MS 1000000u

static struct tally tally;

static uint64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static const char *address_text(uint64_t address, char out[18])
{
	snprintf(out, 18, "%02x:%02x:%02x:%02x:%02x:%02x", (unsigned int)(address >> 40 & 0xff),
		 (unsigned int)(address >> 32 & 0xff), (unsigned int)(address >> 24 & 0xff),
		 (unsigned int)(address >> 16 & 0xff), (unsigned int)(address >> 8 & 0xff),
		 (unsigned int)(address & 0xff));
	return out;
}

static void print_text(unsigned int fields, double time, const struct tally_entry *entry)
{
	char text[18];

	printf("%.3f", time);
	if (fields & TALLY_SRC)
		printf(" %s", address_text(entry->key.src, text));
	if (fields & TALLY_DST)
		printf(" %s", address_text(entry->key.dst, text));
	if (fields & TALLY_VLAN && entry->key.vlan == TALLY_UNTAGGED)
		printf(" -");
	else if (fields & TALLY_VLAN)
		printf(" %" PRIu32, entry->key.vlan);
	printf(" %" PRIu64 " %" PRIu64 "\n", entry->count.frames, entry->count.bytes);
}

static void print_json(unsigned int fields, const struct tally_entry *entry)
{
	char text[18];

	printf("{");
	if (fields & TALLY_SRC)
		printf("\"src\":\"%s\",", address_text(entry->key.src, text));
	if (fields & TALLY_DST)
		printf("\"dst\":\"%s\",", address_text(entry->key.dst, text));
	if (fields & TALLY_VLAN && entry->key.vlan == TALLY_UNTAGGED)
		printf("\"vlan\":null,");
	else if (fields & TALLY_VLAN)
		printf("\"vlan\":%" PRIu32 ",", entry->key.vlan);
	printf("\"frames\":%" PRIu64 ",\"bytes\":%" PRIu64 "}", entry->count.frames, entry->count.bytes);
}

/* All that was counted, and begins anew. lost: NULL where nobody knows. */
static enum stat_exit print_tally(const struct options *options, double time, const struct tally_count *lost)
{
	unsigned int i;

	tally_sort(&tally);
	if (options->json)
		printf("{\"time\":%.3f,\"groups\":[", time);
	for (i = 0; i < tally.used; i++) {
		if (options->json) {
			printf("%s", i ? "," : "");
			print_json(options->by, &tally.entries[i]);
		} else {
			print_text(options->by, time, &tally.entries[i]);
		}
	}
	if (options->json)
		printf("],\"other\":{\"frames\":%" PRIu64 ",\"bytes\":%" PRIu64 "}", tally.other.frames, tally.other.bytes);
	else if (tally.other.frames)
		printf("# %.3f other %" PRIu64 " %" PRIu64 "\n", time, tally.other.frames, tally.other.bytes);
	if (options->json && lost)
		printf(",\"lost\":{\"frames\":%" PRIu64 ",\"bytes\":%" PRIu64 "}", lost->frames, lost->bytes);
	else if (lost && lost->frames)
		printf("# %.3f lost %" PRIu64 " %" PRIu64 "\n", time, lost->frames, lost->bytes);
	printf("%s", options->json ? "}\n" : "");
	tally_clear(&tally);
	if (!fflush(stdout))
		return STAT_OK;
	fprintf(stderr, "hpcapstat: cannot write: %s\n", strerror(errno));
	return STAT_OUTPUT;
}

/*
 * Some of the unread frames. A lossy listener may be overtaken while it looks, so that keys are taken first and counted
 * once the module says that what was looked at was whole.
 */
static int take_batch(struct hpcapvf *device, unsigned int fields)
{
	static struct {
		struct tally_key key;
		uint16_t len;
	} seen[BATCH_FRAMES];
	uint64_t bytes, position = 0;
	const void *records = hpcapvf_unread(device, &bytes);
	struct hpcapvf_frame frame;
	unsigned int count = 0, i;
	int got = 1, error;

	while (count < BATCH_FRAMES && (got = hpcapvf_next(records, bytes, &position, &frame)) == 1) {
		if (!frame.seconds)	/* no frame */
			continue;
		seen[count].key = tally_key_of(fields, frame.data, frame.caplen);
		seen[count++].len = frame.len;
	}
	error = hpcapvf_release(device, position);
	if (error)
		return error == -ESTALE ? 0 : error;
	for (i = 0; i < count; i++)
		tally_add(&tally, &seen[i].key, seen[i].len);
	return got < 0 ? got : 0;
}

/* What a device that is gone left is still taken. */
static bool has_unread(const struct hpcapvf *device)
{
	uint64_t bytes;

	(void)hpcapvf_unread(device, &bytes);
	return bytes > 0;
}

/* What had come when a signal did, and no more. */
static int take_rest(struct hpcapvf *device, unsigned int fields)
{
	const uint64_t end = hpcapvf_write_offset(device);
	int error = 0;

	while (!error && hpcapvf_read_offset(device) < end && has_unread(device))
		error = take_batch(device, fields);
	return error;
}

/* Until deadline_ns, or a signal: ended says that what had come by then was taken. 0, or a negative errno. */
static int take_interval(struct hpcapvf *device, unsigned int fields, uint64_t deadline_ns,
			 const volatile sig_atomic_t *stop, bool *ended)
{
	uint64_t now;

	while (!*stop && (now = now_ns(CLOCK_MONOTONIC)) < deadline_ns) {
		const uint64_t left_ms = (deadline_ns - now) / NS_PER_MS + 1;
		int waited = hpcapvf_wait(device, 1, left_ms < WAIT_MS ? (int)left_ms : WAIT_MS);
		int error = waited == -ETIMEDOUT || waited == -EINTR ? 0 : take_batch(device, fields);

		if (error)
			return error;
		if (waited && waited != -ETIMEDOUT && waited != -EINTR && !has_unread(device))
			return waited;
	}
	*ended = *stop;
	return *ended ? take_rest(device, fields) : 0;
}

static struct tally_count lost_since(const struct hpcapvf *device, struct tally_count *total)
{
	struct hpcapvf_listener_stats stats = { 0 };
	struct tally_count lost = { 0 };

	if (hpcapvf_listener_stats(device, &stats) == 0) {
		lost = (struct tally_count){ stats.lost - total->frames, stats.lost_bytes - total->bytes };
		*total = (struct tally_count){ stats.lost, stats.lost_bytes };
	}
	return lost;
}

static enum stat_exit by_device(struct hpcapvf *device, const struct options *options, const volatile sig_atomic_t *stop)
{
	const uint64_t interval_ns = (uint64_t)(options->interval_ms ? options->interval_ms : INTERVAL_MS) * NS_PER_MS;
	const uint64_t start = now_ns(CLOCK_MONOTONIC);
	struct tally_count lost, lost_total = { 0 };
	enum stat_exit result = STAT_OK;
	bool ended = false;	/* not *stop: a signal that comes while a line is printed leaves something to take */
	long lines = 0;
	int error = 0;

	while (!ended && !error && result == STAT_OK && (!options->count || lines < options->count)) {
		error = take_interval(device, options->by, start + (uint64_t)++lines * interval_ns, stop, &ended);
		lost = lost_since(device, &lost_total);
		result = print_tally(options, (double)now_ns(CLOCK_REALTIME) / 1e9, &lost);
	}
	if (!error || result != STAT_OK)
		return result;
	fprintf(stderr, "hpcapstat: %s\n", error == -EBADMSG ? "the device gave bytes that are no records" :
		error == -ENODEV ? "the device is gone" : strerror(-error));
	return error == -EBADMSG ? STAT_FAULTS : STAT_DEVICE_GONE;
}

static enum stat_exit open_device(const char *path, const struct options *options, const volatile sig_atomic_t *stop)
{
	enum stat_exit result = STAT_NO_DEVICE;
	struct hpcapvf *device = NULL;
	int error = hpcapvf_open(path, &device);

	if (!error)
		error = hpcapvf_set_lossy(device, true);
	if (error)
		fprintf(stderr, "hpcapstat: %s: %s\n", path, strerror(-error));
	else
		result = by_device(device, options, stop);
	hpcapvf_close(device);
	return result;
}

static enum stat_exit judge(const char *name, const struct raw_reader *reader, int error)
{
	const char *label = input_file_label(name);

	if (error)
		fprintf(stderr, "hpcapstat: %s: %s\n", label, strerror(-error));
	else if (raw_reader_is_unusable(reader))
		fprintf(stderr, "hpcapstat: %s: unusable: no frame can be told apart\n", label);
	else if (reader->totals.faults)
		fprintf(stderr, "hpcapstat: %s: %" PRIu64 " faults, %" PRIu64 " bytes left out: checkraw lists them\n", label,
			reader->totals.faults, reader->totals.skipped_bytes);
	if (error || raw_reader_is_unusable(reader))
		return STAT_NO_DEVICE;
	return reader->totals.faults ? STAT_FAULTS : STAT_OK;
}

static enum stat_exit by_file(const char *name, unsigned int fields, double *last, const volatile sig_atomic_t *stop)
{
	struct raw_reader reader = { 0 };
	struct raw_event event;
	enum stat_exit result;
	int fd = input_file_open(name), got;
	int error = fd < 0 ? fd : raw_reader_open(&reader, fd);

	while (!error && !*stop && (got = raw_reader_next(&reader, &event))) {
		if (got < 0) {
			error = got;
		} else if (event.is_frame) {
			const struct tally_key key = tally_key_of(fields, event.data, event.caplen);

			tally_add(&tally, &key, event.len);
			*last = event.seconds + event.nanoseconds / 1e9;
		}
	}
	result = *stop && !error ? STAT_OK : judge(name, &reader, error);
	raw_reader_close(&reader);
	if (fd >= 0)
		close(fd);
	return result;
}

/* What could be read is told in any case, then what is wrong. */
static enum stat_exit by_files(const struct options *options, const volatile sig_atomic_t *stop)
{
	enum stat_exit result = STAT_OK, found;
	char *const *name;
	double last = 0;

	for (name = options->names; *name && !*stop; name++) {
		found = by_file(*name, options->by, &last, stop);
		if (result != STAT_NO_DEVICE && found != STAT_OK)
			result = found;
	}
	found = print_tally(options, last, NULL);
	return found != STAT_OK ? found : result;
}

static bool is_file(const char *name)
{
	struct stat status;

	return strcmp(name, "-") == 0 || (stat(name, &status) == 0 && !S_ISCHR(status.st_mode));
}

enum stat_exit by_run(const struct options *options, const volatile sig_atomic_t *stop)
{
	const bool files = is_file(options->names[0]);

	if (files ? options->interval_ms || options->count : options->names[1] != NULL) {
		fprintf(stderr, "hpcapstat: --by takes one device, or RAW files without -i and -c\n");
		return STAT_USAGE;
	}
	if (!options->json)
		printf("# time%s%s%s frames bytes\n", options->by & TALLY_SRC ? " src" : "",
		       options->by & TALLY_DST ? " dst" : "", options->by & TALLY_VLAN ? " vlan" : "");
	return files ? by_files(options, stop) : open_device(options->names[0], options, stop);
}
