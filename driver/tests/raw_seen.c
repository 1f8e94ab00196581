// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/raw_seen.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/frames.h"
#include "tests/raw_file.h"

struct seen seen;

static void drain(struct raw_reader *reader, struct seen *out)
{
	struct raw_event event;
	int got;

	memset(out, 0, sizeof(*out));
	while ((got = raw_reader_next(reader, &event)) == 1) {
		if (!event.is_frame) {
			CHECK(out->count < FINDINGS_MAX);
			event.data = NULL;
			out->findings[out->count++] = event;
			continue;
		}
		CHECK(frame_matches(event.data, event.caplen, event.nanoseconds));
		CHECK_EQUAL(event.len, frame_length(event.nanoseconds));
		if (!out->frames++)
			out->first = event.nanoseconds;
		out->last = event.nanoseconds;
		out->number_sum += event.nanoseconds;
	}
	CHECK_EQUAL(got, 0);
	CHECK_EQUAL(raw_reader_next(reader, &event), 0);
	CHECK_EQUAL(reader->totals.file_bytes, raw_file_size);
	out->totals = reader->totals;
	out->unusable = raw_reader_is_unusable(reader);
	raw_reader_close(reader);
}

static void *feed(void *argument)
{
	const int fd = *(int *)argument;
	size_t done = 0;

	while (done < raw_file_size) {	/* in odd pieces */
		size_t part = raw_file_size - done < 4099 ? raw_file_size - done : 4099;
		ssize_t n = write(fd, raw_file + done, part);

		CHECK(n > 0);
		done += (size_t)n;
	}
	close(fd);
	return NULL;
}

void raw_read_file(void)
{
	struct raw_reader reader;
	static struct seen piped;
	pthread_t feeder;
	int ends[2];

	raw_reader_memory(&reader, raw_file, raw_file_size);
	drain(&reader, &seen);
	CHECK_EQUAL(pipe(ends), 0);
	CHECK_EQUAL(pthread_create(&feeder, NULL, feed, &ends[1]), 0);
	CHECK_EQUAL(raw_reader_open(&reader, ends[0]), 0);
	drain(&reader, &piped);
	CHECK_EQUAL(pthread_join(feeder, NULL), 0);
	close(ends[0]);
	CHECK(memcmp(&seen, &piped, sizeof(seen)) == 0);
	CHECK_EQUAL(seen.totals.faults + seen.totals.notes, seen.count);
}

void expect(uint64_t first, uint64_t frames, enum raw_finding finding, uint64_t offset, uint64_t skipped)
{
	raw_read_file();
	CHECK_EQUAL(seen.frames, frames);
	if (frames) {
		CHECK_EQUAL(seen.first, first);
		CHECK_EQUAL(seen.number_sum, frames * first + frames * (frames - 1) / 2);
	}
	CHECK_EQUAL(seen.count, 1);
	CHECK_EQUAL(seen.findings[0].finding, finding);
	CHECK_EQUAL(seen.findings[0].offset, offset);
	CHECK_EQUAL(seen.findings[0].skipped, skipped);
}

void expect_sound(uint64_t frames)
{
	raw_read_file();
	CHECK_EQUAL(seen.frames, frames);
	CHECK_EQUAL(seen.count, 0);
	CHECK(!seen.unusable);
}

size_t position_of(uint64_t number)
{
	size_t at = 0;
	uint64_t i;

	for (i = 0; i < number; i++)
		at += 12 + frame_length(i);
	return at;
}
